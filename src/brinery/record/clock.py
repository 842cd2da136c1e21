"""The time that is written into records."""

from __future__ import annotations

import time

from brinery.typing import Final

FAR_FUTURE: Final = 2.0**37
"""Seconds since the epoch, about the year 6300: the calendar of every platform can represent it."""


def now() -> float:
    """Return the time in seconds since the epoch, limited to the range that records may have.

    A machine with a wrong clock must not write records that readers take for damaged.

    >>> 0 <= now() < FAR_FUTURE
    True
    """
    return min(max(time.time(), 0.0), FAR_FUTURE - 1)
