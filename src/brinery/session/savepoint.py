"""The state that an identity map had when a transaction began, as far as it has changed since.

The map writes its savepoint.  Before each change of a living object's place, it notes the former entry
there.  An entry that a save or a load makes replaces the former one, which stays as it was.  The cost of a
transaction thus depends on the entries that it changes, not on the number of living objects.
"""

from __future__ import annotations

from collections.abc import Callable

from brinery.typing import Any, Final

_MOST: Final = 3
"""Former entries of one place that are kept: the first, that of a load in the transaction, and the last."""


class Savepoint:
    """The former entries of the changed places of an identity map."""

    def __init__(self) -> None:
        self.keys: dict[int, list[Any]] = {}
        """By identity of the object, the entries that it had before; None where it had none."""
        self.lent: set[str] = set()
        """IDs that were saved or loaded: the user's code may have changed the objects that they reach."""

    def note(self, key: int, entry: Any) -> None:
        """Note the entry of a place before it changes."""
        former = self.keys.setdefault(key, [])
        if len(former) == _MOST:
            former[-1] = entry
        else:
            former.append(entry)

    def before(self, key: int, is_own: Callable[[Any], bool]) -> Any:
        """Return the last entry of a place that is not of an own version of the transaction, or None."""
        for entry in reversed(self.keys[key]):
            if entry is not None and not is_own(entry.version):
                return entry
        return None

    def merge_into(self, outer: Savepoint) -> None:
        """Add the former entries to those of `outer`."""
        for key, former in self.keys.items():
            for entry in former:
                outer.note(key, entry)
        outer.lent |= self.lent
