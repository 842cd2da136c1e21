"""What an identity map was when a transaction began, as far as that has changed since.

A savepoint is written by the map: before the first change of an ID, of a living object's place or of an
entry, it notes what was there.  So a transaction costs what it touches, however many objects are alive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from brinery.persistable import Persistable

_UNSET: Final = object()


class SavedEntry(Protocol):
    """What a savepoint needs of an entry of an identity map."""

    id: str
    key: int
    version: Any
    digest: bytes
    codec: Any
    is_loaded: bool

    def __call__(self) -> Any:
        """Return the living object, None where it has died."""


class Savepoint:
    """The former state of what has changed in an identity map."""

    def __init__(self, partial: set[str]) -> None:
        self.partial: Final = frozenset(partial)
        self.ids: dict[str, Any] = {}
        """By ID, the entry whose object a load returned before; None where there was none."""
        self.keys: dict[int, Any] = {}
        """By identity of the object, the entry that it had before; None where it had none."""
        self.entered: dict[int, Any] = {}
        """By its identity, each entry that has got another version."""
        self.lent: set[str] = set()
        """IDs that were saved, or asked for: what they reach, the user's code may have changed."""
        self._states: dict[int, tuple[Any, ...]] = {}
        self._courtesies: list[tuple[Any, Any]] = []

    def note_state(self, entry: SavedEntry) -> None:
        """Keep what is known of the record of an entry that is about to change."""
        state = (entry, entry.version, entry.digest, entry.codec, entry.is_loaded)
        self._states.setdefault(id(entry), state)

    def note_new(self, entry: SavedEntry, obj: Any) -> None:
        """Keep the `persistent_id` that an object has before it is entered for the first time."""
        if Persistable in type(obj).__mro__:
            self._courtesies.append((entry, _courtesy_of(obj)))

    def restore_states(self, is_own: Callable[[Any], bool]) -> None:
        """Give entries their former records, and objects that are new again their former `persistent_id`."""
        for entry, version, digest, codec, is_loaded in self._states.values():
            entry.version, entry.digest = version, digest
            entry.codec, entry.is_loaded = codec, is_loaded
        for entry, courtesy in reversed(self._courtesies):
            if is_own(entry.version):
                _restore_courtesy(entry(), courtesy)

    def merge_into(self, outer: Savepoint) -> None:
        """Leave to the savepoint before this one what it has not noted itself."""
        for name, entry in self.ids.items():
            outer.ids.setdefault(name, entry)
        for key, entry in self.keys.items():
            outer.keys.setdefault(key, entry)
        for key, state in self._states.items():
            outer._states.setdefault(key, state)
        outer.entered.update(self.entered)
        outer.lent |= self.lent
        outer._courtesies += self._courtesies


def _courtesy_of(obj: Any) -> Any:
    # Not through the class, whose attribute says None for every object; and no code of the user's.
    for cls in type(obj).__mro__:
        slot = cls.__dict__.get("persistent_id")
        if slot is not None and hasattr(type(slot), "__set__"):
            try:
                return slot.__get__(obj, type(obj))
            except AttributeError:
                return _UNSET
    try:
        return object.__getattribute__(obj, "__dict__").get("persistent_id", _UNSET)
    except AttributeError:
        return _UNSET


def _restore_courtesy(obj: Any, courtesy: Any) -> None:
    if obj is None:
        return
    try:
        if courtesy is _UNSET:
            object.__delattr__(obj, "persistent_id")
        else:
            object.__setattr__(obj, "persistent_id", courtesy)
    except (AttributeError, TypeError):
        pass  # it had no room for one
