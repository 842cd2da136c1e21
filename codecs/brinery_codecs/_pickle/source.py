"""A payload as the file that an unpickler reads."""

from __future__ import annotations

import io

from brinery.codec import Buffer
from brinery.typing import Any

# Pickles below protocol 4 have no frames: without read-ahead the C unpickler calls for each opcode.
_READ_AHEAD = 1 << 16
_LINE = 1 << 10


def open_source(source: Buffer) -> Any:
    """Return a file to unpickle from."""
    if len(source) > 1 and source[0] == 0x80 and source[1] >= 4:
        return _View(source) if len(source) > _READ_AHEAD else io.BytesIO(source)
    return io.BufferedReader(io.BytesIO(source), _READ_AHEAD)


class _View:
    """A file over a large payload that copies nothing by itself: an array is read into its place.

    With frames an unpickler reads everything else in pieces of 64 KB.
    """

    __slots__ = ("_at", "_data")

    def __init__(self, source: Buffer) -> None:
        self._data = memoryview(source).cast("B")
        self._at = 0

    def readinto(self, target: Any) -> int:
        taken = self._data[self._at : self._at + len(target)]
        target[: len(taken)] = taken
        self._at += len(taken)
        return len(taken)

    def read(self, size: int) -> bytes:
        taken = bytes(self._data[self._at : self._at + size])
        self._at += len(taken)
        return taken

    def readline(self) -> bytes:
        # For opcodes of old protocols, which only a hostile payload has here.
        start = self._at
        while (piece := self.read(_LINE)) and (end := piece.find(b"\n")) < 0:
            pass
        if piece:
            self._at += end + 1 - len(piece)
        return bytes(self._data[start : self._at])
