"""The promises of `Store` that every engine keeps."""

# ruff: noqa: PT012 - a transaction that fails is a block of several statements
from __future__ import annotations

import traceback
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from brinery import (
    AlreadySavedError,
    FilesystemStore,
    InvalidArgumentError,
    MemoryStore,
    MisplacedRecordError,
    NotFoundError,
    Persistable,
    RecordError,
    Store,
    make_store,
)
from brinery.backends.memory import MemoryBackend
from brinery.ids import name_of


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


# -- several objects at once


def test_a_mapping_is_saved_under_its_keys(store: Store) -> None:
    """Any mapping: the objects are its values."""
    assert store.save_many({"a": [1], "b": [2]}) == ["a", "b"]
    assert store.save_many(MappingProxyType({"c": [3]})) == ["c"]
    store.invalidate_cache()
    assert dict(store) == {"a": [1], "b": [2], "c": [3]}


def test_a_mapping_together_with_ids_is_refused(store: Store) -> None:
    """Its keys are the IDs; and they have to be strings."""
    with pytest.raises(InvalidArgumentError, match="expected no ids together with a mapping"):
        store.save_many({"a": 1}, ["b"])
    with pytest.raises(InvalidArgumentError, match="ids: expected a list, got 'ab'"):
        store.save_many([1, 2], "ab")
    with pytest.raises(InvalidArgumentError, match="ID: expected a string, got 1"):
        store.save_many({1: "a"})
    assert store.list() == []


# -- listing


class ThingGroup(Thing):
    """Has a name that starts with that of another class."""


class Outer:
    """Has a class inside."""

    class Thing(Persistable):
        """Has the last part of its name in common."""


def test_the_objects_of_a_class_are_listed(store: Store) -> None:
    """By the class or by its name: not those of a subclass, but those under chosen IDs."""
    things = [Thing(), ThingGroup(), Outer.Thing(), [1], Thing()]
    one, group, inner, plain, _ = store.save_many(things, [None] * 4 + ["chosen"])
    assert store.list(Thing) == store.list("Thing") == [one, "chosen"]
    assert store.list(f"{__name__}:Thing") == [one, "chosen"]
    assert store.list(ThingGroup) == [group]
    assert store.list(Outer.Thing) == store.list("Outer.Thing") == [inner]
    assert store.list(list) == store.list("list") == [plain]
    assert store.list("elsewhere:Thing") == store.list(Persistable) == []
    with store.transaction():
        new = store.save(ThingGroup())
        assert store.list(ThingGroup) == [group, new]


def test_ids_are_listed_by_their_beginning(store: Store) -> None:
    """As a text, whatever the classes of the objects are; both conditions may be given."""
    store.save_many({"Thing-1": [1], "Thing-2": Thing(), "other": Thing()})
    assert store.list(prefix="Thing") == ["Thing-1", "Thing-2"]
    assert store.list(Thing, prefix="Thing") == ["Thing-2"]
    assert store.list(prefix="") == store.list()
    for text in ("Thing.", "../", ""):
        with pytest.raises(InvalidArgumentError, match=f"prefix={text!r} lists the IDs"):
            store.list(text)
    with pytest.raises(InvalidArgumentError, match="expected a class or its name, got 1"):
        store.list(1)  # type: ignore[arg-type]


def test_the_metadata_of_many_records_are_those_of_each(store: Store) -> None:
    """Of all, or of those that exist; also where the ID is too long for a name, and in a transaction."""
    long = "x" * 300
    store.save_many({"one": Thing(), "../two": [1], long: [2], "x y": Thing()})
    by_id = {info.id: info for info in store.infos()}
    assert by_id == {id_: store.info(id_) for id_ in store.list()}
    assert {info.id for info in store.infos(["one", "none", long])} == {"one", long}
    with store.transaction():
        store.save([3], "three")
        store.remove("one")
        assert {info.id for info in store.infos()} == {"../two", long, "three", "x y"}
    with pytest.raises(InvalidArgumentError):
        [*store.infos("one")]


def test_damaged_metadata_are_reported_with_their_place(tmp_path: Path) -> None:
    """As those of one record; an ID in the place of another is such damage."""
    with FilesystemStore(tmp_path) as store:
        store.save_many({"list.1": [1], "list.2": [2]})
        (tmp_path / "list.2").write_bytes((tmp_path / "list.1").read_bytes())
        with pytest.raises(MisplacedRecordError, match=r"list\.2"):
            [*store.infos()]
        (tmp_path / "list.2").write_bytes(b"")
        with pytest.raises(RecordError) as caught:
            [*store.infos()]
        assert caught.value.path == f"{tmp_path}/list.2"


def test_a_class_that_was_renamed_is_listed_by_its_present_name() -> None:
    """Its records have the old one, which finds them, too."""
    backend = MemoryBackend()
    with Store(backend) as store:
        id = store.save(ThingGroup())
    old = f"{__name__}:ThingGroup"
    with Store(backend, renames={old: f"{__name__}:Thing"}) as store:
        assert store.list(Thing) == store.list("Thing") == store.list(old) == [id]


def test_a_record_that_cannot_be_read_is_listed_by_its_id(store: Store) -> None:
    """One that was made of the name of the class; it stops no listing."""
    one, two, _ = store.save_many([Thing(), Thing(), ThingGroup()])
    name = name_of("x" * 300)
    for damaged in (one, name):
        store.backend.put(damaged, b"damaged")
    assert store.list(Thing) == [one, two]
    assert store.list("ThingGroup") != []


def test_a_class_with_long_metadata_is_listed(store: Store) -> None:
    """The first read of the end does not have all of them."""
    id = store.save(Thing(children=[ThingGroup() for _ in range(500)]))
    assert store.list(Thing) == [id]
    assert len(store.list(ThingGroup)) == 500


# -- missing objects

LOOKS: dict[str, Callable[[Store], Any]] = {
    "load": lambda store: store.load("x"),
    "load_many": lambda store: store.load_many(["there", "x"]),
    "item": lambda store: store["x"],
    "remove": lambda store: store.remove("x"),
    "del": lambda store: store.__delitem__("x"),
    "pop": lambda store: store.pop("x"),
    "info": lambda store: store.info("x"),
    "references": lambda store: store.references("x"),
    "needs": lambda store: store.needs("x"),
    "update": lambda store: store.update("x", len),
    "gc": lambda store: store.gc(["x"]),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("in_transaction", [False, True], ids=["alone", "transaction"])
def test_a_missing_object_is_one_error(store: Store, look: str, in_transaction: bool) -> None:
    """No chain of exceptions of the layers below."""
    store.save([1], "there")
    with pytest.raises(NotFoundError, match="there is no object 'x'") as caught:
        if in_transaction:
            with store.transaction():
                LOOKS[look](store)
        else:
            LOOKS[look](store)
    shown = "".join(traceback.format_exception(caught.value))
    assert "During handling" not in shown
    assert "direct cause" not in shown
    if look == "load":
        files = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert len([file for file in files if "brinery/graph" in file]) <= 1 + in_transaction
