"""The ID of a living object: `id_of` in one store, `persistent_id` in the last one."""

# ruff: noqa: PT012 - a transaction that fails is a block of several statements

from __future__ import annotations

import copy
import gc
import os
import pickle
from dataclasses import dataclass
from typing import Any

import pytest

from brinery import ClosedError, Id, MemoryStore, Persistable, Store


class Thing(Persistable):
    """Holds any attributes."""

    a: Any
    part: Any

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


@dataclass(frozen=True, slots=True)
class Point(Persistable):
    """Has no dict, takes no weak reference and no attribute."""

    x: int


class Keeper(Persistable):
    """Has an attribute of its own of that name."""

    def __init__(self, persistent_id: str) -> None:
        self.persistent_id = persistent_id


class Slim(Persistable):
    """Has a slot of its own of that name."""

    __slots__ = ("__weakref__", "persistent_id")


# -- id_of


def test_every_saved_or_loaded_object_has_an_id() -> None:
    """Also a plain list, and an object that another one refers to."""
    with MemoryStore() as store:
        part, plain, point = Thing(), [1], Point(1)
        root = Thing(part=part)
        ids = store.save_many([root, plain, point])
        assert [store.id_of(obj) for obj in (root, plain, point)] == ids
        assert [store.id_of(part)] == list(store.references(ids[0]))
        store.invalidate_cache()
        loaded = store.load_many(ids)
        assert [store.id_of(obj) for obj in loaded] == ids
        assert {type(id) for id in (store.id_of(plain), *map(store.id_of, loaded))} == {Id}
        assert store.id_of(loaded[0].part) == store.id_of(part)


def test_an_object_that_the_store_does_not_know_has_none() -> None:
    """Nor has an equal one, a copy, or a value without identity."""
    with MemoryStore() as store, MemoryStore() as other:
        known = [1]
        store.save(known)
        store.save(5)
        store.save("text")
        assert [store.id_of(obj) for obj in ([1], copy.copy(known), 5, "text", None)] == [None] * 5
        assert other.id_of(known) is None


def test_an_object_has_the_id_of_its_last_save() -> None:
    """A plain object may be saved under several."""
    with MemoryStore() as store:
        plain = [1]
        for id in ("one", "two"):
            store.save(plain, id)
            assert store.id_of(plain) == id


def test_an_object_whose_record_was_removed_has_none() -> None:
    """It is new again, as are older copies of it; one that the store has only forgotten keeps its ID."""
    with MemoryStore() as store:
        former, other = Thing(), Thing()
        id, other_id = store.save_many([former, other])
        store.invalidate_cache()
        present = store.load(id)
        assert store.id_of(former) == store.id_of(present) == id
        store.remove(id)
        assert store.id_of(former) is store.id_of(present) is None
        assert store.id_of(other) == other_id


def test_a_closed_store_has_no_ids() -> None:
    """As with every other method."""
    store = MemoryStore()
    obj = [1]
    store.save(obj)
    store.close()
    with pytest.raises(ClosedError):
        store.id_of(obj)


# -- persistent_id


def test_the_object_has_no_such_attribute_itself() -> None:
    """Neither itself nor its copies and pickles."""
    with MemoryStore() as store:
        thing = Thing(a=1)
        id = store.save(thing)
        assert thing.persistent_id == id
        assert vars(thing) == {"a": 1}
        for twin in (copy.copy(thing), copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
            assert twin.persistent_id is None
            assert vars(twin) == {"a": 1}


def test_objects_without_room_for_attributes_have_it_too() -> None:
    """Frozen, with slots, saved and loaded."""
    with MemoryStore() as store:
        point = Point(1)
        assert point.persistent_id is None
        id = store.save(point)
        assert point.persistent_id == id
        store.invalidate_cache()
        assert store.load(id).persistent_id == id


def test_the_class_has_none() -> None:
    """Only objects have IDs."""
    with MemoryStore() as store:
        store.save(Thing())
        assert Thing.persistent_id is None
        assert Persistable.persistent_id is None


def test_an_attribute_of_the_users_own_wins() -> None:
    """It is stored as any other attribute, and tells nothing to a store."""
    with MemoryStore() as store:
        keeper, slim = Keeper("mine"), Slim()
        slim.persistent_id = "slot"
        ids = store.save_many([keeper, slim])
        assert "mine" not in ids
        store.invalidate_cache()
        loaded = store.load_many(ids)
        assert [obj.persistent_id for obj in loaded] == ["mine", "slot"]
        assert [store.id_of(obj) for obj in loaded] == ids
        assert vars(loaded[0]) == {"persistent_id": "mine"}


def test_it_is_that_of_the_store_which_read_or_wrote_the_record_last() -> None:
    """Whatever these stores have done with other objects since."""
    with MemoryStore() as one, MemoryStore() as two:
        thing, other = Thing(), Thing()
        one.save(thing, "in one")
        two.save(thing, "in two")
        one.save(other)
        assert thing.persistent_id == "in two"
        thing.a = 1
        one.save(thing)
        assert thing.persistent_id == "in one"
        assert (one.id_of(thing), two.id_of(thing)) == ("in one", "in two")


def test_it_is_that_of_an_opened_store() -> None:
    """A store that was closed, or that nobody holds any more, knows no objects."""
    backend = MemoryStore().backend
    one, two = Store(backend), MemoryStore()
    thing = Thing()
    two.save(thing, "in two")
    one.save(thing, "in one")
    one.invalidate_cache()
    assert thing.persistent_id == "in one"
    del one
    gc.collect()
    assert thing.persistent_id == "in two"
    two.close()
    assert thing.persistent_id is None


def test_a_rollback_takes_it_back() -> None:
    """A new object is new again, and one that was saved before has its ID of before."""
    with MemoryStore() as one, MemoryStore() as two:
        new, known = Thing(), Thing()
        two.save(known, "in two")
        with pytest.raises(KeyboardInterrupt), one.transaction():
            one.save(new)
            one.save(known, "in one")
            assert known.persistent_id == "in one"
            raise KeyboardInterrupt
        assert new.persistent_id is None
        assert known.persistent_id == "in two"


def test_reading_all_records_gives_no_object_another_id() -> None:
    """Operations load objects of their own, which only they know."""
    with MemoryStore() as store:
        thing = Thing()
        id = store.save(thing)
        assert store.check().is_good
        assert thing.persistent_id == id


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_knows_the_ids() -> None:
    """Of all objects that lived at the fork."""
    with MemoryStore() as store:
        thing, plain = Thing(), [1]
        ids = store.save_many([thing, plain])
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(0 if [thing.persistent_id, store.id_of(plain)] == ids else 1)
            finally:
                os._exit(2)
        assert os.waitpid(pid, 0)[1] == 0
