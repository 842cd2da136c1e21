"""Objects that note when they are first used after a save, and the graphs that saves have found.

A save of one object finds all that this object reaches.  Where nobody has used an object since, that object
has the state of its record and the references of then, so a later save need not look at it again: it starts
from those that were used.

Another thread, or a handler of a signal, may use an object between any two steps of this module.  So an
object is noted as used before it gets its class, and it counts as clean only while it has the class of a
ghost.
"""

from __future__ import annotations

from _thread import RLock
from collections.abc import Container, Iterator, Sequence

from brinery.backend import Version
from brinery.reference import is_ghost_class, set_class
from brinery.session.entry import Asleep, Entry, Ghost, Weak
from brinery.typing import Any, Final

_MOST_GRAPHS: Final = 8
_LONGEST: Final = 15
_LONG_AGO: Final = 32
"""Saves in which a graph was not used, after which another one may take its place."""


class SavedGraph:
    """All objects that a save has found from one root, by `id()`.

    The entries tell whether an object is the one of then, or another one at its address.
    """

    __slots__ = (
        "clean",
        "delay",
        "epoch",
        "has_lost",
        "restless",
        "root",
        "slept",
        "snapshots",
        "turn",
        "used",
        "waits",
    )

    def __init__(self, root: Entry, epoch: Version | None) -> None:
        """`root` is the entry of the root; `epoch` is that of the store at the save."""
        self.root = root
        self.epoch = epoch
        self.clean: dict[int, Entry] = {}
        """The entries of those that are not used since: ghosts, and objects that sleep.

        All that the latter refer to is in the graph.
        """
        self.used: dict[int, Entry] = {}
        """The entries of the others."""
        self.snapshots: dict[int, Any] = {}
        """Of large objects, used or not, whose records have not changed since; see `graph.saving.parts`."""
        self.restless: set[int] = set()
        """Those that can never be put to sleep."""
        self.slept = 0
        """How many were put to sleep last."""
        self.delay = 0
        """How many saves put nothing to sleep, because most objects are used between saves."""
        self.waits = 0
        """How many of these are left."""
        self.has_lost = False
        """Whether references were removed since: some of these objects are perhaps not reached any more."""
        self.turn = 0
        """The save that has used this graph last."""

    def has(self, entry: Entry) -> bool:
        """Return whether the object of an entry is in the graph."""
        held = self.clean.get(entry.key) or self.used.get(entry.key)
        return held is not None and held() is entry()

    def note(self, entry: Entry) -> None:
        """Note that an object is used, if it is in the graph."""
        if self.has(entry):
            self.used[entry.key] = entry
            self.clean.pop(entry.key, None)
        if self.root.key == entry.key and self.root() is entry():
            self.root = entry

    def has_clean(self, entry: Entry) -> bool:
        """Return whether an object is in the graph, and was not used."""
        if self.clean.get(entry.key) is not entry:
            return False
        return type(entry) is Ghost or is_ghost_class(type(entry()))

    def add_clean(self, entry: Entry) -> None:
        """Add an object that nobody has used."""
        held = self.used.get(entry.key)
        if held is None or held() is not entry():  # that of a dead object, at the same address
            self.used.pop(entry.key, None)
            self.clean[entry.key] = entry

    def add_used(self, entry: Entry) -> None:
        """Add an object that may have been used, and has been encoded again."""
        self.snapshots.pop(entry.key, None)
        self.used[entry.key] = entry
        self.clean.pop(entry.key, None)

    def tires(self, awake: int) -> bool:
        """Return whether a save is to put objects to sleep; `awake` are those that have not changed."""
        if self.waits:
            self.waits -= 1
            return False
        if self.slept and 2 * awake >= self.slept:  # in vain
            self.delay = self.waits = min(2 * self.delay + 1, _LONGEST)
            self.slept = 0
            return False
        return True

    def keep(self, keys: Container[int]) -> None:
        """Forget all objects but those with these `id()`."""
        for kept in (self.clean, self.used, self.snapshots):
            for key in [*kept]:  # another thread may change them
                if key not in keys:
                    kept.pop(key, None)

    def those_used(self) -> Iterator[Any]:
        """Yield the living objects that were used."""
        for key, entry in [*self.used.items()]:
            obj = entry()
            if obj is None:
                self.used.pop(key, None)
                self.snapshots.pop(key, None)
            else:
                yield obj


class Sleepers:
    """What sleeps among the objects of one identity map."""

    def __init__(self) -> None:
        self.graphs: dict[str, SavedGraph] = {}
        """By the ID of the root."""
        self._turn = 0
        # Reentrant: a handler of a signal may use an object at any moment.
        self._lock = RLock()

    def renew_lock(self) -> None:
        """Go on in a child process: a thread of the parent may hold the lock."""
        self._lock = RLock()

    # -- graphs

    def those_of(self, epoch: Version | None) -> dict[str, SavedGraph]:
        """Return the graphs that were found in an epoch, for one save; forget those of dead roots."""
        self._turn += 1
        self.graphs = {id_: graph for id_, graph in self.graphs.items() if graph.root() is not None}
        return {id_: graph for id_, graph in self.graphs.items() if graph.epoch == epoch}

    def use(self, graph: SavedGraph) -> None:
        """Note that a save starts from a graph."""
        graph.turn = self._turn

    def add(self, id: str, graph: SavedGraph) -> bool:
        """Keep the graph of the root `id`; return False if there are too many others that are in use."""
        graphs = {key: each for key, each in self.graphs.items() if key != id}
        if len(graphs) >= _MOST_GRAPHS:
            oldest = min(graphs, key=lambda key: graphs[key].turn)
            if self._turn - graphs[oldest].turn < _LONG_AGO:
                return False
            del graphs[oldest]
        graph.turn = self._turn
        graphs[id] = graph
        self.graphs = graphs
        return True

    def forget(self) -> None:
        """Forget all graphs: records, or the objects that belong to them, have changed otherwise."""
        if self.graphs:
            self.graphs = {}

    def forget_with(self, entry: Entry) -> None:
        """Forget the graphs that have an object, which has lost its record."""
        self.drop([graph for graph in self.graphs.values() if graph.has(entry)])

    def drop(self, graphs: Sequence[SavedGraph]) -> None:
        """Forget some graphs."""
        if graphs:
            self.graphs = {id_: graph for id_, graph in self.graphs.items() if graph not in graphs}

    def in_other(self, entry: Entry) -> bool:
        """Return whether an object is in the graph of another root."""
        return any(graph.root is not entry and graph.has(entry) for graph in self.graphs.values())

    # -- objects

    def enter(self, entry: Entry) -> None:
        """Note that an object has another entry, and perhaps another record."""
        with self._lock:
            for graph in self.graphs.values():
                graph.note(entry)
                graph.snapshots.pop(entry.key, None)

    def note_lost(self, entry: Entry) -> None:
        """Note that an object has perhaps fewer references than before."""
        for graph in self.graphs.values():
            if graph.has(entry):
                graph.has_lost = True

    def note_written(self, objects: Sequence[Any], known: Sequence[SavedGraph]) -> None:
        """Note that objects were written by a save that has looked at the graphs `known` alone."""
        for graph in self.graphs.values():
            if graph not in known and any(id(obj) in graph.used for obj in objects):
                graph.has_lost = True

    def begin_sleep(self, obj: Any, entry: Entry, ghost: type) -> bool:
        """Let an object note its use from now on; return False if its entry takes no part."""
        if type(entry) is Weak:
            set_class(entry, Asleep)
        with self._lock:
            if type(entry) is Asleep:
                set_class(obj, ghost)
        return type(entry) is Asleep

    def end_sleep(self, obj: Any, entry: Entry, cls: type) -> None:
        """Take an object out of its sleep, to its class, and note that it is used."""
        with self._lock:
            # In this order: after an error or an interrupt, the next use does it again.
            for graph in self.graphs.values():
                graph.note(entry)
            set_class(obj, cls)
            set_class(entry, Weak)

    def settle(self, graph: SavedGraph, entry: Entry, snapshot: Any) -> None:
        """Note that an object has the state of its record, unless it was used since it sleeps."""
        key = entry.key
        with self._lock:
            if not is_ghost_class(type(entry())):
                return
            if snapshot is not None:
                graph.snapshots[key] = snapshot
            graph.clean[key] = entry
            graph.used.pop(key, None)
            if not is_ghost_class(type(entry())):  # a handler of a signal has used it meanwhile
                graph.add_used(entry)
