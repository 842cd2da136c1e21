"""The caches of an opened store, one attribute for each kind."""

from __future__ import annotations

from brinery.codec import Codec
from brinery.evolution.libraries import Libraries
from brinery.record.writer import Writer
from brinery.session.recent import RecentRecords
from brinery.typing import Any


class Caches:
    """The caches of one session; each can be dropped at any time."""

    __slots__ = ("codecs", "libraries", "missing_classes", "recent", "writer")

    def __init__(self) -> None:
        self.codecs: dict[Any, Any] = {}
        """The caches of codecs, under keys that the codecs choose: `links.cache`."""
        self.libraries = Libraries()
        self.missing_classes: dict[Any, Any] = {}
        """The classes of placeholders, one for each class that is missing."""
        self.recent = RecentRecords()
        self.writer: tuple[Codec, Writer] | None = None
        """The writer of the last save, with its codec: most saves of a store use one codec."""
