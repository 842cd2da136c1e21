"""Building records; the order of the bytes is described in `brinery.record.format`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from brinery.backend import Data, Stream
from brinery.errors import RecordError
from brinery.record.buffers import LargeBuffer
from brinery.record.digest import digests
from brinery.record.format import (
    END,
    HEAD,
    MAX_DESCRIPTION,
    SEALED,
    SMALL,
    packing,
)
from brinery.record.kind import Kind
from brinery.record.payload import Stored
from brinery.record.record import NOTHING_MORE, Groups, Metadata, Transformation
from brinery.record.seal import Seals
from brinery.typing import Any, NamedTuple


class Encoded(NamedTuple):
    """A payload as its codec wrote it, and the metadata that come from encoding it."""

    pieces: Data
    """The payload, in pieces."""
    digest: bytes
    """Of the payload."""
    groups: Groups
    """The references of the payload, grouped by the class of their targets."""
    kind: Kind
    flags: int = 0
    buffers: Sequence[LargeBuffer] = ()
    """The large buffers among the pieces."""


def build_record(
    id: str,
    encoded: Encoded,
    stamp: tuple[float, bytes],
    stored: Stored | None = None,
    seals: Seals | None = None,
    more: Mapping[str, Any] = NOTHING_MORE,
) -> Data:
    """Return the pieces of a record, in order; joined they are its bytes.

    `stamp` is the time in seconds since the epoch, and the nonce.  `stored` is the transformed payload, None
    without a transform.  `seals`, if given, seal the record.
    """
    payload, digest, groups, kind, flags, buffers = encoded
    pack, _ = packing()
    transform = None
    if stored is not None:
        payload, digest, transform = stored
    if transform is not None or buffers or more:
        text = pack((id, groups, _optional(transform, buffers, more)))
    else:
        text = pack((id, groups))
    created, nonce = stamp
    blob = kind.blob
    if seals is not None:
        flags |= SEALED
    head = HEAD.pack(len(blob), len(text), created, nonce, flags, digest)
    if len(text) + len(blob) > MAX_DESCRIPTION:
        raise RecordError("has too many references for one record: split the container", id=id)
    proof = b"" if seals is None else seals.proof(payload, text + blob, head)
    end = b"".join((text, blob, proof, head))
    end = b"".join((end, digests()[0](end), END))
    if isinstance(payload, Stream):
        return payload.followed_by(end)
    if len(payload) == 1 and len(payload[0]) < SMALL:
        # One piece saves the backend a loop.
        return [b"".join((payload[0], end))]
    return [*payload, end]


def _optional(
    transform: Transformation | None, buffers: Sequence[LargeBuffer], more: Mapping[str, Any]
) -> dict[str, Any]:
    found = dict(more)
    if transform is not None:
        found["transform"] = transform._asdict()
    if buffers:
        found["buffers"] = [tuple(each) for each in buffers]
    return found


def build(metadata: Metadata, payload: Data, seals: Seals | None = None) -> Data:
    """Return the pieces of the record that `metadata` describe, in order, sealed by `seals` if given."""
    m = metadata
    flags = m.flags & ~SEALED
    encoded = Encoded(payload, m.payload_digest, m.groups, m.kind, flags, m.buffers)
    stored = None if m.transform is None else Stored(payload, m.payload_digest, m.transform)
    return build_record(m.id, encoded, (m.created, m.nonce), stored, seals, m.more)
