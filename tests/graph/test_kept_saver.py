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
