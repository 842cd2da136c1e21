"""The environment of the figures: hardware, kernel, file system, versions."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from brinery.bench.run.machine import machine as described

LIBRARIES = ("brinery", "cloudpickle", "dill", "msgpack", "lz4", "zstandard", "numpy")
OTHERS = ("ZODB", "diskcache", "psycopg")
"""Those that the goals compare with; not each is there for each Python."""


def machine(scratch: Path) -> dict[str, str | int]:
    """Describe the machine, and the file system that `scratch` is on; leave out names and paths."""
    found = described()
    return {
        "cpu": found["cpu"],
        "architecture": found["architecture"],
        "cores": found["cores"],
        "memory": f"{found['memory_bytes'] / 2**30:.0f} GiB",
        "file system": _file_system(scratch),
        "kernel": found["system"],
        "load before": f"{found['load_1min']:.1f} runnable processes in the minute before",
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that are measured."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    found = {name: version(name) for name in LIBRARIES}
    return {"python": python, **found, **dict(_installed(OTHERS))}


def _installed(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        with suppress(PackageNotFoundError):
            yield name, version(name)


def _file_system(path: Path) -> str:
    """Return the type of the file system with the longest mount point that `path` is under."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    resolved = path.resolve()
    under = [(point, kind) for point, kind in mounts if resolved.is_relative_to(point)]
    return max(under, key=lambda mount: len(mount[0]), default=("", "unknown"))[1]
