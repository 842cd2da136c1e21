"""Parsing records: every byte is checked before any byte of the payload is decoded.

This is the careful parser, with an error for each problem.  Nearly all records are read in one pass by
`brinery.record.fast_reader` instead.  The format is specified in `docs/design/record-format.md`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final

from brinery.codec import Buffer
from brinery.errors import (
    CorruptRecordError,
    ForeignRecordError,
    MisplacedRecordError,
    RecordError,
    RecordVersionError,
    SealError,
    TruncatedRecordError,
)
from brinery.record.clock import FAR_FUTURE
from brinery.record.fast_reader import libraries_from, record_as_written, typed, versions_from
from brinery.record.record import (
    DIGEST_SIZE,
    FORMAT_VERSION,
    MAGIC,
    MAX_METADATA,
    TAIL,
    TAIL_SIZE,
    Metadata,
    Record,
    Transformation,
    aligned,
    digest_of,
    packing,
)
from brinery.record.remains import METADATA_START, is_cut_off_pickle
from brinery.record.seal import ALGORITHM, NO_SEAL, Seals

_DIGEST_IN_TAIL: Final = slice(4 - TAIL_SIZE, 4 + DIGEST_SIZE - TAIL_SIZE)
_SEAL_IN_TAIL: Final = slice(_DIGEST_IN_TAIL.stop, _DIGEST_IN_TAIL.stop + len(NO_SEAL))


def metadata_length(tail: Buffer, size: int, *, id: str | None, path: str | None) -> int:
    """Return the number of bytes of metadata and tail at the end of a record of `size` bytes.

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
    length, _, _, version, _ = TAIL.unpack_from(tail, len(tail) - TAIL_SIZE)
    if version > FORMAT_VERSION:
        raise RecordVersionError(version, FORMAT_VERSION, id=id, path=path)
    if version < 1 or length > MAX_METADATA or length > size - TAIL_SIZE:
        raise _damaged("no version of brinery writes such a tail", id, path)
    return int(length) + TAIL_SIZE


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
        return _damaged(f"{more} bytes follow its end", id, path)
    return ForeignRecordError(
        f"({size} bytes) does not end as a record of brinery does: it was truncated or extended, or "
        "something else wrote it. Restore a damaged record from a backup; bring in a bare pickle (of "
        "GC3Pie or your own) with store.save(pickle.load(file), id=…), if you trust it",
        id=id,
        path=path,
    )


def _damaged(how: str, id: str | None, path: str | None) -> CorruptRecordError:
    return CorruptRecordError(
        f"is damaged: {how}. Restore it from a backup, or remove it", id=id, path=path
    )


def parse_metadata(
    end: Buffer,
    size: int,
    *,
    id: str | None = None,
    path: str | None = None,
    seals: Seals | None = None,
) -> Metadata:
    """Read the metadata of a record of `size` bytes from its last bytes, `end`.

    Raise a `RecordError` when they are damaged, foreign, or those of another ID than `id`, and a
    `SealError` when `seals` are given and none of their keys has sealed them.
    """
    return _parsed_metadata(end, size, id, path, seals)[0]


def _parsed_metadata(
    end: Buffer, size: int, id: str | None, path: str | None, seals: Seals | None
) -> tuple[Metadata, int]:
    # Return the metadata, and the number of the key that has sealed them.
    needed = metadata_length(end, size, id=id, path=path)
    if len(end) < needed:
        raise ValueError(f"expected the last {needed} bytes, got {len(end)}")
    described = end[len(end) - needed : len(end) - TAIL_SIZE]
    digest = end[_DIGEST_IN_TAIL]
    if blake2b(described, digest_size=DIGEST_SIZE).digest() != digest:
        raise _damaged("the digest of its metadata does not match", id, path)
    seal = bytes(end[_SEAL_IN_TAIL])
    # Check the seal before the metadata are unpacked.
    owner = 0 if seals is None else _owner(seals, seal, described, end, id, path)
    metadata = _metadata_from(described, id, path)
    if (metadata.content is None) != (seal == NO_SEAL):
        raise _damaged("no version of brinery writes such a tail", id, path)
    expected = metadata.payload_size
    if metadata.buffers:
        for length, _ in metadata.buffers:
            expected = aligned(expected) + length
    if expected + needed != size:
        raise _damaged(f"expected {expected + needed} bytes, got {size}", id, path)
    if id is not None and metadata.id != id:
        raise MisplacedRecordError(metadata.id, id=id, path=path)
    return metadata, owner


def _owner(
    seals: Seals, seal: bytes, described: Buffer, end: Buffer, id: str | None, path: str | None
) -> int:
    if seal == NO_SEAL:
        raise SealError(
            "it has no seal, and the store was opened with a key, which demands one. If you know where "
            "all records without a seal are from, store.reseal(unsealed=True) seals them",
            id=id,
            path=path,
        )
    tail = b"".join((end[-TAIL_SIZE : _SEAL_IN_TAIL.start], NO_SEAL, end[_SEAL_IN_TAIL.stop :]))
    owner = seals.owner(seal, described, tail)
    if owner is None:
        raise SealError(
            "none of the keys given has sealed it: it was forged, or moved here from another store, or "
            "sealed with a key that is not in trust=Trust(key=[…])",
            id=id,
            path=path,
        )
    return owner


def _metadata_from(described: Buffer, id: str | None, path: str | None) -> Metadata:
    _, unpack = packing()
    try:
        found = unpack(described)
        values = [*_fields_of(found)]
        transform, values[_TRANSFORM] = values[_TRANSFORM], None
        # All types in one comparison, to save time for each record that is read.
        types = tuple(map(type, values))
        if types != _TYPES and types != _TYPES_WITHOUT_PROTOCOL:
            raise TypeError("a field has the wrong type")
        # Only the configuration keeps its lists: the codec gets it back unchanged.
        values[_REFERENCES] = references = tuple(values[_REFERENCES])
        values[_BUFFERS] = (
            tuple((_size(n), typed(digest, bytes)) for n, digest in values[_BUFFERS])
            if values[_BUFFERS]
            else ()
        )
        if transform is not None:
            values[_TRANSFORM] = _transformation(transform)
        if len(found) > len(_FIELDS):
            values.append(versions_from(found.get("versions", {})))
            values.append(libraries_from(found.get("libraries", {})))
            values.append(_content(found.get("seal")))
        metadata = Metadata(*values)
        if metadata.payload_size < 0 or not 0 <= metadata.created < FAR_FUTURE:
            raise ValueError("a field is out of range")
        if references and {*map(type, references)} != {str}:
            raise TypeError("a reference is not a string")
        return metadata
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _damaged("brinery does not write such metadata", id, path) from error


# The names and types of the fields of `Metadata`, as in the map of a record.
_FIELDS: Final = (
    "id",
    "codec",
    "config",
    "codec_version",
    "protocol",
    "python",
    "class",
    "references",
    "size",
    "digest",
    "buffers",
    "created",
    "nonce",
    "transform",
)
_fields_of: Final = operator.itemgetter(*_FIELDS)
# fmt: off
_TYPES: Final = (
    str, str, dict, str, int, str, str, list, int, bytes, list, float, bytes, type(None)
)
# fmt: on
_REFERENCES: Final = _FIELDS.index("references")
_BUFFERS: Final = _FIELDS.index("buffers")
_TRANSFORM: Final = _FIELDS.index("transform")
_TYPES_WITHOUT_PROTOCOL: Final = (*_TYPES[:4], type(None), *_TYPES[5:])


def _transformation(value: Any) -> Transformation:
    found = typed(value, dict)
    return Transformation(
        typed(found["name"], str),
        typed(found["config"], dict),
        _size(found["size"]),
        typed(found["digest"], bytes),
    )


def _content(value: Any) -> bytes | None:
    if value is None:
        return None
    found = typed(value, dict)
    if found["algorithm"] != ALGORITHM:
        raise ValueError(f"expected a seal by {ALGORITHM!r}, got {found['algorithm']!r:.80}")
    content: bytes = typed(found["content"], bytes)
    return content


def _size(value: Any) -> int:
    if typed(value, int) < 0:
        raise ValueError("a size is negative")
    return int(value)


def refined(error: ForeignRecordError, data: bytes, size: int) -> RecordError:
    """Return a more exact error for bytes without a tail, from all of them or from both ends."""
    end = data.rfind(MAGIC)
    if end >= 0:
        more = len(data) - end - len(MAGIC)
        return _damaged(f"{more} bytes follow its end", error.id, error.path)
    if is_cut_off_pickle(data, data) or METADATA_START.search(data):
        return TruncatedRecordError(
            f"has lost its end: {size} bytes of it are left", id=error.id, path=error.path
        )
    return error


def parse(
    data: bytes,
    version: Any = None,
    *,
    id: str | None = None,
    path: str | None = None,
    seals: Seals | None = None,
    admit: Callable[[Metadata], object] | None = None,
) -> Record:
    """Check a record and parse it; no payload byte is decoded.

    `admit` is called with the metadata before the payload is read.  Raise a `RecordError` if any byte has
    changed since the record was written, or if `id` is given and the record has another ID.  Raise a
    `SealError` if `seals` are given and none of their keys has sealed it; and all that `admit` raises.
    """
    if seals is None and admit is None and (found := record_as_written(data, version, id)):
        return found
    try:
        metadata, owner = _parsed_metadata(data, len(data), id, path, seals)
    except ForeignRecordError as error:
        raise refined(error, data, len(data)) from error
    if admit is not None:
        admit(metadata)
    record = Record(metadata, data, version)
    if seals is not None:
        _check_content(record, seals, owner, id, path)
        return record
    if blake2b(record.stored, digest_size=DIGEST_SIZE).digest() != metadata.payload_digest:
        raise _damaged("the digest of its payload does not match", id, path)
    if not metadata.buffers:
        return record
    for buffer, (_, digest) in zip(record.buffers, metadata.buffers, strict=True):
        if digest_of((buffer,)) != digest:
            raise _damaged("the digest of a buffer does not match", id, path)
    # No digest covers the padding before buffers: it must be zero.
    end = metadata.payload_size
    for size, _ in metadata.buffers:
        start = aligned(end)
        if any(data[end:start]):
            raise _damaged("the padding before a buffer is not zero", id, path)
        end = start + size
    return record


def _check_content(
    record: Record, seals: Seals, owner: int, id: str | None, path: str | None
) -> None:
    # One pass is enough: sealed bytes need no other digest.
    metadata = record.metadata
    end = metadata.payload_size
    for size, _ in metadata.buffers:
        end = aligned(end) + size
    if not seals.is_content(metadata.content or b"", (memoryview(record.data)[:end],), owner):
        raise _damaged("its payload has changed since it was sealed", id, path)
