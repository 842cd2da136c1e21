"""The record: the stored bytes of one object.

    payload    the codec's own byte stream, from offset 0
    buffers    out-of-band buffers, each at a multiple of 64 bytes
    metadata   one msgpack map
    tail       56 bytes, see `_TAIL`

The description stands at the end because a codec streams straight into the sink, so that lengths and
references are known only afterwards, and because a record of the pickle codec stays a plain pickle
file that way: `pickle.load` stops at the end of the payload.

The tail holds the length of the metadata, the version of the format, the digest of the metadata and the
magic bytes.  The digest of the payload and of each buffer stands in the metadata, beside the ID, so
that a changed byte anywhere, or a record under another record's name, is found before any payload byte
is decoded.  Digests are BLAKE2b (RFC 7693) of 16 bytes: at about 1 GB/s they cost 3 % of what pickling
costs, need no library, and cannot be forged to match.

The format is specified in `docs/design/record-format.md`.
"""

from __future__ import annotations

import functools
import operator
import os
import platform
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from brinery.clock import FAR_FUTURE, now
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
from brinery.seal import ALGORITHM, NO_SEAL, Seals

FORMAT_VERSION: Final = 1
MAGIC: Final = b"\x8bBRINERY"
ALIGNMENT: Final = 64
DIGEST_SIZE: Final = 16
MAX_METADATA: Final = 1 << 30

# metadata length, metadata digest, seal (zeros: none), format version, magic; little-endian
_TAIL: Final = struct.Struct("<I16s26sH8s")
TAIL_SIZE: Final = _TAIL.size
_DIGEST_IN_TAIL: Final = slice(4 - TAIL_SIZE, 4 + DIGEST_SIZE - TAIL_SIZE)
_SEAL_IN_TAIL: Final = slice(_DIGEST_IN_TAIL.stop, _DIGEST_IN_TAIL.stop + len(NO_SEAL))
_SMALL: Final = 1 << 12
_PYTHON: Final = platform.python_version()
_NO_VERSIONS: Final[Mapping[str, int]] = MappingProxyType({})
_NO_LIBRARIES: Final[Mapping[str, str]] = MappingProxyType({})


class Transformation(NamedTuple):
    """What was done to a payload before it was stored."""

    name: str
    """Of the transform."""
    config: Mapping[str, Any]
    size: int
    """Bytes of the payload as the codec wrote it."""
    digest: bytes
    """Its digest."""


class Metadata(NamedTuple):
    """What a record says of itself; read without touching the payload.

    A named tuple, because one is made for each record: 0.5 µs, where a frozen dataclass takes 2.
    """

    id: str
    codec: str
    config: Mapping[str, Any]
    codec_version: str
    protocol: int | None
    python: str
    class_name: str
    references: tuple[str, ...]
    payload_size: int
    """Bytes of the payload as it is stored."""
    payload_digest: bytes
    """Digest of the payload as it is stored."""
    buffers: tuple[tuple[int, bytes], ...]
    """Size in bytes and digest of each out-of-band buffer."""
    created: float
    """Seconds since the epoch."""
    nonce: bytes
    transform: Transformation | None = None
    """None where the payload is stored as the codec wrote it."""
    versions: Mapping[str, int] = _NO_VERSIONS
    """The versions of classes (`module:qualname`) of objects in the payload, where past 1."""
    libraries: Mapping[str, str] = _NO_LIBRARIES
    """The versions of the libraries, by top-level package, whose classes the payload names."""
    content: bytes | None = None
    """The keyed digest of payload and buffers, where the record is sealed."""

    @property
    def raw_digest(self) -> bytes:
        """Return the digest of the payload as the codec wrote it."""
        return self.payload_digest if self.transform is None else self.transform.digest


class Record(NamedTuple):
    """A record whose digests were checked."""

    metadata: Metadata
    data: bytes
    """The whole record; the payload starts at its first byte."""
    version: Any
    """The backend's version of it."""
    raw: bytes | None = None
    """The payload, where a transform has given it back."""

    @property
    def stored(self) -> bytes | memoryview:
        """Return the bytes of the payload as they are stored."""
        size = self.metadata.payload_size
        # To copy a few bytes takes a third of the time that two views take.
        return self.data[:size] if size < _SMALL else memoryview(self.data)[:size]

    @property
    def payload(self) -> bytes | memoryview:
        """Return the bytes of the payload as the codec wrote them."""
        if self.metadata.transform is None:
            return self.stored
        if self.raw is None:
            raise ValueError("the payload is transformed: restore the record first")
        return memoryview(self.raw)

    @property
    def buffers(self) -> list[memoryview]:
        """Return the out-of-band buffers, read-only views into the record."""
        if not self.metadata.buffers:
            return []
        view, offset, found = memoryview(self.data), self.metadata.payload_size, []
        for size, _ in self.metadata.buffers:
            offset = _aligned(offset)
            found.append(view[offset : offset + size])
            offset += size
        return found


def digest_of(pieces: Sequence[Buffer]) -> bytes:
    """Return the digest of the pieces, as if they were joined."""
    if len(pieces) == 1:
        return blake2b(pieces[0], digest_size=DIGEST_SIZE).digest()
    state = blake2b(digest_size=DIGEST_SIZE)
    for piece in pieces:
        state.update(piece)
    return state.digest()


@functools.cache
def _msgpack() -> tuple[Callable[[Any], bytes], Callable[[Buffer], Any]]:
    # Imported on use: `import brinery` loads no codec library.
    import msgpack

    # One packer for all: packing plain values in C runs no Python code, so no thread gets between.
    # Threads that share the pure-Python packer of msgpack mix up their bytes.
    if msgpack.Packer.__module__ == "msgpack._cmsgpack":
        pack = msgpack.Packer(unicode_errors="surrogatepass").pack
    else:
        pack = functools.partial(msgpack.packb, unicode_errors="surrogatepass")
    unpack = functools.partial(msgpack.unpackb, unicode_errors="surrogatepass")
    return pack, unpack


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT


def new_metadata(
    *,
    id: str,
    codec: str,
    config: Mapping[str, Any],
    codec_version: str,
    protocol: int | None,
    class_name: str,
    references: Sequence[str],
    payload: Sequence[Buffer],
    payload_digest: bytes | None = None,
    buffers: Sequence[Buffer] = (),
    created: float | None = None,
    nonce: bytes | None = None,
    transform: Transformation | None = None,
) -> Metadata:
    """Describe a record that is written now, by this Python.

    `payload` and `payload_digest` are of what is stored.
    """
    return Metadata(
        id=id,
        codec=codec,
        config=config,
        codec_version=codec_version,
        protocol=protocol,
        python=_PYTHON,
        class_name=class_name,
        references=tuple(references),
        payload_size=sum(map(len, payload)),
        payload_digest=payload_digest or digest_of(payload),
        buffers=tuple((memoryview(b).nbytes, digest_of((b,))) for b in buffers),
        created=created or now(),
        nonce=nonce or os.urandom(12),
        transform=transform,
    )


class Writer:
    """Puts records together that share codec and time: what they have in common is packed once."""

    def __init__(
        self,
        codec: str,
        config: Mapping[str, Any],
        codec_version: str,
        protocol: int | None,
        created: float,
        python: str = _PYTHON,
        seals: Seals | None = None,
    ) -> None:
        """`seals` seal each record, where they are given."""
        self._pack, _ = _msgpack()
        self._seals = seals
        common = {
            "codec": codec,
            "config": config,
            "codec_version": codec_version,
            "protocol": protocol,
            "python": python,
            "transform": None,
            "created": created,
        }
        # A map of up to 15 pairs is one byte and then the pairs, an array one byte and the items.
        first = _map_of(len(_FIELDS))
        self._common = first + self._pack(common)[1:]
        del common["transform"]
        self._common_of_transformed = first + self._pack(common)[1:]

    def build(
        self,
        id: str,
        class_name: str,
        references: Sequence[str],
        payload: Sequence[Buffer],
        digest: bytes,
        nonce: bytes,
        buffers: Sequence[Buffer] = (),
        listed: Sequence[tuple[int, bytes]] = (),
        transform: Transformation | None = None,
        versions: Mapping[str, int] | None = None,
        libraries: Mapping[str, str] | None = None,
    ) -> list[Buffer]:
        """Return the pieces of the record, in order; joined they are its bytes.

        `digest` is that of the payload; `listed` has size and digest of each of the buffers.
        Where `transform` is given, `payload` and `digest` are of what it left.
        """
        # Most payloads are one piece: no list and no sum for these.
        size = len(payload[0]) if len(payload) == 1 else sum(map(len, payload))
        # fmt: off
        own = self._pack((
            "id", id,
            "class", class_name,
            "references", references,
            "size", size,
            "digest", digest,
            "buffers", listed,
            "nonce", nonce,
        ))
        # fmt: on
        if transform is None:
            described = self._common + own[1:]
        else:
            done = self._pack({"transform": transform._asdict()})
            described = self._common_of_transformed + done[1:] + own[1:]
        if versions or libraries or self._seals is not None:
            content = None
            if self._seals is not None:
                content = self._seals.content([*payload, *_padded(buffers, size)])
            described = self._with_more(described, versions, libraries, content)
        if len(described) > MAX_METADATA:
            raise RecordError(
                f"has {len(references)} references, more than a record can hold: split the container",
                id=id,
            )
        checked = blake2b(described, digest_size=DIGEST_SIZE).digest()
        tail = _TAIL.pack(len(described), checked, NO_SEAL, FORMAT_VERSION, MAGIC)
        if self._seals is not None:
            seal = self._seals.seal(described, tail)
            tail = _TAIL.pack(len(described), checked, seal, FORMAT_VERSION, MAGIC)
        if not buffers and size < _SMALL:
            # One piece spares whoever writes it a loop.
            return [b"".join((*payload, described, tail))]
        return [*payload, *_padded(buffers, size), described + tail]

    def _with_more(
        self,
        described: bytes,
        versions: Mapping[str, int] | None,
        libraries: Mapping[str, str] | None,
        content: bytes | None,
    ) -> bytes:
        more: dict[str, Any] = {}
        if versions:
            more["versions"] = versions
        if libraries:
            more["libraries"] = libraries
        if content is not None:
            more["seal"] = {"algorithm": ALGORITHM, "content": content}
        return _map_of(len(_FIELDS) + len(more)) + described[1:] + self._pack(more)[1:]


def _padded(buffers: Sequence[Buffer], offset: int) -> Iterator[Buffer]:
    # The buffers, each with the padding before it, that follow a payload of `offset` bytes.
    for buffer in buffers:
        yield bytes(_aligned(offset) - offset)
        yield buffer
        offset = _aligned(offset) + memoryview(buffer).nbytes


def _map_of(count: int) -> bytes:
    # How msgpack begins a map.
    return bytes((0x80 | count,)) if count < 16 else b"\xde" + count.to_bytes(2, "big")


def build(
    metadata: Metadata,
    payload: Sequence[Buffer],
    buffers: Sequence[Buffer] = (),
    seals: Seals | None = None,
) -> list[Buffer]:
    """Return the pieces of the record that `metadata` describe, in order; it is sealed by `seals`."""
    m = metadata
    writer = Writer(m.codec, m.config, m.codec_version, m.protocol, m.created, m.python, seals)
    return writer.build(
        m.id,
        m.class_name,
        m.references,
        payload,
        m.payload_digest,
        m.nonce,
        buffers,
        m.buffers,
        m.transform,
        dict(m.versions),
        dict(m.libraries),
    )


def has_magic(tail: Buffer) -> bool:
    """Tell whether bytes end as a record does."""
    return bytes(tail[-len(MAGIC) :]) == MAGIC


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
    length, _, _, version, _ = _TAIL.unpack_from(tail, len(tail) - TAIL_SIZE)
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
            expected = _aligned(expected) + length
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


def _metadata_from(described: Buffer, id: str | None, path: str | None) -> Metadata:
    _, unpack = _msgpack()
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
        start = _aligned(end)
        if any(data[end:start]):
            raise _damaged("the padding before a buffer is not zero", id, path)
        end = start + size
    return record


def _check_content(
    record: Record, seals: Seals, owner: int, id: str | None, path: str | None
) -> None:
    # One pass: what the key has sealed needs no other digest.
    metadata = record.metadata
    end = metadata.payload_size
    for size, _ in metadata.buffers:
        end = _aligned(end) + size
    if not seals.is_content(metadata.content or b"", (memoryview(record.data)[:end],), owner):
        raise _damaged("its payload is not the one that was sealed", id, path)
