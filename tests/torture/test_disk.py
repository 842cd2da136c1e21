"""Some of the cases of which `make torture` tries all: commits killed, refused, cut off from power."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.torture import run, traced
from tests.torture.scenario import Scenario, Stage

MOST = 30
"""Cases of each torture; the same ones each time."""


@pytest.fixture(autouse=True)
def needs_strace() -> None:
    """Skip where calls cannot be traced; where CI runs the tests, that is a failure."""
    reason = traced.why_not()
    if reason is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.mark.parametrize("name", run.TORTURES)
def test_a_store_survives_some_cases(name: str) -> None:
    """Old or new graph, whole, and a clear error, whatever call it is."""
    options: Any = run._options(["--most", str(MOST)])
    found = run.run(name, options)
    assert found["violations"] == 0, [entry["violations"] for entry in found["scenarios"]]
    assert found["cases"] >= MOST


def write_two(root: str) -> None:
    """Write two files one after the other, as no store does."""
    for name in ("one", "two"):
        Path(root, name).write_text("new")


def two_old(root: str) -> None:
    """Make the two files."""
    os.mkdir(root)
    for name in ("one", "two"):
        Path(root, name).write_text("old")


def see_two(root: str) -> list[str]:
    """Read them."""
    return [Path(root, name).read_text() for name in ("one", "two")]


def test_a_broken_commit_is_found_out(tmp_path: Path) -> None:
    """The tortures can fail: files without a journal are a mixture after a kill and a power cut."""
    broken = Scenario("two files without a journal", two_old, write_two, see_two)
    for name in ("kill", "power"):
        scratch = tmp_path / name
        stage = Stage.of(broken, scratch / "stage")
        (tally,) = run.TORTURES[name]([stage], scratch, None)
        assert tally.violations
