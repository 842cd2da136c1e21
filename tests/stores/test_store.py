"""The promises of `Store` that every engine keeps."""

# ruff: noqa: PT012 - a transaction that fails is a block of several statements
from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from brinery import AlreadySavedError, MemoryStore, Persistable, Store, make_store


class Thing(Persistable):
    """Holds any attributes."""

    n: Any

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


@pytest.fixture(params=["memory", "directory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Give a store of each kind."""
    urls = {"directory": f"{tmp_path}/jobs", "sqlite": f"sqlite:///{tmp_path}/jobs.db"}
    opened: Store
    if request.param == "memory":
        opened = MemoryStore()
    else:
        opened = make_store(urls[request.param], durability="process")
    with opened:
        yield opened


# -- one plain object under several IDs

Save = Callable[[Store, str, Any], Any]
SAVES: dict[str, Save] = {
    "replace": lambda store, id, obj: store.replace(id, obj),
    "mapping": lambda store, id, obj: store.__setitem__(id, obj),
    "save": lambda store, id, obj: store.save(obj, id),
    "save_many": lambda store, id, obj: store.save_many([obj], [id]),
    "update": lambda store, id, obj: store.update({id: obj}),
}


@pytest.mark.parametrize("how", SAVES)
@pytest.mark.parametrize("in_transaction", [False, True], ids=["alone", "transaction"])
def test_each_id_has_the_state_that_was_saved_under_it(
    store: Store, how: str, in_transaction: bool
) -> None:
    """A list, a dict or an array that is filled again and again is the living object of its last ID."""
    rows: list[Any] = [[0], {0: 0}, array("i", [0])]
    for kind, row in enumerate(rows):
        for i in range(3):
            row[0] = i
            if in_transaction:
                with store.transaction():
                    SAVES[how](store, f"{kind}.row{i}", row)
                    assert store.load(f"{kind}.row{i}") is row
            else:
                SAVES[how](store, f"{kind}.row{i}", row)
        ids = [f"{kind}.row{i}" for i in range(3)]
        assert [store[id][0] for id in ids] == [0, 1, 2]
        assert [row[0] for row in store.load_many(ids)] == [0, 1, 2]
        assert store.load(ids[2]) is row
        row[0] = 77
        assert store.save(row) == ids[2]
        store.invalidate_cache()
        assert [store[id][0] for id in ids] == [0, 1, 77]


def test_a_backup_under_another_id_undoes_a_change(store: Store) -> None:
    """The record of the backup has the former state, and so has what an undo writes."""
    store["current"] = {"x": 1}
    store["backup"] = store["current"]
    now = store["current"]
    now["x"] = 2
    store["current"] = now
    store["current"] = store["backup"]
    store.invalidate_cache()
    assert (store["current"], store["backup"]) == ({"x": 1}, {"x": 1})


def test_a_renamed_object_is_saved_under_its_new_name(store: Store) -> None:
    """Removing the former name does not make it a new object."""
    store["old"] = {"x": 1}
    store["new"] = store["old"]
    del store["old"]
    moved = store["new"]
    moved["x"] = 5
    assert store.save(moved) == "new"
    store.invalidate_cache()
    assert (store["new"], store.list()) == ({"x": 5}, ["new"])


def test_of_two_ids_in_one_call_the_last_one_counts(store: Store) -> None:
    """Also where the record of that ID is there already and has the same state."""
    row = [1]
    store.save(row, "a")
    store.save_many([row, row], ["b", "a"])
    row[0] = 2
    assert store.save(row) == "a"
    store.invalidate_cache()
    assert store.load_many(["a", "b"]) == [[2], [1]]


def test_a_rollback_gives_an_object_its_former_id_back(store: Store) -> None:
    """It was saved under another one inside the transaction only."""
    row = [1]
    store.save(row, "a")
    with pytest.raises(KeyError), store.transaction():
        store.save(row, "b")
        raise KeyError
    row[0] = 2
    assert store.save(row) == "a"
    assert store.list() == ["a"]


def test_a_persistable_object_has_one_id(store: Store) -> None:
    """A second one is refused."""
    thing = Thing(n=1)
    store.save(thing, "a")
    with pytest.raises(AlreadySavedError):
        store.save(thing, "b")
    with pytest.raises(AlreadySavedError):
        store.replace("b", thing)
    with pytest.raises(AlreadySavedError):
        store.save_many([thing, thing], ["a", "b"])
