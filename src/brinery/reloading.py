"""Loading an object beside the living one, to see whether that has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from brinery.codec import Codec, Restriction, Sink
from brinery.finding import Finder
from brinery.identity import NOTHING, IdentityMap
from brinery.persistable import is_persistable_type
from brinery.placeholder import as_root
from brinery.record import Record, digest_of
from brinery.renames import Renames


class RecentRecords:
    """The records of the last small loads: what is loaded, changed and saved need not be read again."""

    _MOST: Final = 64
    _LARGEST: Final = 1 << 16  # bytes
    MOST_OF_ONE_LOAD: Final = 16

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}

    @classmethod
    def of(cls, kept: dict[Any, Any]) -> RecentRecords:
        """Return those of a store."""
        found = kept.get(cls)
        if found is None:
            found = kept[cls] = cls()
        return found

    def add(self, id: str, record: Record) -> None:
        """Keep a record that was just loaded."""
        restored = 0 if record.raw is None else len(record.raw)
        if len(record.data) + restored > self._LARGEST:
            return
        records = self._records
        records.pop(id, None)
        while len(records) >= self._MOST:
            del records[next(iter(records))]
        records[id] = record

    def get(self, id: str, version: Any) -> Record | None:
        """Return the record `id`, if it is kept in this version."""
        record = self._records.get(id)
        return record if record is not None and record.version == version else None


class Reloading:
    """The links, for reading and for writing, of an object that is loaded beside the living one.

    It refers to the living objects of the store, and nothing that it refers to is saved for it.
    """

    is_external_type = staticmethod(is_persistable_type)

    def __init__(
        self,
        identity: IdentityMap,
        kept: dict[Any, Any],
        renames: Renames,
        restriction: Restriction | None,
    ) -> None:
        self._identity = identity
        self.restriction = restriction
        self._finder = Finder(renames, kept, stands_in=True)
        self.kept = kept
        self.shared: dict[Any, Any] = {}
        self.root: Any = None
        self._versions: Mapping[str, int] = {}

    def digest(self, codec: Codec, record: Record) -> bytes:
        """Return the digest of what `codec` writes for an object that was just loaded."""
        self._versions = record.metadata.versions
        try:
            loaded = codec.load(record.payload, self, record.buffers)
            self.shared.clear()
            return self.digest_of_living(codec, loaded)
        finally:
            self.shared.clear()

    def digest_of_living(self, codec: Codec, obj: Any) -> bytes:
        """Return the digest of what `codec` writes for `obj`.

        Raise `LookupError` where it refers to a persistable object that has no ID.
        """
        try:
            self.root = obj
            sink = Sink()
            codec.dump(obj, sink, self)
            return digest_of(sink.pieces)
        finally:
            self.shared.clear()
            self.root = None

    def external(self, obj: Any) -> str | None:
        """Return the ID of a living object, None for the root and for plain objects."""
        if obj is self.root or not is_persistable_type(type(obj)):
            return None
        entry = self._identity.entry(obj)
        if entry is None:
            raise LookupError
        return str.__str__(entry.id)

    def resolve(self, id: str) -> Any:
        """Return the living object `id`."""
        obj = self._identity.get(id)
        if obj is NOTHING:
            raise LookupError(id)
        return obj

    def construct(
        self,
        early: Mapping[str, Any] | None,
        constructor: Callable[..., Any],
        args: Sequence[Any],
    ) -> Any:
        """Return the object, made by its constructor."""
        return as_root(constructor(*args))

    def find(self, module: str, name: str, look_up: Callable[[str, str], Any]) -> Any:
        """Return a global, or the placeholder that the living object has in its place."""
        version = self._versions.get(f"{module}:{name}", 1)
        return self._finder.find(module, name, look_up, version)

    def is_lasting(self, module: str, name: str) -> bool:
        """Return True: there is one record."""
        return True

    def upgrader(self, module: str, name: str, cls: Any) -> None:
        """Return None: what was upgraded is written anew without a comparison."""

    def note_version(self, cls: type) -> None:
        """Return None: only the payload is compared."""

    def note_library(self, module: str) -> None:
        """Return None: only the payload is compared."""

    def restart(self) -> None:
        """Do nothing: the object is made anew."""
