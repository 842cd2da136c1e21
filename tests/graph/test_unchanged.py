"""An object that has not changed is not written again, whatever else has."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from brinery import FilesystemStore, Persistable
from brinery.backend import Put
from brinery.record import kind


class Task(Persistable):
    """An object of a program."""

    def __init__(self, *parts: Any) -> None:
        self.parts = list(parts)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a library of somebody's, of version 2.0."""
    module: Any = ModuleType("shop")
    module.__version__ = "2.0"
    exec("class Plain: pass", vars(module))
    monkeypatch.setitem(sys.modules, "shop", module)
    return module


def writes_of(store: FilesystemStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which the names are added that a store writes."""
    names: list[str] = []
    commit = store.backend.commit

    def counting(puts: Iterable[Put], deletes: Any = ()) -> Any:
        found = [*puts]
        names.extend(put.name for put in found)
        return commit(found, deletes)

    monkeypatch.setattr(store.backend, "commit", counting)
    return names


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill"])
def test_an_upgrade_writes_nothing(
    tmp_path: Path, shop: Any, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of Python, of a library, of the codec's library, and of the compressor."""
    with FilesystemStore(tmp_path / "store", codec=codec, compress="gzip") as store:
        root = Task(Task(shop.Plain()), [1.5, "text" * 100], Task())
        id_ = store.save(root)
        del root
    monkeypatch.setattr(shop, "__version__", "3.0")
    monkeypatch.setattr(kind, "PYTHON", "3.99.0")
    monkeypatch.setattr(type(store.codec), "version", property(lambda self: "99"))
    with FilesystemStore(tmp_path / "store", codec=codec, compress="gzip:9") as store:
        root = store.load(id_)
        written = writes_of(store, monkeypatch)
        store.save(root)
        assert written == []
        root.parts.append(shop.Plain())
        store.save(root)
        assert written == [id_]
        after = store.info(id_)
    assert (after.python, after.codec_version) == ("3.99.0", "99")
    assert after.libraries["shop"] == "3.0"


class Key(Persistable):
    """Is equal to those of the same number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return type(other) is Key and other.number == self.number

    def __hash__(self) -> int:
        return hash(self.number)


def states(other: Task) -> dict[str, Any]:
    """Return states that are encoded otherwise once they were loaded, and some that are not."""
    name = "parts"  # interned, as the name of an attribute is
    looped: list[Any] = []
    looped.append(looped)
    return {
        "the name of an attribute": [name, [name], {name: name}],
        "references in a set": [{other}, name],
        "references as keys": [{other: name}, name],
        "texts in a set": [{f"text {number}" for number in range(20)}, name],
        "not a number": [float("nan"), name],
        "a list in itself": [looped, name],
        "a key that hashes by value": [{Key(1): 2}, name],
        "so much that it is compressed in parts": [["text"] * 100_000, name],
    }


@pytest.mark.parametrize("what", states(Task()))
def test_what_is_encoded_otherwise_after_a_load_is_not_written(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a change of it is, also one that compares as equal."""
    with FilesystemStore(tmp_path / "store", compress="gzip:1") as store:
        store.save(Task(), "other")
        store.save(Task(*states(store.load("other"))[what]), "task")
    with FilesystemStore(tmp_path / "store") as store:
        task = store.load("task")
        written = writes_of(store, monkeypatch)
        store.save(task)
        assert written == []
        task.parts[0] = task.parts[-1] = 1
        store.save(task)
        store.invalidate_cache()
        task = store.load("task")
        task.parts[0] = True
        store.save(task)
        assert written == ["task", "task"]
        store.invalidate_cache()
        assert store.load("task").parts[0] is True


def test_a_reference_to_itself_is_not_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the record it is no reference to another."""
    with FilesystemStore(tmp_path / "store") as store:
        task = Task("parts")
        task.parts.append(task)
        store.save(task, "task")
        del task
    with FilesystemStore(tmp_path / "store") as store:
        task = store.load("task")
        written = writes_of(store, monkeypatch)
        store.save(task)
        assert written == []


def test_no_code_of_an_object_decides_whether_its_referrer_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as an `__eq__` that is true for all objects."""

    def equal(self: Task, other: object) -> bool:
        raise AssertionError("it was called")

    with FilesystemStore(tmp_path / "store") as store:
        store.save_many({"one": Task(1), "two": Task(2), "task": Task()})
        store.save(Task(store.load("one"), "parts"), "referrer")
    with FilesystemStore(tmp_path / "store") as store:
        task = store.load("referrer")
        two = store.load("two")
        with monkeypatch.context() as patched:
            patched.setattr(Task, "__eq__", equal)
            patched.setattr(Task, "__hash__", object.__hash__)
            task.parts[0] = two
            store.save(task)
        store.invalidate_cache()
        assert store.load("referrer").parts[0].parts == [2]
