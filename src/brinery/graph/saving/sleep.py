"""Putting objects to sleep that a save has encoded in vain.

An object that sleeps has its state, and the class of a ghost.  Its first use wakes it, and is noted.  So a
later save of the same graph looks at what was used, and at nothing else.  This is right only for an object
whose record follows from its own attributes, if nobody can change these without using the object.  What an
attribute leads to must be reached through the object alone: reference counts show it.  And the object must
have the state of its record when it begins to note its use, which a second encoding shows.
"""

from __future__ import annotations

from contextlib import suppress

from brinery.catalog.trash import epoch_of
from brinery.codec import Codec, Encode
from brinery.graph.comparison import Reloading
from brinery.graph.ghost import set_state, state_of
from brinery.graph.loading.load import ghosts_of
from brinery.graph.saving.parts import Parts, Snapshot, has_plain_state
from brinery.graph.saving.relied import ReliedOn
from brinery.graph.saving.work import WorkList
from brinery.record.buffers import digest_and_buffers
from brinery.session.entry import Asleep, Entry, Ghost
from brinery.session.session import Session
from brinery.session.sleepers import SavedGraph
from brinery.typing import Any, Final

LARGE: Final = 100
"""References of an object that is compared with a snapshot, and not encoded, when it was used."""
_MANY: Final = 100
"""Objects that are put to sleep at once, from which on it matters whether that was in vain."""
_FEW: Final = 16
"""Objects that a save may look at in vain before its graph is kept."""


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
        if not sleepers.in_other(entry):
            sleepers.drop(others)
        return
    if graph is None:
        if sleepers.in_other(entry) or len(unchanged) + len(works.referred) < _FEW:
            return
        epoch = relied.epoch if unchanged else epoch_of(session.backend)
        graph = SavedGraph(entry, epoch)
        if not sleepers.add(id_, graph):
            return
    _take_in(session, works, graph)
    if not graph.tires(len(unchanged)):
        return
    with Reloading(session).encoding(None) as links:
        bed = _Bed(session, graph, links)
        for work in unchanged:
            bed.take(work.obj)
    if bed.count >= _MANY:
        graph.slept = bed.count


def _take_in(session: Session, works: WorkList, graph: SavedGraph) -> None:
    entry_of = session.identity.entry
    for work in works.found:
        if (entry := entry_of(work.obj)) is not None:
            graph.add_used(entry)
    for work in works.referred:
        if work.found_in is None:
            continue  # it was in the graph before, if it still is
        entry = entry_of(work.obj)
        if type(entry) is Ghost or type(entry) is Asleep:
            graph.add_clean(entry)
            present = entry_of(work.obj)
            if present is not entry and present is not None:  # it was used just now
                graph.add_used(present)
        elif entry is not None and graph.used.get(entry.key) is not entry:
            graph.add_used(entry)


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
        self.count = 0

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
            is_large = parts.size >= LARGE
            snapshot = Snapshot.of(parts, self._session) if is_large else None
            sleepers.settle(graph, entry, snapshot)
            self.count += 1
        else:
            if parts.is_alone:
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
            parts.walk(obj)
            if parts.is_known and parts.look_for_others():
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
