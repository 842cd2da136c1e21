"""Large files: both ends are looked at before a file is read as a record, and files are read in parts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from brinery.backend import Ranges, ended
from brinery.backends.directory import files
from brinery.backends.directory.layout import failure
from brinery.ids import id_of
from brinery.record.outline import LARGE, Read
from brinery.typing import Any, Final

_READ_MOST: Final = 1 << 30  # bytes of one read; macOS takes less than 2 GiB

# Else each map would keep a descriptor of its own open.
_WITHOUT_DESCRIPTOR: Final[Mapping[str, Any]] = (
    {"trackfd": False} if sys.version_info >= (3, 13) else {}
)

CheckOutline = Callable[[Read, int, str | None, str], object]
"""Raises an error if a file is not a record: by a function that reads parts of it, size, ID and path."""


class LargeFiles:
    """Applies a check to the files that are large."""

    def __init__(self, check: CheckOutline | None) -> None:
        """Without `check` nothing is looked at."""
        self._check = check

    def look_at(self, name: str, path: str) -> Callable[[Read, int], object] | None:
        """Return the function that checks a file while it is open, None for files that are not records."""
        check = self._check
        if check is None or name[0] == ".":
            return None

        def look(read: Read, size: int) -> None:
            if size > LARGE:
                check(read, size, id_of(name), path)

        return look

    def check(self, name: str, path: str) -> None:
        """Check a file without reading it."""
        if (look := self.look_at(name, path)) is not None:
            FileRanges(name, path, look).__exit__()


class FileRanges(Ranges):
    """A record that is read in parts from its file, which stays open: replacing it opens another one."""

    def __init__(self, name: str, path: str, look: Callable[[Read, int], object] | None) -> None:
        """Open the file.  `look` is called as `files.read_file` calls it.  Raise `OSError`."""
        self._fd = -1  # at first, for `__del__`
        self._name = name
        self._path = path
        self._fd, self.size = files.open_regular(path)
        try:
            if look is not None:
                look(self._read, self.size)
            tail = self._read(max(0, self.size - files.VERSION_TAIL), self.size)
        except BaseException:
            self.__exit__()
            raise
        self.version = files.version_of(tail, self.size)

    def __exit__(self, *_: object) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    __del__ = __exit__

    def _read(self, start: int, stop: int) -> bytes:
        return files.read_from(self._fd, start, stop)

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from one position to another, fewer if the record ends before that."""
        try:
            return self._read(start, min(stop, self.size))
        except OSError as error:
            raise failure("read", error, self._name, self._path) from error

    def read_into(self, start: int, view: memoryview) -> None:
        """Fill `view`, which is writable and contiguous, with the bytes from `start` on."""
        stop = start + view.nbytes
        try:
            got = _read_into(self._fd, start, view) if stop <= self.size else self.size - start
        except OSError as error:
            raise failure("read", error, self._name, self._path) from error
        if got < view.nbytes:
            raise ended(stop, start + got)

    def map(self, stop: int, *, is_private: bool) -> Any:
        """Return the bytes up to `stop` as a map of the file; it lasts when the file is closed or removed."""
        from mmap import ACCESS_COPY, ACCESS_READ, mmap

        access = ACCESS_COPY if is_private else ACCESS_READ
        try:
            return mmap(self._fd, stop, access=access, **_WITHOUT_DESCRIPTOR)
        except ValueError as error:  # it was truncated since
            raise ended(stop, os.fstat(self._fd).st_size) from error
        except OSError as error:
            raise failure("map", error, self._name, self._path) from error


def _read_into(fd: int, start: int, view: memoryview) -> int:
    """Fill `view` with the bytes of an open file from `start` on; return how many there were."""
    left = view.cast("B") if view.nbytes else view[:0]
    while left.nbytes:
        part = left[:_READ_MOST]
        if hasattr(os, "preadv"):
            got = os.preadv(fd, (part,), start)
        else:
            data = files.read_from(fd, start, start + part.nbytes)
            part[: len(data)], got = data, len(data)
        if not got:  # it was truncated since
            break
        left, start = left[got:], start + got
    return view.nbytes - left.nbytes
