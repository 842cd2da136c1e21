"""The comparison of graphs finds each kind of difference, and none in equal graphs."""

from __future__ import annotations

import copy
import pickle
import re
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from brinery.persistable import Persistable
from brinery.verify.description import described
from brinery.verify.isomorphism import SharingError, assert_isomorphic


class Node(Persistable):
    """A persistable object with a label."""

    def __init__(self, label: str, **attributes: Any) -> None:
        self.label = label
        self.__dict__.update(attributes)


class Plain:
    """An object that is not persistable."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Slotted:
    """An object without a dictionary."""

    __slots__ = ("one", "two")

    def __init__(self, one: Any) -> None:
        self.one = one


class Word(str):
    """A string with attributes."""


def _ring(size: int) -> Node:
    first = node = Node("0")
    for index in range(1, size):
        node.next = Node(str(index), before=node)  # type: ignore[attr-defined]
        node = node.next  # type: ignore[attr-defined]
    node.next = first  # type: ignore[attr-defined]
    return first


def _counter(start: int) -> tuple[Callable[[], int], Callable[[], None]]:
    def get() -> int:
        return start

    def increase() -> None:
        nonlocal start
        start += 1

    return get, increase


def _twice(make: Callable[[], Any]) -> tuple[Any, Any]:
    return make(), make()


shared: list[Any] = []

ALIKE: dict[str, Callable[[], Any]] = {
    "atoms": lambda: [None, True, 1, 1.5, float("nan"), -0.0, 2j, "a", b"b", ...],
    "containers": lambda: {"a": [1, (2, {3}), frozenset({4})], (5, 6): deque([7])},
    "dictionaries": lambda: [OrderedDict(a=1), defaultdict(list, a=[1])],
    "by name": lambda: [int, re, len, _ring, Node],
    "opaque": lambda: [datetime(2024, 1, 2, tzinfo=UTC), Decimal("1.50"), re.compile("a")],
    "instances": lambda: [
        Plain(a=1),
        Slotted(2),
        Word("x"),
        ValueError("no"),
        SimpleNamespace(a=1),
    ],
    "a ring": lambda: _ring(5),
    "sharing": lambda: [shared, shared, [shared]],
    "functions": lambda: _counter(3),
    "methods": lambda: [Plain(a=1).__eq__, [1].append],
    "elements": lambda: {Node("a", peer=Node("b")), Node("c"), 1, "x", frozenset({(1, 2)})},
    "elements that only differ far inside": lambda: {Node("", x=[[[1]]]), Node("", x=[[[2]]])},
}


@pytest.mark.parametrize("name", ALIKE)
def test_graphs_made_in_the_same_way_are_isomorphic(name: str) -> None:
    """However the elements of sets are ordered."""
    first, second = _twice(ALIKE[name])
    assert_isomorphic(first, second)
    assert_isomorphic(first, first, records=False)


@pytest.mark.thorough
def test_a_graph_of_any_depth_is_compared() -> None:
    """100,000 objects in a ring, without recursion; and one difference is found there."""
    first, second = _ring(100_000), _ring(100_000)
    assert_isomorphic(first, second)
    second.before = Node("x")  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match="gained"):
        assert_isomorphic(first, second)


def _self_containing() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def _function_with(default: int) -> Callable[..., int]:
    def function(x: int = default) -> int:
        return x

    return function


def _slotted(**attributes: Any) -> Slotted:
    found = Slotted(1)
    for name, value in attributes.items():
        setattr(found, name, value)
    return found


get, increase = _counter(1)
again, _ = _counter(1)
one: list[Any] = [1]
node = Node("n")

DIFFERENT: dict[str, tuple[Any, Any]] = {
    "an int for a bool": (1, True),
    "a float for an int": (1, 1.0),
    "zeros of two signs": (0.0, -0.0),
    "a list for a tuple": ([1], (1,)),
    "a subclass": (Word("a"), "a"),
    "the value of a subclass": (Word("a"), Word("b")),
    "the order of a list": ([1, 2], [2, 1]),
    "the length of a list": ([1, 2], [1, 2, 3]),
    "the order of a dict": ({1: 1, 2: 2}, {2: 2, 1: 1}),
    "the key of a dict": ({1: 1}, {2: 1}),
    "the element of a set": ({1, 2}, {1, 3}),
    "the size of a set": ({1, 2}, {1, 2, 3}),
    "an attribute": (Plain(a=1), Plain(a=2)),
    "a missing attribute": (Plain(a=1), Plain()),
    "an attribute in a slot": (_slotted(one=1), _slotted(one=2)),
    "an empty slot": (_slotted(two=1), _slotted()),
    "an argument of an exception": (ValueError(1), ValueError(2)),
    "an opaque value": (Decimal("1.0"), Decimal("1.00")),
    "a default factory": (defaultdict(list), defaultdict(set)),
    "a copy for a shared object": ([one, one], [one, [1]]),
    "one object for two": ([[1], [1]], [one, one]),
    "one persistable object for two": ([Node("n"), Node("n")], [node, node]),
    "a cycle that does not close": (_self_containing(), [_self_containing()]),
    "a ring of another length": (_ring(3), _ring(4)),
    "another class": (int, str),
    "another importable function": (_ring, _counter),
    "a captured value": (_counter(1)[0], _counter(2)[0]),
    "a captured cell that is no longer shared": ((get, increase), (again, increase)),
    "a default argument": (_function_with(1), _function_with(2)),
    "the code of a function": (lambda: 1, lambda: 2),
    "the object of a method": ([1].append, [2].append),
    "the element of a set, far inside": ({Node("", x=[[1]])}, {Node("", x=[[2]])}),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_each_difference_is_found(name: str) -> None:
    """In both directions, and at any place."""
    first, second = DIFFERENT[name]
    for one_side, other_side in ((first, second), (second, first)):
        with pytest.raises(AssertionError):
            assert_isomorphic(one_side, other_side)
        with pytest.raises(AssertionError):
            assert_isomorphic(
                [{"x": Node("a", part=one_side)}], [{"x": Node("a", part=other_side)}]
            )


def test_the_message_gives_the_path() -> None:
    """Through attributes, keys and positions."""
    first, second = [{"a": Node("x", part=(1, 2))}], [{"a": Node("x", part=(1, 3))}]
    with pytest.raises(AssertionError, match=re.escape("at [0]['a'].part[1]: 2 became 3")):
        assert_isomorphic(first, second)


def test_a_member_that_is_not_found_is_a_difference() -> None:
    """A key whose hash changed after it was entered."""

    class Key:
        def __init__(self, name: str) -> None:
            self.name = name

        def __hash__(self) -> int:
            return hash(self.name)

    first, second = {Key("a"): 1}, {Key("b"): 1}
    next(iter(second)).name = "a"
    with pytest.raises(AssertionError, match="does not find its member"):
        assert_isomorphic(first, second)
    with pytest.raises(AssertionError, match="does not find its member"):
        assert_isomorphic(set(first), _rehashed(set(first)))


def _rehashed(members: set[Any]) -> set[Any]:
    key = copy.copy(next(iter(members)))
    key.name, name = "other", key.name
    found = {key}
    key.name = name
    return found


def test_plain_objects_between_persistable_ones_may_come_back_once_for_each() -> None:
    """But not within one of them, and not with `records=False`."""
    plain = [1]
    first = [Node("a", part=plain), Node("b", part=plain)]
    second = [Node("a", part=[1]), Node("b", part=[1])]
    assert_isomorphic(first, second)
    with pytest.raises(AssertionError, match="another object"):
        assert_isomorphic(first, second, records=False)
    assert_isomorphic(first, copy.deepcopy(first), records=False)
    with pytest.raises(AssertionError, match="another object"):
        assert_isomorphic(Node("a", x=plain, y=plain), Node("a", x=[1], y=[1]))


def test_plain_objects_of_two_persistable_ones_must_not_become_one() -> None:
    """The converse is always a difference."""
    plain = [1]
    first = [Node("a", part=[1]), Node("b", part=[1])]
    second = [Node("a", part=plain), Node("b", part=plain)]
    with pytest.raises(AssertionError, match="replaces two"):
        assert_isomorphic(first, second)


def test_it_agrees_with_pickle_in_one_piece() -> None:
    """A graph that went through pickle is isomorphic to the original."""
    first = [_ring(4), {Node("k"): {Node("e")}}, shared, shared, Slotted([1])]
    assert_isomorphic(first, pickle.loads(pickle.dumps(first)), records=False)


def test_dtypes_of_numpy_are_compared_by_value() -> None:
    """Arrays that had one object as their dtype come back with several that are equal."""
    numpy = pytest.importorskip("numpy")
    one, same, other = (numpy.dtype([("n", kind)]) for kind in ("<f8", "<f8", "<f4"))
    assert_isomorphic([one, one], [one, same])
    with pytest.raises(AssertionError, match="dtype"):
        assert_isomorphic([one], [other])
    arrays = [numpy.zeros(2, one), numpy.zeros(2, one)]
    assert_isomorphic(arrays, [numpy.zeros(2, one), numpy.zeros(2, same)])


def test_sharing_can_be_ignored() -> None:
    """Then only values are compared, and cycles end."""
    inner = [1]
    ring: list[object] = [inner, inner]
    ring.append(ring)
    apart: list[object] = [[1], [1]]
    apart.append(apart)
    with pytest.raises(SharingError):
        assert_isomorphic(ring, apart)
    assert_isomorphic(ring, apart, sharing=False)
    with pytest.raises(AssertionError, match="1 became 2"):
        assert_isomorphic(ring, [[1], [2], apart], sharing=False)


def test_integers_that_python_does_not_write_are_compared() -> None:
    """Beyond the limit of digits, and told in short."""
    assert_isomorphic([1 << 20_000], [1 << 20_000])
    with pytest.raises(AssertionError, match="0x1000"):
        assert_isomorphic([1 << 20_000], [(1 << 20_000) + 1])
    assert described([1 << 20_000]) != described([(1 << 20_000) + (1 << 19_990)])


def test_values_need_not_be_shared_if_so_asked() -> None:
    """Dates, decimals and tuples of values: by type and value alone.  What can be changed must be."""
    for value in (date(2024, 1, 2), Decimal("1.5"), (1, (date(2024, 1, 2),)), frozenset({(1, 2)})):
        one, other = [value, value], [_again(value), _again(value)]
        with pytest.raises(SharingError):
            assert_isomorphic(one, other)
        assert_isomorphic(one, other, values=False)
        assert_isomorphic(other, one, values=False)
    with pytest.raises(AssertionError):
        assert_isomorphic([Decimal("1.5")] * 2, [Decimal("1.5"), Decimal("1.50")], values=False)
    shared = (1, [2])
    with pytest.raises(SharingError):
        assert_isomorphic([shared, shared], [(1, [2]), (1, [2])], values=False)


def _again(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def test_what_an_error_says_of_its_context_is_compared() -> None:
    """Whether it is shown; not where the class has a reduction of its own."""
    one, other = ValueError(1), ValueError(1)
    one.__suppress_context__ = True
    with pytest.raises(AssertionError, match="suppresses"):
        assert_isomorphic(one, other)
