"""The caches of an opened store, one attribute for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from weakref import ref

from brinery.codec import Codec
from brinery.evolution.libraries import Libraries
from brinery.record.kind import MOST_KINDS, Kind, KindTable
from brinery.session.recent import RecentRecords
from brinery.typing import Any


class Caches:
    """The caches of one session; each can be dropped at any time."""

    __slots__ = ("codecs", "kinds", "libraries", "makers", "missing_classes", "recent", "saver")

    def __init__(self) -> None:
        self.codecs: dict[Any, Any] = {}
        """The caches of codecs, under keys that the codecs choose: `links.cache`."""
        self.libraries = Libraries()
        self.makers: dict[bytes, tuple[ref[type], bytes, Codec]] = {}
        """By the bytes of the kind of simple records: their class, its opening, and what decodes them."""
        self.missing_classes: dict[Any, Any] = {}
        """The classes of placeholders, one for each class that is missing."""
        self.recent = RecentRecords()
        self.kinds: KindTable | None = None
        """The kinds of the records of the last save's codec: most saves of a store use one codec."""
        self.saver: Any = None
        """The saver of the last save, with its picklers; None while a save uses it."""

    def add_makers(self, makers: Mapping[Kind, tuple[type, bytes, Codec]]) -> None:
        """Add the classes that a load has found."""
        if len(self.makers) > MOST_KINDS:
            self.makers.clear()
        for kind, (cls, opening, codec) in makers.items():
            self.makers[kind.blob] = ref(cls), opening, codec

    def kinds_of(self, codec: Codec, writer: Mapping[str, str]) -> KindTable:
        """Return the kinds of the records that a codec writes; a session has one `writer`."""
        if self.kinds is None or self.kinds.codec is not codec:
            self.kinds = KindTable(codec, writer)
        return self.kinds
