"""Directories opened in both layouts, and what is in them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from brinery.backends.directory.backend import DirectoryBackend


def both(root: Path) -> tuple[DirectoryBackend, DirectoryBackend]:
    """Open a directory in both layouts."""
    flat = DirectoryBackend(root, layout="flat", durability="process")
    return flat, DirectoryBackend(root, layout="sharded", durability="process")


def files_of(root: Path) -> set[str]:
    """Return the paths below `root` of everything that is no directory, without the lock."""
    paths = (path for path in root.rglob("*") if path.is_symlink() or not path.is_dir())
    return {str(path.relative_to(root)) for path in paths} - {".brinery/lock"}


def open_below(root: Path) -> set[str]:
    """Return the files below `root` that this process has open, if the system lists them."""
    if not os.path.isdir("/proc/self/fd"):
        return set()
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # that of the listing itself
            found.add(os.readlink(f"/proc/self/fd/{descriptor}"))
    return {path for path in found if path.startswith(str(root))}
