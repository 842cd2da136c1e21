"""Stores that are held by their own objects, or pickled."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from brinery import (
    DecodeError,
    FilesystemStore,
    FreshProcess,
    InvalidArgumentError,
    MemoryStore,
    Persistable,
    SqlStore,
    Store,
    Trust,
    copy,
    make_store,
    recode,
)
from brinery.backends.memory import MemoryBackend
from brinery.graph.loading.load import load
from brinery.reference import OWN_STORE, ExternalReference


class Task(Persistable):
    """Has its store, and saves itself."""

    other: Any

    def __init__(self, store: Any, number: int = 0) -> None:
        self.store, self.number = store, number

    def save(self) -> Any:
        return self.store.save(self)


class Mine(FilesystemStore):
    """Has attributes of its own."""

    def __init__(self, directory: Any, label: str) -> None:
        super().__init__(directory, durability="process")
        self.label = label


class MineToo(SqlStore):
    """The same in a database."""


Opener = Callable[[], Store]


@pytest.fixture(params=["memory", "directory", "sqlite"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Give a function that opens stores on one place."""
    if request.param == "memory":
        backend = MemoryBackend()
        return lambda: Store(backend)
    urls = {"directory": f"{tmp_path}/jobs", "sqlite": f"sqlite:///{tmp_path}/jobs.db"}
    return lambda: make_store(urls[request.param], durability="process")


@pytest.fixture
def store(opener: Opener) -> Iterator[Store]:
    """Give a store."""
    with opener() as opened:
        yield opened


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill", "auto"])
def test_an_object_gets_the_store_that_loads_it(store: Store, opener: Opener, codec: str) -> None:
    """It is saved there, under its own ID; and an unchanged one is not written."""
    ids = store.save_many([Task(store, n) for n in range(3)], codec=codec)
    plain = store.save({"store": [store, store]}, codec=codec)
    with opener() as other:
        tasks = other.load_many(ids)
        assert all(task.store is other for task in tasks)
        assert other.load(plain) == {"store": [other, other]}
        version = other.backend.get(ids[0])[1]
        assert tasks[0].save() == ids[0]
        assert other.backend.get(ids[0])[1] == version
        tasks[0].number = -1
        assert tasks[0].save() == ids[0]
        assert len(other) == 4
    assert store.references(ids[0]) == ()
    assert store.check().is_good


def test_it_gets_the_store_in_a_transaction_and_in_a_cycle(store: Store, opener: Opener) -> None:
    """Saved and loaded inside the block."""
    with store.transaction():
        one, two = Task(store, 1), Task(store, 2)
        one.other, two.other = two, one
        id = one.save()
        store.invalidate_cache()
        again = store.load(id)
        assert again.store is again.other.store is store
        again.number = 3
        assert again.save() == id
    with opener() as other, other.transaction():
        assert other.load(id).other.store is other


def test_an_update_finds_such_an_object_unchanged(store: Store) -> None:
    """The comparison writes the reference, too."""
    task = Task(store)
    id = task.save()
    assert store.update(id, lambda task: setattr(task, "number", 1)) is task


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_loaded_objects_open_no_files(store: Store, opener: Opener) -> None:
    """However many refer to the store."""
    ids = store.save_many([Task(store, n) for n in range(50)])
    with opener() as other:
        other.load(ids[0])
        before = len(os.listdir("/proc/self/fd"))
        tasks = other.load_many(ids)
        assert len(os.listdir("/proc/self/fd")) <= before + 2
        assert {id(task.store) for task in tasks} == {id(other)}


def test_a_directory_that_was_moved_is_not_made_again(tmp_path: Path) -> None:
    """The objects are saved where they were loaded."""
    with FilesystemStore(tmp_path / "old") as store:
        id = Task(store).save()
    shutil.move(tmp_path / "old", tmp_path / "new")
    with FilesystemStore(tmp_path / "new") as store:
        task = store.load(id)
        task.number = 1
        assert task.save() == id
    assert not (tmp_path / "old").exists()


def test_a_copy_refers_to_its_own_store(store: Store) -> None:
    """So does a record that was recoded."""
    id = Task(store).save()
    with MemoryStore(codec="dill") as target:
        copy(store, target)
        assert target.load(id).store is target
        recode(target)
        target.invalidate_cache()
        assert target.info(id).codec == "dill"
        assert target.load(id).store is target


def test_a_reader_that_restricts_classes_admits_the_store() -> None:
    """The record names no class of it."""
    backend = MemoryBackend()
    with Store(backend) as store:
        id = Task(store).save()
    with Store(backend, trust=Trust(classes=[f"{__name__}:Task"])) as reader:
        assert reader.load(id).store is reader


def test_a_fresh_process_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    """It has no store, and looks at the rest."""
    with FilesystemStore(tmp_path) as store:
        store.save({"store": store}, verify=FreshProcess(timeout=60))


def test_a_payload_shows_the_reference_without_a_store() -> None:
    """As it shows those to objects."""
    with MemoryStore() as store:
        id = store.save({"store": store})
        data = store.backend.get(id)[0]
    assert pickle.loads(data) == {"store": ExternalReference(OWN_STORE)}


def test_a_session_without_a_store_says_so() -> None:
    """Somebody kept the session alone."""
    backend = MemoryBackend()
    with Store(backend) as store:
        id = store.save([store])
    session = Store(backend).session
    with pytest.raises(DecodeError, match="refers to its store, which nobody holds"):
        load(session, [id])


# -- pickles of stores


def test_another_store_is_pickled_by_its_place(store: Store, tmp_path: Path) -> None:
    """A record may refer to a store beside its own."""
    with FilesystemStore(tmp_path / "other") as other:
        other.save([1], "one")
        id = store.save({"own": store, "other": other})
    store.invalidate_cache()
    found = store.load(id)
    assert found["own"] is store
    assert found["other"].load("one") == [1]
    found["other"].close()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_objects_that_refer_to_another_store_share_it(store: Store, tmp_path: Path) -> None:
    """One store is opened, and opened again after it was closed."""
    with make_store(f"sqlite:///{tmp_path}/other.db") as other:
        other.save([1], "one")
        ids = store.save_many([Task(other, n) for n in range(20)])
    store.invalidate_cache()
    before = len(os.listdir("/proc/self/fd"))
    tasks = store.load_many(ids)
    found = tasks[0].store
    assert {id(task.store) for task in tasks} == {id(found)}
    assert found is not store
    assert found.load("one") == [1]
    assert len(os.listdir("/proc/self/fd")) <= before + 6
    found.close()
    store.invalidate_cache()
    with store.load(ids[0]).store as again:
        assert again.load("one") == [1]
    # Outside of loads each pickle opens a store.
    with pickle.loads(pickle.dumps(found)) as one, pickle.loads(pickle.dumps(found)) as two:
        assert one is not two


def test_another_handle_of_the_same_store_is_that_store(store: Store, opener: Opener) -> None:
    """An object that was made with it gets the store that loads it, and no second record."""
    if store.url == "memory:":
        pytest.skip("its place is not known elsewhere")
    with opener() as handle:
        id = store.save(Task(handle))
    store.invalidate_cache()
    task = store.load(id)
    assert task.store is store
    task.number = 1
    assert task.save() == id
    assert len(store) == 1


def test_a_store_of_this_process_alone_is_refused_by_others(store: Store) -> None:
    """It cannot be opened elsewhere."""
    with MemoryStore() as memory, pytest.raises(InvalidArgumentError, match="cannot be pickled"):
        store.save([memory])
    with pytest.raises(InvalidArgumentError, match="cannot be pickled"):
        pickle.dumps(MemoryStore())


def test_a_pickled_subclass_comes_back_as_one(tmp_path: Path) -> None:
    """With its attributes; its constructor is not called."""
    with Mine(tmp_path / "mine", "label") as mine:
        mine.save([1], "one")
        with pickle.loads(pickle.dumps(mine)) as again:
            assert type(again) is Mine
            assert (again.label, again.directory, again.load("one")) == (
                "label",
                mine.directory,
                [1],
            )
    with MineToo(f"sqlite:///{tmp_path}/mine.db", table_name="mine") as mine_too:
        mine_too.save([1], "one")
        with pickle.loads(pickle.dumps(mine_too)) as again:
            assert type(again) is MineToo
            assert (again.table_name, again.load("one")) == ("mine", [1])


def test_a_store_is_pickled_inside_a_transaction(tmp_path: Path) -> None:
    """The pickle opens the store as it is outside."""
    with FilesystemStore(tmp_path) as store, store.transaction():
        store.save([1], "one")
        with pickle.loads(pickle.dumps(store)) as again:
            assert again.list() == []
