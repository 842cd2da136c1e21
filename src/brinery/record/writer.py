"""Building records.

The order of the bytes is described in `brinery.record.record`.  The fields that the records of one codec have
in common are packed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from brinery.codec import Buffer
from brinery.errors import RecordError
from brinery.record.encoded import Encoded
from brinery.record.payload import Stored
from brinery.record.record import (
    ARRAY_HEAD,
    COMMON,
    DIGEST_SIZE,
    END,
    FORMAT_VERSION,
    MAGIC,
    MAX_METADATA,
    OWN,
    PYTHON,
    SMALL,
    TAIL,
    Metadata,
    aligned,
    packing,
)
from brinery.record.seal import ALGORITHM, Seals


class Writer:
    """Builds records of one codec; the fields that they have in common are packed once."""

    def __init__(
        self,
        codec: str,
        config: Mapping[str, Any],
        codec_version: str,
        protocol: int | None,
        python: str = PYTHON,
        seals: Seals | None = None,
    ) -> None:
        """Prepare for records of one codec; `seals`, if given, seal each of them."""
        self._pack, _ = packing()
        self.seals = seals
        common = {
            "codec": codec,
            "config": config,
            "codec_version": codec_version,
            "protocol": protocol,
            "python": python,
            "transform": None,
        }
        # A map of up to 15 pairs is one byte and the pairs; an array is one byte and the items.
        first = map_of(len(COMMON) + len(OWN))
        self._common = first + self._pack(common)[1:]
        del common["transform"]
        self._common_of_transformed = first + self._pack(common)[1:]

    def build(
        self,
        id: str,
        class_name: str,
        encoded: Encoded,
        stamp: tuple[float, bytes],
        stored: Stored | None = None,
    ) -> list[Buffer]:
        """Return the pieces of the record, in order; joined they are its bytes.

        `stamp` is the time in seconds since the epoch, and the nonce.  `stored` is the transformed payload,
        None without a transform.
        """
        payload, digest, references, versions, libraries, buffers, listed = encoded
        transform = None
        if stored is not None:
            payload, digest, transform = stored
        created, nonce = stamp
        # Most payloads are one piece: avoid the sum for these.
        size = len(payload[0]) if len(payload) == 1 else sum(map(len, payload))
        # fmt: off
        own = self._pack((
            "id", id,
            "class", class_name,
            "references", references,
            "size", size,
            "digest", digest,
            "buffers", listed,
            "created", created,
            "nonce", nonce,
        ))
        # fmt: on
        if transform is None:
            described = self._common + own[ARRAY_HEAD:]
        else:
            done = self._pack({"transform": transform._asdict()})
            described = self._common_of_transformed + done[1:] + own[ARRAY_HEAD:]
        if versions or libraries or self.seals is not None:
            content = None
            if self.seals is not None:
                content = self.seals.content([*payload, *_padded(buffers, size)])
            described = self._with_more(described, versions, libraries, content)
        if len(described) > MAX_METADATA:
            raise RecordError(
                f"has {len(references)} references, too many for one record: split the container",
                id=id,
            )
        checked = blake2b(described, digest_size=DIGEST_SIZE).digest()
        tail = len(described).to_bytes(4, "little") + checked + END
        if self.seals is not None:
            seal = self.seals.seal(described, tail)
            tail = TAIL.pack(len(described), checked, seal, FORMAT_VERSION, MAGIC)
        if not buffers and size < SMALL:
            # One piece saves the backend a loop.
            return [b"".join((*payload, described, tail))]
        return [*payload, *_padded(buffers, size), described + tail]

    def _with_more(
        self,
        described: bytes,
        versions: Mapping[str, int],
        libraries: Mapping[str, str],
        content: bytes | None,
    ) -> bytes:
        more: dict[str, Any] = {}
        if versions:
            more["versions"] = dict(versions)
        if libraries:
            more["libraries"] = dict(libraries)
        if content is not None:
            more["seal"] = {"algorithm": ALGORITHM, "content": content}
        return map_of(len(COMMON) + len(OWN) + len(more)) + described[1:] + self._pack(more)[1:]


def _padded(buffers: Sequence[Buffer], offset: int) -> Iterator[Buffer]:
    # Yield the padding and the bytes of each buffer that follows a payload of `offset` bytes.
    for buffer in buffers:
        yield bytes(aligned(offset) - offset)
        yield buffer
        offset = aligned(offset) + memoryview(buffer).nbytes


def map_of(count: int) -> bytes:
    """Return the bytes with which msgpack begins a map of `count` pairs."""
    return bytes((0x80 | count,)) if count < 16 else b"\xde" + count.to_bytes(2, "big")


def build(
    metadata: Metadata,
    payload: Sequence[Buffer],
    buffers: Sequence[Buffer] = (),
    seals: Seals | None = None,
) -> list[Buffer]:
    """Return the pieces of the record that `metadata` describe, in order, sealed by `seals` if given."""
    m = metadata
    writer = Writer(m.codec, m.config, m.codec_version, m.protocol, m.python, seals)
    encoded = Encoded(
        payload, m.payload_digest, m.references, m.versions, m.libraries, buffers, m.buffers
    )
    stored = None if m.transform is None else Stored(payload, m.payload_digest, m.transform)
    return writer.build(m.id, m.class_name, encoded, (m.created, m.nonce), stored)
