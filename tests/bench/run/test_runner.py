"""Measuring: what is kept, what is lost, what fails, and where it ends."""

from __future__ import annotations

import os
import pickle
import re
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.bench.run import faulty_codecs as faulty

from brinery import InvalidArgumentError, Persistable
from brinery.bench import Report, compare
from brinery.bench.result import Case

pytestmark = pytest.mark.thorough  # each case is measured in processes of its own


class Node(Persistable):
    def __init__(self, *others: Any) -> None:
        self.others = others


class Plain:
    def __init__(self, value: Any) -> None:
        self.value = value


def one(obj: Any, codec: Any, **options: Any) -> Case:
    """Return the one case of measuring an object with a codec."""
    (case,) = compare(obj, [codec], **{"seconds": 0, "rounds": 1, **options})
    return case


def test_a_good_codec_keeps_everything() -> None:
    """All figures are there, and they are of what was measured."""
    case = one([Plain(1.5), {"a": [2]}], "pickle:4", compress=["gzip"])
    assert (case.name, case.status, case.error) == ("pickle:4 + gzip", "ok", None)
    assert case.is_whole
    assert case.encode is not None
    assert case.decode is not None
    assert len(case.encode.rounds_seconds) == 1
    assert case.encode.n >= 3
    assert case.encode.wall_seconds is not None
    assert case.encode.q1_seconds <= case.encode.median_seconds <= case.encode.q3_seconds
    assert case.bytes is not None
    assert 200 < case.bytes < 2000
    # The list, an instance, a float, a dict, a key, a list, an integer.
    assert case.nodes == 7
    assert case.fidelity.depth == 10_000
    assert not case.safe_to_read


def test_times_come_from_as_many_rounds_as_are_asked_for() -> None:
    """Each repeats at least three times; the rest is looked at once."""
    case = one([1], "pickle", rounds=2)
    assert case.encode is not None
    assert len(case.encode.rounds_seconds) == 2
    assert case.encode.n >= 6
    assert case.is_whole


def test_a_graph_of_records_is_saved_and_loaded_whole() -> None:
    """Persistable objects get records, and the bytes are those of all of them."""
    shared = Node()
    single, graph = one(shared, "pickle"), one(Node(shared, Node(shared)), "pickle")
    assert graph.is_whole
    assert single.bytes is not None
    assert graph.bytes is not None
    assert graph.bytes > 2 * single.bytes


def test_memory_is_that_above_the_graph() -> None:
    """Encoding 30 MB of bytes takes as much again, and some; the graph itself does not count."""
    case = one([os.urandom(30_000_000)], "pickle")
    assert case.peak_encode_bytes is not None
    assert 25_000_000 < case.peak_encode_bytes < 150_000_000


def test_a_codec_that_drops_identity_is_caught() -> None:
    """Equal, and not the same: it is labelled, and never recommended."""
    result = compare(faulty.shared_list(), [faulty.DropsIdentity(), "pickle"], seconds=0, rounds=1)
    lossy = next(case for case in result if case.codec == "drops-identity")
    assert (lossy.status, lossy.fidelity.equal, lossy.fidelity.identity) == ("ok", True, False)
    assert "identity lost at [0][1]" in lossy.fidelity.losses[0]
    assert {each.codec for each in result.recommendations} == {"pickle"}
    assert "LOSES [1]" in str(result)
    assert "[1] identity lost" in str(result)


def test_a_codec_that_hands_back_the_object_itself_is_caught() -> None:
    """Nothing was written; any comparison would find it equal."""
    result = compare([[1], {}], [faulty.KeepsIt()], seconds=0, rounds=1)
    assert result.cases[0].fidelity.keeps_everything is False
    assert "the saved object itself" in result.cases[0].fidelity.losses[0]
    assert not result.recommendations
    assert "nothing is recommended" in str(result)


def test_a_codec_that_changes_values_is_caught() -> None:
    """The place is named."""
    case = one([1.0, 2.5], faulty.Rounds())
    assert (case.fidelity.equal, case.fidelity.keeps_everything) == (False, False)
    assert "2.5 became 2" in case.fidelity.losses[0] or "1.0 became 1" in case.fidelity.losses[0]


def test_a_slow_codec_is_not_recommended_and_is_called_slow() -> None:
    """It keeps everything, at some hundred times the time."""
    result = compare([1, 2], [faulty.Slow(), "pickle"], seconds=0, rounds=1)
    slow = next(case for case in result if case.codec == "slow")
    assert slow.is_whole
    assert slow.encode is not None
    assert slow.encode.median_seconds >= 0.1
    assert {each.codec for each in result.recommendations} == {"pickle"}
    assert re.search(r"slow .* everything, SLOW: [\d,]+ times the fastest", str(result))


def test_a_codec_that_leaks_memory_is_labelled() -> None:
    """Memory that stays allocated after each repetition is reported."""
    result = compare([1], [faulty.Leaks()], seconds=0, rounds=1)
    case = result.cases[0]
    assert case.leaks
    assert not result.recommendations
    assert "everything, LEAKS [1]" in str(result)
    assert any("encoding leaves 4.0 MB allocated" in loss for loss in case.fidelity.losses)
    assert not any("leaves" in loss for loss in one([1], "pickle").fidelity.losses)


@pytest.mark.parametrize(
    ("codec", "status", "words"),
    [
        (faulty.Hangs(), "timeout", "did not end within 8 s"),
        (faulty.Crashes(), "failed", "SIGSEGV"),
        (faulty.Raises(), "failed", "a fault of the codec"),
        ("msgpack", "refused", "msgpack"),
    ],
)
def test_a_case_that_fails_is_a_line_and_not_the_end(codec: Any, status: str, words: str) -> None:
    """The other codecs are measured all the same."""
    shared = [1]
    # The good one needs no limit; a busy machine may take seconds to start its process.
    timeout = 8 if status == "timeout" else 60
    result = compare([shared, shared], [codec, "pickle"], seconds=0, rounds=1, timeout=timeout)
    bad, good = result.cases
    assert (bad.status, good.status) == (status, "ok")
    assert words in (bad.error or "")
    assert f"{status.upper()} [1]" in str(result)


def test_a_case_that_eats_memory_is_ended() -> None:
    """The limit is on the whole process."""
    case = one([1], faulty.Eats(), memory=600_000_000)
    assert case.status == "memory"
    assert "more than 600 MB" in (case.error or "")


def test_the_limit_of_memory_is_for_the_case_and_not_for_what_is_held_here() -> None:
    """A notebook may hold more than a case may take."""
    held = os.urandom(300_000_000)
    assert one([1], "pickle", memory=200_000_000).status == "ok"
    assert len(held) == 300_000_000


def test_closures_are_called_in_a_fresh_interpreter() -> None:
    """A codec by which they lack something there is found out."""

    def make(n: int) -> Any:
        return lambda x: x + n

    result = compare([make(1)], ["cloudpickle", "pickle"], seconds=0, rounds=1)
    assert [case.status for case in result] == ["ok", "refused"]
    assert result.cases[0].fidelity.closures is True
    assert one([1], "pickle").fidelity.closures is None


def test_a_chain_tells_which_codecs_it_used() -> None:
    """One for each record."""
    case = one([Node(lambda: 1), Node(1)], "auto")
    assert case.used == ("cloudpickle", "pickle")


def test_the_object_is_left_alone() -> None:
    """It gets no ID, and the standard pickle of this process writes as before."""
    node = Node(1)
    before = dict(pickle._Pickler.dispatch)
    compare(node, ["dill"], seconds=0, rounds=1)
    assert node.persistent_id is None
    assert pickle._Pickler.dispatch == before
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(lambda: node)


def test_results_come_back_from_json(tmp_path: Path) -> None:
    """All of them, also those that failed; files of others are refused."""
    result = compare([1, {2: 3}], ["pickle", "json"], seconds=0, rounds=1)
    result.to_json(tmp_path / "result.json")
    assert Report.read(tmp_path / "result.json") == result
    (tmp_path / "other.json").write_text('{"schema": "brinery.bench/9"}')
    with pytest.raises(InvalidArgumentError, match="schema"):
        Report.read(tmp_path / "other.json")
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(InvalidArgumentError, match="expected the result of a benchmark"):
        Report.read(tmp_path / "other.json")


def test_tables_hold_what_notebooks_and_spreadsheets_show(tmp_path: Path) -> None:
    """HTML is escaped; a CSV file has a line for each case."""
    result = compare(["<b>"], ["pickle", "json"], seconds=0, rounds=1)
    assert "<td" in result._repr_html_()
    result.to_csv(tmp_path / "result.csv")
    lines = (tmp_path / "result.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [["object", "pickle"], ["object", "json"]]


# The signal may come while a file is opened to read the memory of the process; the collector closes that.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_keeps_what_there_is(tmp_path: Path) -> None:
    """With a real signal, in the middle of a case."""
    begun = tmp_path / "begun"

    def interrupt() -> None:
        while not begun.exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    try:
        result = compare([1], ["pickle", faulty.Hangs(str(begun)), "json"], seconds=0, rounds=1)
    finally:
        signal.signal(signal.SIGINT, before)
    thread.join()
    assert result.interrupted
    assert [case.status for case in result] == ["ok", "interrupted"]


@pytest.mark.parametrize(
    "codecs", ["pikle", "pickle:x", "pickle:9", "msgpack:2", ["pickle", "nothing"]]
)
def test_a_codec_that_is_not_there_is_an_error_before_the_run(codecs: str | Sequence[str]) -> None:
    """Not a row in the table."""
    with pytest.raises(InvalidArgumentError):
        compare([], codecs)
    with pytest.raises(InvalidArgumentError):
        compare([], "pickle", "zip")
