"""Measures one action in this process, and summarizes the results of many processes."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_PAGE = os.sysconf("SC_PAGE_SIZE")

Sample = dict[str, Any]
"""The results of one process: `wall` and `cpu` in seconds, and further values of its own."""


def timed(action: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> tuple[T, Sample]:
    """Return the result of a call and the time it took."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = action(*arguments, **options)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return result, {"wall": wall, "cpu": cpu}


def weighed(action: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> tuple[T, Sample]:
    """Return the result of a call, the time it took, and the bytes that the process then needs more.

    `held` are those after the call, while the result is alive; `peak` is the most during the call.  Both
    are at least a page, so that ratios can be taken.
    """
    from brinery.bench.run.memory import peak_of, resident, settle

    found: list[tuple[T, Sample]] = []
    settle()
    before = resident() or 0
    peak = peak_of(lambda: found.append(timed(action, *arguments, **options)))
    settle()
    result, sample = found[0]
    held = (resident() or 0) - before
    return result, {**sample, "held": max(_PAGE, held), "peak": max(_PAGE, peak or 0)}


@dataclass(frozen=True, slots=True)
class Spread:
    """The median and the quartiles of some values."""

    median: float
    lower: float
    upper: float
    count: int
    rounds: tuple[float, ...] = ()
    """The values, in the order in which they were measured."""

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Sum up at least one value."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0], 1, tuple(values))
        lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, lower, upper, len(values), tuple(values))
