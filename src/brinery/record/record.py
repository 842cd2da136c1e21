"""The record: the stored bytes of one object.

    payload    the codec's own byte stream, from offset 0
    buffers    out-of-band buffers, each at a multiple of 64 bytes
    metadata   one msgpack map
    tail       56 bytes, see `TAIL`

The metadata come after the payload for two reasons.  A codec streams straight into the sink, so that lengths
and references are known only afterwards.  And a record of the pickle codec is still a plain pickle file:
`pickle.load` stops at the end of the payload.

The tail holds the length of the metadata, the version of the format, the digest of the metadata and the
magic bytes.  The metadata contain the ID and the digests of the payload and of each buffer.  So a changed
byte anywhere, or a record under another record's name, is found before any payload byte is decoded.  Digests
are BLAKE2b (RFC 7693) of 16 bytes.  At about 1 GB/s they cost 3 % of what pickling costs.  They need no
library, and nobody can construct two payloads with the same digest.

The format is specified in `docs/design/record-format.md`.
"""

from __future__ import annotations

import functools
import os
import platform
import struct
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from brinery.backend import About
from brinery.codec import Buffer
from brinery.record.clock import now
from brinery.record.seal import NO_SEAL

FORMAT_VERSION: Final = 1
MAGIC: Final = b"\x8bBRINERY"
ALIGNMENT: Final = 64
DIGEST_SIZE: Final = 16
MAX_METADATA: Final = 1 << 30

# metadata length, metadata digest, seal (zeros: none), format version, magic; little-endian
TAIL: Final = struct.Struct("<I16s26sH8s")
TAIL_SIZE: Final = TAIL.size
END: Final = NO_SEAL + FORMAT_VERSION.to_bytes(2, "little") + MAGIC
"""The end of the tail of a record without a seal, after length and digest."""
SMALL: Final = 1 << 12
"""Below this size in bytes, copying is faster than a view."""
PYTHON: Final = platform.python_version()
NO_VERSIONS: Final[Mapping[str, int]] = MappingProxyType({})
NO_LIBRARIES: Final[Mapping[str, str]] = MappingProxyType({})

# The order in which `brinery.record.writer` writes the metadata: first the fields that all records of a codec
# have in common, which a reader unpacks once, and then the record's own.
COMMON: Final = ("codec", "config", "codec_version", "protocol", "python", "transform")
OWN: Final = ("id", "class", "references", "size", "digest", "buffers", "created", "nonce")
ARRAY_HEAD: Final = 3
"""The number of bytes that begin a msgpack array of the names and values of `OWN`."""


class Transformation(NamedTuple):
    """The transform of a stored payload, with the size and digest of the original."""

    name: str
    """Of the transform."""
    config: Mapping[str, Any]
    size: int
    """The size in bytes of the payload as the codec wrote it."""
    digest: bytes
    """Its digest."""


class Metadata(NamedTuple):
    """The metadata of a record; they are read without touching the payload.

    A named tuple, because one is made for each record: it takes 0.5 µs, a frozen dataclass 2.
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
    """The size in bytes of the payload as it is stored."""
    payload_digest: bytes
    """Digest of the payload as it is stored."""
    buffers: tuple[tuple[int, bytes], ...]
    """Size in bytes and digest of each out-of-band buffer."""
    created: float
    """Seconds since the epoch."""
    nonce: bytes
    transform: Transformation | None = None
    """None if the payload is stored as the codec wrote it."""
    versions: Mapping[str, int] = NO_VERSIONS
    """The versions of classes (`module:qualname`) of objects in the payload, if above 1."""
    libraries: Mapping[str, str] = NO_LIBRARIES
    """The versions of the libraries, by top-level package, whose classes the payload names."""
    content: bytes | None = None
    """The keyed digest of payload and buffers, if the record is sealed."""

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
    """The expanded payload, if it was stored with a transform and has been expanded."""

    @property
    def stored(self) -> bytes | memoryview:
        """Return the bytes of the payload as they are stored."""
        size = self.metadata.payload_size
        # Copying a few bytes takes a third of the time that two views take.
        return self.data[:size] if size < SMALL else memoryview(self.data)[:size]

    @property
    def payload(self) -> bytes | memoryview:
        """Return the bytes of the payload as the codec wrote them."""
        if self.metadata.transform is None:
            return self.stored
        if self.raw is None:
            raise ValueError("the payload is still transformed: expand the record first")
        return memoryview(self.raw)

    @property
    def parts(self) -> tuple[bytes | memoryview, Sequence[memoryview]]:
        """Return `payload` and `buffers`."""
        metadata = self.metadata
        # The case of nearly all records, without further calls.
        if metadata.transform is None and not metadata.buffers and metadata.payload_size < SMALL:
            return self.data[: metadata.payload_size], ()
        return self.payload, self.buffers

    @property
    def buffers(self) -> list[memoryview]:
        """Return the out-of-band buffers, read-only views into the record."""
        if not self.metadata.buffers:
            return []
        view, offset, found = memoryview(self.data), self.metadata.payload_size, []
        for size, _ in self.metadata.buffers:
            offset = aligned(offset)
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
def packing() -> tuple[Callable[[Any], bytes], Callable[[Buffer], Any]]:
    """Return the functions that pack and unpack msgpack; imported on use, like all codec libraries."""
    import msgpack

    # All threads can share one packer in C: packing plain values runs no Python code, so that no other
    # thread runs in between.  Threads that share the pure-Python packer of msgpack mix up their bytes.
    if msgpack.Packer.__module__ == "msgpack._cmsgpack":
        pack = msgpack.Packer(unicode_errors="surrogatepass").pack
    else:
        pack = functools.partial(msgpack.packb, unicode_errors="surrogatepass")
    unpack = functools.partial(msgpack.unpackb, unicode_errors="surrogatepass")
    return pack, unpack


@functools.cache
def plain_unpacking() -> Callable[[Buffer], Any]:
    """Return a function that unpacks msgpack without options, which would take a fifth of the time.

    It raises `ValueError` for lone surrogates.
    """
    from msgpack import unpackb

    return unpackb  # type: ignore[no-any-return]


def aligned(offset: int) -> int:
    """Return the first offset from `offset` on at which a buffer may start."""
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
    """Return the metadata of a record that is written now, by this Python.

    `payload` and `payload_digest` are those of the stored form.
    """
    return Metadata(
        id=id,
        codec=codec,
        config=config,
        codec_version=codec_version,
        protocol=protocol,
        python=PYTHON,
        class_name=class_name,
        references=tuple(references),
        payload_size=sum(map(len, payload)),
        payload_digest=payload_digest or digest_of(payload),
        buffers=tuple((memoryview(b).nbytes, digest_of((b,))) for b in buffers),
        created=created or now(),
        nonce=nonce or os.urandom(12),
        transform=transform,
    )


def about_of(metadata: Metadata, fields: Mapping[str, Any] | None) -> About:
    """Return the values that an engine with columns stores beside a record; `fields` as in `About`."""
    references = tuple(dict.fromkeys(metadata.references))
    return About(metadata.class_name, metadata.codec, metadata.created, references, fields)


def has_magic(tail: Buffer) -> bool:
    """Return whether bytes end as a record does."""
    return bytes(tail[-len(MAGIC) :]) == MAGIC
