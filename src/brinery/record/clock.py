"""The time that records are stamped with."""

from __future__ import annotations

import time
from typing import Final

FAR_FUTURE: Final = 2.0**37
"""Seconds since the epoch, about the year 6300: what the calendar of every platform takes."""


def now() -> float:
    """Return the time in seconds since the epoch, kept within what records may have.

    A machine whose clock is wrong must not write records that nobody takes for whole.

    >>> 0 <= now() < FAR_FUTURE
    True
    """
    return min(max(time.time(), 0.0), FAR_FUTURE - 1)
