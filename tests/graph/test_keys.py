"""Persistable keys and members work whenever plain pickle works on the graph in one piece."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from brinery import MemoryStore, Persistable
from brinery.testing.samples import (
    DictNode,
    FrozenNode,
    FrozenSlots,
    Key,
    ListNode,
    Node,
    Plain,
    SlottedNode,
)
from brinery.verify.isomorphism import assert_isomorphic


@dataclass(frozen=True)
class Day(Persistable):
    """A frozen dataclass, hashed by values that are not atoms, with a table of its own."""

    when: date
    table: dict[Any, Any] = field(default_factory=dict, hash=False, compare=False)


@dataclass(frozen=True, slots=True)
class Place(Persistable):
    """The same in slots."""

    name: str
    tags: tuple[str, ...] = ()
    table: dict[Any, Any] = field(default_factory=dict, hash=False, compare=False)


class Child(Persistable):
    """Hashed by its name and by the object that it belongs to."""

    def __init__(self, name: str, parent: Any) -> None:
        self.name = name
        self.parent = parent

    def __eq__(self, other: object) -> bool:
        return type(other) is Child and (self.name, self.parent) == (other.name, other.parent)

    def __hash__(self) -> int:
        return hash((self.name, self.parent))


def _dict_of_itself() -> Any:
    """A persistable dict whose key refers back to it."""
    table = DictNode()
    table[Node("key", table=table)] = 1
    return table


def _dict_with_value_key() -> Any:
    table = DictNode()
    table[Key("key", table=table)] = 1
    return table


def _plain_dict_with_value_key() -> Any:
    table: dict[Any, Any] = {}
    table[Key("key", table=table)] = 1
    return table


def _value_member_of_a_set() -> Any:
    home = Node("home")
    home.members = {Key("member", home=home), frozenset({Key("other", home=home)})}  # type: ignore[attr-defined]
    return home


def _identity_key_of_its_own_table() -> Any:
    node = Node("node")
    node.table = {node: [node]}  # type: ignore[attr-defined]
    return node


def _identity_member_of_its_own_set() -> Any:
    node = Node("node")
    node.members = {node, frozenset({node})}  # type: ignore[attr-defined]
    return node


def _slotted_member_of_its_own_set() -> Any:
    node = SlottedNode("node")
    node.peer = {node: node}
    return node


def _two_tables_with_each_other_as_keys() -> Any:
    one, two = Node("one"), Node("two")
    one.table = {two: one}  # type: ignore[attr-defined]
    two.table = {one: two}  # type: ignore[attr-defined]
    return one


def _day_in_its_list() -> Any:
    days = ListNode()
    for number in (1, 2):
        day = Day(date(2024, 1, number))
        day.table["all"] = days
        days.append({day: number})
    return days


def _places_in_a_set() -> Any:
    places = Node("places", all=set())
    for name in ("here", "there"):
        place = Place(name, ("tag", name))
        place.table["all"] = places
        places.all.add(place)  # type: ignore[attr-defined]
    return places


def _children_in_the_set_of_their_parent() -> Any:
    parent = Node("parent")
    parent.children = {Child("a", parent), Child("b", parent)}  # type: ignore[attr-defined]
    return parent


def _children_as_keys_of_their_parent() -> Any:
    parent = DictNode()
    owner = Node("owner", table=parent)
    parent[Child("a", owner)] = Child("b", owner)
    return parent


def _keys_of_keys() -> Any:
    table = DictNode()
    inner = FrozenNode("inner")
    table[FrozenNode("outer", (inner,))] = inner
    table[inner] = table
    return table


def _frozen_slots_in_a_cycle() -> Any:
    table = DictNode()
    holder = Node("holder", table=table)
    table[FrozenSlots("key", holder)] = holder
    return table


def _value_key_in_a_plain_object() -> Any:
    key = Key("key")
    key.plain = Plain(table={})  # type: ignore[attr-defined]
    key.plain.table[Node("other", key=key)] = {1: key}  # type: ignore[attr-defined]
    return DictNode({key: key})


def _tuple_of_persistables_as_key() -> Any:
    table = DictNode()
    table[Node("a", table=table), Key("b", table=table)] = 1
    return table


GRAPHS: list[Callable[[], Any]] = [
    _dict_of_itself,
    _dict_with_value_key,
    _plain_dict_with_value_key,
    _value_member_of_a_set,
    _identity_key_of_its_own_table,
    _identity_member_of_its_own_set,
    _slotted_member_of_its_own_set,
    _two_tables_with_each_other_as_keys,
    _day_in_its_list,
    _places_in_a_set,
    _children_in_the_set_of_their_parent,
    _children_as_keys_of_their_parent,
    _keys_of_keys,
    _frozen_slots_in_a_cycle,
    _value_key_in_a_plain_object,
    _tuple_of_persistables_as_key,
]


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill"])
@pytest.mark.parametrize("make", GRAPHS, ids=lambda make: make.__name__.strip("_"))
def test_what_pickle_keeps_in_one_piece_comes_back(make: Callable[[], Any], codec: str) -> None:
    """Loaded from the root, every dict and set finds its members."""
    root = make()
    assert_isomorphic(root, pickle.loads(pickle.dumps(root)), records=False)
    with MemoryStore(codec=codec) as store:
        id_ = store.save(root)
        store.invalidate_cache()
        assert_isomorphic(root, store.load(id_))


@pytest.mark.parametrize("make", GRAPHS, ids=lambda make: make.__name__.strip("_"))
def test_it_comes_back_from_each_object(make: Callable[[], Any]) -> None:
    """Whichever record is loaded first, the same graph comes back."""
    root = make()
    assert_isomorphic(root, pickle.loads(pickle.dumps(root)), records=False)
    with MemoryStore() as store:
        id_ = store.save(root)
        for first in store.list():
            store.invalidate_cache()
            store.load(first)
            assert_isomorphic(root, store.load(id_))
