"""The result of encoding one object, before it becomes a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from brinery.codec import Buffer


class Encoded(NamedTuple):
    """A payload as its codec wrote it, and the metadata that come from encoding it."""

    pieces: Sequence[Buffer]
    """The pieces of the payload; joined they are its bytes."""
    digest: bytes
    """Of the payload."""
    references: Sequence[str]
    """The IDs of the persistable objects that the payload refers to, in the order met."""
    versions: Mapping[str, int]
    """The versions of classes (`module:qualname`) of objects in the payload, if above 1."""
    libraries: Mapping[str, str]
    """The versions of the libraries whose classes the payload names."""
    buffers: Sequence[Buffer] = ()
    """Out-of-band buffers."""
    listed: Sequence[tuple[int, bytes]] = ()
    """Size in bytes and digest of each of them."""
