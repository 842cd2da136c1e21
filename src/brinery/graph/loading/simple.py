"""Simple records: decoding them runs no code of the user's.

So all their objects can be made first and filled then, in any order; nothing sees an object in between.
"""

from __future__ import annotations

from collections.abc import Mapping

from brinery.backend import Version
from brinery.codec import Codec
from brinery.record.format import SIMPLE
from brinery.record.kind import Kind
from brinery.record.record import Metadata, Record
from brinery.typing import Any, Final

_make: Final = object.__new__


class Maker:
    """Makes the objects of the simple records of one kind."""

    __slots__ = ("cls", "codec", "kind", "opening")

    def __init__(self, kind: Kind, codec: Codec) -> None:
        self.kind = kind
        self.codec = codec
        self.cls: type | None = None
        """The class, once it is found; None as well where its objects are not simple to make any more."""
        self.opening = b""
        """The first bytes of all payloads."""

    def find_class(self, payload: bytes, links: Any) -> None:
        """Look for the class that the opening of a payload names; `links` need not resolve references."""
        self.opening = payload[: self.kind.opening]
        self.cls = self.codec.made_by(self.opening, links)


SimpleRecord = tuple[bytes, int, Version, bytes, Maker, Record | None]
"""The bytes that begin with the payload, the size and the version of it, its digest, its maker, and the
record, if the bytes are not all of that.  A plain tuple, because metadata take more memory than the bytes."""
Made = tuple[str, Any, Version, bytes, Codec]
"""An object that was made, as `IdentityMap.enter` takes it."""


def maker_of(metadata: Metadata, codec: Codec) -> Maker | None:
    """Return what makes the objects of the simple records of a kind; None if that has none."""
    kind = metadata.kind
    return Maker(kind, codec) if kind.opening and not kind.versions else None


def as_simple(record: Record, maker: Maker | None) -> SimpleRecord | None:
    """Return a simple record, None for any other."""
    metadata = record.metadata
    if maker is None or not metadata.flags & SIMPLE or record.buffers:
        return None
    if metadata.transform is None:
        return (
            record.data,
            metadata.payload_size,
            record.version,
            metadata.payload_digest,
            maker,
            None,
        )
    raw = record.raw or b""
    return raw, len(raw), record.version, metadata.raw_digest, maker, record


def makers_in(records: Mapping[str, SimpleRecord]) -> dict[Maker, str]:
    """Return the makers of records, each with the ID of one of those."""
    found: dict[Maker, str] = {}
    last = None
    for id_, (_, _, _, _, maker, _) in records.items():
        if maker is not last:
            found[maker] = id_
            last = maker
    return found


def fill(
    records: Mapping[str, SimpleRecord], objects: dict[str, Any], ghosts: Mapping[str, Any]
) -> list[Made] | None:
    """Make and fill the objects of simple records whose makers have classes, and add them to `objects`.

    `objects` has all others that they refer to; `ghosts` those that are made already.  Return None if a
    payload has another opening than that of its kind.  Raise what decoding raises.
    """
    made: list[Made] = []
    added: dict[str, Any] = {}
    last: Maker | None = None
    cls: Any = None
    opening = b""
    for id_, (payload, _, version, digest, maker, _) in records.items():
        if maker is not last:
            last, cls, opening = maker, maker.cls, maker.opening
        if not payload.startswith(opening):
            return None
        added[id_] = obj = ghosts[id_] if id_ in ghosts else _make(cls)
        made.append((id_, obj, version, digest, maker.codec))
    objects.update(added)
    resolve = objects.__getitem__
    for (payload, size, _, _, maker, _), one in zip(records.values(), made, strict=True):
        maker.codec.fill(payload[len(maker.opening) : size], one[1], resolve)
    return made
