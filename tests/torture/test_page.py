"""The page of reliability shows the stored counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.torture import page, results


def test_the_page_is_that_of_the_results(tmp_path: Path) -> None:
    """Generated again, it is the same."""
    written = tmp_path / "reliability.md"
    written.write_bytes(page.PAGE.read_bytes())
    page.write(written)
    assert written.read_text(encoding="utf-8") == page.PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", page.WHAT)
def test_every_torture_has_counts_and_no_violations(name: str) -> None:
    """With their command, date, machine and versions."""
    kept = json.loads((page.RESULTS / f"torture-{name}.json").read_text(encoding="utf-8"))
    assert kept["cases"] > 1_000
    assert kept["violations"] == 0
    assert {"command", "date", "machine", "versions", "seconds"} <= {*kept}


def test_counts_are_summed_up(tmp_path: Path) -> None:
    """Of all titles and entries; violations are counted and kept."""
    entries = {"a": {"cases": 3, "violations": ["no"]}, "b": {"cases": 4, "violations": []}}
    found = results.write("some", {"parts": entries}, 1.26, directory=tmp_path)
    assert (found["cases"], found["violations"], found["seconds"]) == (7, 1, 1.3)
    assert json.loads((tmp_path / "torture-some.json").read_text(encoding="utf-8")) == found
