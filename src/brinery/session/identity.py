"""Which living object is which record: the side table of one store.

An entry is removed when its object dies.  Objects that take no weak reference (lists, dicts, subclasses of
int and tuple, …) are held, and released once nothing else refers to them.  Sweeps find these by their
reference count; the cost of a sweep is spread over the entries made.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

from brinery.codec import Codec
from brinery.ids import name_of
from brinery.persistable import PersistentId
from brinery.record.annotation import Annotation
from brinery.session.entry import Entry, Ghost, Held, Met, Weak
from brinery.session.sleepers import Sleepers
from brinery.typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from brinery.session.savepoint import Savepoint

NOTHING: Final = object()
Annotations = Mapping[str, Annotation]
NO_ANNOTATIONS: Final[Annotations] = MappingProxyType({})

# The identity of these means nothing: equal ones may or may not be one object.
_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes, type(...)})
_FIRST_SWEEP = 256


def _count(entry: Held) -> int:
    return sys.getrefcount(entry.held)


_ALONE: Final = _count(Held(object()))


class IdentityMap:
    """The living objects of one store, by ID and by identity."""

    def __init__(self) -> None:
        self._by_id: dict[str, Entry] = {}
        self._by_key: dict[int, Entry] = {}
        self._held: dict[int, Held] = {}
        self._sweep_at = _FIRST_SWEEP
        self.incomplete: set[str] = set()
        """IDs whose living objects are placeholders or refer to placeholders."""
        self.ghost_keys: set[int] = set()
        """The `id()` of living ghosts."""
        self._callback = _forget_in(self._by_id, self._by_key, self.ghost_keys)
        self._savepoints: list[Savepoint] = []
        self.sleepers = Sleepers()
        self.ghosts_made = 0
        """How many times ghosts were made."""

    def get(self, id: str) -> Any:
        """Return the living object `id`, or `NOTHING`."""
        entry = self._by_id.get(id)
        if entry is None:
            return NOTHING
        obj = entry()
        # A dead weak reference returns None; the object None itself is never entered.
        return NOTHING if obj is None else obj

    def entry(self, obj: Any) -> Entry | None:
        """Return the entry of `obj`, None if it has none."""
        entry = self._by_key.get(id(obj))
        return entry if entry is not None and entry() is obj else None

    def at(self, key: int) -> Entry | None:
        """Return the entry of the object with this `id()`, None if there is none."""
        return self._by_key.get(key)

    def is_ghost(self, obj: Any) -> bool:
        """Return whether `obj` is an object whose record was not read yet."""
        return type(self.entry(obj)) is Ghost

    def ghost(self, id: str) -> Any:
        """Return the living ghost of the object `id`, or `NOTHING`."""
        entry = self._by_id.get(id)
        if type(entry) is not Ghost:
            return NOTHING
        obj = entry()
        return NOTHING if obj is None else obj

    def add_living(self, ids: Iterable[str], objects: dict[str, Any]) -> list[str]:
        """Add the living objects `ids` to `objects`; return the IDs of the others."""
        others: list[str] = []
        by_id = self._by_id
        for id_ in ids:
            entry = by_id.get(id_)
            obj: Any = None if entry is None else entry()
            if obj is None:
                others.append(id_)
            else:
                objects[id_] = obj
        return others

    @property
    def current(self) -> dict[str, Entry]:
        """Return the living objects by ID; `forget_objects` begins another table."""
        return self._by_id

    @contextmanager
    def generation(self, by_id: dict[str, Entry]) -> Iterator[None]:
        """Find and enter objects in a table of before."""
        former = self._by_id, self._callback
        if by_id is not self._by_id:
            self._by_id, self._callback = by_id, _forget_in(by_id, self._by_key, self.ghost_keys)
        try:
            yield
        finally:
            self._by_id, self._callback = former

    def make_ghost(self, obj: Any, entry: Entry, met: Met) -> None:
        """Enter a living object, whose entry is given, as a ghost."""
        ghost = Ghost(obj, self._callback)
        ghost.id, ghost.key, ghost.met, ghost.position = str(entry.id), entry.key, met, 0
        self.sleepers.note_lost(entry)
        self.put_back(ghost)

    def put_back(self, entry: Entry) -> None:
        """Enter an object again as it was before: a ghost that could not be filled, say."""
        self._by_key[entry.key] = self._by_id[entry.id] = entry
        if type(entry) is Ghost:
            self.ghost_keys.add(entry.key)
            self.ghosts_made += 1
        else:
            self.ghost_keys.discard(entry.key)

    def enter_ghosts(
        self, ids: Sequence[str], cls: type, met: Met, position: int, objects: dict[str, Any]
    ) -> None:
        """Make the ghosts `ids`, which have no living objects, and add them to `objects`.

        They are of the class `cls` of ghosts; `position` is that of the first among those of `met`.
        """
        by_id, by_key, callback = self._by_id, self._by_key, self._callback
        self.ghosts_made += 1
        keys = self.ghost_keys
        make: Callable[[type], Any] = object.__new__
        for id_ in ids:
            objects[id_] = obj = make(cls)
            entry = Ghost(obj, callback)
            entry.id = id_
            entry.key = key = id(obj)
            entry.met = met
            entry.position = position
            position += 1
            by_key[key] = by_id[id_] = entry
            keys.add(key)

    def set(
        self,
        id_: str,
        obj: Any,
        version: Any,
        digest: bytes,
        codec: Codec,
        is_loaded: bool = False,
        annotation: Annotation | None = None,
    ) -> None:
        """Enter `obj` as the object `id_`; `is_loaded` says that it comes from the record."""
        annotations = NO_ANNOTATIONS if annotation is None else {id_: annotation}
        entered = id_, obj, version, digest, codec
        self.enter((entered,), is_loaded=is_loaded, annotations=annotations)

    def enter(
        self,
        entries: Iterable[tuple[str, Any, Any, bytes, Any]],
        *,
        is_loaded: bool = False,
        annotations: Annotations = NO_ANNOTATIONS,
    ) -> None:
        """Enter objects: for each its ID, itself, and the version, digest and codec of its record.

        `annotations` are those of records that have one, by ID.
        """
        by_id, by_key, callback, turn = (
            self._by_id,
            self._by_key,
            self._callback,
            next(PersistentId.turns),
        )
        point = self._savepoints[-1] if self._savepoints else None
        for id_, obj, version, digest, codec in entries:
            key = id(obj)
            if point is not None:
                point.lent.add(id_)
                point.note(key, by_key.get(key))
            if type(obj) in _ATOMS:
                by_id.pop(id_, None)
                continue
            try:
                entry: Entry = Weak(obj, callback)
            except TypeError:
                entry = self._held_entry(key, obj)
            # The entry is complete before it can be found: a handler of a signal may look at any moment.
            entry.id = id_
            entry.key = key
            entry.version = version
            entry.digest = digest
            entry.codec = codec
            entry.is_loaded = is_loaded
            entry.is_doubtful = False
            entry.turn = turn
            entry.annotation = annotations.get(id_) if annotations else None
            former = by_key.setdefault(key, entry)
            if former is not entry:
                by_key[key] = entry
                self.ghost_keys.discard(key)
                if self.sleepers.graphs:
                    self.sleepers.enter(entry)
                if former.id != id_ and by_id.get(former.id) is former:
                    # A plain object that gets another ID: the record of the former one is read again.
                    del by_id[former.id]
            former = by_id.setdefault(id_, entry)
            if former is not entry:
                by_id[id_] = entry
                if former.key != key:
                    # The record belongs to another object now: the former object counts as new again.
                    self._drop(former)

    def _held_entry(self, key: int, obj: Any) -> Held:
        if len(self._held) >= self._sweep_at:
            self._sweep()
        entry = self._held[key] = Held(obj)
        return entry

    def _sweep(self) -> None:
        for entry in [*self._held.values()]:
            if _count(entry) <= _ALONE:
                self._drop(entry)
        self._sweep_at = max(_FIRST_SWEEP, 2 * len(self._held))

    def _drop(self, entry: Entry) -> None:
        key = entry.key
        if self._savepoints:
            self._savepoints[-1].note(key, self._by_key.get(key))
        self.sleepers.forget_with(entry)
        if self._by_id.get(entry.id) is entry:
            del self._by_id[entry.id]
        if type(entry) is Ghost:
            return  # whoever uses it is to hear which record it was
        if self._by_key.get(key) is entry:
            del self._by_key[key]
        if self._held.get(key) is entry:
            del self._held[key]

    def remove(self, id_: str) -> None:
        """Forget the object `id_`, whose record was removed."""
        entry = self._by_id.get(id_)
        if entry is not None:
            self._drop(entry)
        if len(self._by_id) == len(self._by_key):
            return
        # A later load was made to read some record again: the object of before has the same ID.
        # Iterate over a copy: when another thread drops an object, the table changes.
        for entry in [*self._by_key.values()]:
            if entry.id == id_:
                self._drop(entry)

    def discard(self, id_: str, obj: Any) -> None:
        """Forget that `obj` is the object `id_`, if it is."""
        entry = self._by_id.get(id_)
        if entry is not None and entry() is obj:
            self._drop(entry)

    def clear(self) -> None:
        """Forget all objects: all records were removed."""
        self.sleepers.forget()
        for entry in [*self._by_key.values()]:
            self._drop(entry)
        self.incomplete.clear()

    def forget(self, id_: str) -> None:
        """Make a later load read `id_` again; its living object keeps the ID."""
        entry = self._by_id.pop(id_, None)
        if entry is not None:
            self.sleepers.forget_with(entry)

    def forget_each(self, ids: Iterable[str]) -> None:
        """Make later loads read `ids` again; their living objects keep the IDs."""
        for id_ in ids:
            self.forget(id_)

    def renew(self, versions: Mapping[str, tuple[Any, Any]]) -> None:
        """Enter the new versions of records that were rewritten with the same content.

        `versions` maps each name to the version before and the one after.
        """
        for entry in [*self._by_key.values()]:
            former, present = versions.get(name_of(entry.id), (None, None))
            if former is not None and type(entry) is not Ghost and entry.version == former:
                entry.version = present

    def forget_objects(self) -> None:
        """Make later loads read all records again; living objects keep their IDs.

        Ghosts that are alive go on with the objects of before.
        """
        self.sleepers.forget()
        self._by_id = {}
        self._callback = _forget_in(self._by_id, self._by_key, self.ghost_keys)
        self.incomplete.clear()
        self._sweep()

    # -- transactions

    def begin_transaction(self, point: Savepoint) -> None:
        """Note all changes in `point` from now on, until `commit` or `roll_back`; they may be nested."""
        self._savepoints.append(point)

    def lend(self, ids: Iterable[str]) -> None:
        """Note that the objects `ids` are handed to the user's code, which may change them."""
        if self._savepoints:
            self._savepoints[-1].lent.update(ids)

    def commit(self, committed_version: Callable[[str, Any], Any]) -> None:
        """Keep the changes; `committed_version` takes an ID and a version, and returns the new version."""
        point = self._savepoints.pop()
        for key in point.keys:
            entry = self._by_key.get(key)
            if entry is not None and type(entry) is not Ghost:
                entry.version = committed_version(entry.id, entry.version)
        if self._savepoints:
            point.merge_into(self._savepoints[-1])

    def roll_back(self, point: Savepoint, is_own: Callable[[Any], bool]) -> Collection[str]:
        """Undo the changes, and make later loads read all records again; return the IDs of lent objects.

        Nothing happens unless `point` is the last savepoint: an interrupt came before it was.  `is_own`
        returns whether a version is one that this transaction wrote: those records are dropped.  The user's
        code may have changed any living object.  If only some were forgotten, the next load would join new
        objects to old ones, and the undone changes would come back.
        """
        if point not in self._savepoints[-1:]:
            return ()
        self._savepoints.pop()
        for key in point.keys:
            self._put_back(key, point.before(key, is_own), is_own)
        if self._savepoints:
            point.merge_into(self._savepoints[-1])
        self.forget_objects()
        return point.lent

    def doubt(self, ids: Collection[str] | None) -> None:
        """Note that the living objects `ids` may have changes that were undone; None for all objects."""
        for entry in [*self._by_key.values()]:
            if ids is None or entry.id in ids:
                entry.is_doubtful = True

    def _put_back(self, key: int, former: Entry | None, is_own: Callable[[Any], bool]) -> None:
        present = self._by_key.get(key)
        if type(former) is Ghost and type(present) is not Ghost:
            if present is not None and not is_own(present.version):
                return  # it was only read
            former = None
        if former is not None and former() is not None:
            self._by_key[key] = former
            if type(former) is Ghost:
                self._by_id[former.id] = former
            elif type(former) is Held:
                self._held[key] = former
            return
        if present is not None and is_own(present.version):
            # One that was loaded, from a record that stays, is kept.
            self._by_key.pop(key, None)
            self._held.pop(key, None)
            if self._by_id.get(present.id) is present:
                del self._by_id[present.id]

    def __len__(self) -> int:
        return len(self._by_id)


def _forget_in(by_id: dict[str, Entry], by_key: dict[int, Entry], ghosts: set[int]) -> Any:
    # Not a method: the weak references must not keep the map alive, nor fail when the map dies first.
    def forget(entry: Weak | Ghost) -> None:
        if by_id.get(entry.id) is entry:
            del by_id[entry.id]
        if by_key.get(entry.key) is entry:
            del by_key[entry.key]
            ghosts.discard(entry.key)

    return forget
