"""The report shows losses, and keeps classes of durability apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.document import read_all
from benchmarks.report import codecs, contenders
from benchmarks.report.page import PAGE, RESULTS, render
from benchmarks.report.tables import rows, summary


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
