"""How sure a figure is, and whether two differ: intervals from the rounds of a run.

Each round measures all cases, one after the other, in processes of their own.  What slows the machine for a
while slows all cases of a round, so two cases are compared round by round, by the logarithms of their ratios;
the interval of the mean is that of Student's t-distribution.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

MARGIN: Final = 1.05
"""The factor up to which a difference of time does not matter."""
UNSTABLE: Final = 1.10
"""The factor of an interval, from its middle, from which on figures are called unstable."""

# Quantiles of Student's t-distribution for 1, 2, … degrees of freedom; beyond, that of ten.
_T95: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
_T99: Final = (63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169)


@dataclass(frozen=True, slots=True)
class Interval:
    """A positive figure, and the bounds between which it is: by 95 % for a time, by 99 % for a ratio."""

    middle: float
    low: float
    high: float

    @property
    def factor(self) -> float:
        """Return how far the bounds are from the middle, as a factor."""
        return self.high / self.middle

    @classmethod
    def of(cls, values: Sequence[float], quantiles: Sequence[float] = _T95) -> Self | None:
        """Return the interval of measured values, None for fewer than two."""
        if len(values) < 2:
            return None
        logs = [math.log(max(value, 1e-12)) for value in values]
        mean = statistics.fmean(logs)
        degrees = min(len(logs) - 1, len(quantiles))
        half = quantiles[degrees - 1] * statistics.stdev(logs) / math.sqrt(len(logs))
        half = min(half, 50.0)
        return cls(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def ratio(one: Sequence[float], other: Sequence[float]) -> Interval | None:
    """Return how many times `other` the figure `one` is, by rounds that both took part in."""
    pairs = zip(one, other, strict=False)
    return Interval.of([a / max(b, 1e-12) for a, b in pairs], _T99)


def ratio_of_runs(one: Sequence[float], other: Sequence[float]) -> Interval | None:
    """Return how many times `other` the figure `one` is, of two runs: Welch's t-test of the logarithms."""
    if len(one) < 2 or len(other) < 2:
        return None
    logs = [[math.log(max(value, 1e-12)) for value in values] for values in (one, other)]
    means = [statistics.fmean(values) for values in logs]
    errors = [statistics.variance(values) / len(values) for values in logs]
    middle, error = means[0] - means[1], sum(errors)
    half = 0.0
    if error:
        parts = (e**2 / (len(values) - 1) for e, values in zip(errors, logs, strict=True))
        degrees = max(1, min(int(error**2 / sum(parts)), len(_T99)))
        half = min(_T99[degrees - 1] * math.sqrt(error), 50.0)
    return Interval(math.exp(middle), math.exp(middle - half), math.exp(middle + half))


def is_slower(found: Interval | None) -> bool:
    """Return whether a ratio shows that the first is slower, by more than what does not matter."""
    return found is not None and found.low > MARGIN


def is_faster(found: Interval | None) -> bool:
    """Return whether a ratio shows that the first is faster, by more than what does not matter."""
    return found is not None and found.high < 1 / MARGIN


def is_unstable(found: Interval | None) -> bool:
    """Return whether figures vary too much to tell small differences."""
    return found is None or found.factor > UNSTABLE
