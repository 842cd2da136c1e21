"""Chains and rings of any length are saved and loaded without recursion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from brinery import FilesystemStore, MemoryStore
from brinery.testing.samples import ListNode, Node
from brinery.verify.isomorphism import assert_isomorphic


def chain(size: int) -> Node:
    """Return the first of `size` objects, each of which refers to the next."""
    first = Node("last")
    for number in range(1, size):
        first = Node(str(number), next=first)
    return first


def ring(size: int) -> Node:
    """Return one of `size` objects, each of which refers to both its neighbours."""
    first = node = Node("0")
    for number in range(1, size):
        node.next = following = Node(str(number), back=node)  # type: ignore[attr-defined]
        node = following
    node.next, first.back = first, node  # type: ignore[attr-defined]
    return first


def star(size: int) -> ListNode:
    """Return a container of `size` objects, each of which refers back to it and to one other."""
    found = ListNode()
    found.extend(Node(str(number), container=found) for number in range(size))
    for number, node in enumerate(found):
        node.other = found[number * 7 % size]
    return found


def _comes_back(obj: object, size: int) -> None:
    with MemoryStore() as store:
        id_ = store.save(obj)
        assert len(store) == size
        store.invalidate_cache()
        assert_isomorphic(obj, store.load(id_))


@pytest.mark.thorough
@pytest.mark.parametrize("make", [chain, ring])
def test_a_hundred_thousand_objects_come_back(make: Callable[[int], object]) -> None:
    """With the codec pickle, from the object at one end."""
    _comes_back(make(100_000), 100_000)


@pytest.mark.thorough
def test_a_container_of_many_objects_in_cycles_comes_back() -> None:
    """Each of them refers back to it, and to another one anywhere in it."""
    _comes_back(star(20_000), 20_001)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("make", [chain, ring])
def test_a_million_objects_come_back(make: Callable[[int], object]) -> None:
    """Nothing in the two algorithms depends on the length of a path."""
    _comes_back(make(1_000_000), 1_000_000)


@pytest.mark.thorough
@pytest.mark.parametrize("codec", ["cloudpickle", "dill"])
@pytest.mark.parametrize("make", [chain, ring])
def test_other_codecs_have_no_recursion_either(make: Callable[[int], object], codec: str) -> None:
    """Longer than any limit of Python's stack."""
    obj = make(3_000)
    with MemoryStore(codec=codec) as store:
        id_ = store.save(obj)
        store.invalidate_cache()
        assert_isomorphic(obj, store.load(id_))


@pytest.mark.thorough
def test_a_ring_in_a_directory_comes_back_from_any_object(tmp_path: Path) -> None:
    """Each object is a file; a second store reads what the first has written."""
    first = ring(5_000)
    node = first.next.next  # type: ignore[attr-defined]
    with FilesystemStore(tmp_path, durability="process") as store:
        store.save(first)
        id_ = store.save(node)
        assert len(store) == 5_000
    with FilesystemStore(tmp_path, durability="process") as store:
        assert_isomorphic(node, store.load(id_))
