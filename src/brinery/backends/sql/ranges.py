"""Large records, read in parts."""

from __future__ import annotations

import os
from contextlib import nullcontext

from brinery.backend import Ranges, ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Any, Final

    from brinery.backend import Version

    Part = tuple[Callable[[int, int], bytes], int, int]
    """Reads some bytes from a position on; with the size and the version of the record."""


_INHERITED: Final[list[Any]] = []
"""Of records that a parent process has opened: its connections must neither be used nor closed here."""


class SqlRanges(Ranges):
    """A record that is read in the open transaction of a connection, so that all parts are of one state."""

    def __init__(
        self,
        part: Part,
        translated: Callable[[], AbstractContextManager[Any]] = nullcontext,
        release: Callable[[], object] | None = None,
    ) -> None:
        """`translated` turns errors of the driver into errors of brinery; `release` ends the transaction."""
        self._read: Callable[[int, int], bytes] | None
        self._read, self.size, self.version = part
        self._translated = translated
        self._release = release
        self._pid = os.getpid()

    def __exit__(self, *_: object) -> None:
        read, self._read = self._read, None
        release, self._release = self._release, None
        if self._pid != os.getpid():
            _INHERITED.append((read, release))
            return
        del read  # and with it a blob, before its transaction ends
        if release is not None:
            release()

    __del__ = __exit__

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from one position to another, fewer if the record ends before that."""
        count = min(stop, self.size) - start
        if count <= 0:
            return b""
        assert self._read is not None, "it was released"
        with self._translated():
            return self._read(start, count)

    def read_into(self, start: int, view: memoryview) -> None:
        """Fill `view`, which is writable and contiguous, with the bytes from `start` on."""
        stop = start + view.nbytes
        if stop > self.size:
            raise ended(stop, self.size)
        if view.nbytes:
            view.cast("B")[:] = self.read(start, stop)


def with_version(ranges: Ranges) -> tuple[Ranges, Version]:
    """Return an opened record, and its version."""
    return ranges, ranges.version
