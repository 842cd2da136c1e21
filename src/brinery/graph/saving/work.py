"""The objects of one save: what the caller asked for, and what the save has met."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

from brinery.backend import ABSENT, ANY, Expect, Version
from brinery.errors import AlreadySavedError, IdTakenError, InvalidArgumentError
from brinery.ids import Id, name_of
from brinery.persistable import Ref, is_persistable_type
from brinery.record.record import IN_REFS
from brinery.reference import REF, is_ghost_class, touch
from brinery.session.entry import Entry, Ghost
from brinery.session.identity import NOTHING
from brinery.session.session import Session
from brinery.session.sleepers import SavedGraph
from brinery.typing import Any, Final, NamedTuple


class Root(NamedTuple):
    """One object that the caller asked to save."""

    obj: Any
    id: str | None = None
    """The ID that the caller chose; None for the object's own or a new one."""
    overwrite: bool = False
    """Replace any record that is stored under `id`."""
    expect: Version | None = None
    """The version that the record `id` must have; None for no such demand."""


_new_root: Final[Callable[[Any], Root]] = functools.partial(tuple.__new__, Root)


def roots_of(objects: Iterable[tuple[Any, str | None]]) -> list[Root]:
    """Return roots for objects, each with the ID that the caller chose, or None."""
    return [_new_root((obj, id_, False, None)) for obj, id_ in objects]


class Work:
    """One object that a save writes, unless it has not changed."""

    # One is made for each object.  Values that few of them have are those of the class.
    is_demanded = False
    """Whether the caller said which version to replace."""
    is_gone = False
    """Whether the record of an unchanged object was removed from the store."""
    chosen = False
    """Whether the caller chose the ID."""
    found_in: Work | None = None
    """The record that refers to it; None for a root."""
    former: Entry | None = None
    """That of its record, where `entry` is None because the object has to be written in any case."""

    def __init__(
        self, obj: Any, id: str, reference: str, entry: Entry | None, expect: Version | Expect
    ) -> None:
        self.obj = obj
        self.id = id
        self.reference = reference
        """The ID as payloads have it: a plain string, whatever class the IDs of the factory have."""
        self.name = name_of(reference)
        self.entry = entry
        self.expect = expect


GHOST: Final[Any] = 2
REFERENCE: Final[Any] = 3


class PersistableTypes(dict[type, bool]):
    """Whether the objects of a type have records of their own.

    `GHOST` for the classes of ghosts, and `REFERENCE` for `Ref`, which takes the place of such an object.
    """

    def __missing__(self, cls: type) -> bool:
        answer = is_persistable_type(cls)
        if answer and is_ghost_class(cls):
            answer = GHOST
        elif cls is Ref:
            answer = REFERENCE
        if type(cls).__eq__ is type.__eq__:  # no other class is equal to it
            self[cls] = answer
        return answer


class ClassNames(dict[type, str]):
    """The names of types as records have them: `module:qualname`."""

    def __missing__(self, cls: type) -> str:
        answer = f"{cls.__module__}:{cls.__qualname__}"
        if type(cls).__eq__ is type.__eq__:
            self[cls] = answer
        return answer


class WorkList:
    """The works of one save, in the order in which their objects were met; each object has one ID."""

    def __init__(self) -> None:
        self.found: list[Work] = []
        self.referred: list[Work] = []
        """Those that are referred to and not looked at: nobody has used them; all, if not `deep`."""
        self.deep = True
        self.is_persistable = PersistableTypes()
        self.class_names = ClassNames()
        self.claims: dict[str, str] = {}
        """The class names of the objects, by ID."""
        self.by_key: dict[int, Work] = {}
        """The works of persistable objects, by `id()`."""
        self._plain_roots: dict[int, Work] = {}
        self.graphs: list[SavedGraph] = []
        """Those of former saves of which this one starts from what was used since."""
        self._graphs: dict[str, SavedGraph] = {}
        self._to_enlist: list[SavedGraph] = []
        self.skips = False
        """Whether there are such graphs."""

    def begin(self, session: Session, *, deep: bool) -> None:
        """Prepare for a save; without `deep`, one of the roots and of objects that have no ID yet."""
        self.deep = deep
        self._session = session
        self._identity = session.identity
        self._new_id: Callable[[Any], Any] = session.idfactory.new
        self._location = session.backend.location

    def use_graphs(self, epoch: Version | None) -> None:
        """Look only at what was used in graphs that were saved in the present epoch of the store."""
        self._graphs = self._identity.sleepers.those_of(epoch)
        self.skips = bool(self._graphs)

    def give_ids(self, new_id: Callable[[Any], Any]) -> None:
        """Take the IDs of objects that have none from `new_id`."""
        self._new_id = new_id

    def forget_classes(self) -> None:
        """Forget what was found out about types: it may have changed until the next save."""
        self.class_names.clear()
        self.is_persistable.clear()

    def end(self) -> None:
        """Forget the save."""
        for kept in (self.found, self.referred, self.claims, self.by_key, self._plain_roots):
            kept.clear()
        self.graphs, self._graphs, self._to_enlist, self.skips = [], {}, [], False
        unused: Any = None
        self._session = self._identity = self._new_id = unused

    def known(self, obj: Any) -> Work | None:
        """Return the work of an object, None if it was not met."""
        return self.by_key.get(id(obj)) or self._plain_roots.get(id(obj))

    def of_reached(self, obj: Any, found_in: Work | None) -> Work | None:
        """Return the work of an object that another one refers to; None if it is not persistable."""
        work = self.by_key.get(id(obj))
        if work is not None:
            return work
        kind = self.is_persistable[type(obj)]
        if kind is not True:
            if kind is REFERENCE:
                return self._of_ref(obj, found_in)
            if not kind:
                return None
        entry = self._identity.entry(obj)
        if entry is None:
            work = self._add(obj, self._new_id(obj), None, ABSENT)
        elif type(entry) is Ghost or not self.deep or (self.skips and self._is_clean(entry)):
            work = self._add(obj, entry.id, entry, entry.version, self.referred)
        else:
            work = self._add(obj, entry.id, entry, entry.version)
        work.found_in = found_in
        return work

    def _is_clean(self, entry: Entry) -> bool:
        # Return whether an object need not be looked at, nor what it reaches but for what was used.
        graph = self._graphs.get(entry.id)
        if graph is not None and graph.root is entry:
            del self._graphs[entry.id]
            self._identity.sleepers.use(graph)
            self.graphs.append(graph)
            self._to_enlist.append(graph)
        return any(graph.has_clean(entry) or self._is_same(graph, entry) for graph in self.graphs)

    def _is_same(self, graph: SavedGraph, entry: Entry) -> bool:
        # Return whether a large object, which was used, is certainly as its record is.
        snapshot = graph.snapshots.get(entry.key)
        if snapshot is None or graph.used.get(entry.key) is not entry:
            return False
        from brinery.graph.saving.parts import Parts

        parts = Parts(self._session)
        parts.walk(entry())
        return bool(snapshot.is_of(parts))

    def enlist_used(self) -> bool:
        """Add what was used in graphs that were met; return whether there were such."""
        graphs, self._to_enlist = self._to_enlist, []
        for graph in graphs:
            for obj in graph.those_used():
                self.of_reached(obj, None)
        return bool(graphs)

    def _of_ref(self, ref: Ref[Any], found_in: Work | None) -> Work:
        # Payloads have the ID of its object, marked.
        id_ = ref.waits_in(self._session)
        obj = ref() if id_ is None else self._identity.get(id_)
        if id_ is None or obj is not NOTHING:
            target = self.of_reached(obj, found_in)
            assert target is not None
            id_ = target.reference
        elif id_ not in self.claims:
            target = Work(ref, id_, id_, None, ANY)
            target.found_in = found_in
            self.referred.append(target)
        work = Work(ref, id_, REF + id_, None, ANY)
        self.claims[work.reference] = IN_REFS
        self.by_key[id(ref)] = work
        return work

    def woken(self) -> list[Work]:
        """Move the ghosts that code of the user has used meanwhile to those found; return these."""
        woken: list[Work] = []
        others: list[Work] = []
        for work in self.referred:
            entry = self._identity.entry(work.obj)
            if type(work.entry) is Ghost and entry is not None and type(entry) is not Ghost:
                work.entry, work.expect = entry, entry.version
                woken.append(work)
            else:
                others.append(work)
        self.referred = others
        return woken

    def add_root(self, root: Root) -> Work:
        """Return the work of a root.

        Raise `AlreadySavedError`, `IdTakenError`, `InvalidArgumentError`.
        """
        obj, wanted, overwrite, demanded = root
        if wanted is not None and type(wanted) is not str:
            wanted = str.__str__(wanted)
        entry = self._identity.entry(obj)
        if type(entry) is Ghost or (self.skips and entry is not None and self._is_clean(entry)):
            if demanded is None and not overwrite and wanted in (None, entry.id):
                return self.known(obj) or self._add(obj, entry.id, entry, ANY, self.referred)
            touch(obj)
            entry = self._identity.entry(obj)
        if entry is not None and wanted is not None and entry.id != wanted:
            if self.is_persistable[type(obj)]:
                raise AlreadySavedError(entry.id, wanted, self._location)
            entry = None
        known, former = self.known(obj), None
        if known is not None:
            if wanted in (None, known.id):
                return known
            if id(obj) in self.by_key:
                raise AlreadySavedError(known.id, str(wanted), self._location)
            if entry is not None and demanded is None:
                # One plain object under two IDs: it is written under each, and has the last one afterwards.
                demanded = ANY if overwrite else entry.version
                former, entry = entry, None
        if demanded is not None and wanted is not None:
            work = self._add(obj, wanted, entry, demanded)
            work.is_demanded = True
            work.former = former
            return work
        if entry is not None:
            expect = ANY if overwrite else entry.version
            return self._add(obj, wanted or entry.id, entry, expect)
        if wanted is None:
            return self._add(obj, self._new_id(obj), None, ABSENT)
        if wanted in self.claims:
            raise InvalidArgumentError(
                f"expected an ID for each object, got {wanted!r} for two objects: choose another ID"
            )
        work = self._add(obj, wanted, None, ANY if overwrite else ABSENT)
        work.chosen = True
        return work

    def _add(
        self,
        obj: Any,
        id_: str,
        entry: Entry | None,
        expect: Version | Expect,
        found: list[Work] | None = None,
    ) -> Work:
        reference = id_ if type(id_) is str else str.__str__(id_)
        cls = type(obj)
        if reference in self.claims:
            raise IdTakenError(id_, self._location)
        kind = self.is_persistable[cls]
        if kind is GHOST and found is None:  # it sleeps, or is of another store
            touch(obj)
            cls = type(obj)
        elif kind is REFERENCE:
            raise InvalidArgumentError(
                "save: expected an object, got a Ref to one: save what ref() returns"
            )
        # A plain object is written into every record that contains it, even if it is also a root.
        works = self.by_key if kind else self._plain_roots
        # The codec may be close to the recursion limit, so that any call here may raise: the object
        # must not get an ID without being on the list.
        work = Work(obj, reference if type(id_) is Id else id_, reference, entry, expect)
        self.claims[reference] = self.class_names[cls]
        (self.found if found is None else found).append(work)
        works[id(obj)] = work
        return work
