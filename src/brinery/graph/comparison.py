"""Loading a second copy of a living object, to see whether the living one has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from brinery.codec import Codec, Sink
from brinery.evolution.lookup import ClassLookup
from brinery.evolution.placeholder import as_root, missing_class
from brinery.graph.loading.mapper import mapped_again, mapped_as
from brinery.ids import name_of
from brinery.persistable import Ref, is_persistable_type, ref_to
from brinery.record.buffers import digest_and_buffers
from brinery.record.format import SIMPLE
from brinery.record.record import Record
from brinery.reference import OWN_STORE, REF
from brinery.session.active import ACTIVE
from brinery.session.entry import Entry
from brinery.session.identity import NOTHING
from brinery.session.session import Session
from brinery.typing import Any, Final, Self


class _Bare:
    """Gets the attributes of an object; a reference of the object to itself leads here."""


class _StandIn:
    """Takes the place of an object that is referred to."""

    __slots__ = ("obj",)

    def __init__(self, obj: Any) -> None:
        self.obj = obj


_ATOMS: Final = frozenset({type(None), bool, int, float, str, bytes})
_DEEPEST: Final = 20


def _differ(old: Any, new: Any, depth: int = 0) -> bool:
    """Return whether two values are certainly different, without code of any class of the user's.

    `old` was just decoded, and has stand-ins for other objects.
    """
    cls = type(old)
    if cls is _StandIn:
        return new is not old.obj
    if cls is not type(new):
        return cls in _ATOMS and type(new) in _ATOMS
    if cls in _ATOMS:
        return bool(old != new) and (old == old or new == new)
    if depth == _DEEPEST or cls not in (list, tuple, dict):
        return False
    if len(old) != len(new):
        return True
    if cls is dict:
        return _differ([*old], [*new], depth + 1) or _differ(
            [*old.values()], [*new.values()], depth + 1
        )
    return any(_differ(one, other, depth + 1) for one, other in zip(old, new, strict=False))


class Reloading:
    """The links, for reading and for writing, of a second copy of a living object.

    The copy refers to the living objects of the store, and none of them is saved because of it.
    """

    is_external_type = staticmethod(is_persistable_type)
    current = ""

    def __init__(self, session: Session) -> None:
        self._identity = session.identity
        self._store = session.store
        self.session = session
        self.restriction = session.gate.restriction
        self._lookup = ClassLookup(
            session.renames, session.caches.missing_classes, placeholders=True
        )
        self.cache = session.caches.codecs
        self.batch: dict[Any, Any] = {}
        self.root: Any = None
        self._versions: Mapping[str, int] = {}

    def is_record_of(self, obj: Any, entry: Entry, digest: bytes) -> bool:
        """Return whether the record of `obj`, which was loaded, has, encoded again, this digest.

        An object that was not changed may encode to other bytes than its record has: attribute names are
        interned, so that equal strings are one object or two; sets have the order of this process.  So the
        record is loaded again, and encoded as the living object was.
        """
        session = self.session
        with suppress(Exception):  # then it counts as changed
            if (how := mapped_as(session, entry.id, obj)) is not None:
                mapped = mapped_again(session, entry, how)
                return mapped is not None and self.digest(entry.codec, mapped) == digest
            data, version = session.caches.recent.get(entry.id, entry.version), entry.version
            if data is None:
                data, version = session.backend.get(name_of(entry.id))
                if version != entry.version:
                    return False
            record = session.gate.parsed(data, version, id=entry.id)
            session.gate.check_codec(entry.codec, record.metadata)
            record = session.expander.restored(record)
            if self._differs(obj, entry.codec, record):
                return False
            return self.digest(entry.codec, record) == digest
        return False

    def _differs(self, obj: Any, codec: Codec, record: Record) -> bool:
        # Return True if the attributes of an object are certainly not those in its simple record; to find
        # that out takes a tenth of the time of encoding it.
        metadata = record.metadata
        cls, opening, _ = self.session.caches.makers.get(metadata.kind.blob, (None, b"", None))
        if cls is None or cls() is not type(obj) or metadata.flags != SIMPLE:
            return False
        payload = record.payload
        if metadata.transform is not None or bytes(payload[: len(opening)]) != opening:
            return False
        bare = _Bare()
        with suppress(Exception):
            codec.fill(bytes(payload[len(opening) :]), bare, self._stand_in)
            return _differ(vars(bare), vars(obj))
        return False

    def _stand_in(self, id: str) -> _StandIn:
        return _StandIn(self.resolve(id))

    def digest(self, codec: Codec, record: Record) -> bytes:
        """Load the object of `record`; return the digest of the payload that `codec` writes for it."""
        return self.digest_of_living(codec, self.copy(codec, record))

    def copy(self, codec: Codec, record: Record) -> Any:
        """Return another copy of the object of `record`, which refers to the living objects."""
        self._versions = record.metadata.versions
        try:
            return codec.load(record.payload, self, record.buffers)
        finally:
            self.batch.clear()

    def digest_of_living(self, codec: Codec, obj: Any) -> bytes:
        """Return the digest of the payload that `codec` writes for `obj`.

        Raise `LookupError` if it refers to a persistable object that has no ID.
        """
        with self.encoding(obj):
            sink = Sink()
            codec.dump(obj, sink, self)
            return digest_and_buffers(sink.pieces)[0]

    @contextmanager
    def encoding(self, obj: Any) -> Iterator[Self]:
        """Prepare to encode `obj`."""
        ACTIVE.encoders.append(self)
        self.root = obj
        try:
            yield self
        finally:
            with suppress(ValueError):  # an interrupt came before it was there
                ACTIVE.encoders.remove(self)
            self.batch.clear()
            self.root = None

    def external(self, obj: Any) -> str | None:
        """Return the ID of a living object, None for the root and for plain objects."""
        if obj is self.root or not is_persistable_type(type(obj)):
            return None
        if type(obj) is Ref:
            id_ = obj.id_in(self.session)
            if id_ is None:
                raise LookupError
            return REF + id_
        entry = self._identity.entry(obj)
        if entry is None:
            raise LookupError
        return str.__str__(entry.id)

    def met(self, id: str) -> None:
        """Do nothing: only the payload is compared."""

    def resolve(self, id: str) -> Any:
        """Return the living object `id`, or the store."""
        if id == OWN_STORE:
            return self._store()
        if id.startswith(REF):
            return ref_to(self.session, id.removeprefix(REF))
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
        return self._lookup.find(module, name, look_up, version)

    def is_lasting(self, module: str, name: str) -> bool:
        """Return True: there is one record."""
        return True

    def upgrader(self, module: str, name: str, cls: Any) -> None:
        """Return None: an upgraded object is written again without a comparison."""

    def note_version(self, cls: type) -> None:
        """Return None: only the payload is compared."""

    def note_library(self, module: str) -> None:
        """Return None: only the payload is compared."""

    @property
    def takes_placeholders(self) -> bool:
        """Return True: the living object may have some."""
        return True

    def placeholder_of(self, module: str, qualname: str) -> type:
        """Return the class of the placeholders that a load gives for objects of a class."""
        version = self._versions.get(f"{module}:{qualname}", 1)
        return missing_class(module, qualname, self._lookup.missing_classes, version)

    def restart(self) -> bool:
        """Return True: `construct` makes a new object each time."""
        return True
