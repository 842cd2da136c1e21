"""The report shows losses, and keeps classes of durability apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.document import figure_entry, read_all
from benchmarks.figures import by_cpu, ratio
from benchmarks.report import codecs, contenders, league
from benchmarks.report.page import PAGE, RESULTS, render
from benchmarks.report.tables import headings, rows, summary


def contender(name: str, baseline: str, microseconds: list[float], **facts: Any) -> dict[str, Any]:
    """Return the entry of a contender that takes as long for everything."""
    return {
        "name": name,
        "title": name,
        "baseline": baseline,
        "durability": "kill",
        "missing": "",
        "error": "",
        "notes": {},
        "remark": "",
        "proofs": {"kill": "kept", "shared": "kept", "cycles": "kept"},
        "operations": dict.fromkeys(contenders.TITLES, microseconds),
        "size": {"bytes": 1_000_000, "allocated": 2_000_000},
        **facts,
    }


def document(*entries: dict[str, Any]) -> dict[str, Any]:
    """Return a document of contenders."""
    return {"group": "peers", "sizes": {"jobs": 100}, "figures": [], "contenders": list(entries)}


OURS = contender("brinery", "brinery", [10.0, 20.0, 40.0])


def test_a_ratio_is_taken_round_by_round() -> None:
    """Not from medians: a slow minute of the machine hits both sides."""
    other = contender("other", "brinery", [20.0, 40.0, 80.0])
    ratio = contenders.ratio_of(document(OURS, other), other, "save_all")
    assert ratio is not None
    assert (ratio.median, ratio.lower, ratio.upper) == (2.0, 2.0, 2.0)


def test_losses_are_bold_and_listed() -> None:
    """Where another is faster in nearly all rounds."""
    faster = contender("faster", "brinery", [5.0, 10.0, 20.0])
    unsure = contender("unsure", "brinery", [5.0, 19.0, 80.0])
    compared = document(OURS, faster, unsure)
    _, table = contenders.ratios(compared, "kill")
    assert [row[2] for row in table] == ["**0.5 (0.5 – 0.5)**", "0.95 (0.725 – 1.48)"]
    assert contenders.losses(compared, "kill")[0] == "save all: faster (2 times)"


def test_classes_of_durability_are_not_compared() -> None:
    """Contenders that flush to the disk are not compared with others, and have their own table."""
    durable = contender("durable", "brinery-full", [99.0, 99.0, 99.0], durability="disk")
    compared = document(OURS, durable)
    assert contenders.ratio_of(compared, durable, "save_all") is None
    assert [row[0] for row in contenders.times(compared, "kill")[1]] == ["brinery"]
    assert [row[0] for row in contenders.times(compared, "disk")[1]] == ["durable"]


def test_what_failed_or_is_missing_has_no_figures_but_a_line() -> None:
    """With the reason, in the table of what is kept."""
    broken = contender("broken", "brinery", [1.0], error="AssertionError")
    absent = contender("absent", "brinery", [1.0], missing="No module named 'absent'")
    compared = document(OURS, broken, absent)
    assert [row[0] for row in contenders.times(compared, "kill")[1]] == ["brinery"]
    cells = [row[1] for row in contenders.kept({**compared, "contenders": [broken, absent]})[1]]
    assert cells == ["FAILED: AssertionError", "not measured: No module named 'absent'"]


def test_a_missed_goal_is_shown() -> None:
    """In the table and in the count."""
    spread = {"median": 1.5, "lower": 1.4, "upper": 1.6, "count": 3}
    figure = {"name": "save", "unit": "×", "value": spread, "goal": 1.2, "met": False}
    figure |= {"ours": None, "bare": None, "base_unit": "", "error": ""}
    found = {"group": "store", "figures": [figure], "seconds": 2.0}
    assert list(rows(found)[0]) == ["save", "1.5 (1.4 – 1.6) ×", "≤ 1.2", "NO", "", "", "3"]
    assert summary(found) == "0 of 1 goals met, in 2 s"


def goal_row(name: str, unit: str, *rounds: float) -> Sequence[str]:
    """Return the row of the head of the page for a ratio with these rounds."""
    figure = ratio("goals", name, rounds, [1.0] * len(rounds), goal=1, base_unit=unit)
    found = {"group": "goals", "figures": [figure_entry(figure)], "seconds": 2.0}
    row = rows(found)[0]
    assert len(row) == len(headings(found))
    return row


def test_the_head_says_faster_or_slower_than_whom() -> None:
    """As fast, if quartiles lie on both sides of the other's time."""
    assert goal_row("save, SQLite / ZODB", "µs CPU", 0.5, 0.6, 0.7)[:2] == (
        "save, SQLite",
        "faster than ZODB",
    )
    assert goal_row("save / ZODB", "µs CPU", 1.1, 1.2)[1] == "slower than ZODB"
    assert goal_row("save / ZODB", "µs CPU", 0.9, 1.2)[1] == "as fast as ZODB"
    assert goal_row("peak / ZODB", "MB", 1.1, 1.2)[1] == "larger than ZODB"
    assert goal_row("peak / ZODB", "MB", 0.9, 0.95)[1] == "smaller than ZODB"
    assert goal_row("bytes of a record", "", 0.9)[1] == ""


def test_wall_time_has_the_goal_where_a_flush_is_part_of_both_sides() -> None:
    """Everywhere else CPU time has it, and there is no other row."""
    ours, bare = [{"cpu": 2.0, "wall": 9.0}], [{"cpu": 4.0, "wall": 3.0}]
    cpu, wall = by_cpu("goals", "save / bare", (ours, bare), goal=0.6, objects=2, flushed=True)
    assert cpu.value is not None
    assert wall.value is not None
    assert (cpu.value.median, cpu.met) == (0.5, None)
    assert (wall.value.median, wall.met) == (3.0, False)
    assert cpu.ours is not None
    assert cpu.ours.median == 1e6
    (alone,) = by_cpu("goals", "load / bare", (ours, bare), goal=0.6)
    assert alone.met is True


@pytest.mark.thorough
def test_the_committed_page_is_that_of_the_committed_results(tmp_path: Path) -> None:
    """Nobody edited it; `python -m benchmarks.report` writes it."""
    render(RESULTS, tmp_path / PAGE.name)
    assert (tmp_path / PAGE.name).read_text("utf-8") == PAGE.read_text("utf-8")
    drawn = tmp_path / "images"
    pictures = sorted(path.name for path in drawn.iterdir()) if drawn.exists() else []
    assert all((PAGE.parent / "images" / name).exists() for name in pictures)
    assert read_all(RESULTS)


def test_the_committed_page_of_codecs_is_that_of_the_committed_results() -> None:
    """If this fails, run `python -m benchmarks.report.codecs`."""
    assert codecs.PAGE.read_text(encoding="utf-8") == codecs.page(codecs.results())
    for name in codecs.results():
        assert (codecs.PAGE.parent / "codecs" / f"{name}.html").exists()


def test_the_committed_league_is_that_of_the_committed_results() -> None:
    """`python -m benchmarks.report.league` writes it; ours change nothing, and at least eight are others."""
    found = league.result()
    assert league.PAGE.read_text(encoding="utf-8") == league.page(found)
    ours = [each for each in found["contenders"] if each["is_ours"]]
    results = {name for each in ours for name, _ in each["outcomes"].values()}
    assert not results & {"changed", "crashed"}
    assert len({each["codec"] for each in found["contenders"] if not each["is_ours"]}) >= 8


def test_a_cell_of_the_league_says_at_which_protocols() -> None:
    """Where these differ; and the words say what was lost."""

    def row(protocol: str, *outcome: str) -> dict[str, Any]:
        advice = "called so"
        facts = {"codec": "other", "protocol": protocol, "is_ours": False, "advice": advice}
        return {**facts, "outcomes": {"times": ["kept", ""], "numbers": outcome}}

    contenders = [row("0", "changed", "1 became `2`"), row("1", "changed", "1 became `2`")]
    contenders.append(row("2", "refused", "no"))
    page = league.page(
        {
            "families": {"all": ["times", "numbers"]},
            "contenders": contenders,
            "versions": {"other": "1.0"},
            "missing": ["absent"],
            "date": "2026-11-29",
            "python": "CPython 3.11.7",
            "system": "Linux",
        }
    )
    assert "| times | ✓ |" in page
    assert "| numbers | **C** 0–1, · 2 |" in page
    assert "- numbers, protocol 0–1: changed: `` 1 became '2' ``" in page
    assert "| other | 2 | 1 | 0 | 0 | 0 | 1 |" in page
    assert "other 1.0. Not installed, and so not tried: absent." in page
    assert "- other: called so." in page
