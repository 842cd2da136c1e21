"""Threads that a copy of a process does not have, though it may wait for them.

fork(2) copies only the thread that calls it.  A library that has started threads (OpenMP, BLAS, a pool of
threads) may wait in the copy for answers that never come.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

_MOMENT: Final = 0.3  # seconds
_MOST_IDLE: Final = 0.1
"""The share of its time that a process may have computed, and still counts as waiting."""

IDLE: Final = 10.0
"""Seconds after which a process that waits is ended, once another has waited so."""
CAUSE: Final = (
    "it was waiting, and not computing. It ran in a copy of this process, and a copy has none of the "
    "threads that libraries such as OpenMP have started, which may be why. Write a function that makes "
    "the object, and run `brinery bench path/to/file.py:function`, which starts a process of its own "
    "for each case"
)


def thread_count() -> int:
    """Return the number of threads of this process, those of libraries in C included; 1 if unknown."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1


def is_waiting(pid: int) -> bool:
    """Return whether a process hardly computes at the moment, which takes a while; False if unknown."""
    before = _seconds_computed(pid)
    time.sleep(_MOMENT)
    after = _seconds_computed(pid)
    return before is not None and after is not None and after - before < _MOST_IDLE * _MOMENT


def _seconds_computed(pid: int) -> float | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    # proc(5): utime, stime, cutime, cstime.
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
