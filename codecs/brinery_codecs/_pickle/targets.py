"""What picklers write to: pieces, among which large buffers are aligned and not copied.

A pickler in C hands a large `pickle.PickleBuffer` to `write` as it is, outside of frames, after a short
header (CPython: `_Pickler_write_bytes`).  So the data of an array can stay where it is until it is written to
a file, and the file is a pickle like any other.  No-op opcodes before the header bring the data to a multiple
of 64 bytes.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence

from brinery.codec import ALIGNMENT, Buffer, Sink
from brinery.typing import Any, Final, Protocol

_LONG_HEADER: Final = 9  # bytes: the opcode and eight of the length
_SHORT_HEADER: Final = 5
_NO_OP: Final = pickle.MARK + pickle.POP_MARK
_ODD_NO_OP: Final = pickle.BININT1 + b"\0" + pickle.POP


class Target(Protocol):
    """A file as picklers need it."""

    @property
    def write(self) -> Callable[[Buffer], Any]:
        """Return the function that takes bytes."""


class Pieces(Sink):
    """Takes what a pickler writes; `base` is the size in bytes of what comes before that in the payload."""

    __slots__ = ("base",)

    def __init__(self) -> None:
        super().__init__()
        self.base = 0

    def write(self, data: Any) -> int:
        """Take bytes, or a large `pickle.PickleBuffer`, which is kept as a view; other buffers are copied."""
        if type(data) is bytes:
            self.pieces.append(data)
            return len(data)
        if type(data) is not pickle.PickleBuffer:
            return super().write(data)
        view = data.raw()
        last = self.pieces[-1]
        header = last[-_header_size(last, view.nbytes) :]
        at = self.base + sum(map(len, self.pieces))
        self.pieces[-1] = last[: -len(header)] + _padding(-at % ALIGNMENT) + header
        self.pieces.append(view)
        return view.nbytes


def _padding(size: int) -> bytes:
    # Opcodes that do nothing, of so many bytes, or of as many as come to the same alignment.
    if size == 1:
        size += ALIGNMENT
    if size % 2 == 0:
        return _NO_OP * (size // 2)
    return _ODD_NO_OP + _NO_OP * ((size - len(_ODD_NO_OP)) // 2)


def _header_size(piece: bytes, size: int) -> int:
    """Return the size of the header at the end of a piece, which announces `size` bytes."""
    if piece[-_LONG_HEADER : 1 - _LONG_HEADER] in (pickle.BYTEARRAY8, pickle.BINBYTES8) and piece[
        1 - _LONG_HEADER :
    ] == size.to_bytes(8, "little"):
        return _LONG_HEADER
    if piece[-_SHORT_HEADER:] != pickle.BINBYTES + (size & 0xFFFFFFFF).to_bytes(4, "little"):
        raise ValueError("a large buffer has no header")
    return _SHORT_HEADER


def detached(parts: Sequence[bytes], sizes: Sequence[int]) -> tuple[bytes, list[bool]]:
    """Return a pickle whose large buffers come from outside, and whether each has to be writable.

    `parts` are its bytes before, between and after the buffers of these sizes.
    """
    found, writable = [], []
    for part, size in zip(parts, sizes, strict=False):
        header = _header_size(part, size)
        found += [part[:-header], pickle.NEXT_BUFFER]
        writable.append(part[-header:].startswith(pickle.BYTEARRAY8))
    return b"".join((*found, parts[-1])), writable
