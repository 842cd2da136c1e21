"""The result of encoding one object, before it becomes a record."""

from __future__ import annotations

from collections.abc import Sequence

from brinery.backend import Data
from brinery.record.buffers import LargeBuffer
from brinery.record.kind import Kind
from brinery.record.record import Groups
from brinery.typing import NamedTuple


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
