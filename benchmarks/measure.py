"""Measures one action in this process, and summarizes the results of many processes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

Sample = dict[str, Any]
"""The results of one process: `wall` and `cpu` in seconds, and further values of its own."""


def timed(action: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> tuple[T, Sample]:
    """Return the result of a call and the time it took."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = action(*arguments, **options)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return result, {"wall": wall, "cpu": cpu}


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
