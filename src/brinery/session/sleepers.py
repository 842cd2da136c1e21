"""Objects that note when they are first used after a save, and the graphs that saves have found.

A save of one object finds all that this object reaches.  Where nobody has used an object since, that object
has the state of its record and the references of then, so a later save need not look at it again: it starts
from those that were used.
"""

from __future__ import annotations

from _thread import RLock
from collections.abc import Container, Iterator, Sequence

from brinery.backend import Version
from brinery.reference import attributes_of, class_of, set_class
from brinery.session.entry import Asleep, Entry, Weak
from brinery.typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from brinery.session.snapshot import Snapshot

_MOST_GRAPHS: Final = 8


class SavedGraph:
    """All objects that a save has found from one root, by `id()`."""

    __slots__ = ("clean", "epoch", "has_lost", "key", "restless", "snapshots", "used")

    def __init__(self, key: int, epoch: Version | None) -> None:
        """`key` is the `id()` of the root; `epoch` is that of the store at the save."""
        self.key = key
        self.epoch = epoch
        self.clean: dict[int, str] = {}
        """The IDs of those that are not used since: ghosts, and objects that sleep.

        All that the latter refer to is in the graph.
        """
        self.used: dict[int, Entry] = {}
        """The entries of the others."""
        self.snapshots: dict[int, Snapshot] = {}
        """Of large objects, used or not, whose records have not changed since."""
        self.restless: set[int] = set()
        """Those that could not be put to sleep."""
        self.has_lost = False
        """Whether references were removed since: some of these objects are perhaps not reached any more."""

    def note(self, entry: Entry) -> None:
        """Note that an object is used, if it is in the graph."""
        key = entry.key
        if key in self.used or self.clean.pop(key, None) == entry.id:
            self.used[key] = entry

    def has_clean(self, entry: Entry) -> bool:
        """Return whether a living object is in the graph, and has certainly not changed."""
        key = entry.key
        if self.clean.get(key) == entry.id:
            return True
        snapshot = self.snapshots.get(key)
        if snapshot is None or self.used.get(key) is not entry:
            return False
        obj = entry()
        return snapshot.is_of(class_of(obj), attributes_of(obj))

    def add_clean(self, entry: Entry) -> None:
        """Add an object that nobody has used."""
        if entry.key not in self.used:
            self.clean[entry.key] = entry.id

    def add_used(self, entry: Entry) -> None:
        """Add an object that may have been used."""
        self.clean.pop(entry.key, None)
        self.snapshots.pop(entry.key, None)
        self.used[entry.key] = entry

    def keep(self, keys: Container[int]) -> None:
        """Forget all objects but those with these `id()`."""
        for kept in (self.clean, self.used, self.snapshots):
            for key in [key for key in kept if key not in keys]:
                del kept[key]

    def those_used(self) -> Iterator[Any]:
        """Yield the living objects that were used."""
        for key, entry in [*self.used.items()]:
            obj = entry()
            if obj is None:
                self.used.pop(key, None)
            else:
                yield obj


class Sleepers:
    """What sleeps among the objects of one identity map."""

    def __init__(self) -> None:
        self.graphs: dict[str, SavedGraph] = {}
        """By the ID of the root."""
        # Reentrant: a handler of a signal may use an object at any moment.
        self._lock = RLock()

    def forget(self) -> None:
        """Forget all graphs: records, or the objects that belong to them, have changed otherwise."""
        if self.graphs:
            self.graphs = {}

    def renew_lock(self) -> None:
        """Go on in a child process: a thread of the parent may hold the lock."""
        self._lock = RLock()

    def add(self, id: str, graph: SavedGraph) -> None:
        """Keep the graph of the root `id`, and forget that of long ago if there are many."""
        self.graphs.pop(id, None)
        while len(self.graphs) >= _MOST_GRAPHS:
            del self.graphs[next(iter(self.graphs))]
        self.graphs[id] = graph

    def has(self, entry: Entry) -> bool:
        """Return whether an object is in a graph of another root."""
        return any(
            entry.key != graph.key and (entry.key in graph.used or graph.has_clean(entry))
            for graph in self.graphs.values()
        )

    def drop(self, graphs: Sequence[SavedGraph]) -> None:
        """Forget some graphs."""
        self.graphs = {id_: graph for id_, graph in self.graphs.items() if graph not in graphs}

    def enter(self, entry: Entry) -> None:
        """Note that an object has another entry, and perhaps another record."""
        with self._lock:
            for graph in self.graphs.values():
                graph.note(entry)
                graph.snapshots.pop(entry.key, None)

    def note_written(self, objects: Sequence[Any], known: Sequence[SavedGraph]) -> None:
        """Note that objects were written by a save that has looked at the graphs `known` alone."""
        for graph in self.graphs.values():
            if graph not in known and any(id(obj) in graph.used for obj in objects):
                graph.has_lost = True

    def begin_sleep(self, obj: Any, entry: Entry, ghost: type) -> bool:
        """Let an object note its use from now on; return False if its class takes no part."""
        if type(entry) is Weak:
            set_class(entry, Asleep)
        with self._lock:
            if type(entry) is Asleep:
                set_class(obj, ghost)
        return type(entry) is Asleep

    def end_sleep(self, obj: Any, entry: Entry, cls: type) -> None:
        """Take an object out of its sleep, to its class, and note that it is used."""
        with self._lock:
            if type(entry) is Asleep:
                set_class(entry, Weak)
            for graph in self.graphs.values():
                graph.note(entry)
            set_class(obj, cls)

    def settle(self, graph: SavedGraph, entry: Entry) -> None:
        """Note that an object has the state of its record, unless it was used since it sleeps."""
        with self._lock:
            if type(entry) is Asleep:
                graph.used.pop(entry.key, None)
                graph.clean[entry.key] = entry.id
