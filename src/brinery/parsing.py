"""Taking records apart: every byte is checked before any of the payload is decoded.

Nearly all records are as `brinery.record.Writer` writes them, and are read in one pass.  All others, damaged
and foreign ones among them, go the careful way, which has an error for everything.  The format is specified
in `docs/design/record-format.md`.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final

from brinery.clock import FAR_FUTURE
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
from brinery.record import (
    COMMON,
    DIGEST_SIZE,
    FORMAT_VERSION,
    MAGIC,
    MAX_METADATA,
    NO_LIBRARIES,
    NO_VERSIONS,
    OWN,
    TAIL,
    TAIL_SIZE,
    Metadata,
    Record,
    Transformation,
    aligned,
    digest_of,
    map_of,
    packing,
    plain_unpacking,
)
from brinery.seal import ALGORITHM, NO_SEAL, Seals

_DIGEST_IN_TAIL: Final = slice(4 - TAIL_SIZE, 4 + DIGEST_SIZE - TAIL_SIZE)
_SEAL_IN_TAIL: Final = slice(_DIGEST_IN_TAIL.stop, _DIGEST_IN_TAIL.stop + len(NO_SEAL))


def metadata_length(tail: Buffer, size: int, *, id: str | None, path: str | None) -> int:
    """Return how many bytes of metadata and tail end a record of `size` bytes.

    `tail` is the end of the record, at least `TAIL_SIZE` bytes where the record has as many.
    """
    if not size:
        raise TruncatedRecordError(
            "is empty: its writer was cut off, or something truncated it", id=id, path=path
        )
    if size < TAIL_SIZE or tail[-len(MAGIC) :] != MAGIC:
        raise _without_tail(bytes(tail[-TAIL_SIZE:]), size, id, path)
    length, _, _, version, _ = TAIL.unpack_from(tail, len(tail) - TAIL_SIZE)
    if version > FORMAT_VERSION:
        raise RecordVersionError(version, FORMAT_VERSION, id=id, path=path)
    if version < 1 or length > MAX_METADATA or length > size - TAIL_SIZE:
        raise _damaged("its tail is not one that any brinery writes", id, path)
    return int(length) + TAIL_SIZE


def _without_tail(
    tail: bytes, size: int, id: str | None, path: str | None
) -> CorruptRecordError | ForeignRecordError:
    if tail[-1:] == b"\0" and MAGIC.startswith(tail[-len(MAGIC) :].rstrip(b"\0")):
        # A block of a file is zeroed as a whole, and may begin anywhere in the tail.
        return TruncatedRecordError(
            f"({size} bytes) ends in zero bytes, as a power cut leaves a file",
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
        f"is damaged: {how}. Restore it from a backup, or remove() it", id=id, path=path
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
    # The metadata, and which of the keys has sealed them.
    needed = metadata_length(end, size, id=id, path=path)
    if len(end) < needed:
        raise ValueError(f"{needed} bytes of the end are needed, {len(end)} given")
    described = end[len(end) - needed : len(end) - TAIL_SIZE]
    digest = end[_DIGEST_IN_TAIL]
    if blake2b(described, digest_size=DIGEST_SIZE).digest() != digest:
        raise _damaged("the digest of its metadata does not match", id, path)
    seal = bytes(end[_SEAL_IN_TAIL])
    # Nothing is made of the metadata before the seal is checked.
    owner = 0 if seals is None else _owner(seals, seal, described, end, id, path)
    metadata = _metadata_from(described, id, path)
    if (metadata.content is None) != (seal == NO_SEAL):
        raise _damaged("its tail is not one that any brinery writes", id, path)
    expected = metadata.payload_size
    if metadata.buffers:
        for length, _ in metadata.buffers:
            expected = aligned(expected) + length
    if expected + needed != size:
        raise _damaged(f"it has {size} bytes where {expected + needed} are announced", id, path)
    if id is not None and metadata.id != id:
        raise MisplacedRecordError(metadata.id, id=id, path=path)
    return metadata, owner


def _owner(
    seals: Seals, seal: bytes, described: Buffer, end: Buffer, id: str | None, path: str | None
) -> int:
    if seal == NO_SEAL:
        raise SealError(
            "it has no seal, and the store was opened with a key: whoever wrote it had none. If you know "
            "where all records without a seal are from, store.reseal(unsealed=True) seals them",
            id=id,
            path=path,
        )
    tail = b"".join((end[-TAIL_SIZE : _SEAL_IN_TAIL.start], NO_SEAL, end[_SEAL_IN_TAIL.stop :]))
    owner = seals.owner(seal, described, tail)
    if owner is None:
        raise SealError(
            "none of the keys given has sealed it: it was forged, or moved here from another store, or "
            "sealed with a key that is not among trust=Trust(key=[…])",
            id=id,
            path=path,
        )
    return owner


# How the metadata that `brinery.record.Writer` writes are taken apart in one pass.
_OWN_NAMES: Final = [*OWN]
_OWN_TYPES: Final = (str, str, list, int, bytes, list, float, bytes)
_OWN_START: Final = b"\xa2id"
_OWN_HEADS: Final = {
    0x80 | len(COMMON) + len(OWN) + more: b"\xdc" + (2 * (len(OWN) + more)).to_bytes(2, "big")
    for more in (0, 1)
}
_MOST_COMMON: Final = 1 << 10


@functools.lru_cache(maxsize=64)
def _common_from(head: bytes) -> tuple[Any, ...] | None:
    # The values of `COMMON`, where this is how `Writer` begins metadata without a transform.
    try:
        found = packing()[1](map_of(len(COMMON)) + head[1:])
    except ValueError:
        return None
    if tuple(found) != COMMON:
        return None
    values = tuple(found.values())
    types = (*map(type, values),)
    if types[:3] != (str, dict, str) or types[4:] != (str, type(None)):
        return None
    return values if types[3] in (int, type(None)) else None


def _metadata_as_written(described: bytes) -> Metadata | None:
    """Return what `_metadata_from` does, in less time; None where that has to look.

    That is so where the metadata are in another order than `Writer` has, are transformed, or wrong.
    """
    at = described.find(_OWN_START, 1, _MOST_COMMON)
    head = _OWN_HEADS.get(described[0]) if at > 0 else None
    if head is None or (common := _common_from(described[:at])) is None:
        return None
    try:
        own = plain_unpacking()(head + described[at:])
    except ValueError:
        return None
    if own[: 2 * len(OWN) : 2] != _OWN_NAMES:
        return None
    (
        _,
        id_,
        _,
        class_,
        _,
        references,
        _,
        size,
        _,
        digest,
        _,
        buffers,
        _,
        created,
        _,
        nonce,
        *more,
    ) = own
    own_types = (
        type(id_), type(class_), type(references), type(size), type(digest), type(buffers),
        type(created), type(nonce),
    )  # fmt: skip
    if own_types != _OWN_TYPES or buffers or size < 0 or not 0 <= created < FAR_FUTURE:
        return None
    if references and {*map(type, references)} != {str}:
        return None
    versions, libraries = NO_VERSIONS, NO_LIBRARIES
    if more:
        try:
            if more[0] == "versions":
                versions = _versions(more[1])
            elif more[0] == "libraries":
                libraries = _libraries(more[1])
            else:
                return None
        except (TypeError, ValueError):
            return None
    codec, config, codec_version, protocol, python, _ = common
    # fmt: off
    return tuple.__new__(Metadata, (
        id_, codec, config, codec_version, protocol, python, class_, tuple(references), size,
        digest, (), created, nonce, None, versions, libraries, None,
    ))
    # fmt: on


def _metadata_from(described: Buffer, id: str | None, path: str | None) -> Metadata:
    _, unpack = packing()
    try:
        found = unpack(described)
        values = [*_fields_of(found)]
        transform, values[_TRANSFORM] = values[_TRANSFORM], None
        # Types in one comparison: this is done for each record that is read.
        types = tuple(map(type, values))
        if types != _TYPES and types != _TYPES_WITHOUT_PROTOCOL:
            raise TypeError("a field has the wrong type")
        # Lists stay lists in the configuration alone: it goes back to the codec as it came.
        values[_REFERENCES] = references = tuple(values[_REFERENCES])
        values[_BUFFERS] = (
            tuple((_size(n), _typed(digest, bytes)) for n, digest in values[_BUFFERS])
            if values[_BUFFERS]
            else ()
        )
        if transform is not None:
            values[_TRANSFORM] = _transformation(transform)
        if len(found) > len(_FIELDS):
            values.append(_versions(found.get("versions", {})))
            values.append(_libraries(found.get("libraries", {})))
            values.append(_content(found.get("seal")))
        metadata = Metadata(*values)
        if metadata.payload_size < 0 or not 0 <= metadata.created < FAR_FUTURE:
            raise ValueError("a field is out of range")
        if references and {*map(type, references)} != {str}:
            raise TypeError("a reference is not a string")
        return metadata
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _damaged("its metadata are not what brinery writes", id, path) from error


# The names and types of the fields of `Metadata`, as the map of a record has them.
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


def _typed(value: Any, cls: type) -> Any:
    if type(value) is not cls:
        raise TypeError(f"{value!r:.80} is not of type {cls.__name__}")
    return value


def _transformation(value: Any) -> Transformation:
    found = _typed(value, dict)
    return Transformation(
        _typed(found["name"], str),
        _typed(found["config"], dict),
        _size(found["size"]),
        _typed(found["digest"], bytes),
    )


def _versions(value: Any) -> Mapping[str, int]:
    found: dict[str, int] = _typed(value, dict)
    for name, version in found.items():
        if _typed(version, int) < 2:
            raise ValueError(f"{_typed(name, str):.80} has a version below 2")
    return MappingProxyType(found)


def _libraries(value: Any) -> Mapping[str, str]:
    found: dict[str, str] = _typed(value, dict)
    for name, version in found.items():
        if type(name) is not str or type(version) is not str:
            raise TypeError("a library or its version is not a string")
    return MappingProxyType(found)


def _content(value: Any) -> bytes | None:
    if value is None:
        return None
    found = _typed(value, dict)
    if found["algorithm"] != ALGORITHM:
        raise ValueError(f"a seal by {found['algorithm']!r:.80} is not known")
    content: bytes = _typed(found["content"], bytes)
    return content


def _size(value: Any) -> int:
    if _typed(value, int) < 0:
        raise ValueError("a size is negative")
    return int(value)


def _refined(error: ForeignRecordError, data: bytes) -> RecordError:
    """Return what a record without its tail is, now that all of it can be looked at."""
    end = data.rfind(MAGIC)
    if end >= 0:
        more = len(data) - end - len(MAGIC)
        return _damaged(f"{more} bytes follow its end", error.id, error.path)
    # A pickle that does not stop, or the beginning of metadata.
    is_pickle = data[:1] == b"\x80" and data[1:2] <= b"\x05"
    if (is_pickle and data[-1:] != b".") or _METADATA_START.search(data):
        return TruncatedRecordError(
            f"has lost its end: {len(data)} bytes of it are left", id=error.id, path=error.path
        )
    return error


def seems_cut_off(data: bytes) -> bool:
    """Tell whether bytes that do not end as a record look like one that lost its end.

    For files whose name does not tell that they are records.  They begin as a pickle does and do not end as
    one, or have the beginning of metadata once, close to their end; an archive of records has it many times.
    """
    is_pickle = data[:1] == b"\x80" and data[1:2] <= b"\x05"
    starts = [found.start() for found in _METADATA_START.finditer(data)][:2]
    if len(starts) == 1:
        return is_pickle or len(data) - starts[0] < _MOST_CUT_OFF
    return is_pickle and data[-1:] != b"."


_MOST_CUT_OFF: Final = 1 << 16

# How `Writer` begins: a map of 14 or more pairs, the first of which is the codec.
_METADATA_START: Final = re.compile(rb"(?:\x8e|\x8f|\xde\x00.)\xa5codec", re.DOTALL)


def parse(
    data: bytes,
    version: Any = None,
    *,
    id: str | None = None,
    path: str | None = None,
    seals: Seals | None = None,
    admit: Callable[[Metadata], object] | None = None,
) -> Record:
    """Check a record and take it apart; no payload byte is decoded.

    `admit` is called with the metadata before the payload is looked at.  Raise a `RecordError` when
    any byte differs from what was written, or when `id` is given and the record is another object's;
    a `SealError` when `seals` are given and none of their keys has sealed it; and what `admit` raises.
    """
    if seals is None and (found := _parsed_as_written(data, id)) is not None:
        if admit is not None:
            admit(found)
        if (
            blake2b(data[: found.payload_size], digest_size=DIGEST_SIZE).digest()
            != found.payload_digest
        ):
            raise _damaged("the digest of its payload does not match", id, path)
        return tuple.__new__(Record, (found, data, version, None))
    try:
        metadata, owner = _parsed_metadata(data, len(data), id, path, seals)
    except ForeignRecordError as error:
        raise _refined(error, data) from error
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
    # The padding between buffers is the only place that no digest covers: it must be zero.
    end = metadata.payload_size
    for size, _ in metadata.buffers:
        start = aligned(end)
        if any(data[end:start]):
            raise _damaged("the padding before a buffer is not zero", id, path)
        end = start + size
    return record


def _parsed_as_written(data: bytes, id: str | None) -> Metadata | None:
    # The metadata of a record that is as `Writer` writes nearly all; None where `_parsed_metadata` has to
    # look, which has an error for everything.
    start = len(data) - TAIL_SIZE
    if start < 0 or type(data) is not bytes:
        return None
    length, digest, seal, version, magic = TAIL.unpack_from(data, start)
    if magic != MAGIC or version != FORMAT_VERSION or seal != NO_SEAL or length > start:
        return None
    described = data[start - length : start]
    if blake2b(described, digest_size=DIGEST_SIZE).digest() != digest:
        return None
    metadata = _metadata_as_written(described)
    if metadata is None or metadata.payload_size + length != start:
        return None
    return metadata if id is None or metadata.id == id else None


def _check_content(
    record: Record, seals: Seals, owner: int, id: str | None, path: str | None
) -> None:
    # One pass: what the key has sealed needs no other digest.
    metadata = record.metadata
    end = metadata.payload_size
    for size, _ in metadata.buffers:
        end = aligned(end) + size
    if not seals.is_content(metadata.content or b"", (memoryview(record.data)[:end],), owner):
        raise _damaged("its payload is not the one that was sealed", id, path)
