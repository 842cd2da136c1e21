"""Objects of every kind of class take part in graphs: they are shared, and in cycles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from brinery import MemoryStore, Persistable
from brinery.errors import DecodeError, EncodeError
from brinery.testing.samples import (
    INSTANCES,
    Colour,
    Foreign,
    ListNode,
    Node,
    ReducedNode,
    SlottedNode,
    StatefulNode,
    TupleNode,
)
from brinery.verify.isomorphism import assert_isomorphic

CODECS = ["pickle", "cloudpickle", "dill"]


class Counted(Persistable):
    """Counts how often its constructor and its `__setstate__` are called."""

    made = 0
    restored = 0

    def __init__(self, peer: Any = None) -> None:
        self.peer = peer

    def __reduce__(self) -> Any:
        return _make_counted, (), {"peer": self.peer}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Counted.restored += 1
        self.__dict__.update(state)


def _make_counted() -> Counted:
    Counted.made += 1
    return Counted()


class Sorted(Persistable, list[Any]):
    """A list whose `append` and `extend` read their arguments."""

    def append(self, item: Any) -> None:
        """Insert `item` by its label, which must be there."""
        index = sum(1 for other in self if other.label <= item.label)
        self.insert(index, item)

    def extend(self, items: Any) -> None:
        """Insert all of `items`."""
        for item in items:
            self.append(item)


class Prepared(Persistable):
    """Its `__setstate__` reads the children."""

    def __init__(self, *children: Node) -> None:
        self.children = children
        self.labels = [child.label for child in children]

    def __getstate__(self) -> Any:
        return self.children

    def __setstate__(self, state: Any) -> None:
        self.__init__(*state)  # type: ignore[misc]


class Box(Persistable):
    """Its constructor's arguments are in its state too."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __reduce__(self) -> Any:
        return Box, (self.items,), {k: v for k, v in vars(self).items() if k != "items"}


def _roundtrip(obj: Any, codec: str = "pickle") -> Any:
    with MemoryStore(codec=codec) as store:
        id_ = store.save(obj)
        store.invalidate_cache()
        found = store.load(id_)
        assert_isomorphic(obj, found)
        return found


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("name", INSTANCES)
def test_each_kind_of_object_can_be_shared(name: str, codec: str) -> None:
    """By two containers that have records of their own."""
    obj = INSTANCES[name]()
    first = Node("first", part=obj)
    found = _roundtrip([first, Node("second", first=first, part=[first])], codec)
    assert found[1].first is found[0]


def _in_cycle(name: str) -> Any:
    obj = INSTANCES[name]()
    head = Node("head", obj=obj)
    while type(obj) in (list, dict):
        obj = next(iter(obj))
    obj.peer = head
    return head


WITHOUT_PEERS = frozenset(
    {
        "slots",
        "a named tuple",
        "a frozen dataclass",
        "a frozen dataclass with slots",
        "an object with __reduce__",
        "a persistable member of an enumeration",
    }
)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("name", [name for name in INSTANCES if name not in WITHOUT_PEERS])
def test_each_kind_of_object_can_be_in_a_cycle(name: str, codec: str) -> None:
    """The cycle is loaded from either object."""
    head = _in_cycle(name)
    with MemoryStore(codec=codec) as store:
        id_ = store.save(head)
        for first in store.list():
            store.invalidate_cache()
            store.load(first)
            assert_isomorphic(head, store.load(id_))


def test_a_member_of_an_enumeration_stays_the_same_object() -> None:
    """Even if it has a record of its own."""
    assert _roundtrip([Colour.RED, {Colour.BLUE}]) == [Colour.RED, {Colour.BLUE}]


def test_a_registered_class_is_persistable_without_a_change_of_it() -> None:
    """Its objects have records of their own, and no attribute is set on them."""
    obj = Foreign("a")
    with MemoryStore() as store:
        id_ = store.save([obj, obj])
        assert list(store.references(id_)) == store.list("Foreign") != []
        assert vars(obj) == {"label": "a", "peer": None}
        store.invalidate_cache()
        assert vars(store.load(id_)[0]) == {"label": "a", "peer": None}


def test_slots_need_no_attribute_for_an_id() -> None:
    """An object without room for attributes is found by its identity."""
    obj = SlottedNode("a")
    with MemoryStore() as store:
        id_ = store.save(obj)
        assert store.save(obj) == id_
        assert obj.persistent_id == id_
        assert store.load(id_) is obj
        obj.label = "changed"
        store.save([obj])
        store.invalidate_cache()
        assert store.load(id_).label == "changed"


def test_constructors_and_setstate_run_once_for_each_object() -> None:
    """Also in a cycle, where the object was needed before its turn."""
    one = Counted()
    one.peer = Counted(one)
    Counted.made = Counted.restored = 0
    found = _roundtrip(one)
    assert found.peer.peer is found
    assert (Counted.made, Counted.restored) == (2, 2)


def test_children_are_complete_when_setstate_runs() -> None:
    """As in a pickle, as long as there is no cycle."""
    found = _roundtrip(Prepared(Node("a"), Node("b")))
    assert found.labels == ["a", "b"]


def test_children_are_complete_when_they_are_appended() -> None:
    """A subclass of list may look at them."""
    obj = Sorted()
    for label in "cab":
        obj.append(Node(label))
    assert [item.label for item in _roundtrip(obj)] == ["a", "b", "c"]


def test_arguments_of_constructors_may_be_persistable() -> None:
    """And they may refer back to the object, through state that is restored after construction."""
    node = Node("node")
    node.owner = owner = ReducedNode("owner", [node])  # type: ignore[attr-defined]
    with MemoryStore() as store:
        ids = [store.save(node), store.save(owner)]
        for id_, obj in zip(ids, (node, owner), strict=True):
            store.invalidate_cache()
            assert_isomorphic(obj, store.load(id_))


def test_arguments_that_need_each_other_are_an_error() -> None:
    """No order of construction exists; plain pickle does not end either."""
    one, two = ReducedNode("one", []), ReducedNode("two", [])
    one.parts.append(two)
    two.parts.append(one)
    with MemoryStore() as store:
        try:
            id_ = store.save(one)
        except EncodeError:
            assert store.list() == []
            return
        store.invalidate_cache()
        with pytest.raises(DecodeError, match="each other") as caught:
            store.load(id_)
        assert caught.value.id in store.list()
        assert store.session.identity.get(id_) is not one


def _tuple_and_attribute() -> Any:
    shared = [1]
    obj = TupleNode([shared])
    obj.alias = shared  # type: ignore[attr-defined]
    return obj


def _argument_and_attribute() -> Any:
    obj = Box([1])
    obj.alias = obj.items  # type: ignore[attr-defined]
    return obj


@pytest.mark.parametrize("make", [_tuple_and_attribute, _argument_and_attribute])
def test_arguments_stay_shared_with_the_state(make: Callable[[], Any]) -> None:
    """Also in a cycle, where the object was constructed before its turn."""
    obj = make()
    _roundtrip(obj)
    head = Node("head", obj=obj)
    obj.peer = head
    with MemoryStore() as store:
        ids = [store.save(obj), store.save(head)]
        for id_, root in zip(ids, (obj, head), strict=True):
            store.invalidate_cache()
            assert_isomorphic(root, store.load(id_))


def test_state_of_any_form_is_restored() -> None:
    """A tuple, as `__getstate__` may return, in a cycle."""
    obj = StatefulNode("four")
    obj.peer = ListNode([obj])
    assert _roundtrip(obj).length == 4
