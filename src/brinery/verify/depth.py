"""The greatest depth of an object that a store saves and loads unchanged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


class Link:
    """An instance in a linked list."""

    def __init__(self, next: Link | None) -> None:
        self.next = next


def nested(depth: int) -> Any:
    """Return `depth` lists, one inside the other."""
    outer: list[Any] = []
    for _ in range(depth):
        outer = [outer]
    return outer


def linked(depth: int) -> Any:
    """Return a linked list of `depth` instances."""
    first = Link(None)
    for _ in range(depth):
        first = Link(first)
    return first


def has_depth_of(first: Any, second: Any) -> bool:
    """Return whether two objects of `nested` or `linked` have one type and one depth."""
    return type(first) is type(second) and _levels(first) == _levels(second)


def _levels(obj: Any) -> int:
    levels = 0
    while True:
        if type(obj) is list and len(obj) == 1:
            obj = obj[0]
        elif type(obj) is Link and vars(obj).keys() == {"next"} and obj.next:
            obj = obj.next
        else:
            return levels
        levels += 1


def greatest_depth(
    keeps: Callable[[Any], bool | None], make: Callable[[int], Any], depths: Sequence[int]
) -> int | None:
    """Return the greatest of `depths` that one record keeps unchanged, 0 for none; None if one was changed.

    ``make(depth)`` returns an object.  ``keeps(obj)`` saves and loads it, and returns True if it came back
    unchanged, False if it was refused, None if it was changed.
    """
    greatest = 0
    for depth in depths:
        is_kept = keeps(make(depth))
        if is_kept is None:
            return None
        if not is_kept:
            break
        greatest = depth
    return greatest
