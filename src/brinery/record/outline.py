"""The outline of a large record: whether its ends fit its size.  It is looked at before the rest is read.

A few bytes at the end of a sparse file can claim gigabytes, which would be read in vain.
"""

from __future__ import annotations

from collections.abc import Callable

from brinery.errors import CorruptRecordError, ForeignRecordError
from brinery.record.end import end_size, refined
from brinery.record.format import TAIL_SIZE
from brinery.record.reader import parse_metadata
from brinery.record.remains import WINDOW
from brinery.typing import Final

LARGE: Final = 1 << 24
"""Bytes from which on a record is looked at before it is read."""

_ARRAYS: Final = (b"\x92", b"\x93")
"""The first byte of a text: that of an array of two or three items, in msgpack."""

Read = Callable[[int, int], bytes]
"""Returns the bytes of a file from one position to another."""


def check_outline(read: Read, size: int, id: str | None, path: str) -> None:
    """Raise `RecordError` if the ends of a record of `size` bytes do not fit that.

    `id` is the ID that it must have, None if only the record has it.  What passes may be damaged anyway.
    """
    try:
        needed = end_size(read(size - TAIL_SIZE, size), size, id=id, path=path)
    except ForeignRecordError as error:
        ends = read(0, WINDOW) + read(size - WINDOW, size)
        raise refined(error, ends, size) from error
    start = size - needed
    if read(start, start + 1) not in _ARRAYS:
        raise CorruptRecordError(
            "is damaged: where its text should begin is something else. Restore it from a backup, or "
            "remove() it",
            id=id,
            path=path,
        )
    if needed <= LARGE:
        parse_metadata(read(start, size), size, id=id, path=path)
