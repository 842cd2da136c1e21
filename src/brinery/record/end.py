"""The end of a record: where its text starts, and what is wrong with bytes that do not end as a record."""

from __future__ import annotations

import re

from brinery.codec import Buffer
from brinery.errors import (
    CorruptRecordError,
    ForeignRecordError,
    RecordError,
    RecordVersionError,
    TruncatedRecordError,
)
from brinery.record.format import (
    FLAGS,
    FORMAT_VERSION,
    MAGIC,
    MAX_DESCRIPTION,
    SEALED,
    TAIL,
    TAIL_SIZE,
)
from brinery.record.remains import KIND_START, is_cut_off_pickle
from brinery.record.seal import PROOF_SIZE


def end_size(tail: Buffer, size: int, *, id: str | None, path: str | None) -> int:
    """Return the number of bytes of text, kind, proof and tail at the end of a record of `size` bytes.

    `tail` is the end of the record: at least `TAIL_SIZE` bytes, or all of a shorter record.
    """
    if not size:
        raise TruncatedRecordError(
            "is empty, as after a power cut: its writer was cut off, or something truncated it",
            id=id,
            path=path,
            is_zero_filled=True,
        )
    if size < TAIL_SIZE or tail[-len(MAGIC) :] != MAGIC:
        raise _without_tail(bytes(tail[-TAIL_SIZE:]), size, id, path)
    kind, text, _, _, flags, *_, version, _ = TAIL.unpack_from(tail, len(tail) - TAIL_SIZE)
    if version not in (0, FORMAT_VERSION):
        raise RecordVersionError(version, FORMAT_VERSION, id=id, path=path)
    proof = PROOF_SIZE if flags & SEALED else 0
    needed = int(kind + text + proof + TAIL_SIZE)
    if version < 1 or kind + text > MAX_DESCRIPTION or needed > size or flags & ~FLAGS:
        raise damaged("no version of brinery writes such a tail", id, path)
    return needed


def _without_tail(
    tail: bytes, size: int, id: str | None, path: str | None
) -> CorruptRecordError | ForeignRecordError:
    if tail[-1:] == b"\0" and MAGIC.startswith(tail[-len(MAGIC) :].rstrip(b"\0")):
        # A power cut zeroes whole blocks of a file, and a block may begin anywhere in the tail.
        return TruncatedRecordError(
            f"({size} bytes) ends in zero bytes, as after a power cut",
            id=id,
            path=path,
            is_zero_filled=True,
        )
    end = tail.rfind(MAGIC)
    if end >= 0:
        more = len(tail) - end - len(MAGIC)
        return damaged(f"{more} bytes follow its end", id, path)
    return ForeignRecordError(
        f"({size} bytes) does not end as a record of brinery does: it was truncated or extended, or "
        "something else wrote it. Restore a damaged record from a backup; bring in a bare pickle (of "
        "GC3Pie or your own) with store.save(pickle.load(file), id=…), if you trust it",
        id=id,
        path=path,
    )


def damaged(how: str, id: str | None, path: str | None) -> CorruptRecordError:
    """Return the error for a damaged record."""
    return CorruptRecordError(
        f"is damaged: {how}. Restore it from a backup, or remove it", id=id, path=path
    )


def refined(error: ForeignRecordError, data: bytes, size: int) -> RecordError:
    """Return a more exact error for bytes without a tail, from all of them or from both ends."""
    end = data.rfind(MAGIC)
    if end >= 0:
        more = len(data) - end - len(MAGIC)
        return damaged(f"{more} bytes follow its end", error.id, error.path)
    if is_cut_off_pickle(data, data) or re.search(KIND_START, data):
        return TruncatedRecordError(
            f"has lost its end: {size} bytes of it are left", id=error.id, path=error.path
        )
    return error
