"""The clock: seconds on the wall, without those in which other programs had the processor.

Linux counts how long a process was ready to run and did not (schedstat, in its documentation
``scheduler/sched-stats``).  So a busy machine disturbs the figures less, while sleeping and waiting for a
disk count.  Elsewhere it is the wall clock.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Final

Times = tuple[float, float]
"""Seconds without the time of other programs, and on the wall."""

COUNTS_WAITING: Final = os.path.exists("/proc/self/schedstat")
NAME: Final = (
    "wall clock, without the time in which other programs had the processor"
    if COUNTS_WAITING
    else "wall clock"
)


class Clock:
    """Measures in the process that made it."""

    def __init__(self) -> None:
        self._file: int | None = None
        with suppress(OSError):
            self._file = os.open("/proc/self/schedstat", os.O_RDONLY | os.O_CLOEXEC)

    def now(self) -> Times:
        """Return a moment for `since`."""
        return self._waited(), time.perf_counter()

    def since(self, start: Times) -> Times:
        """Return the times since a moment."""
        wall = time.perf_counter() - start[1]
        return max(wall - (self._waited() - start[0]), 0.0), wall

    def _waited(self) -> float:
        # Seconds that this process was ready to run, and did not.
        if self._file is None:
            return 0.0
        try:
            return int(os.pread(self._file, 100, 0).split()[1]) * 1e-9
        except (OSError, ValueError, IndexError):
            return 0.0
