"""What an identity map keeps of each living object."""

from __future__ import annotations

import weakref

from brinery.codec import Codec
from brinery.record.annotation import Annotation
from brinery.typing import Any, Final, Protocol


class _Known:
    """What is known of an object that has its state."""

    __slots__ = ()

    annotation: Annotation | None
    codec: Codec
    digest: bytes
    id: str
    is_doubtful: bool
    is_loaded: bool
    key: int
    turn: int
    version: Any


_SLOTS: Final = (*_Known.__annotations__,)


class Weak(_Known, weakref.ref[Any]):
    """The entry of an object that takes weak references."""

    __slots__ = _SLOTS


class Asleep(Weak):
    """The entry of an object that notes its first use; see `brinery.session.sleepers`."""

    __slots__ = ()


class Held(_Known):
    """The entry of an object that takes none; it keeps the object alive."""

    __slots__ = ("held", *_SLOTS)

    def __init__(self, obj: Any) -> None:
        self.held = obj

    def __call__(self) -> Any:
        """Return the object."""
        return self.held


UNREAD: Final = object()
"""The version of a record that was not read."""


class Met(Protocol):
    """Where ghosts were met; see `brinery.graph.loading.met`."""

    referrer: str
    """The ID of the record that refers to them."""
    generation: Any
    """The table of living objects, by ID, in which they were met; see `IdentityMap.current`."""


class Ghost(weakref.ref[Any]):
    """The entry of an object without state, whose record is read when the object is first used."""

    __slots__ = ("id", "key", "met", "position")

    id: str
    key: int
    met: Met
    position: int
    """Among the ghosts that were met together."""
    annotation: Annotation | None = None
    version: Any = UNREAD
    digest = b""
    codec: Any = None
    is_loaded = False
    turn = -1
    is_doubtful: Any = property(lambda _: False, lambda *_: None)
    """Never: nobody has used the object."""


Entry = Weak | Held | Ghost
"""A living object's ID, and the version, payload digest and codec of its record.

An object has one entry, with the ID that it was loaded from or saved under last.  `is_loaded` says that
the object comes from the record.  `is_doubtful` says that a transaction which could reach the object was
rolled back since: it may have changes that were undone.  `turn` says which of several maps entered the
object last.  `annotation` is that of the record, None if it has none.

A weak reference with slots takes 144 bytes and 0.1 µs; a tuple beside a plain weak reference takes 176.
"""
