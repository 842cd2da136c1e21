"""Putting objects to sleep that a save has encoded in vain.

An object that sleeps has its state, and the class of a ghost: whoever uses it wakes it, which is noted.  So a
later save of the same graph looks at what was used, and at nothing else.  This is right only for an object
whose record follows from its own attributes, if nobody can change these without using the object.  What an
attribute leads to must be reached through the object alone: reference counts show it.  And the object must
have the state of its record when it begins to note its use, which a second encoding shows.
"""

from __future__ import annotations

import copyreg
import sys
from array import array
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, NoneType
from uuid import UUID
from weakref import getweakrefcount

from brinery.catalog.trash import epoch_of
from brinery.codec import Codec, Encode
from brinery.graph.comparison import Reloading
from brinery.graph.ghost import set_state, slots_of, state_of
from brinery.graph.loading.load import ghosts_of
from brinery.graph.saving.relied import ReliedOn
from brinery.graph.saving.work import WorkList
from brinery.persistable import Ref, is_persistable_type
from brinery.record.buffers import digest_and_buffers
from brinery.reference import attributes_of
from brinery.session.entry import Asleep, Entry, Ghost
from brinery.session.session import Session
from brinery.session.sleepers import SavedGraph
from brinery.session.snapshot import CONTAINERS, Snapshot, members_of
from brinery.typing import Any, Final

_LARGE: Final = 100
"""References of an object that is compared with a snapshot, and not encoded, when it was used."""
_FEW: Final = 16
"""Objects that a save may look at in vain before its graph is kept."""

_ATOMS: Final = frozenset(
    {NoneType, bool, int, float, complex, str, bytes, type(...), range, Decimal, UUID}
    | {date, datetime, time, timedelta, timezone}
)
_IMMUTABLE: Final = (type, FunctionType, BuiltinFunctionType, Enum, PurePath)
_MAY_BE_CONSTANT: Final = frozenset({tuple, frozenset})
_FLAT: Final = frozenset({bytearray, array})


def settle(session: Session, works: WorkList, root: Any, relied: ReliedOn) -> None:
    """Keep the graph of the one root of a save that has ended, and let what has not changed sleep in it."""
    identity = session.identity
    sleepers, unchanged = identity.sleepers, relied.found
    entry = identity.entry(root)
    if entry is None:
        return
    id_ = str(entry.id)
    graph = sleepers.graphs.get(id_)
    if graph not in works.graphs:
        graph = None
    if others := [each for each in works.graphs if each is not graph]:
        # They are parts of this one, which the next save is to find whole.
        if not sleepers.has(entry):
            sleepers.drop(others)
        return
    if graph is None:
        if sleepers.has(entry) or len(unchanged) + len(works.referred) < _FEW:
            return
        epoch = relied.epoch if unchanged else epoch_of(session.backend)
        graph = SavedGraph(entry.key, epoch)
    for work in works.found:
        if (entry := identity.entry(work.obj)) is not None:
            graph.add_used(entry)
    for work in works.referred:
        if work.found_in is None:
            continue  # it was in the graph before, if it still is
        entry = identity.entry(work.obj)
        if type(entry) is Ghost or type(entry) is Asleep:
            graph.add_clean(entry)
        elif entry is not None and graph.used.get(entry.key) is not entry:
            graph.add_used(entry)
    sleepers.add(id_, graph)
    with Reloading(session).encoding(None) as links:
        bed = _Bed(session, graph, links)
        for work in unchanged:
            bed.take(work.obj)


class _Bed:
    """Puts objects to sleep."""

    def __init__(self, session: Session, graph: SavedGraph, links: Reloading) -> None:
        self._session = session
        self._links = links
        self._encoders: dict[int, Encode] = {}
        self._graph = graph
        self._identity = session.identity
        self._ghosts = ghosts_of(session)
        self._classes: dict[int, type | None] = {}

    def take(self, obj: Any) -> None:
        """Let an object sleep, if it may."""
        graph, sleepers = self._graph, self._identity.sleepers
        entry = self._identity.entry(obj)
        cls = type(obj)
        if entry is None or entry.key in graph.restless:
            return
        ghost = self._class(cls)
        if (
            ghost is None
            or entry.codec.capabilities.classes_by_value
            or not sleepers.begin_sleep(obj, entry, ghost)
        ):
            graph.restless.add(entry.key)
            return
        parts = Parts(self._session)
        if self._is_as_stored(obj, cls, entry, parts):
            if parts.size >= _LARGE and parts.are_comparable:
                graph.snapshots[entry.key] = Snapshot(cls, attributes_of(obj), parts)
            sleepers.settle(graph, entry)
        else:
            graph.restless.add(entry.key)
            sleepers.end_sleep(obj, entry, cls)

    def _class(self, cls: type) -> type | None:
        found = self._classes.get(id(cls), cls)
        if found is cls:
            found = self._classes[id(cls)] = (
                self._ghosts.class_of(cls) if has_plain_state(cls) else None
            )
        return found

    def _is_as_stored(self, obj: Any, cls: type, entry: Entry, parts: Parts) -> bool:
        with suppress(Exception):
            if parts.are_alone(obj):
                # The codec has to see the class.
                twin: Any = object.__new__(cls)
                set_state(twin, state_of(obj))
                return self._digest(entry.codec, twin) == entry.digest
        return False

    def _digest(self, codec: Codec, twin: Any) -> bytes:
        encode = self._encoders.get(id(codec))
        if encode is None:
            encode = self._encoders[id(codec)] = codec.encoder(self._links)
        self._links.root = twin
        return digest_and_buffers(encode(twin)[0])[0]


def has_plain_state(cls: Any) -> bool:
    """Return whether the record of an object follows from its attributes, which none of its own code sets."""
    plain: Any = object
    return (
        cls.__reduce_ex__ is plain.__reduce_ex__
        and cls.__reduce__ is plain.__reduce__
        and cls.__getstate__ is plain.__getstate__
        and cls.__new__ is plain.__new__
        and cls.__getattribute__ is plain.__getattribute__
        and cls.__setattr__ is plain.__setattr__
        and cls.__delattr__ is plain.__delattr__
        and cls not in copyreg.dispatch_table
        and not any(
            hasattr(cls, name) for name in ("__getnewargs_ex__", "__getnewargs__", "__del__")
        )
    )


class _Ends(dict[type, bool]):
    """Whether values of a type are no parts of an object: they never change, or have records of their own."""

    def __missing__(self, cls: type) -> bool:
        answer = self[cls] = (
            cls in _ATOMS
            or issubclass(cls, _IMMUTABLE)
            or (is_persistable_type(cls) and cls is not Ref)
            or (cls.__module__ == "numpy" and issubclass(cls, sys.modules["numpy"].generic))
        )
        return answer


class Parts:
    """What the state of one object consists of, without what is stored elsewhere."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._found: dict[int, list[Any]] = {}
        """By `id()`: each part, and how many references to it are in the others."""
        self._ends = _Ends()
        self.size = 0
        """How many references the parts have."""
        self.are_comparable = True
        """Whether a `Snapshot` of them shows any change."""

    def __iter__(self) -> Iterator[Any]:
        return (value for value, _ in self._found.values())

    def are_alone(self, obj: Any) -> bool:
        """Return whether nobody else refers to a part, and all parts are of known types."""
        wave = [obj]
        while wave:
            members = [member for each in wave for member in self._members(each)]
            wave = [member for member in members if self._is_new(member)]
            members.clear()
            if not all(map(_is_known, wave)):
                return False
        found = self._found.values()
        return all(_others(part) == _NO_OTHERS and not getweakrefcount(part[0]) for part in found)

    def _members(self, value: Any) -> list[Any]:
        """Return what a value refers to, once for each reference, without what is no part of it."""
        cls, ends = type(value), self._ends
        if cls in CONTAINERS:
            found = members_of(value)
        elif cls in _FLAT or is_plain_array(value):
            self.are_comparable = False
            found = []
        else:
            attributes = attributes_of(value)
            found = [] if attributes is None else [attributes]
            for slot in slots_of(cls):
                with suppress(AttributeError):
                    found.append(slot.__get__(value))
                    self.are_comparable = False
        self.size += len(found)
        return [member for member in found if not ends[type(member)]]

    def _is_new(self, value: Any) -> bool:
        found = self._found.get(id(value))
        if found is not None:
            found[1] += 1
            return False
        cls = type(value)
        if cls is Ref and value.waits_in(self._session) is None:
            return False  # others are not known: their objects may be in memory at any time
        if cls in _MAY_BE_CONSTANT and all(map(self._ends.__getitem__, map(type, value))):
            return False  # perhaps of the code of the program, which refers to it as well
        self._found[id(value)] = [value, 1]
        return True


def _is_known(value: Any) -> bool:
    cls = type(value)
    return cls in CONTAINERS or cls in _FLAT or is_plain_array(value) or has_plain_state(cls)


def is_plain_array(value: Any) -> bool:
    """Return whether a value is an array of numpy that alone has its memory."""
    numpy: Any = sys.modules.get("numpy")
    return (
        numpy is not None
        and type(value) is numpy.ndarray
        and value.base is None
        and not value.dtype.hasobject
    )


def _others(part: list[Any]) -> int:
    others: int = sys.getrefcount(part[0]) - part[1]
    return others


_NO_OTHERS: Final = _others([object(), 0])
