"""What a large object consisted of when it had the state of its record."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from operator import is_

from brinery.typing import Any, Final

CONTAINERS: Final = frozenset({list, dict, tuple, set, frozenset, deque})
"""The types of the parts of an object whose members are compared."""


class Snapshot:
    """The parts of one object and their members; to compare these takes a hundredth of encoding them.

    It keeps them alive: what is removed from the object stays in memory until the object is saved.
    """

    __slots__ = ("_attributes", "_cls", "_parts")

    def __init__(self, cls: type, attributes: Any, parts: Iterable[Any]) -> None:
        """`parts` are containers, the dict of attributes among them, and objects with a dict alone."""
        self._cls = cls
        self._attributes = attributes
        self._parts = [(part, _members(part)) for part in parts]

    def is_of(self, cls: type, attributes: Any) -> bool:
        """Return whether an object of this class and with this dict is as it was."""
        return (
            cls is self._cls
            and attributes is self._attributes
            and all(_are_same(_members(part), kept) for part, kept in self._parts)
        )


def members_of(container: Any) -> list[Any]:
    """Return what a container refers to, once for each reference."""
    # The collector does not see the attributes in the dict of an object in CPython 3.13.
    return [*container, *container.values()] if type(container) is dict else [*container]


def _members(part: Any) -> list[Any]:
    return members_of(part) if type(part) in CONTAINERS else [type(part)]


def _are_same(members: list[Any], kept: list[Any]) -> bool:
    return len(members) == len(kept) and all(map(is_, members, kept))
