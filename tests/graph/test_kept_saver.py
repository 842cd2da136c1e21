"""A store keeps the pickler of its last save: the next one must not see what has changed since as it was."""

from __future__ import annotations

import copyreg
import gc
import weakref
from typing import Any

import pytest

from brinery import MemoryStore, Persistable


class Job(Persistable):
    """An object with attributes."""

    def __init__(self, part: Any = None) -> None:
        self.part = part


class Part:
    """A plain object."""


def test_saved_objects_die_as_ever() -> None:
    """Nothing of the pickler refers to them."""
    store = MemoryStore()
    job = Job(Job(Part()))
    store.save(job)
    died = [weakref.ref(job), weakref.ref(job.part), weakref.ref(job.part.part)]
    gc.disable()
    try:
        del job
        assert [each() for each in died] == [None] * 3
    finally:
        gc.enable()


def test_a_store_ends_without_the_collector() -> None:
    """What is kept does not refer back to it."""
    store = MemoryStore()
    store.save(Job(Part()))
    ended = weakref.ref(store.session)
    gc.disable()
    try:
        del store
        assert ended() is None
    finally:
        gc.enable()


def test_a_class_may_be_registered_between_two_saves() -> None:
    """Its objects get records of their own from then on."""

    class Late(Part):
        pass

    Late.__qualname__ = "Late"
    globals()["Late"] = Late
    store = MemoryStore()
    job = Job(Late())
    store.save(job, "job")
    assert store.list() == ["job"]
    Persistable.register(Late)
    store.save(job)
    assert len(store.list()) == 2
    del globals()["Late"]


def test_a_class_may_get_a_hook_between_two_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next save calls it."""
    store = MemoryStore()
    store.save(Job(1), "one")
    monkeypatch.setattr(Job, "__getstate__", lambda self: {"part": "from the hook"})
    store.save(Job(2), "two")
    store.invalidate_cache()
    assert store.load("two").part == "from the hook"


def test_copyreg_may_get_a_reducer_between_two_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next save asks for it."""
    store = MemoryStore()
    store.save(Job(Part()), "one")
    monkeypatch.setitem(copyreg.dispatch_table, Part, lambda part: (list, ((1, 2),)))
    store.save(Job(Part()), "two")
    store.invalidate_cache()
    assert store.load("two").part == [1, 2]
    assert type(store.load("one").part) is Part


class Equal(type):
    """A metaclass that says that all its classes are equal."""

    def __eq__(cls, other: object) -> bool:
        return isinstance(other, Equal)

    def __hash__(cls) -> int:
        return 1


class One(Persistable, metaclass=Equal):
    """One of two classes."""


class Other(Persistable, metaclass=Equal):
    """The other one."""


def test_classes_are_told_apart_by_identity() -> None:
    """Each object comes back with its own class, and the records name it."""
    store = MemoryStore()
    one: Any = One()
    one.other = Other()
    one.other.n = 1
    store.save(one, "one")
    names = {store.info(id_).class_name for id_ in store.list()}
    assert names == {f"{__name__}:One", f"{__name__}:Other"}
    store.invalidate_cache()
    found = store.load("one")
    assert (type(found) is One, type(found.other) is Other) == (True, True)


def test_a_class_may_be_renamed_between_two_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its next objects have the name under which it is found."""
    renamed: Any = type("First", (Persistable,), {"__module__": __name__})
    another = type("First", (Persistable,), {"__module__": __name__})
    monkeypatch.setitem(globals(), "First", renamed)
    store = MemoryStore()
    for id_ in ("one", "two"):
        obj = renamed()
        obj.n = 1
        store.save(obj, id_)
        monkeypatch.setitem(globals(), "First", another)
        monkeypatch.setitem(globals(), "Second", renamed)
        renamed.__name__ = renamed.__qualname__ = "Second"
    del obj
    store.invalidate_cache()
    assert store.info("two").class_name == f"{__name__}:Second"
    assert type(store.load("two")) is renamed


def test_a_class_may_get_another_hash_between_two_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    """An object that is a key in its own record gets its attributes first then."""
    store = MemoryStore()
    job: Any = Job(7)
    store.save([job], "list")
    monkeypatch.setattr(Job, "__eq__", lambda self, other: self.part == other.part)
    monkeypatch.setattr(Job, "__hash__", lambda self: hash(self.part))
    job.keys = {job: 1}
    id_ = store.save(job)
    del job
    store.invalidate_cache()
    found = store.load(id_)
    assert found.keys[found] == 1


def test_a_class_ends_with_its_objects() -> None:
    """Also if the store has saved and loaded one."""
    store = MemoryStore()

    def used() -> weakref.ref[type]:
        cls = type("Short", (Persistable,), {"__module__": __name__})
        globals()["Short"] = cls
        obj: Any = cls()
        obj.n = 1
        id_ = store.save(obj)
        store.invalidate_cache()
        store.load(id_)
        return weakref.ref(cls)

    first = used()
    used()
    del globals()["Short"]
    gc.collect()
    assert first() is None


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle"])
def test_saves_with_codecs_of_their_own_leave_nothing(codec: str) -> None:
    """Each of them makes its codec again."""
    store = MemoryStore()
    for number in range(5):
        store.save(Job(number), codec=codec)
    caches = store.session.caches
    assert len(caches.saver.encoder._encoders) <= 1
    before = len(gc.get_objects())
    for number in range(100):
        store.replace("one", Job(number), codec=codec)
    assert len(gc.get_objects()) - before < 100
