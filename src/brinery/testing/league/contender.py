"""The contenders: whatever writes an object to a path and reads it again."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from brinery.codec import Codec
from brinery.stores.filesystem import FilesystemStore


class Contender:
    """A serializer of bytes.  One that writes files itself overrides `write` and `read` instead."""

    def dumps(self, obj: Any) -> bytes:
        """Return an object as bytes; raise any exception to refuse it."""
        raise NotImplementedError

    def loads(self, data: bytes) -> Any:
        """Return the object that `dumps` of another process wrote."""
        raise NotImplementedError

    def write(self, obj: Any, path: Path) -> None:
        """Write an object to a path where nothing is yet; raise any exception to refuse it."""
        path.write_bytes(self.dumps(obj))

    def read(self, path: Path) -> Any:
        """Return the object that `write` of another process left at a path."""
        return self.loads(path.read_bytes())


class Stored(Contender):
    """A codec, used by a store in a directory."""

    def __init__(self, codec: Codec | str) -> None:
        self._codec = codec

    def write(self, obj: Any, path: Path) -> None:
        """Save the object."""
        with FilesystemStore(path, codec=self._codec, durability="process") as store:
            store.save(obj, "probe")

    def read(self, path: Path) -> Any:
        """Load the object."""
        with FilesystemStore(path, codec=self._codec, durability="process") as store:
            return store.load("probe")


class Entry(NamedTuple):
    """A contender as another process can make it: a class, by its module and name, and its arguments.

    The class is a subclass of `Contender` or of `Codec`.
    """

    module: str
    name: str
    arguments: Mapping[str, Any] = {}

    def make(self) -> Contender:
        """Return the contender."""
        found: Any = importlib.import_module(self.module)
        for part in self.name.split("."):
            found = getattr(found, part)
        made = found(**self.arguments)
        return Stored(made) if isinstance(made, Codec) else made


def entry_of(codec: Codec) -> Entry:
    """Return the entry of a codec."""
    return Entry(type(codec).__module__, type(codec).__qualname__, codec.config())
