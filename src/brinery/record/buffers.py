"""Large buffers inside payloads: the data of arrays, at offsets that suit a processor and a memory map.

Each has a digest for every chunk of 1 MiB, so that it can be checked while it is written or read, and later for
any part alone.  The digest of such a payload is that of its other bytes, followed by these digests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from brinery.codec import Buffer
from brinery.record.digest import digest_of, xxh3_128_digest
from brinery.record.format import ALIGNMENT

CHUNK: Final = 1 << 20
_DIGEST_SIZE: Final = 16


class LargeBuffer(NamedTuple):
    """A large buffer inside a payload."""

    offset: int
    """In bytes from the start of the payload, a multiple of 64."""
    size: int
    """In bytes."""
    digests: bytes
    """Of its chunks, joined."""


def chunk_digests(buffer: Buffer) -> bytes:
    """Return the digests of the chunks of a large buffer, joined."""
    view = memoryview(buffer).cast("B")
    return b"".join(xxh3_128_digest(view[at : at + CHUNK]) for at in range(0, len(view), CHUNK))


def around(payload: Buffer, buffers: Sequence[LargeBuffer]) -> Iterator[Buffer]:
    """Yield the bytes of a payload that are not in large buffers."""
    at = 0
    for offset, size, _ in buffers:
        yield payload[at:offset]
        at = offset + size
    yield payload[at:]


def digest_around(pieces: Sequence[Buffer], buffers: Sequence[LargeBuffer]) -> bytes:
    """Return the digest of a payload: `pieces` are its bytes outside of `buffers`."""
    return digest_of([*pieces, *(each.digests for each in buffers)])


def is_undamaged(payload: Buffer, digest: bytes, buffers: Sequence[LargeBuffer]) -> bool:
    """Return whether a payload with large buffers has the digest."""
    if not buffers:
        return xxh3_128_digest(payload) == digest
    if digest_around([*around(payload, buffers)], buffers) != digest:
        return False
    return all(
        chunk_digests(payload[offset : offset + size]) == digests
        for offset, size, digests in buffers
    )


def check_places(buffers: Sequence[LargeBuffer], size: int) -> None:
    """Raise `ValueError` unless large buffers are where a payload of `size` bytes may have them."""
    at = 0
    for each in buffers:
        chunks = -(-each.size // CHUNK)
        if each.offset % ALIGNMENT or each.offset < at or len(each.digests) != chunks * _DIGEST_SIZE:
            raise ValueError("a large buffer has a wrong place or digest")
        at = each.offset + each.size
    if at > size:
        raise ValueError("a large buffer is longer than the payload")
