"""The path to the part of an object that fails to encode."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from brinery import EncodeError, MemoryStore, Persistable, UnsupportedObjectError
from brinery.graph.object_path import path_to_failure, path_to_object


class Node:
    """A plain object."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Slotted:
    """An object without a __dict__."""

    __slots__ = ("lock", "unset")

    def __init__(self, lock: Any) -> None:
        self.lock = lock


class Task(Persistable):
    """A persistable object."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


LOCK = threading.Lock()


@pytest.mark.parametrize(
    ("obj", "path"),
    [
        (Node(tasks=[1, 2, 3, Node(callback=LOCK)]), ".tasks[3].callback"),
        ({"a": {"b": [LOCK]}}, "['a']['b'][0]"),
        ((1, (2, LOCK)), "[1][1]"),
        ({(1, 2): LOCK}, "[<tuple>]"),
        (Slotted(LOCK), ".lock"),
        ({LOCK}, "{…}"),
        (Node(child=Task(tasks=[Task(), Task(callback=LOCK)])), ".child.tasks[1].callback"),
    ],
)
def test_an_encode_error_names_the_place(obj: Any, path: str) -> None:
    """From the root of the save, through records in between; nothing is saved."""
    store = MemoryStore()
    with pytest.raises(UnsupportedObjectError, match="lock") as caught:
        store.save(obj)
    assert caught.value.object_path == path
    assert path in str(caught.value)
    assert "dill" in str(caught.value)
    assert store.list() == []


def test_an_object_that_fails_by_itself_has_no_path() -> None:
    """No part inside it fails."""
    with pytest.raises(EncodeError) as caught:
        MemoryStore().save(LOCK)
    assert caught.value.object_path is None


def test_a_cycle_ends_the_search() -> None:
    """Parts already on the path are not entered again."""
    ring: list[Any] = []
    ring.append(ring)
    assert path_to_failure(ring, lambda part: True) is None


def test_no_code_of_the_object_runs() -> None:
    """Hostile comparisons, lengths and representations are never called."""

    class Hostile(list[Any]):
        def __repr__(self) -> str:
            raise AssertionError

        __len__ = __bool__ = __iter__ = __getattribute__ = __repr__  # type: ignore[assignment, misc]

    hostile = Hostile()
    list.append(hostile, LOCK)
    assert path_to_failure([hostile], lambda part: part is LOCK or part is hostile) == "[0][0]"


def test_the_shortest_path_is_found() -> None:
    """Breadth first, and not through other persistable objects."""
    target = Task()
    assert path_to_object(Node(a=[[target]], b=target), target) == ".b"
    assert path_to_object(Node(a=Task(target=target)), target) == "…"
