"""Simple records are loaded in one pass, and whatever runs code of the user's in order."""

from __future__ import annotations

import abc
import copyreg
import datetime
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import pytest

from brinery import MemoryStore, Persistable, Trust
from brinery.errors import DecodeError, TrustError
from brinery.evolution.upgrades import _steps, upgrades
from brinery.graph.loading.decoder import Decoder
from brinery.ids import name_of
from brinery.record.format import SIMPLE
from brinery.record.reader import parse
from brinery.record.writer import build


class Job(Persistable):
    """A class whose objects run no code when they are loaded."""

    def __init__(self, name: str, *after: Any) -> None:
        self.name = name
        self.after = list(after)


class Watcher(Persistable):
    """Notes what it sees of others while its state is set."""

    def __init__(self, *others: Any) -> None:
        self.others = list(others)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.seen = [vars(other).get("name") for other in self.others]


def is_simple(store: MemoryStore, id_: str) -> bool:
    """Return what the record says."""
    return parse(store.backend.get(name_of(id_))[0]).metadata.is_simple


def ordered_loads(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which each record is added that is decoded in order."""
    found: list[str] = []
    decode = Decoder._decode_full

    def noting(self: Decoder, id_: str) -> None:
        found.append(id_)
        decode(self, id_)

    monkeypatch.setattr(Decoder, "_decode_full", noting)
    store.invalidate_cache()
    return found


def test_a_graph_of_simple_records_comes_back_with_its_cycles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its objects are made first, so that no order is needed."""
    store = MemoryStore()
    one, two = Job("one"), Job("two")
    one.after, two.after = [two, one, two], [one]
    id_ = store.save(one)
    del one, two
    found = ordered_loads(store, monkeypatch)
    one = store.load(id_)
    assert found == []
    assert (one.after[1] is one, one.after[0] is one.after[2]) == (True, True)
    assert (one.after[0].name, one.after[0].after) == ("two", [one])


def test_only_what_reaches_code_is_decoded_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is filled before, so that the code sees it complete."""
    store = MemoryStore()
    end, beside = Job("end"), Job("beside")
    watcher = Watcher(Job("one", end), end)
    root = [Job("before", watcher), beside, Job("end of a ring")]
    root[2].after = [root[2], end]
    ids = [store.save(root), *map(store.id_of, (root[0], watcher))]
    del root, end, beside, watcher
    found = ordered_loads(store, monkeypatch)
    root = store.load(ids[0])
    assert sorted(found) == sorted(map(str, ids))
    assert root[0].after[0].seen == ["one", "end"]
    assert root[2].after == [root[2], root[0].after[0].others[1]]


def test_a_class_with_an_upgrade_does_not_slow_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is decoded in order, and what refers to it."""
    store = MemoryStore()
    owner: Any = Owner()
    owner.name = "Ann"
    roots = [Job("one", owner), Job("two")]
    ids = store.save_many(roots)
    other = str(store.id_of(owner))
    del roots, owner
    upgrades(Owner, to=2)(lambda state: state | {"upgraded": True})
    try:
        found = ordered_loads(store, monkeypatch)
        one, two = store.load_many(ids)
    finally:
        del _steps[Owner]
    assert (one.after[0].upgraded, two.name) == (True, "two")
    assert sorted(found) == sorted([str(ids[0]), other])


def test_an_object_that_runs_code_sees_complete_others() -> None:
    """Whatever refers to it."""
    store = MemoryStore()
    watcher = Watcher(Job("one"), Job("two", Job("three")))
    id_ = store.save(watcher)
    assert not is_simple(store, id_)
    assert all(is_simple(store, each) for each in store.list(Job))
    del watcher
    store.invalidate_cache()
    assert store.load(id_).seen == ["one", "two"]


def test_dates_and_numbers_are_simple() -> None:
    """A global of anybody else is not."""
    store = MemoryStore()
    job: Any = Job("one")
    job.at = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    assert is_simple(store, store.save(job))
    job.at = PurePosixPath("a")
    store.save(job)
    assert not is_simple(store, store.list()[0])


@pytest.fixture
def extension() -> Iterator[type]:
    """Give a class with a code of copyreg, which unpicklers may find by themselves."""
    copyreg.add_extension(__name__, "Job", 130)
    yield Job
    copyreg.remove_extension(__name__, "Job", 130)
    copyreg.clear_extension_cache()


def test_a_code_of_copyreg_is_not_simple(extension: type) -> None:
    """Also if the class behind it is known already."""
    store = MemoryStore()
    job: Any = Job("one")
    job.kind = extension
    for _ in range(2):
        id_ = store.save(job)
        assert not is_simple(store, id_)
        job.name += "!"


def test_the_class_decides_when_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may run code now, although it did not when the record was written."""
    store = MemoryStore()
    store.save(Job("one"), "job")
    assert store.load("job").name == "one"  # the class of its opening is known from now on
    seen: list[Any] = []
    monkeypatch.setattr(Job, "__setstate__", lambda self, state: seen.append(state), raising=False)
    store.invalidate_cache()
    store.load("job")
    assert seen == [{"name": "one", "after": []}]


def test_an_upgrade_is_found_that_came_after_the_first_load() -> None:
    """The state of the record is that of the version before."""

    def to_2(state: dict[str, Any]) -> dict[str, Any]:
        return state | {"upgraded": True}

    store = MemoryStore()
    store.save(Job("one"), "job")
    store.load("job")
    store.invalidate_cache()
    upgrades(Job, to=2)(to_2)
    try:
        assert vars(store.load("job"))["upgraded"] is True
    finally:
        del _steps[Job]


def test_a_class_that_was_reloaded_makes_the_next_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """The class of an earlier load is looked at again."""
    module: Any = ModuleType("reloaded")
    monkeypatch.setitem(sys.modules, "reloaded", module)
    text = "from brinery import Persistable\nclass Thing(Persistable): pass"
    exec(text, vars(module))
    store = MemoryStore()
    store.save(module.Thing(), "thing")
    store.load("thing")
    exec(text, vars(module))
    store.invalidate_cache()
    assert type(store.load("thing")) is module.Thing


def test_a_reader_that_restricts_classes_does_not_believe_the_flag() -> None:
    """A forged record says that it is simple, and calls a function."""
    store = MemoryStore(trust=Trust(classes=["tests.*"]))
    store.save(Job("one"), "job")
    record = parse(store.backend.get("job")[0])
    metadata = record.metadata
    opening = bytes(record.stored)[: metadata.kind.opening]
    payload = opening + b"cos\nsystem\n\x8c\x05false\x85R0}\x8c\x04name\x8c\x01xsb."
    from brinery.record.digest import digest_of

    metadata = metadata._replace(
        flags=SIMPLE, payload_size=len(payload), payload_digest=digest_of([payload])
    )
    store.backend.put("job", b"".join(build(metadata, [payload])))
    store.invalidate_cache()
    with pytest.raises(TrustError, match=r"os\.system|os:system"):
        store.load("job")


class Owner(Persistable):
    """An object whose text is an attribute."""

    def __str__(self) -> str:
        return str(vars(self).get("name", "?"))


class Label:
    """Is pickled as the text of its owner."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner

    def __reduce__(self) -> Any:
        return str, (self.owner,)


def test_what_looks_at_another_object_is_not_simple() -> None:
    """Its attributes are needed then."""
    store = MemoryStore()
    job: Any = Job("one")
    owner: Any = Owner()
    owner.name = "Ann"
    job.label = Label(owner)
    id_ = store.save(job)
    assert not is_simple(store, id_)
    del job, owner
    store.invalidate_cache()
    assert store.load(id_).label == "Ann"


def test_a_rename_is_found_that_came_after_the_first_load() -> None:
    """By loads of one record and of a graph."""
    from brinery import renamed_from
    from brinery.evolution.renames import _decorated

    store = MemoryStore()
    store.save(Job("one"), "job")
    store.load("job")
    store.invalidate_cache()
    renamed_from(f"{__name__}:Job")(Owner)
    try:
        assert type(store.load("job")) is Owner
    finally:
        del _decorated[f"{__name__}:Job"]


def test_a_class_that_cannot_be_made_any_more_is_an_error_each_time() -> None:
    """Also where an earlier load has found it."""
    store = MemoryStore()
    store.save_many({"one": Job("one"), "two": Job("two")})
    store.load("one")
    store.invalidate_cache()
    abstract = abc.ABCMeta("Job", (Persistable,), {"run": abc.abstractmethod(lambda self: None)})
    abstract.__module__, abstract.__qualname__ = __name__, "Job"
    former = globals()["Job"]
    globals()["Job"] = abstract
    try:
        for _ in range(2):
            with pytest.raises(DecodeError):
                store.load("one")
    finally:
        globals()["Job"] = former


MODULE = """
from brinery import Persistable

class Owner(Persistable):
    pass

import brinery_test_place
DEFAULT = brinery_test_place.load()
"""


@pytest.mark.parametrize("wanted", ["one", "two"])
def test_a_module_may_load_objects_of_the_graph_that_imports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    """An object that belongs to both loads is one object."""
    place: Any = ModuleType("brinery_test_place")
    place.load = lambda: None
    monkeypatch.setitem(sys.modules, "brinery_test_place", place)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "owned_by_a_test.py").write_text(MODULE)
    importlib.invalidate_caches()
    module = importlib.import_module("owned_by_a_test")
    store = MemoryStore()
    owner = module.Owner()
    owner.jobs = [Job("one"), Job("two")]
    store.save_many({"one": owner.jobs[0], "two": owner.jobs[1], "owner": owner})
    del owner, module, sys.modules["owned_by_a_test"]
    store.invalidate_cache()
    place.load = lambda: store.load(wanted)
    owner = store.load("owner")
    (found,) = (job for job in owner.jobs if job.name == wanted)
    assert sys.modules["owned_by_a_test"].DEFAULT is found
    assert store.id_of(found) == wanted
