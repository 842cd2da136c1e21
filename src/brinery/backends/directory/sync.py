"""Making files and names durable, and giving names, many at a time.

Measured in one run (`make bench ARGS="--only reliability"`): one fsync after the other is slowest, a few
threads are faster, and one syncfs is fastest by far.  But a syncfs also flushes the data of other programs.
So few files, where it gains little, are synced one by one; many are synced by syncfs where the kernel
reports its errors (Linux 5.8), else by threads.

A failed sync is never tried again: the kernel reports a lost page once and then forgets it.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from brinery.backends.directory import files
from brinery.typing import Any, Final

MANY: Final = 256
"""From this number of new files on, their names are given by renames: loading the means takes 5 ms once."""

MOST_SINGLY: Final = 16
"""Up to this number, files are synced one by one, and are open at the same time."""

_THREADS: Final = 8


def sync_files(fds: Sequence[int]) -> None:
    """Make the content of open files durable, by threads where there are many."""
    if len(fds) < _THREADS:
        for fd in fds:
            files.sync(fd)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_THREADS) as pool:
        for done in [pool.submit(files.sync, fd) for fd in fds]:
            done.result()


def sync_directories(paths: Collection[str]) -> None:
    """Make durable the names in directories of one file system."""
    whole = syncfs() if len(paths) > MOST_SINGLY else None
    if whole is None:
        for path in paths:
            files.sync_directory(path)
        return
    fd = files.opened(next(iter(paths)), os.O_RDONLY | os.O_CLOEXEC)
    try:
        whole(fd)
    finally:
        os.close(fd)


Rename = Callable[[bytes, bytes], int]
"""Gives a file of one directory a new name in another; returns another number than 0 where it cannot."""

_NOREPLACE: Final = 1  # of linux/fs.h


@contextmanager
def renames(source: str, target: str, count: int) -> Iterator[Rename | None]:
    """Give what renames `count` files from one directory to another and never replaces a file.

    A link for each, and its removal from the first directory, take a third longer.  None for few files, for
    which that does not pay, and where there is no renameat2(2).
    """
    function = libc_function("renameat2") if count >= MANY else None
    if function is None:
        yield None
        return
    descriptors: list[int] = []
    try:
        descriptors.append(files.opened(source, os.O_RDONLY | os.O_CLOEXEC))
        descriptors.append(files.opened(target, os.O_RDONLY | os.O_CLOEXEC))
        from_, to = descriptors

        def rename(old: bytes, new: bytes) -> int:
            done: int = function(from_, old, to, new, _NOREPLACE)
            return done

        yield rename
    finally:
        files.close_each(descriptors)


@functools.cache
def syncfs() -> Callable[[int], None] | None:
    """Return the system call, or None where there is none or it does not report errors."""
    if sys.platform != "linux":
        return None
    release = os.uname().release.split(".")
    if [int(part) for part in release[:2]] < [5, 8]:
        return None
    function = libc_function("syncfs")
    if function is None:
        return None
    import ctypes

    def sync(fd: int) -> None:
        if function(fd) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return sync


@functools.cache
def libc_function(name: str) -> Any:
    """Return a function of the C library, None where there is none of that name."""
    if sys.platform != "linux":
        return None
    import ctypes

    return getattr(ctypes.CDLL(None, use_errno=True), name, None)
