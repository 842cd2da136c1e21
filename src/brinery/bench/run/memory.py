"""The memory of a process, as Linux counts it: the resident bytes, and their peak."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def resident(pid: int | str = "self") -> int | None:
    """Return the resident bytes of a process, None if it has ended or the system does not count them."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return None


def available() -> int:
    """Return how many bytes programs can still use; if that is not known, the size of the memory."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(ln.split()[1]) * 1024 for ln in lines if ln.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * _PAGE


def peak_of(function: Callable[[], Any]) -> int | None:
    """Call a function; return how many bytes it used at most, beyond those of the process before.

    None if that is not known.  On Linux the high-water mark is reset first (proc(5), ``clear_refs``);
    elsewhere a peak shows only if it is the highest in the life of the process.
    """
    settle()
    before, is_reset = resident(), _reset()
    earlier = _record()
    function()
    if is_reset and before is not None:
        return max(0, _high_water() - before)
    return _record() - earlier or None


def settle() -> None:
    """Return free memory to the system, so that it cannot hide the next peak."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU C library
    if trim is not None:
        trim(0)


def _reset() -> bool:
    try:
        Path("/proc/self/clear_refs").write_bytes(b"5")
    except OSError:
        return False
    return True


def _high_water() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(ln.split()[1]) * 1024 for ln in lines if ln.startswith("VmHWM:"))


def _record() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
