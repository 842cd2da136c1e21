"""What speaks against the figures of a run: a busy machine, and rounds that do not agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from brinery.bench.intervals import Interval, is_unstable
from brinery.bench.result import OK, Case

_BUSY: Final = 0.5
"""Programs that want to run, for each core, from which on a machine is called busy."""
_WAITED: Final = 1.2
"""The factor of wall clock to the time that counts from which on a machine is called busy."""


def load_warning(machine: Mapping[str, Any]) -> str | None:
    """Return a sentence if other programs were running before the run, else None."""
    load, cores = machine.get("load_1min") or 0.0, machine.get("cores") or 1
    if load / cores <= _BUSY:
        return None
    return (
        f"The machine was busy before the run: {load:g} programs wanted to run on {cores} cores. The time in "
        "which they have the processor is not counted, but they disturb the rest, too."
    )


def doubts(machine: Mapping[str, Any], cases: Sequence[Case]) -> list[str]:
    """Return what speaks against the figures, in sentences."""
    found = [load_warning(machine)] if load_warning(machine) else []
    timings = [t for case in cases if case.status == OK for t in (case.encode, case.decode) if t]
    waited = [
        timing
        for timing in timings
        if timing.wall_seconds and timing.wall_seconds > _WAITED * timing.median_seconds
    ]
    if len(waited) * 4 > len(timings):
        found.append(
            f"{len(waited)} of {len(timings)} operations had to wait for the processor: other programs used "
            "it during the run."
        )
    unstable = [t for t in timings if is_unstable(Interval.of(t.rounds_seconds))]
    if timings and len(timings[0].rounds_seconds) < 3:
        found.append(
            "The figures come from fewer than 3 rounds, which do not show how much they vary: measure with "
            "--rounds 5."
        )
    elif len(unstable) * 4 > len(timings):
        found.append(
            f"{len(unstable)} of {len(timings)} figures are unstable: their rounds differ by more than 10 %. "
            "Measure on a quiet machine, or with more --rounds."
        )
    return [each for each in found if each]
