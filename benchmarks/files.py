"""The file system's own cost: the same files, by the system calls that the directory backend makes.

Writing creates each file under a temporary name of its own (O_EXCL) and closes it; then all get their
names by link(2), which never replaces a file, and the temporary names are removed.  Reading is
open, fstat, read, close.  Anything else that a store does with a file counts as the store's cost.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

_SAFE = os.O_NOFOLLOW | os.O_CLOEXEC


def write_files(directory: str, names: Sequence[str], contents: Sequence[bytes]) -> None:
    """Write one file for each name."""
    temporaries = [f"{directory}/.tmp-{number}" for number in range(len(names))]
    for path, content in zip(temporaries, contents, strict=True):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE, 0o666)
        os.write(fd, content)
        os.close(fd)
    for path, name in zip(temporaries, names, strict=True):
        os.link(path, f"{directory}/{name}")
    for path in temporaries:
        os.unlink(path)


def read_files(directory: str, names: Sequence[str]) -> int:
    """Read the files; return the number of bytes."""
    total = 0
    for name in names:
        fd = os.open(f"{directory}/{name}", os.O_RDONLY | os.O_NONBLOCK | _SAFE)
        size = os.fstat(fd).st_size
        total += len(os.read(fd, size + 1))
        os.close(fd)
    return total


def size(directory: str) -> dict[str, int]:
    """Return the bytes in all files below, and those of the blocks that the file system takes."""
    found = list(os.walk(directory))
    files = [os.lstat(os.path.join(path, name)) for path, _, names in found for name in names]
    directories = [os.lstat(path) for path, _, _ in found]
    allocated = sum(entry.st_blocks * 512 for entry in [*files, *directories])
    return {"bytes": sum(entry.st_size for entry in files), "allocated": allocated}
