"""What the figures depend on: hardware, kernel, file system, versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("brinery", "cloudpickle", "dill", "msgpack", "lz4", "zstandard")


def machine(scratch: Path) -> dict[str, str | int]:
    """Describe the machine, and the file system that `scratch` is on; tell no names or paths."""
    return {
        "cpu": _field(Path("/proc/cpuinfo"), "model name") or platform.processor(),
        "architecture": platform.machine(),
        "cores": os.cpu_count() or 0,
        "memory": f"{_memory() / 2**30:.0f} GiB",
        "file system": _file_system(scratch),
        "kernel": f"{platform.system()} {platform.release()}",
        "load before": f"{os.getloadavg()[0]:.1f} runnable processes in the minute before",
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that are measured."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {"python": python, **{name: version(name) for name in LIBRARIES}}


def _field(path: Path, name: str) -> str:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return ""
    found = (line.partition(":")[2].strip() for line in lines if line.startswith(name))
    return next(found, "")


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _file_system(path: Path) -> str:
    """Return the type of the file system with the longest mount point that `path` is under."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    resolved = path.resolve()
    under = [(point, kind) for point, kind in mounts if resolved.is_relative_to(point)]
    return max(under, key=lambda mount: len(mount[0]), default=("", "unknown"))[1]
