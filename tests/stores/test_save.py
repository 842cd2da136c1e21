"""The records that a save writes or leaves, and the state after an interrupted save."""

from __future__ import annotations

import copy
import functools
import inspect
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from brinery import (
    BrineryError,
    CallTooDeepError,
    ConflictError,
    DecodeError,
    EncodeError,
    FilesystemStore,
    ForeignRecordError,
    IdTakenError,
    InvalidArgumentError,
    JobIdFactory,
    MemoryStore,
    Persistable,
    StorageError,
    Store,
)
from brinery.backends.directory import files
from brinery.backends.memory import MemoryBackend


class Thing(Persistable):
    """Holds any attributes."""

    n: Any
    x: Any
    other: Any
    child: Any
    added: Any

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Device:
    """A class of another library, with an attribute of the name that `Persistable` has."""

    def __init__(self) -> None:
        self.persistent_id = "device-42"


Persistable.register(Device)


class Nosy(Persistable):
    """Loads another object from a store while it is restored."""

    def __init__(self, store: Any) -> None:
        self.store = store

    def __getstate__(self) -> Any:
        return {"directory": self.store.directory}

    def __setstate__(self, state: Any) -> None:
        FilesystemStore(state["directory"]).load("missing")


UNCHANGED: list[Callable[[], Any]] = [
    Thing,
    lambda: Thing(name="name"),
    lambda: Thing(a={"a": 1, "b": "a"}),
    lambda: Thing(words={"x", "yy", "zzz", "wwww"}, frozen=frozenset("abcdefgh")),
    lambda: Thing(child=Thing(a={"a": 1})),
    lambda: Thing(number=10**30, pair=(1.5, None), text="text" * 100),
]


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill"])
@pytest.mark.parametrize("make", UNCHANGED)
def test_a_loaded_and_unchanged_object_is_not_written(
    tmp_path: Path, make: Callable[[], Any], codec: str
) -> None:
    """Even if its bytes differ: attribute names are interned, sets have another order."""
    id_ = FilesystemStore(tmp_path, codec=codec).save(make())
    before = {file.name: file.stat().st_ino for file in tmp_path.glob("Thing.*")}
    store = FilesystemStore(tmp_path)
    obj = store.load(id_)
    for _ in range(2):
        assert store.save(obj) == id_
        assert {file.name: file.stat().st_ino for file in tmp_path.glob("Thing.*")} == before
    obj.added = 1
    store.save(obj)
    assert (tmp_path / id_).stat().st_ino != before[id_]
    assert FilesystemStore(tmp_path).load(id_).added == 1


def test_what_an_object_referred_to_before_is_not_saved_for_it(tmp_path: Path) -> None:
    """The former record is read, and the records that it refers to are left alone."""
    id_ = FilesystemStore(tmp_path).save(Thing(name="name", child=Thing(x=1)))
    store = FilesystemStore(tmp_path)
    parent = store.load(id_)
    child = parent.child
    parent.child = None
    child.x = lambda: "not to be pickled"
    store.save(parent)
    again = FilesystemStore(tmp_path)
    assert again.load(id_).child is None
    assert again.load(child.persistent_id).x == 1


def test_an_unchanged_object_is_not_written_again(tmp_path: Path) -> None:
    """Having an ID does not count as a change of the object."""
    store = FilesystemStore(tmp_path)
    thing = Thing()
    id_ = store.save(thing)
    assert thing.persistent_id == id_
    inode = (tmp_path / id_).stat().st_ino
    store.save(thing)
    assert (tmp_path / id_).stat().st_ino == inode


def test_an_attribute_of_a_registered_class_is_its_own() -> None:
    """No attribute is set on objects of such a class, and none is removed."""
    with MemoryStore() as store:
        id_ = store.save(Device())
        store.invalidate_cache()
        assert vars(store.load(id_)) == {"persistent_id": "device-42"}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(5, "Input/output error")])
def test_a_save_that_is_cut_off_after_its_commit_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """A record that was committed is not taken for that of another process, nor saved twice."""
    store = FilesystemStore(tmp_path)
    old, new = Thing(x=1), Thing(y=1)
    store.save(old, "old")
    old.x = 2

    def fail(path: str) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(files, "sync_directory", fail)
        for obj in (old, new):
            with pytest.raises((KeyboardInterrupt, StorageError)):
                store.save(obj)
    old.x = 3
    assert store.save(old) == "old"
    id_ = store.save(new)
    assert store.list() == [id_, "old"]
    assert FilesystemStore(tmp_path).load("old").x == 3


@pytest.mark.thorough
def test_an_interrupt_anywhere_leaves_a_store_that_goes_on(tmp_path: Path) -> None:
    """After each system call in turn; each later save works, and no object is saved twice."""
    store = FilesystemStore(tmp_path)
    thing = Thing(n=0)
    store.save(thing, "thing")
    names = ("link", "replace", "unlink", "fsync", "close", "writev", "write")
    for count in range(60):
        calls = 0
        originals = {name: getattr(os, name) for name in names}

        def interrupted(name: str, *arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            result = originals[name](*arguments, **options)  # noqa: B023
            if calls == count:  # noqa: B023
                raise KeyboardInterrupt
            return result

        thing.n += 1
        thing.child = Thing(n=count)
        try:
            for name in names:
                setattr(os, name, lambda *a, _n=name, **k: interrupted(_n, *a, **k))
            store.save(thing)
        except KeyboardInterrupt:
            pass
        finally:
            for name, original in originals.items():
                setattr(os, name, original)
        thing.n += 1
        store.save(thing)
        again = FilesystemStore(tmp_path).load("thing")
        assert (again.n, again.child.n) == (thing.n, count)


def test_an_error_of_a_hook_is_never_taken_for_absence(tmp_path: Path) -> None:
    """`get`, `setdefault` and `pop` do not answer with their default, nor overwrite."""
    FilesystemStore(tmp_path).save(Nosy(FilesystemStore(tmp_path)), "nosy")
    before = (tmp_path / "nosy").read_bytes()
    store = FilesystemStore(tmp_path)
    for call in (store.get, store.setdefault, store.pop):
        with pytest.raises(DecodeError):
            call("nosy", None)
    assert (tmp_path / "nosy").read_bytes() == before


def test_a_file_that_is_not_a_record_is_not_overwritten(tmp_path: Path) -> None:
    """Neither a damaged record under a chosen ID nor a file of another kind."""
    store = FilesystemStore(tmp_path)
    store["settings"] = [1]
    os.truncate(tmp_path / "settings", 50)
    (tmp_path / "notes").write_text("by hand")
    store = FilesystemStore(tmp_path)
    for name in ("settings", "notes"):
        with pytest.raises(ForeignRecordError, match="remove"):
            store[name] = [2]
        with pytest.raises(IdTakenError):
            store.save([2], name)
    store.remove("settings")
    store["settings"] = [3]
    assert store["settings"] == [3]
    assert (tmp_path / "notes").read_text() == "by hand"


def test_clear_removes_all_at_once_and_loads_nothing(tmp_path: Path) -> None:
    """Cycles and damaged records do not prevent it."""
    store = FilesystemStore(tmp_path)
    one, two = Thing(), Thing()
    one.other, two.other = two, one
    store.save([one, two])
    (tmp_path / "Thing.99").write_bytes(b"")
    store.clear()
    assert store.list() == []
    assert store.save(one) != "Thing.2"


def test_two_copies_of_one_object_are_not_saved_together() -> None:
    """One of the objects would be lost."""
    with MemoryStore() as store:
        first = Thing(x=1)
        id_ = store.save(first)
        store.invalidate_cache()
        second = store.load(id_)
        with pytest.raises(IdTakenError, match=id_):
            store.save([first, second])
        with pytest.raises(InvalidArgumentError, match="two objects"):
            store.save_many([[1], [2]], ["same", "same"])


def test_a_record_keeps_its_codec_while_nothing_changes(tmp_path: Path) -> None:
    """When something changes, the record gets the store's codec, unless the save names another."""
    child = Thing(x=1)
    store = FilesystemStore(tmp_path)
    id_ = store.save(Thing(child=child))
    store.close()
    store = FilesystemStore(tmp_path, codec="dill")
    parent = store.load(id_)
    parent.added = 1
    store.save(parent)
    assert store.info(id_).codec == "dill"
    assert store.info(parent.child.persistent_id).codec == "pickle"
    store.save(parent, codec="cloudpickle")
    assert store.info(parent.child.persistent_id).codec == "cloudpickle"


def test_a_record_that_another_process_removed_is_written_again(tmp_path: Path) -> None:
    """Changed or not, all saved objects have a record afterwards."""
    store = FilesystemStore(tmp_path)
    child = Thing(x=1)
    id_ = store.save(Thing(child=child))
    for change in (0, 1):
        child.x += change
        FilesystemStore(tmp_path).remove(child.persistent_id)
        store.save(store.load(id_))
        assert FilesystemStore(tmp_path).load(id_).child.x == child.x


class AskedBackend(MemoryBackend):
    """A backend that counts its calls."""

    asked = 0
    got = 0

    def get(self, name: str) -> Any:
        self.got += 1
        return super().get(name)

    def get_tail(self, name: str, count: int) -> Any:
        self.asked += 1
        return super().get_tail(name, count)

    def get_tails(self, names: Any, count: int) -> Any:
        self.asked += 1
        found = self.get_many(names)
        return [
            (name, data[len(data) - count :], len(data), version) for name, data, version in found
        ]


def test_unchanged_records_are_looked_for_at_once() -> None:
    """On a server each call is a round trip."""
    backend = AskedBackend()
    store = Store(backend)
    root = Thing(children=[Thing(x=n) for n in range(50)])
    store.save(root)
    root.x = 1
    before = backend.asked
    store.save(root)
    assert (
        backend.asked - before == 2
    )  # the second call: whether a garbage collection has run since


def test_an_object_that_was_just_loaded_is_not_read_again_to_save_it() -> None:
    """The record, which is still cached, shows whether it has changed."""
    backend = AskedBackend()
    store = Store(backend)
    ids = [store.save(Thing(x=n)) for n in range(200)]
    store.save(Thing(x="large" * 20_000), "large")
    for id_, reads in ((ids[0], 0), ("large", 1)):
        store.invalidate_cache()
        thing = store.load(id_)
        thing.x = "changed"
        before = backend.got
        store.save(thing)
        assert backend.got - before == reads
        assert Store(backend).load(id_).x == "changed"
    store.invalidate_cache()
    early = store.load(ids[1])
    later = [store.load(id_) for id_ in ids[2:]]
    Store(backend).replace(ids[1], "somebody else's")
    early.x = "changed"
    with pytest.raises(ConflictError):
        store.save(early)
    assert len(later) == 198


def test_a_record_that_is_small_only_when_compressed_is_read_again() -> None:
    """It is not cached: its expanded size counts."""
    backend = AskedBackend()
    store = Store(backend, compress="gzip")
    id_ = store.save(Thing(x="large" * 200_000))
    assert store.info(id_).size < 1 << 14
    store.invalidate_cache()
    thing = store.load(id_)
    thing.x = "changed"
    before = backend.got
    store.save(thing)
    assert backend.got - before == 1


def test_many_that_another_process_removed_are_written_again() -> None:
    """New objects that only these refer to are saved as well."""
    backend = MemoryBackend()
    store = Store(backend)
    children = [Thing(x=n) for n in range(5)]
    root = Thing(children=children)
    id_ = store.save(root)
    gone = [str(child.persistent_id) for child in children[1:4]]
    backend.commit([], gone)
    store.save(root)
    again = Store(backend).load(id_)
    assert [child.x for child in again.children] == [0, 1, 2, 3, 4]


def test_an_encode_error_of_a_hook_names_the_object() -> None:
    """The store's error is raised from the hook's."""

    class Bad(Persistable):
        def __getstate__(self) -> Any:
            raise ValueError("no state today")

    with pytest.raises(EncodeError, match="no state today") as caught:
        MemoryStore().save(Bad(), "bad")
    assert caught.value.id == "bad"
    assert "cloudpickle" not in str(caught.value)


def test_a_store_takes_its_factory_along(tmp_path: Path) -> None:
    """Pickled and copied stores number in the same way, and never use a number twice."""
    store = FilesystemStore(tmp_path, JobIdFactory())
    ids = [store.save([1])]
    for other in (pickle.loads(pickle.dumps(store)), copy.copy(store)):
        ids += [other.save([2]), store.save([3])]
    assert all(id_.startswith("job.") for id_ in ids)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("call", ["save_many", "load_many"])
@pytest.mark.parametrize("argument", ["ab", b"ab", 5, None])
def test_several_are_not_one(call: str, argument: Any) -> None:
    """A string is not taken for a list of letters."""
    with pytest.raises(InvalidArgumentError):
        getattr(MemoryStore(), call)(argument)


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill", "msgpack"])
def test_a_call_close_to_the_limit_of_recursion_is_an_error_of_the_store(codec: str) -> None:
    """Saved completely or not at all, with no lock held, whatever exception interrupts the store."""
    store = MemoryStore(codec=codec)
    store.save([1], id="first")
    raised = set()
    limit = sys.getrecursionlimit() - len(inspect.stack())
    for depth in range(limit - 60, limit):
        name = f"at {depth}"
        try:
            _called_at(depth, functools.partial(store.save, [[2]], id=name))
        except BrineryError as error:
            raised.add(type(error))
            assert name not in store
        except RecursionError:
            # The call itself exceeded the limit, before it reached the store.
            assert name not in store
        else:
            store.invalidate_cache()
            assert store.load(name) == [[2]]
    assert CallTooDeepError in raised
    assert store.load(store.save([3])) == [3]


def _called_at(depth: int, function: Callable[[], Any]) -> Any:
    return function() if depth <= 0 else _called_at(depth - 1, function)
