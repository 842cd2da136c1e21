"""The caches of an opened store, one attribute for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from weakref import ref

from brinery.codec import Codec
from brinery.evolution.libraries import Libraries
from brinery.record.kind import Kind
from brinery.record.kinds import KindTable
from brinery.session.recent import RecentRecords
from brinery.typing import Any


class Caches:
    """The caches of one session; each can be dropped at any time."""

    __slots__ = ("codecs", "kinds", "libraries", "makers", "missing_classes", "recent", "saver")

    def __init__(self) -> None:
        self.codecs: dict[Any, Any] = {}
        """The caches of codecs, under keys that the codecs choose: `links.cache`."""
        self.libraries = Libraries()
        self.makers: dict[bytes, tuple[ref[type], bytes]] = {}
        """By the bytes of the kind of simple records, their class and the opening of it."""
        self.missing_classes: dict[Any, Any] = {}
        """The classes of placeholders, one for each class that is missing."""
        self.recent = RecentRecords()
        self.kinds: dict[int, KindTable] = {}
        """The kinds of records that are written, by the `id()` of the codec."""
        self.saver: Any = None
        """The saver of the last save, with its picklers; None while a save uses it."""

    def add_makers(self, makers: Mapping[Kind, tuple[type, bytes]]) -> None:
        """Add the classes that a load has found."""
        for kind, (cls, opening) in makers.items():
            self.makers[kind.blob] = ref(cls), opening

    def kinds_of(self, codec: Codec) -> KindTable:
        """Return the kinds of the records that a codec writes."""
        found = self.kinds.get(id(codec))
        if found is None:
            # A codec is kept by its table, so that no other gets its identity.
            found = self.kinds[id(codec)] = KindTable(codec)
        return found
