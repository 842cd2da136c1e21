"""Bytes that are held back: in memory, and past a size in a temporary file without a name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile

from brinery.backend import Data
from brinery.errors import ReentrantWriteError, storage_error
from brinery.typing import Final

IN_MEMORY: Final = 64 << 20
"""Bytes that are held in memory; beyond that a temporary file is used."""


class HeldBytes:
    """Appends bytes, and reads them again.

    There is one position in the file.  So a signal handler that interrupts one of the calls, and makes
    another one, gets a `ReentrantWriteError` that names `location`.
    """

    def __init__(self, location: str = "", in_memory: int = IN_MEMORY) -> None:
        self._location = location
        self._file = SpooledTemporaryFile(max_size=in_memory)  # noqa: SIM115 - closed by `close`
        self.size = 0
        self._lock = threading.RLock()
        self._is_moving = False

    def append(self, data: Data) -> tuple[int, int]:
        """Append the pieces; return where they start, and how many bytes they are."""
        with self._lock:
            self._check()
            try:
                self._is_moving = True
                start = self.size
                self._file.seek(start)
                for piece in data:
                    self._file.write(memoryview(piece).cast("B") if len(piece) else b"")
                self.size = self._file.tell()
            except OSError as error:
                raise storage_error("hold a record that waits", error) from error
            finally:
                self._is_moving = False
            return start, self.size - start

    def read(self, start: int, size: int) -> bytes:
        """Return `size` bytes from `start` on."""
        with self._lock:
            self._check()
            try:
                self._is_moving = True
                self._file.seek(start)
                return self._file.read(size)
            except OSError as error:
                raise storage_error("read a record that waits", error) from error
            finally:
                self._is_moving = False

    def pieces(self, most: int) -> Iterator[bytes]:
        """Yield everything, in pieces of `most` bytes."""
        for start in range(0, self.size, most):
            yield self.read(start, most)

    def _check(self) -> None:
        if self._is_moving:
            raise ReentrantWriteError(self._location)

    def close(self) -> None:
        """Drop everything."""
        self._file.close()

    __del__ = close
