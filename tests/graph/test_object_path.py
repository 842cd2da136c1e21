"""The path to the part of an object that fails to encode."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from brinery import EncodeError, MemoryStore, Persistable, UnsupportedObjectError
from brinery.graph.object_path import find_failure, path_to_object


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
    assert find_failure(ring, lambda parts: True) == ("", ring)


def test_no_code_of_the_object_runs() -> None:
    """Hostile comparisons, lengths and representations are never called."""

    class Hostile(list[Any]):
        def __repr__(self) -> str:
            raise AssertionError

        __len__ = __bool__ = __iter__ = __getattribute__ = __repr__  # type: ignore[assignment, misc]

    hostile = Hostile()
    list.append(hostile, LOCK)

    def fails(parts: list[Any]) -> bool:
        return any(part is LOCK or part is hostile for part in parts)

    assert find_failure([hostile], fails) == ("[0][0]", LOCK)


def size_of(parts: Any) -> int:
    """Return the number of objects in lists and dicts."""
    held = parts.values() if type(parts) is dict else parts if type(parts) is list else ()
    return 1 + sum(map(size_of, held))


def has_lock(parts: Any) -> bool:
    held = parts.values() if type(parts) is dict else parts if type(parts) is list else ()
    return parts is LOCK or any(map(has_lock, held))


def rows(place: int) -> list[Any]:
    """Return 1,000 rows, one of which has a lock."""
    found: list[Any] = [{"name": "row", "xs": [1, 2], "bad": None} for _ in range(1_000)]
    found[place]["bad"] = LOCK
    return found


@pytest.mark.parametrize("place", [0, 500, 999])
@pytest.mark.parametrize(
    ("wrap", "path"),
    [
        (lambda rows: rows, ""),
        (lambda rows: {"rows": rows, "name": "table"}, "['rows']"),
        (lambda rows: [1, {"a": {"b": [rows, [1], {}]}, "c": [2] * 20}], "[1]['a']['b'][0]"),
        (lambda rows: [[[[[[rows]]]]]], "[0][0][0][0][0][0]"),
        (lambda rows: dict(zip(map(str, range(1_000)), rows, strict=True)), None),
    ],
)
def test_the_search_encodes_no_more_than_twice_what_the_object_holds(
    place: int, wrap: Any, path: str | None
) -> None:
    """By halves, the small parts first; a single part is not tried before the end."""
    obj = wrap(rows(place))
    tried = 0

    def fails(parts: list[Any]) -> bool:
        nonlocal tried
        tried += size_of(parts)
        return has_lock(parts)

    expected = f"['{place}']['bad']" if path is None else f"{path}[{place}]['bad']"
    assert find_failure(obj, fails)[0] == expected
    assert tried < 2 * size_of(obj)


def test_the_holder_that_fails_by_itself_is_found() -> None:
    """Though all that it holds is in order, and the search went on into that."""
    culprit = {"in order": rows(0)[1:]}
    obj = [[1], {"a": [culprit, [2]]}]

    def fails(parts: Any) -> bool:
        held = parts.values() if type(parts) is dict else parts if type(parts) is list else ()
        return parts is culprit or any(map(fails, held))

    assert find_failure(obj, fails)[0] == "[1]['a'][0]"


def test_an_atom_may_fail() -> None:
    """A codec may refuse some strings or numbers."""
    obj = {"a": [1, "x"], "b": {"c": b"bytes", "d": [2]}}

    def fails(parts: Any) -> bool:
        held = parts.values() if type(parts) is dict else parts if type(parts) is list else ()
        return parts == b"bytes" or any(map(fails, held))

    assert find_failure(obj, fails)[0] == "['b']['c']"


def test_the_shortest_path_is_found() -> None:
    """Breadth first, and not through other persistable objects."""
    target = Task()
    assert path_to_object(Node(a=[[target]], b=target), target) == ".b"
    assert path_to_object(Node(a=Task(target=target)), target) == "…"


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda culprit: type("Made", (), {"cache": {"a": culprit}})(), "<class Made>.cache['a']"),
        (lambda culprit: type("Made", (), {"run": lambda self, x=culprit: x}), ".run<default x>"),
        (
            lambda culprit: type(
                "Leaf", (type("Made", (), {"made": staticmethod(lambda: culprit)}),), {}
            ),
            "<base Made>.made<captured culprit>",
        ),
        (
            lambda culprit: type("Made", (), {"p": property(lambda self: culprit)})(),
            "<class Made>.p",
        ),
        (lambda culprit: eval("lambda: culprit", {"culprit": culprit}), "<global culprit>"),
    ],
)
@pytest.mark.parametrize("codec", ["cloudpickle", "dill"])
def test_the_path_leads_into_classes_by_value(codec: str, make: Any, path: str) -> None:
    """To the attribute of the class, and into its methods."""
    with MemoryStore(codec=codec) as store, pytest.raises(EncodeError) as caught:
        store.save({"jobs": [make(i for i in range(3))]}, "x")
    assert str(caught.value.object_path).startswith(f"['jobs'][0]{path}")
