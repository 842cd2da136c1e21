"""The league sees each fault of a serializer, survives it, and finds none in the codecs of brinery."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.testing import faulty_contenders

from brinery.registry.codecs import builtin_codecs, make_codec
from brinery.testing.league.__main__ import main
from brinery.testing.league.contender import Entry, entry_of
from brinery.testing.league.outcome import (
    CHANGED,
    CRASHED,
    KEPT,
    REFUSED,
    RESULTS,
    UNREADABLE,
    Outcome,
)
from brinery.testing.league.probe import probes_at
from brinery.testing.league.table import losses, summary
from brinery.testing.league.trial import PROBES, Job, Trial

DATA = list(faulty_contenders.PROBES["data"])
DEEP = "a hundred thousand"
"""How the names of the deepest probes begin."""


def entry(name: str) -> Entry:
    """Return the entry of a faulty serializer."""
    return Entry(faulty_contenders.__name__, name)


def tried(name: str, probes: list[str], **options: float) -> dict[str, Outcome]:
    """Return what a faulty serializer does."""
    trial = Trial(f"{faulty_contenders.__name__}:PROBES", processes=1, **options)  # type: ignore[arg-type]
    outcomes = trial.run([Job(entry(name), probe) for probe in probes])
    return dict(zip(probes, outcomes, strict=True))


def test_what_is_right_is_kept() -> None:
    """All of it, and the probes without what they need are left out."""
    assert {found.result for found in tried("Right", DATA).values()} == {KEPT}
    assert "nothing" not in probes_at(f"{faulty_contenders.__name__}:PROBES")


@pytest.mark.parametrize(
    ("name", "probe", "evidence"),
    [
        ("ListsForTuples", "tuple", "(1, 'a') became [1, 'a']"),
        ("OneForTrue", "true", "[True, 2] became [1, 2]"),
        ("BaseForSubclass", "text", "Text object became 'a'"),
        ("CopiesForShared", "shared", "a list object that was met before is another object"),
        ("SharedForEqual", "twins", "replaces two objects"),
        ("Clears", "list", "writing changed the object itself: [1, 'a'] became []"),
        ("Warns", "tuple", "became [1, 'a'] (with a warning: tuples become lists)"),
    ],
)
def test_a_change_in_silence_is_told(name: str, probe: str, evidence: str) -> None:
    """With what became of it; whatever the fault does not touch is kept."""
    found = tried(name, ["list", probe])
    assert found[probe].result == CHANGED
    assert evidence in found[probe].evidence
    if probe != "list":
        assert found["list"] == Outcome(KEPT)


def test_errors_are_told_apart() -> None:
    """Those of writing refuse, those of reading lose."""
    assert tried("Refuses", ["list"])["list"] == Outcome(REFUSED, "TypeError: no objects, please")
    assert tried("ReadsNothing", ["list"])["list"] == Outcome(UNREADABLE, "EOFError")


@pytest.mark.parametrize(
    ("name", "evidence"),
    [
        ("Aborts", "the process that was to write it was ended by SIGABRT"),
        ("AbortsWhenItReads", "the process that was to read it was ended by SIGABRT"),
        ("Hangs", "the process that was to read it did not end in time"),
    ],
)
@pytest.mark.thorough
def test_a_crash_is_an_outcome_and_not_the_end(name: str, evidence: str) -> None:
    """Those before it and behind it, in the same process, have outcomes of their own."""
    found = tried(name, ["list", "tuple", "true"], seconds=1.5)
    assert found["tuple"] == Outcome(CRASHED, evidence)
    assert found["list"] == found["true"] == Outcome(KEPT)


def test_a_process_that_leaves_has_crashed() -> None:
    """Also by an exit in good order."""
    found = tried("Leaves", ["list"])["list"]
    assert found.result == CRASHED
    assert "ended by itself with status 3" in found.evidence


def test_functions_are_compared_by_what_they_share() -> None:
    """And by what they do."""
    assert tried("CountsTogether", ["closures"])["closures"] == Outcome(KEPT)
    found = tried("CountsFromZero", ["closures"])["closures"]
    assert found.result == CHANGED
    assert found.evidence == "in use: (4, 4) became (4, 3)"
    found = tried("CountsFromZero", ["closures, not used"])["closures, not used"]
    assert "no longer the same object" in found.evidence


def test_what_cannot_be_taken_apart_is_used() -> None:
    """Its answer is compared."""
    found = tried("Answers", ["view"])["view"]
    assert found == Outcome(CHANGED, "in use: b'abc' became b'cba'")


@pytest.mark.thorough
def test_a_second_try_is_alone_where_it_ends_otherwise() -> None:
    """What is lost each time stays lost, in whatever order."""
    found = tried("Aborts", ["tuple", "list"], again=True)
    assert [outcome.result for outcome in found.values()] == [CRASHED, KEPT]


# -- the codecs of brinery

MAY_LACK = {"an instance of a class of __main__", "a function of __main__ that calls another"}
"""Pickle names what is in `__main__`; where that is missing, reading is an error."""


def of_codecs(entries: list[Entry]) -> Iterator[tuple[Entry, str, Outcome]]:
    """Yield all outcomes but those of what was kept or refused."""
    # Depth is proven elsewhere: each of these probes takes seconds.
    probes = [probe for probe in probes_at(PROBES) if not probe.startswith(DEEP)]
    jobs = [Job(each, probe) for each in entries for probe in probes]
    for job, outcome in zip(jobs, Trial(seconds=60).run(jobs), strict=True):
        is_by_name = outcome.result == UNREADABLE and job.probe in MAY_LACK and by_name(job.entry)
        if outcome.result not in (KEPT, REFUSED) and not is_by_name:
            yield job.entry, job.probe, outcome


def by_name(each: Entry) -> bool:
    """Return whether a codec writes classes of `__main__` by name."""
    return each.module == "brinery_codecs.pickle" or bool(each.arguments.get("byref"))


AUTO = Entry("brinery.testing.league.contender", "Stored", {"codec": "auto"})


@pytest.mark.parametrize("name", [*builtin_codecs(), "auto"])
def test_no_codec_of_brinery_changes_anything_in_silence(name: str) -> None:
    """Another process gets what was saved, or the save was refused."""
    codec = AUTO if name == "auto" else entry_of(make_codec(name))
    assert list(of_codecs([codec])) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", builtin_codecs())
def test_no_protocol_changes_anything_in_silence(name: str) -> None:
    """Nor any other setting."""
    codecs = [make_codec(name, each) for each in make_codec(name).protocols or (None,)]
    if name == "dill":
        codecs += [make_codec("dill", None, options) for options in ({"byref": True}, {"fmode": 2})]
    assert list(of_codecs([entry_of(codec) for codec in codecs])) == []


# -- the command


def test_the_table_counts_and_the_list_tells() -> None:
    """Worst first."""
    found = {
        "mine": {"a": Outcome(KEPT), "b": Outcome(CHANGED, "1 became 2")},
        "other": {"a": Outcome(REFUSED, "no"), "b": Outcome(UNREADABLE, "oh")},
    }
    rows = summary(found).splitlines()
    assert rows[0] == f"|  | {' | '.join(RESULTS)} |"
    assert rows[2:] == ["| mine | 1 | 1 | 0 | 0 | 0 |", "| other | 0 | 0 | 1 | 0 | 1 |"]
    assert losses(found).splitlines() == [
        "- mine, changed: b: 1 became 2",
        "- other, unreadable: b: oh",
        "- other, refused: a: no",
    ]


@pytest.mark.thorough
def test_any_codec_can_take_part(capsys: pytest.CaptureFixture[str]) -> None:
    """By its name or its place; one that changes something ends with status 1."""
    assert main(["json"]) == 0
    assert "| json |" in capsys.readouterr().out
    assert main([f"{faulty_contenders.__name__}:OneForTrue"]) == 1
    assert "became [1, " in capsys.readouterr().out
    assert main(["no such codec"]) == 2
    assert main(["no_such_module:Codec"]) == 2
    assert "error: " in capsys.readouterr().err
