"""What a codec made of one object, before it is a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from brinery.codec import Buffer


class Encoded(NamedTuple):
    """A payload as its codec wrote it, and what the record says about it."""

    pieces: Sequence[Buffer]
    """The payload; joined they are its bytes."""
    digest: bytes
    """Of the payload."""
    references: Sequence[str]
    """The IDs that stand for persistable objects, in the order met."""
    versions: Mapping[str, int]
    """The versions of classes (`module:qualname`) of objects in the payload, where past 1."""
    libraries: Mapping[str, str]
    """The versions of the libraries whose classes the payload names."""
    buffers: Sequence[Buffer] = ()
    """Out-of-band buffers."""
    listed: Sequence[tuple[int, bytes]] = ()
    """Size in bytes and digest of each of them."""
