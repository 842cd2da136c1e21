"""The state that an identity map had when a transaction began, as far as it has changed since.

The map writes its savepoint.  Before the first change of a living object's place, it notes the former entry
there.  An entry that a save or a load makes replaces the former one, which stays as it was.  The cost of
a transaction thus depends on the entries that it changes, not on the number of living objects.
"""

from __future__ import annotations

from brinery.typing import Any


class Savepoint:
    """The former entries of the changed places of an identity map."""

    def __init__(self) -> None:
        self.keys: dict[int, Any] = {}
        """By identity of the object, the entry that it had before; None if it had none."""
        self.lent: set[str] = set()
        """IDs that were saved or loaded: the user's code may have changed the objects that they reach."""

    def merge_into(self, outer: Savepoint) -> None:
        """Add to `outer` the former entries that it has not noted itself."""
        for key, entry in self.keys.items():
            outer.keys.setdefault(key, entry)
        outer.lent |= self.lent
