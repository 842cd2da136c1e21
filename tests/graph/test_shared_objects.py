"""One object in a store is one object in memory, as long as it is referenced."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from brinery import MemoryStore, Store
from brinery.testing.samples import (
    INSTANCES,
    IntNode,
    Key,
    ListNode,
    Node,
    SlottedNode,
    StrNode,
    TupleNode,
)

WITHOUT_WEAK_REFERENCES: list[Callable[[int], Any]] = [
    lambda number: SlottedNode(str(number)),
    lambda number: TupleNode([number]),
    lambda number: IntNode(number + 1000),
    lambda number: [number],
    lambda number: {number: number},
]


@pytest.mark.parametrize("name", INSTANCES)
def test_a_load_returns_the_saved_object(name: str) -> None:
    """`load(save(p)) is p`, for an object of any class."""
    obj = INSTANCES[name]()
    with MemoryStore() as store:
        assert store.load(store.save(obj)) is obj


def test_two_loads_give_one_object() -> None:
    """Also when it was loaded as part of another."""
    with MemoryStore() as store:
        child = Node("child")
        container = store.save([child])
        id_ = store.save(child)
        del child
        store.invalidate_cache()
        found = store.load(container)
        assert store.load(id_) is found[0]
        assert store.load(container) is found


def test_containers_loaded_separately_share_one_object() -> None:
    """Two records refer to a third, which is loaded once."""
    shared = Node("shared")
    with MemoryStore() as store:
        ids = store.save_many([[shared], {"x": shared}, Node("holder", part=shared)])
        store.invalidate_cache()
        a_list, a_dict, holder = (store.load(id_) for id_ in ids)
        assert a_list[0] is a_dict["x"] is holder.part
        assert a_list[0] is not shared


def test_after_invalidate_cache_a_load_reads_again() -> None:
    """The new object is another one, with the state of the record."""
    obj = Node("saved")
    with MemoryStore() as store:
        id_ = store.save(obj)
        obj.label = "changed"
        store.invalidate_cache()
        found = store.load(id_)
        assert found is not obj
        assert found.label == "saved"
        assert store.load(id_) is found


@pytest.mark.parametrize(
    "make",
    [lambda: Node("a"), lambda: ListNode([1]), lambda: SlottedNode("a"), lambda: TupleNode([1])],
    ids=["weak", "list", "slots", "tuple"],
)
def test_after_invalidate_cache_living_objects_keep_their_ids(make: Callable[[], Any]) -> None:
    """No second record is made of an object, whether it takes weak references or not."""
    obj = make()
    with MemoryStore() as store:
        id_ = store.save(obj)
        store.invalidate_cache()
        assert store.save(obj) == id_
        assert store.list() == [id_]


def test_an_object_lives_in_two_stores() -> None:
    """An object of store A can be saved in store B as well, with all its parts."""
    child = Node("child")
    obj = Node("obj", child=child)
    with MemoryStore() as one, MemoryStore() as two:
        two.save(Node("other"))
        first, second = one.save(obj), two.save(obj)
        assert len(one) == 2
        assert len(two) == 3
        assert one.load(first) is two.load(second) is obj
        assert one.save(child) in one
        assert two.save(child) in two
        two.invalidate_cache()
        found = two.load(second)
        assert (found.label, found.child.label) == ("obj", "child")


def test_equal_objects_are_two() -> None:
    """The class defines equality, which says nothing about identity."""
    one, two = Key("a", number=1), Key("a", number=2)
    with MemoryStore() as store:
        id_ = store.save([one, two])
        assert len(store) == 3
        store.invalidate_cache()
        assert [key.number for key in store.load(id_)] == [1, 2]


def test_equal_strings_of_a_subclass_are_two() -> None:
    """Even though strings of the builtin type may be interned."""
    one, two = StrNode("a"), StrNode("a")
    with MemoryStore() as store:
        assert store.save(one) != store.save(two)
        assert len(store) == 2


def test_a_store_does_not_keep_objects_alive() -> None:
    """Objects that take weak references die as soon as they are unreferenced."""
    with MemoryStore() as store:
        obj = Node("a", part=Node("b"))
        id_ = store.save(obj)
        gone = weakref.ref(obj)
        assert len(store.session.identity) == 2
        del obj
        gc.collect()
        assert gone() is None
        assert len(store.session.identity) == 0
        again = store.load(id_)
        assert again.part.label == "b"


@pytest.mark.thorough
@pytest.mark.parametrize("make", WITHOUT_WEAK_REFERENCES)
def test_objects_without_weak_references_are_released(make: Callable[[int], Any]) -> None:
    """Once nothing else refers to them, so that a long-lived store does not grow without bound."""
    with MemoryStore() as store:
        for number in range(5_000):
            store.save(make(number))
        gc.collect()
        assert len(store.session.identity) <= 600


def test_objects_without_weak_references_stay_while_they_are_held() -> None:
    """However many others come and go."""
    with MemoryStore() as store:
        held = [SlottedNode(str(number)) for number in range(1_000)]
        ids = store.save_many(held)
        for number in range(3_000):
            store.save([number])
        assert [store.load(id_) for id_ in ids] == held
        assert store.save_many(held) == ids


def test_loaded_objects_without_weak_references_are_released_too() -> None:
    """In a store that has never saved anything."""
    with MemoryStore() as store:
        ids = store.save_many([SlottedNode(str(number)) for number in range(3_000)])
        other = Store(store.backend)
        for id_ in ids:
            assert other.load(id_).label
        assert len(other.session.identity) <= 600


def test_a_closed_store_releases_everything() -> None:
    """And the objects stay usable."""
    obj = SlottedNode("a")
    alone = sys.getrefcount(obj)
    store = MemoryStore()
    store.save(obj)
    assert sys.getrefcount(obj) > alone
    store.close()
    gc.collect()
    assert sys.getrefcount(obj) == alone
    assert obj.label == "a"


def test_an_id_is_not_that_of_an_object_that_died() -> None:
    """A new object at the address of an old one is a new object."""
    with MemoryStore() as store:
        seen = set()
        for number in range(500):
            seen.add(store.save(Node(str(number))))
        assert len(seen) == 500
        assert len(store) == 500
