"""The state that an identity map had when a transaction began, as far as it has changed since.

The map writes its savepoint.  Before the first change of a living object's place or of an entry, it notes
the former state there.  The cost of a transaction thus depends on the entries that it changes, not
on the number of living objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from brinery.persistable import Persistable
from brinery.session.attributes import own_attribute, set_own_attribute


class SavedEntry(Protocol):
    """The part of an identity map's entry that a savepoint uses."""

    id: str
    key: int
    version: Any
    digest: bytes
    codec: Any
    is_loaded: bool

    def __call__(self) -> Any:
        """Return the living object, None if it has died."""


class Savepoint:
    """The former state of the changed entries of an identity map."""

    def __init__(self) -> None:
        self.keys: dict[int, Any] = {}
        """By identity of the object, the entry that it had before; None if it had none."""
        self.entered: dict[int, Any] = {}
        """By its identity, each entry that was given another version."""
        self.lent: set[str] = set()
        """IDs that were saved or loaded: the user's code may have changed the objects that they reach."""
        self._states: dict[int, tuple[Any, ...]] = {}
        self._persistent_ids: list[tuple[Any, Any]] = []

    def note_state(self, entry: SavedEntry) -> None:
        """Keep the ID, version, digest and codec of an entry that is about to change."""
        state = (entry, entry.id, entry.version, entry.digest, entry.codec, entry.is_loaded)
        self._states.setdefault(id(entry), state)

    def note_new(self, entry: SavedEntry, obj: Any) -> None:
        """Keep the `persistent_id` that an object has before it is entered for the first time."""
        if Persistable in type(obj).__mro__:
            self._persistent_ids.append((entry, own_attribute(obj, "persistent_id")))

    def restore_states(self, is_own: Callable[[Any], bool]) -> None:
        """Restore the former records of entries, and the former `persistent_id` of objects new again."""
        for entry, id_, version, digest, codec, is_loaded in self._states.values():
            entry.id, entry.version, entry.digest = id_, version, digest
            entry.codec, entry.is_loaded = codec, is_loaded
        for entry, persistent_id in reversed(self._persistent_ids):
            if is_own(entry.version) and (obj := entry()) is not None:
                set_own_attribute(obj, "persistent_id", persistent_id)

    def merge_into(self, outer: Savepoint) -> None:
        """Add to `outer` the former states that it has not noted itself."""
        for key, entry in self.keys.items():
            outer.keys.setdefault(key, entry)
        for key, state in self._states.items():
            outer._states.setdefault(key, state)
        outer.entered.update(self.entered)
        outer.lent |= self.lent
        outer._persistent_ids += self._persistent_ids
