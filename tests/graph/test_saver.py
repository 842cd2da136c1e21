"""A save writes new and changed records only, all or nothing."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brinery import FilesystemStore, MemoryStore, Store
from brinery.errors import (
    AlreadySavedError,
    ConflictError,
    DanglingReferenceError,
    EncodeError,
    IdTakenError,
    InvalidArgumentError,
    NotFoundError,
)
from brinery.ids import name_of
from brinery.testing.samples import DictNode, ListNode, Node, SlottedNode, Unencodable


@pytest.fixture(params=["memory", "directory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Give an empty store of each kind."""
    made = (
        MemoryStore()
        if request.param == "memory"
        else FilesystemStore(tmp_path / "store", durability="process")
    )
    with made as opened:
        yield opened


def _contents(store: Store) -> dict[str, bytes]:
    return {id_: store.backend.get(name_of(id_))[0] for id_ in store.list()}


# -- records that are written


def test_an_unchanged_object_is_not_rewritten(store: Store) -> None:
    """Neither it nor its parts: the records stay as they are."""
    obj = Node("a", part=Node("b"), data=[1, {"x": (2, 3)}])
    id_ = store.save(obj)
    before = _contents(store)
    assert store.save(obj) == id_
    assert store.save([obj]) != id_
    assert {key: data for key, data in _contents(store).items() if key in before} == before


def test_a_loaded_object_is_not_rewritten(store: Store) -> None:
    """Unless it was changed."""
    id_ = store.save(Node("a", part=Node("b"), data=[1, {"x": (2, 3)}]))
    store.invalidate_cache()
    found = store.load(id_)
    before = store.info(id_).created
    store.save(found)
    assert store.info(id_).created == before
    found.data.append(1)
    store.save(found)
    assert store.info(id_).created > before


def test_a_changed_part_is_written_with_its_container(store: Store) -> None:
    """However deep it is; what did not change stays as it is."""
    deep = Node("deep")
    obj = Node("a", parts=[Node("b", deep={"x": deep}), Node("c")])
    id_ = store.save(obj)
    before = _contents(store)
    deep.label = "changed"
    store.save(obj)
    after = _contents(store)
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {store.save(deep)}
    store.invalidate_cache()
    assert store.load(id_).parts[0].deep["x"].label == "changed"


def test_new_parts_are_written_and_old_ones_stay(store: Store) -> None:
    """A part that is no longer referred to keeps its record."""
    old, new = Node("old"), Node("new")
    obj = ListNode([old])
    id_ = store.save(obj)
    obj[:] = [new]
    store.save(obj)
    assert len(store) == 3
    assert list(store.references(id_)) == [store.save(new)]


def test_a_part_that_was_removed_is_written_again(store: Store) -> None:
    """A save leaves no reference to a missing record."""
    part = Node("part")
    obj = Node("obj", part=part)
    id_ = store.save(obj)
    store.remove(store.save(part))
    store.save(obj)
    store.invalidate_cache()
    assert store.load(id_).part.label == "part"


def test_anything_can_be_saved(store: Store) -> None:
    """The IDs of plain data have the names of their types."""
    for obj in ([1], {"a": 1}, "text", 1, None, (1, 2), {3}):
        id_ = store.save(obj)
        assert id_.startswith(type(obj).__name__)
        store.invalidate_cache()
        assert store.load(id_) == obj


# -- IDs


def test_an_id_of_another_object_is_refused(store: Store) -> None:
    """A save never overwrites the record of another object."""
    store.save(Node("first"), "name")
    before = _contents(store)
    with pytest.raises(IdTakenError) as caught:
        store.save(Node("second"), "name")
    assert caught.value.id == "name"
    assert _contents(store) == before


def test_a_second_id_is_refused(store: Store) -> None:
    """A persistable object has one ID in a store."""
    obj = Node("a")
    store.save(obj, "one")
    with pytest.raises(AlreadySavedError) as caught:
        store.save(obj, "two")
    assert (caught.value.id, caught.value.wanted) == ("one", "two")
    assert store.list() == ["one"]
    assert store.save(obj, "one") == "one"


def test_two_ids_at_once_are_refused(store: Store) -> None:
    """One call cannot give a persistable object two IDs either."""
    obj = Node("a")
    with pytest.raises(AlreadySavedError):
        store.save_many([obj, obj], ["one", "two"])
    assert store.list() == []
    with pytest.raises(AlreadySavedError):
        store.save_many([obj, obj], [None, "two"])
    assert store.list() == []


def test_one_id_for_two_objects_is_refused(store: Store) -> None:
    """In one call, too."""
    with pytest.raises(InvalidArgumentError):
        store.save_many([Node("a"), Node("b")], ["one", "one"])
    assert store.list() == []


def test_replace_overwrites(store: Store) -> None:
    """Another object gets the ID; the old one no longer has an ID."""
    first, second = Node("first"), Node("second")
    store.save(first, "name")
    store.replace("name", second)
    assert store.load("name") is second
    store.invalidate_cache()
    assert store.load("name").label == "second"
    store.replace("new", [1])
    assert store.load("new") == [1]


def test_an_object_that_was_replaced_is_new_again(store: Store) -> None:
    """Saving it does not overwrite its successor."""
    first, second = Node("first"), Node("second")
    store.save(first, "name")
    store.replace("name", second)
    assert store.save(first) != "name"
    store.invalidate_cache()
    assert store.load("name").label == "second"


def test_a_reference_is_not_to_a_successor(store: Store) -> None:
    """A container of an object that was replaced brings back that object, not the new one."""
    first, second = Node("first"), Node("second")
    store.save(first, "name")
    store.replace("name", second)
    id_ = store.save([first])
    store.invalidate_cache()
    assert store.load(id_)[0].label == "first"


# -- several at once


def test_several_objects_are_saved_in_one_commit(store: Store) -> None:
    """IDs in order; an object given twice, or reached from another, is saved once."""
    shared = Node("shared")
    one = Node("one", part=shared)
    ids = store.save_many([one, shared, [shared], one])
    assert ids[0] == ids[3]
    assert len(store) == 3
    store.invalidate_cache()
    found = store.load_many([*ids, ids[1]])
    assert found[0] is found[3]
    assert found[0].part is found[1] is found[2][0] is found[4]
    assert store.save_many([]) == []
    assert store.load_many([]) == []


def test_ids_are_given_one_by_one(store: Store) -> None:
    """None lets the factory choose an object's ID."""
    ids = store.save_many([Node("a"), Node("b")], ["name", None])
    assert ids[0] == "name"
    assert ids[1].startswith("Node.")
    with pytest.raises(InvalidArgumentError):
        store.save_many([1, 2], ["one"])


def test_one_that_is_missing_fails_the_load(store: Store) -> None:
    """The error names it; the others are loaded by the next call."""
    id_ = store.save(Node("a"))
    with pytest.raises(NotFoundError) as caught:
        store.load_many([id_, "missing"])
    assert caught.value.id == "missing"
    assert store.load(id_).label == "a"


# -- as a mapping


def test_a_store_is_a_mapping(store: Store) -> None:
    """From IDs to objects."""
    store["name"] = Node("first")
    store["name"] = Node("second")
    store["list"] = [1, 2]
    assert store["name"].label == "second"
    assert "name" in store
    assert "other" not in store
    assert len(store) == 2
    assert sorted(store) == sorted(store.keys()) == ["list", "name"]
    assert dict(store.items())["list"] == [1, 2]
    assert store.get("other", "default") == "default"
    del store["name"]
    assert list(store) == ["list"]
    with pytest.raises(KeyError):
        store["name"]
    with pytest.raises(KeyError):
        del store["name"]
    assert store.pop("list") == [1, 2]
    assert len(store) == 0


# -- errors


def _failing_graph() -> DictNode:
    graph = DictNode()
    graph["first"] = Node("before")
    graph["tasks"] = [Node("task", callback=Unencodable(), graph=graph)]
    graph["last"] = Node("after")
    return graph


def test_an_error_in_the_middle_of_a_graph_leaves_the_store_as_it_was(store: Store) -> None:
    """No record, no ID; and the graph can be saved once the cause is removed."""
    kept = Node("kept")
    store.save(kept)
    before = _contents(store)
    graph = _failing_graph()
    graph["kept"] = kept
    kept.label = "changed"
    with pytest.raises(EncodeError) as caught:
        store.save(graph)
    assert caught.value.object_path == "['tasks'][0].callback"
    assert caught.value.codec == "pickle"
    assert _contents(store) == before
    assert getattr(graph, "persistent_id", None) is None
    assert getattr(graph["first"], "persistent_id", None) is None
    graph["tasks"][0].callback = None
    id_ = store.save(graph)
    store.invalidate_cache()
    found = store.load(id_)
    assert found["tasks"][0].graph is found
    assert found["kept"].label == "changed"


def test_an_error_of_the_users_own_leaves_the_store_as_it_was(store: Store) -> None:
    """An exception from a class's `__getstate__` is the cause of the error."""

    class Broken(Node):
        def __getstate__(self) -> Any:
            raise ZeroDivisionError("no state today")

    with pytest.raises(EncodeError, match="no state today") as caught:
        store.save([Node("a"), Broken("b")])
    assert caught.value.__cause__ is not None
    assert store.list() == []


def test_a_part_that_is_missing_is_named_with_its_referrer(store: Store) -> None:
    """And no object of that load is remembered."""
    part = Node("part")
    id_ = store.save(Node("obj", parts=[Node("other"), part]))
    missing = store.save(part)
    store.remove(missing)
    store.invalidate_cache()
    with pytest.raises(DanglingReferenceError) as caught:
        store.load(id_)
    assert (caught.value.id, caught.value.referrer) == (missing, id_)
    assert len(store.session.identity) == 0


# -- other writers


def test_a_lost_update_is_detected(tmp_path: Path) -> None:
    """If two stores change one object, the second save raises."""
    with FilesystemStore(tmp_path) as one, FilesystemStore(tmp_path) as two:
        id_ = one.save(Node("saved"), "name")
        mine, theirs = one.load(id_), two.load(id_)
        theirs.label = "theirs"
        two.save(theirs)
        mine.label = "mine"
        with pytest.raises(ConflictError) as caught:
            one.save(mine)
        assert caught.value.ids == (id_,)
        with pytest.raises(ConflictError):
            one.save([Node("new"), mine])
        assert len(one) == 1
        one.invalidate_cache()
        assert one.load(id_).label == "theirs"
        one.replace(id_, mine)
        two.invalidate_cache()
        assert two.load(id_).label == "mine"


def test_an_object_that_was_not_changed_here_causes_no_conflict(tmp_path: Path) -> None:
    """A part that another store has changed is left alone when the container is saved."""
    with FilesystemStore(tmp_path) as one, FilesystemStore(tmp_path) as two:
        part = Node("part")
        container = Node("container", part=part)
        id_ = one.save(container)
        theirs = two.load(id_)
        theirs.part.label = "theirs"
        two.save(theirs)
        container.label = "mine"
        one.save(container)
        two.invalidate_cache()
        found = two.load(id_)
        assert (found.label, found.part.label) == ("mine", "theirs")


def test_two_stores_never_give_one_id_twice(tmp_path: Path) -> None:
    """They count together, also when they save in turns."""
    with FilesystemStore(tmp_path) as one, FilesystemStore(tmp_path) as two:
        ids = [store.save(Node(str(n))) for n in range(50) for store in (one, two)]
        assert len(set(ids)) == 100
        assert len(one) == len(two) == 100


def test_errors_of_saving_can_be_pickled(store: Store) -> None:
    """As when a worker process sends them to its parent."""
    with pytest.raises(EncodeError) as caught:
        store.save(SlottedNode("a", Unencodable()))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.object_path) == (str(caught.value), ".peer")
