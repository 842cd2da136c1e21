"""Figures: the results of a section, each with its goal and whether that is met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.measure import Sample, Spread

WALL = ", wall time"
"""The end of the name of a figure of wall time beside one of CPU time."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    `value` is in `unit`; where it is a ratio or a difference it is that of `ours` and `bare`, taken
    round by round.  The goal is the most that `value` may be; None where there is none.
    """

    section: str
    name: str
    unit: str
    value: Spread | None
    goal: float | None = None
    ours: Spread | None = None
    bare: Spread | None = None
    base_unit: str = ""
    """The unit of `ours` and `bare`."""
    note: str = ""
    error: str = ""
    """Why there is no value."""

    @property
    def met(self) -> bool | None:
        """Return whether the goal is met; None without a goal."""
        if self.goal is None:
            return None
        return self.value is not None and self.value.median <= self.goal


def values(samples: Sequence[Sample], key: str, scale: float = 1.0) -> list[float]:
    """Return one measured value of each sample, times `scale`."""
    return [sample[key] * scale for sample in samples]


def ratio(
    section: str,
    name: str,
    ours: Sequence[float],
    bare: Sequence[float],
    *,
    goal: float | None = None,
    base_unit: str = "ms",
    note: str = "",
) -> Figure:
    """Return the figure of the ratio of `ours` to `bare`."""
    found = _paired(lambda a, b: a / b, ours, bare)
    pair = Spread.of(ours), Spread.of(bare)
    return Figure(section, name, "×", found, goal, *pair, base_unit, note)


def by_cpu(
    section: str,
    name: str,
    pair: tuple[Sequence[Sample], Sequence[Sample]],
    *,
    goal: float,
    objects: int = 0,
    flushed: bool = False,
) -> list[Figure]:
    """Return the figure of the ratio of CPU times, which has the goal.

    Times are for each of so many `objects`, in microseconds, or else for all, in milliseconds.  With
    `flushed` a flush to a disk is part of both sides: wall times are then a second figure, and have the
    goal.
    """
    scale, unit = (1e6 / objects, "µs") if objects else (1e3, "ms")
    ours, bare = ([values(side, time, scale) for time in ("cpu", "wall")] for side in pair)
    found = ratio(
        section, name, ours[0], bare[0], goal=None if flushed else goal, base_unit=f"{unit} CPU"
    )
    if not flushed:
        return [found]
    name += WALL
    return [found, ratio(section, name, ours[1], bare[1], goal=goal, base_unit=f"{unit} wall")]


def difference(
    section: str,
    name: str,
    ours: Sequence[float],
    bare: Sequence[float],
    *,
    unit: str,
    goal: float | None = None,
    note: str = "",
) -> Figure:
    """Return the figure of the difference of `ours` and `bare`."""
    found = _paired(lambda a, b: a - b, ours, bare)
    pair = Spread.of(ours), Spread.of(bare)
    return Figure(section, name, unit, found, goal, *pair, unit, note)


def plain(
    section: str,
    name: str,
    ours: Sequence[float],
    *,
    unit: str,
    goal: float | None = None,
    note: str = "",
) -> Figure:
    """Return the figure of a value without a comparison."""
    return Figure(section, name, unit, Spread.of(ours), goal, note=note)


def failed(section: str, name: str, error: str, goal: float | None = None) -> Figure:
    """Return a figure that could not be measured."""
    return Figure(section, name, "", None, goal, error=error)


def _paired(
    combine: Callable[[float, float], float], ours: Sequence[float], bare: Sequence[float]
) -> Spread:
    return Spread.of([combine(a, b) for a, b in zip(ours, bare, strict=True)])
