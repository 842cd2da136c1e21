"""Objects that sleep after a save: later saves look at what was used since, and at nothing else."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import random
import signal
import sys
import threading
import time
import weakref
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from enum import Enum
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np
import pytest
from tests.graph.test_interrupts import interrupting, keyboard_interrupt
from tests.lazy.test_loading import place

import brinery
from brinery import (
    ConflictError,
    FilesystemStore,
    MemoryStore,
    NotFoundError,
    Persistable,
    Ref,
    RolledBackError,
    Store,
)
from brinery.graph.saving import sleep
from brinery.graph.saving.encoder import Encoder
from brinery.session.entry import Asleep
from brinery.session.sleepers import Sleepers

__all__ = ["keyboard_interrupt", "place"]


class Inner:
    """A part of a job."""

    def __init__(self) -> None:
        self.values = [1]


class State(Enum):
    """A value that never changes."""

    NEW = "new"


class Job(Persistable):
    """A job of a net."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.net: Any = None
        self.names = [str(n)]
        self.nested: dict[str, Any] = {"list": [(1, [2])]}
        self.inner = Inner()
        self.tags = {n}
        self.queue = deque([n])
        self.bytes = bytearray(b"abc")
        self.numbers = array("i", [1, 2])
        self.array = np.arange(3)
        self.state = State.NEW
        self.path = Path("a")

    def finish(self) -> None:
        """Change the job."""
        self.n = -1


class Net(Persistable):
    """All jobs."""

    def __init__(self, count: int) -> None:
        self.jobs: list[Any] = [Job(n) for n in range(count)]
        for job in self.jobs:
            job.net = self


def asleep(store: Store) -> list[Any]:
    """Return the objects that sleep."""
    entries = [*store.session.identity.current.values()]
    return [entry() for entry in entries if type(entry) is Asleep]


def is_asleep(store: Store, obj: Any) -> bool:
    """Return whether an object sleeps."""
    return type(store.session.identity.entry(obj)) is Asleep


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which the IDs are added of what a save looks at."""
    found: list[str] = []
    encode = Encoder.encode

    def noting(self: Encoder, work: Any, codec: Any) -> Any:
        found.append(work.reference)
        return encode(self, work, codec)

    monkeypatch.setattr(Encoder, "encode", noting)
    return found


def settled(store: Store, count: int = 30) -> Net:
    """Return a saved net whose jobs sleep."""
    net = Net(count)
    store.save(net, "net")
    store.save(net)
    assert len(asleep(store)) == count + 1
    return net


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    """Return a lazy store."""
    with MemoryStore(lazy=True) as opened:
        yield opened


def stored(store: Store, id: str) -> Any:
    """Return what the record has, as another program reads it."""
    return Store(store.backend).load(id)


def test_a_save_looks_at_what_was_used(place: Callable[..., Store], encoded: list[str]) -> None:
    """And at nothing else, in every engine; a job that was only looked at sleeps again."""
    store = place(lazy=True)
    net = settled(store)
    jobs = [*net.jobs]
    store.save(net)
    encoded.clear()
    store.save(net)
    assert encoded == []
    jobs[4].n = 100
    assert jobs[5].n == 5
    store.save(net)
    assert encoded == ["Job.5", "Job.6"]
    assert is_asleep(store, jobs[5])
    encoded.clear()
    store.save(net)
    assert encoded == ["Job.5"]
    assert is_asleep(store, jobs[4])
    encoded.clear()
    store.save(net)
    assert encoded == []
    store.close()
    with place() as other:
        assert other.load("Job.5").n == 100


def test_a_large_list_that_was_looked_at(
    store: MemoryStore, encoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is compared with what it was, and not encoded; also while somebody holds it."""
    monkeypatch.setattr(sleep, "LARGE", 20)
    net = settled(store)
    encoded.clear()
    net.jobs[3].n = 100
    store.save(net)
    assert encoded == ["Job.4"]
    held = net.jobs
    encoded.clear()
    store.save(net)
    assert encoded == ["Job.4"]
    held[1], held[2] = held[2], held[1]
    store.save(net)
    assert [job.n for job in stored(store, "net").jobs[:4]] == [0, 2, 1, 100]
    held[1], held[2] = held[2], held[1]
    store.save(net)
    assert [job.n for job in stored(store, "net").jobs[:4]] == [0, 1, 2, 100]


def _buffer(job: Any) -> Callable[[], None]:
    view = memoryview(job.bytes)
    return lambda: view.__setitem__(0, 100)


class Zone(tzinfo):
    """A zone that changes."""

    hours = 0

    def utcoffset(self, _: Any) -> timedelta:
        return timedelta(hours=self.hours)

    def dst(self, _: Any) -> None:
        return None

    def tzname(self, _: Any) -> str:
        return "zone"


class TaggedPath(PurePosixPath):
    """A path with an attribute that is kept."""

    tag: Any = None

    def __reduce__(self) -> Any:
        return _tagged, (str(self), self.tag)


def _tagged(path: str, tag: Any) -> TaggedPath:
    found = TaggedPath(path)
    found.tag = tag
    return found


def _builtin(job: Any) -> Callable[[], Any]:
    job.push = [1].append
    job.net.jobs.append(Job(0))
    return partial(job.push, 2)


def _scalar(job: Any) -> Callable[[], Any]:
    job.record = np.zeros(1, dtype=[("x", int)])[0]
    return partial(job.record.__setitem__, "x", 6)


def _base(job: Any) -> Callable[[], Any]:
    base = np.zeros(3, dtype=[("x", int)])
    job.record = base[0]
    return partial(base.__setitem__, "x", 6)


def _zone(job: Any) -> Callable[[], Any]:
    zone = Zone()
    job.time = datetime(2020, 1, 1, tzinfo=zone)
    return partial(setattr, zone, "hours", 5)


def _path(job: Any) -> Callable[[], Any]:
    job.path = TaggedPath("a")
    job.path.tag = [1]
    return partial(job.path.tag.append, 2)


def _append_in(found: tuple[Any, list[int]]) -> None:
    found[1].append(3)


def _items(job: Any) -> Callable[[], None]:
    items = vars(job).items()
    return lambda: dict(items)["tags"].add("x")


def _reference(job: Any) -> Callable[[], None]:
    found = weakref.ref(job.tags)
    return lambda: found().add("x")  # type: ignore[union-attr]


def _inner_reference(job: Any) -> Callable[[], None]:
    found = weakref.ref(job.inner)
    return lambda: setattr(found(), "values", [5])


def _iterator(job: Any) -> Callable[[], None]:
    found = iter([job.names])
    return lambda: next(found).append("x")


def _shared(job: Any) -> Callable[[], None]:
    job.net.jobs[1].names = job.names
    job.net.jobs[1].finish()
    return lambda: job.net.jobs[1].names.append("x")


ALIASES: dict[str, Callable[[Any], Callable[[], Any]]] = {
    "list": lambda job: partial(list.append, job.names, "x"),
    "method": lambda job: partial(job.names.append, "x"),
    "nested list": lambda job: partial(list.append, job.nested["list"], 3),
    "list in a tuple": lambda job: partial(list.append, job.nested["list"][0][1], 3),
    "tuple": lambda job: partial(_append_in, job.nested["list"][0]),
    "dict": lambda job: partial(dict.update, job.nested, x=1),
    "attributes": lambda job: partial(vars(job).update, n=100),
    "items": _items,
    "set": lambda job: partial(set.add, job.tags, 100),
    "deque": lambda job: partial(deque.append, job.queue, 100),
    "bytearray": lambda job: partial(bytearray.append, job.bytes, 100),
    "buffer": _buffer,
    "array": lambda job: partial(array.append, job.numbers, 100),
    "numpy": lambda job: partial(np.ndarray.fill, job.array, 100),
    "view": lambda job: partial(np.ndarray.fill, job.array[1:], 100),
    "part": lambda job: partial(setattr, job.inner, "values", []),
    "part of a part": lambda job: partial(list.append, job.inner.values, 2),
    "weak reference": _reference,
    "weak reference to a part": _inner_reference,
    "iterator": _iterator,
    "shared by two": _shared,
    "bound builtin": _builtin,
    "structured scalar": _scalar,
    "base of a structured scalar": _base,
    "zone of a time": _zone,
    "path with state": _path,
    "method of the job": lambda job: job.finish,
    "attribute setter": lambda job: lambda: object.__setattr__(job, "n", job.n + 1),
}


@pytest.mark.parametrize("alias", ALIASES)
def test_what_is_held_of_an_object(store: MemoryStore, alias: str) -> None:
    """A part that somebody holds keeps the object awake, and what becomes of the part is saved."""
    net = settled(store)
    change = ALIASES[alias](net.jobs[0])
    for _ in range(3):
        store.save(net)
    before = pickle.dumps(vars(stored(store, "Job.1")) | {"net": None})
    change()
    store.save(net)
    after = pickle.dumps(vars(stored(store, "Job.1")) | {"net": None})
    assert before != after
    assert not store.changed(net)
    store.save(net)
    del change
    store.session.identity.sleepers.forget()
    assert not store.changed(net)


def test_what_is_given_back_sleeps(store: MemoryStore) -> None:
    """In a graph that is found again."""
    net = settled(store)
    held = net.jobs[0].names
    store.save(net)
    assert not is_asleep(store, net.jobs[0])
    del held
    store.session.identity.sleepers.forget()
    store.save(net)
    assert len(asleep(store)) == 31


class Aware(Persistable):
    """Its record depends on others."""

    def __init__(self, job: Any) -> None:
        self.job = job

    def __getstate__(self) -> dict[str, Any]:
        return {"job": self.job, "n": self.job.n}


class Sets(Persistable):
    """Sets its attributes by code of its own."""

    def __init__(self) -> None:
        self.n = 0

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def step(self) -> None:
        """Change it past its own method."""
        object.__setattr__(self, "n", self.n + 1)


class Finalized(Persistable):
    """Says when it dies."""

    died: ClassVar[list[str]] = []

    def __del__(self) -> None:
        self.died.append("died")


class Opaque:
    """A part whose state is elsewhere."""

    table: ClassVar[dict[str, int]] = {"n": 1}

    def __reduce__(self) -> Any:
        return dict, (self.table,)


class Has(Persistable):
    """Refers to a part."""

    def __init__(self, part: Any) -> None:
        self.part = part


def test_what_does_not_sleep(store: MemoryStore) -> None:
    """Objects whose records depend on more than their attributes."""
    net = Net(30)
    base = np.zeros(10)
    restless: list[Any] = [
        Aware(net.jobs[0]),
        Sets(),
        Finalized(),
        Has(Opaque()),
        Has(base[:5]),
        Has(np.array([[]], dtype=object)),
        Has(net.jobs[0].names),
    ]
    net.jobs += restless
    store.save(net)
    store.save(net)
    store.save(net)
    assert not [obj for obj in restless if is_asleep(store, obj)]
    step = restless[1].step
    store.save(net)
    net.jobs[0].n = 200
    step()
    base[0] = 5
    Opaque.table["n"] = 2
    store.save(net)
    ids = [store.id_of(obj) for obj in restless]
    assert stored(store, ids[0]).n == 200
    assert stored(store, ids[1]).n == 1
    assert stored(store, ids[3]).part == {"n": 2}
    assert stored(store, ids[4]).part[0] == 5
    del net, restless
    gc.collect()
    assert Finalized.died == ["died", *["died"] * (len(Finalized.died) - 1)]


def test_sleeping_objects_are_what_they_were(store: MemoryStore) -> None:
    """To every use; the type itself is the class again after the first."""
    net = settled(store)
    one, two, three, four, five = [*net.jobs[:5]]
    store.save(net)
    assert is_asleep(store, one)
    assert isinstance(one, Job)
    assert store.is_loaded(one)
    assert is_asleep(store, one)
    assert store.id_of(one) == one.persistent_id == "Job.1"
    assert vars(two)["n"] == 1
    assert copy.copy(three).n == 2
    assert pickle.loads(pickle.dumps(four)).n == 3
    del five.n
    assert not hasattr(five, "n")
    assert [type(each) for each in (one, two, three, four, five)] == [Job] * 5
    store.save(net)
    assert not hasattr(stored(store, "Job.5"), "n")


def test_sleeping_objects_after_the_store_is_closed(store: MemoryStore) -> None:
    """They have their state."""
    net = settled(store)
    store.close()
    assert [job.n for job in net.jobs] == [*range(30)]


def test_objects_that_are_not_reached_any_more(store: MemoryStore) -> None:
    """Their changes are not saved, whichever save has removed the reference."""
    net = settled(store)
    removed = net.jobs.pop()
    moved = net.jobs.pop()
    store.save(net)
    removed.n = 500
    net.jobs[0].n = 100
    store.save(net)
    assert stored(store, "Job.30").n == 29
    assert stored(store, "Job.1").n == 100
    other = net.jobs[3]
    other.more = net.jobs.pop()
    store.save(other, deep=False)
    store.save(net, deep=False)
    del other.more
    store.save(other, deep=False)
    last = net.jobs[-1]
    moved.n = last.n = 600
    store.save(net)
    assert stored(store, "Job.29").n == 28
    assert stored(store, store.id_of(last)).n == 600
    net.jobs.append(moved)
    store.save(net)
    assert stored(store, "Job.29").n == 600


def test_a_job_that_refers_to_its_net(store: MemoryStore, encoded: list[str]) -> None:
    """Its save looks at what was used in the net, because the net is reached from it."""
    net = settled(store)
    one, two = net.jobs[0], net.jobs[1]
    store.save(net)
    encoded.clear()
    one.n = two.n = 100
    assert store.save(one) == "Job.1"
    assert encoded == ["Job.1", "Job.2"]
    assert stored(store, "Job.2").n == 100


def test_new_objects_and_ghosts(place: Callable[..., Store], encoded: list[str]) -> None:
    """They are in the graph as soon as it refers to them."""
    with place() as eager:
        eager.save(Net(30), "net")
        eager.save(Has(Has(Job(5))), "other")
    store = place(lazy=True)
    net = store.load("net")
    assert net.jobs[7].n == 7
    store.save(net)
    first, ghost = net.jobs[0], net.jobs[-1]
    del first
    other = store.load("other")
    net.jobs[7].more = other
    net.jobs[8].more = Has(Has(3))
    store.save(net)
    store.save(net)
    assert not store.is_loaded(ghost)
    ghost.n = 700
    net.jobs[8].more.part.part = 4
    other.part.part.n = 6
    encoded.clear()
    store.save(net)
    assert len(encoded) < 12
    store.close()
    with place() as eager:
        assert eager.load("net").jobs[-1].n == 700
        assert eager.load("net").jobs[8].more.part.part == 4
        assert eager.load("other").part.part.n == 6


def test_conflicts(place: Callable[..., Store]) -> None:
    """What another program has changed meets a change here, and nothing else does."""
    store = place(lazy=True)
    net = settled(store)
    one, two = net.jobs[0], net.jobs[1]
    store.save(net)
    with place() as other:
        other.update("Job.1", lambda job: setattr(job, "n", 50))
        other.remove("Job.20")
    two.n = 100
    store.save(net)
    one.n = 200
    with pytest.raises(ConflictError, match=r"Job\.1"):
        store.save(net)
    store.refresh(one)
    assert one.n == 50
    one.n = 200
    store.save(net)
    assert "Job.20" not in store
    store.session.identity.sleepers.forget()
    store.save(net)
    store.close()
    with place() as other:
        assert [other.load(id_, lazy=True).n for id_ in ("Job.1", "Job.2")] == [200, 100]


def test_records_that_a_collection_removes(place: Callable[..., Store]) -> None:
    """They are written again by the next save, as without sleep."""
    store = place(lazy=True)
    net = settled(store)
    one = net.jobs[0]
    store.save(net)
    with place() as other:
        other.gc(["Job.1"], dry_run=False, older_than=0)
        other.remove("Job.1")
        other.save(Job(0), "root")
        assert other.gc(["root"], dry_run=False, older_than=0).garbage
    del one
    store.save(net)
    store.close()
    with place() as other:
        assert [job.n for job in other.load("net").jobs] == [*range(30)]


@pytest.mark.parametrize("how", ["remove", "replace", "invalidate", "clear"])
def test_what_this_store_removes(store: MemoryStore, how: str) -> None:
    """The next save finds the graph again."""
    net = settled(store)
    if how == "remove":
        store.remove("Job.3")
        store.save(net)
        assert store.id_of(net.jobs[2]) != "Job.3"
        assert [job.n for job in stored(store, "net").jobs] == [*range(30)]
    elif how == "replace":
        store.replace("Job.3", Job(5))
        store.save(net)
        assert [job.n for job in stored(store, "net").jobs] == [*range(30)]
    elif how == "clear":
        store.clear()
        with pytest.raises(NotFoundError):
            store.load("net")
        store.save(net, "net")
        assert [job.n for job in stored(store, "net").jobs] == [*range(30)]
    else:
        store.invalidate_cache()
        again = store.load("net")
        assert again is not net
        net.jobs[0].n = 100
        store.save(net)
        assert stored(store, "Job.1").n == 100


def test_a_transaction_that_is_rolled_back(store: MemoryStore) -> None:
    """What it may have changed is not saved in silence."""
    net = settled(store)
    one, two = net.jobs[:2]
    store.save(net)

    def fail() -> None:
        with store.transaction():
            one.n = 100
            store.save(net)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    two.n = 200
    with pytest.raises(RolledBackError, match=r"Job\.1"):
        store.save(net)
    assert stored(store, "Job.1").n == 0
    store.refresh(store.load("Job.1"))


def test_transactions_and_updates(store: MemoryStore) -> None:
    """They see and write what was used."""
    net = settled(store)
    one, two = net.jobs[:2]
    store.save(net)
    with store.transaction():
        one.n = 100
        store.save(net)
        two.n = 200
        store.save(net)
    store.update("Job.3", lambda job: setattr(job, "n", 300))
    assert net.jobs[2].n == 300
    found = stored(store, "net").jobs
    assert [job.n for job in found[:4]] == [100, 200, 300, 3]


def test_dry_runs(store: MemoryStore) -> None:
    """They find what was used, and put nothing to sleep."""
    net = settled(store)
    job = net.jobs[0]
    store.save(net)
    job.names.append("x")
    assert [(each.id, each.attributes) for each in store.changed(net)] == [("Job.1", ("names",))]
    store.save(net)
    assert stored(store, "Job.1").names == ["0", "x"]


def test_what_a_save_asks_for(store: MemoryStore, encoded: list[str]) -> None:
    """Another codec, another transform or a note: sleeping objects are written as others are."""
    net = settled(store)
    encoded.clear()
    store.save(net, codec="cloudpickle")
    assert len({*encoded}) == 31
    assert {info.codec for info in store.infos()} == {"cloudpickle"}
    store.save(net, codec="pickle")
    store.save(net)
    store.save(net, compress="gzip")
    assert {info.transform for info in store.infos()} != {None}
    store.save(net)
    store.save(net, note="whole")
    assert store.info("net").note == "whole"
    store.save(net)
    assert store.info("net").note == "whole"


def test_an_object_in_two_stores(store: MemoryStore) -> None:
    """Each looks at what was used since its own save."""
    net = settled(store)
    with MemoryStore(lazy=True) as other:
        other.save(net, "net")
        store.save(net)
        other.save(net)
        other.save(net)
        net.jobs[0].n = 100
        store.save(net)
        other.save(net)
        assert [stored(each, "net").jobs[0].n for each in (store, other)] == [100, 100]


def test_the_root_at_its_former_address(store: MemoryStore) -> None:
    """It is another object, which was not saved by this graph."""
    for _ in range(5):
        net = settled(store)
        key = id(net)
        store.save(net)
        del net
        gc.collect()
        for _ in range(200):
            found = store.load("net")
            if id(found) == key:
                break
            del found
        else:
            found = store.load("net")
        found.jobs[3].n = 100
        found.extra = 1
        store.save(found)
        assert stored(store, "net").extra == 1
        assert stored(store, "net").jobs[3].n == 100
        del found
        store.clear()


def test_graphs_let_their_objects_die(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those of large objects."""
    monkeypatch.setattr(sleep, "LARGE", 20)
    net = settled(store)
    found = weakref.ref(net)
    del net
    gc.collect()
    assert found() is None


def test_another_dict_of_a_part(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """And another class of a large object, or of a part: nothing of it is the same."""
    monkeypatch.setattr(sleep, "LARGE", 5)
    net = settled(store)
    net.jobs[0].inner.__dict__ = {"values": [7]}
    net.jobs[1].__class__ = Has
    store.save(net)
    assert stored(store, "Job.1").inner.values == [7]
    assert type(stored(store, "Job.2")) is Has


def test_a_use_that_ends_in_an_error(store: MemoryStore) -> None:
    """The next use is noted as the first one would have been."""
    net = settled(store)
    jobs = [*net.jobs]
    store.save(net)

    def deep(count: int, job: Any) -> Any:
        return job.n if not count else deep(count - 1, job)

    limit = sys.getrecursionlimit()
    for number, job in enumerate(jobs):
        with suppress(RecursionError):
            deep(limit - 60 + number, job)
        job.n = -1
    store.save(net)
    assert {job.n for job in stored(store, "net").jobs} == {-1}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_at_any_point(store: MemoryStore) -> None:
    """A handler that changes objects, and one that raises, while the same objects fall asleep."""

    class Stop(BaseException):
        pass

    net = settled(store)
    jobs = [*net.jobs]
    rng = random.Random(1)

    def change(*_: Any) -> None:
        for job in rng.sample(jobs, 3):
            job.n += 1
            job.names.append("x")
        if rng.randrange(4) == 0:
            raise Stop

    former = signal.signal(signal.SIGVTALRM, change)
    try:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            try:
                try:
                    signal.setitimer(signal.ITIMER_VIRTUAL, 0.0002 + rng.random() / 1000)
                    jobs[3].n += 1
                    store.save(net)
                finally:
                    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            except (Stop, brinery.EncodeError):
                continue
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, former)
    store.save(net)
    there = stored(store, "net").jobs
    assert [(job.n, job.names) for job in there] == [(job.n, job.names) for job in jobs]


class Transient(Persistable):
    """Hides what it refers to from saves."""

    def __init__(self) -> None:
        self.hidden: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {}


def test_what_only_a_hidden_attribute_reaches(store: MemoryStore) -> None:
    """It is not in the graph any more, and not saved; an error in it is none of the save's."""
    net = Net(30)
    hiding = Transient()
    net.jobs.append(hiding)
    for _ in range(3):
        store.save(net, "net")
    one, two = net.jobs.pop(0), net.jobs.pop(0)
    hiding.hidden = one
    store.save(net)
    one.n = 100
    two.n = lambda: None
    assert [change.id for change in store.changed(net)] == []
    store.save(net)
    assert stored(store, "Job.1").n == 0


def test_errors_name_the_path_from_the_root(store: MemoryStore) -> None:
    """As in any other save."""
    net = settled(store)
    net.jobs[6].bad = lambda: None
    with pytest.raises(brinery.EncodeError, match=r"'net' at \.jobs\[6\]\.bad"):
        store.save(net)


def test_objects_that_are_always_used(store: MemoryStore, encoded: list[str]) -> None:
    """They are put to sleep less and less often; it costs twice the time."""
    net = settled(store, 200)
    for _ in range(20):
        assert sum(job.n for job in net.jobs) == sum(range(200))
        store.save(net)
    rests = store.session.identity.sleepers.graphs["net"]
    assert rests.delay >= 3
    net.jobs[5].n = 1000
    for _ in range(20):
        store.save(net)
    assert stored(store, "Job.6").n == 1000


def test_objects_with_a_ref(place: Callable[..., Store], encoded: list[str]) -> None:
    """They sleep if what it refers to is in memory: it is in the graph, then."""
    with place() as eager:
        eager.save(Has(Ref(Job(5))), "other")
    store = place(lazy=True)
    net = Net(30)
    loaded, waiting = Job(6), store.load("other")
    net.jobs += [Has(Ref(loaded)), waiting]
    store.save(net, "net")
    store.save(net)
    assert len(asleep(store)) == 33
    target = store.load(waiting.part.id)
    store.save(net)
    loaded.n = target.n = 700
    encoded.clear()
    store.save(net)
    assert len(encoded) == 3
    assert not store.changed(loaded, target)
    store.close()


def test_stores_that_are_not_lazy() -> None:
    """Nothing sleeps."""
    with MemoryStore() as store:
        net = Net(30)
        for _ in range(3):
            store.save(net)
        assert not asleep(store)
        assert all(type(job) is Job for job in net.jobs)


def test_code_by_value() -> None:
    """A codec that stores classes themselves lets nothing sleep: they may change."""
    with MemoryStore(lazy=True, codec="cloudpickle") as store:
        net = Net(30)
        for _ in range(3):
            store.save(net)
        assert not asleep(store)


def test_few_objects_do_not_sleep(store: MemoryStore) -> None:
    """To look at them is faster."""
    net = Net(3)
    for _ in range(3):
        store.save(net)
    assert not asleep(store)


def test_threads_that_change_what_is_saved(place: Callable[..., Store]) -> None:
    """Each change is in the next save."""
    store = place(lazy=True)
    net = settled(store)
    jobs = [*net.jobs]
    ends: list[Any] = []

    def work(number: int) -> None:
        mine = jobs[number::3]
        parts = [job.names for job in mine[:3]]
        for step in range(1_000):
            job = mine[step % len(mine)]
            job.n = step
            job.nested["list"].append(step) if step % 7 == 0 else job.tags.add(step % 50)
            parts[step % 3].append("x") if step % 11 == 0 else None
            time.sleep(0)
        ends.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    while len(ends) < 3:
        with suppress(brinery.EncodeError):  # a set has changed while it was read
            store.save(net)
    for thread in threads:
        thread.join()
    store.save(net)
    there = Store(store.backend).load("net", lazy=False).jobs
    for job, other in zip(jobs, there, strict=True):
        assert (job.n, job.names, job.tags) == (other.n, other.names, other.tags)
        assert job.nested == other.nested
    store.close()


@pytest.mark.parametrize("name", ["begin_sleep", "settle", "add"])
@pytest.mark.parametrize("call", [1, 7])
def test_an_interrupt_while_objects_fall_asleep(
    store: MemoryStore, keyboard_interrupt: Any, name: str, call: int
) -> None:
    """What is changed afterwards is saved."""
    net = Net(30)
    store.save(net, "net")
    with pytest.MonkeyPatch.context() as patch:
        interrupting(patch, Sleepers, name, 1 if name == "add" else call)
        with pytest.raises(KeyboardInterrupt):
            store.save(net)
    for job in net.jobs:
        job.n += 100
    store.save(net)
    assert [job.n for job in stored(store, "net").jobs] == [*range(100, 130)]


def test_interrupts_at_any_time(store: MemoryStore, keyboard_interrupt: Any) -> None:
    """By real signals, while a net is changed and saved again and again."""
    net = settled(store)
    jobs = [*net.jobs]
    for number in range(60):
        timer = threading.Timer(0.0003 * (number % 12), os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            for job in jobs[number % 5 :: 5]:
                job.n += 1
            for _ in range(20):
                store.save(net)
            timer.join()
        except KeyboardInterrupt:
            timer.join()
    store.save(net)
    assert [job.n for job in stored(store, "net").jobs] == [job.n for job in jobs]


def test_forks(tmp_path: Path) -> None:
    """A child notes what it uses, and so does the parent."""
    with FilesystemStore(tmp_path, lazy=True) as store:
        net = settled(store)
        jobs = [*net.jobs]
        store.save(net)
        child = os.fork()
        if not child:
            jobs[0].n = 100
            store.save(net)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        jobs[1].n = 200
        store.save(net)
        jobs[0].n = 300
        with pytest.raises(ConflictError):
            store.save(net)
    with FilesystemStore(tmp_path) as other:
        assert [job.n for job in other.load("net").jobs[:3]] == [100, 200, 2]
