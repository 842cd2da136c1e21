"""What a measurement counts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.bench import Bench, Phase, Sizes
from benchmarks.measure import weighed

MEGABYTE = 1 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process reset its peak")
def test_memory_that_is_freed_shows_in_the_peak_alone() -> None:
    """What the result holds shows in both."""

    def action() -> bytes:
        (b"y" * (64 * MEGABYTE)).count(b"x")
        return b"x" * (32 * MEGABYTE)

    result, sample = weighed(action)
    assert len(result) == 32 * MEGABYTE
    assert 31 * MEGABYTE <= sample["held"] < 40 * MEGABYTE
    assert 60 * MEGABYTE <= sample["peak"] < 80 * MEGABYTE


def note(directory: str, side: str, step: str) -> dict[str, str]:
    """Append to the side's file of steps; return all of them."""
    with open(f"{directory}/steps", "a+", encoding="utf-8") as file:
        file.write(f"{side} {step},")
        file.seek(0)
        return {"steps": file.read()}


def test_sides_go_through_their_steps_by_turns(tmp_path: Path) -> None:
    """Each side has a directory of its own, which is empty in each round."""
    told: list[str] = []
    bench = Bench(Sizes(rounds=2), tmp_path, told.append)
    sides = {
        side: {step: Phase(note, side=side, step=step) for step in ("save", "load")}
        for side in ("ours", "bare")
    }
    found = bench.courses(sides)
    assert found["bare"]["load"] == [{"steps": "bare save,bare load,"}] * 2
    assert found["ours"]["save"] == [{"steps": "ours save,"}] * 2
    order = [line.partition(": ")[2] for line in told]
    first = ["save, ours", "save, bare", "load, bare", "load, ours"]
    assert order == [*first, "save, bare", "save, ours", "load, ours", "load, bare"]
    assert list(tmp_path.iterdir()) == []
