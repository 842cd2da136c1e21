"""Lazy loads: what is read and when, and what the objects are afterwards."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.lazy.walk import ghosts_of, walk

import brinery
from brinery import FilesystemStore, MemoryStore, Persistable, Store, Trust, make_store, upgrades


class Job(Persistable):
    """A job of a chain, whose first attribute refers to all."""

    def __init__(self, n: int = 0) -> None:
        self.all: Any = None
        self.n = n
        self.next: Any = None
        self.previous: Any = None


class Jobs(Persistable):
    """All jobs."""

    def __init__(self, count: int) -> None:
        self.jobs: list[Any] = [Job(n) for n in range(count)]
        for job, following in zip(self.jobs, self.jobs[1:], strict=False):
            job.next, following.previous = following, job
        for job in self.jobs:
            job.all = self


class Stateful(Persistable):
    """Looks at what it refers to when it gets its state."""

    def __init__(self, other: Any, n: int = 0) -> None:
        self.other = other
        self.n = n

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.seen = getattr(self.other, "n", None)


class Key(Persistable):
    """Hashes by value, and refers to the table in which it is a key."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.table: Any = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


class Table(Persistable):
    """Has keys that hash by value."""

    def __init__(self, *names: str) -> None:
        self.rows = {Key(name): name for name in names}
        for key in self.rows:
            key.table = self


ENGINES = ["directory", "sqlite", "memory"]


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Give a function that opens one store, again and again."""
    kept: list[Any] = []
    opened: list[Store] = []

    def open_again(**options: Any) -> Store:
        if request.param == "memory":
            if not kept:
                kept.append(MemoryStore(**options).backend)
            store = Store(kept[0], **options)
        else:
            url = f"sqlite:///{tmp_path}/x.db" if request.param == "sqlite" else str(tmp_path / "x")
            store = make_store(url, **options)
        opened.append(store)
        return store

    yield open_again
    for store in opened:
        store.close()


def reads_of(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return a list to which the names of each read are added."""
    reads: list[list[str]] = []
    backend: Any = store.backend
    get_record, read_one_state = backend.get_record, backend.read_one_state

    def one(name: str) -> Any:
        reads.append([name])
        return get_record(name)

    def several(read: Callable[[Any], Any]) -> Any:
        found: list[str] = []
        reads.append(found)
        return read_one_state(lambda view: read(_Noting(view, found)))

    monkeypatch.setattr(backend, "get_record", one)
    monkeypatch.setattr(backend, "read_one_state", several)
    return reads


class _Noting:
    """A view of a backend that notes the names which are read."""

    def __init__(self, view: Any, found: list[str]) -> None:
        self._view = view
        self._found = found

    def get_records(self, names: Iterable[str]) -> Any:
        """Answer as the backend does."""
        wanted = [*names]
        self._found += wanted
        return self._view.get_records(wanted)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)


def saved(place: Callable[..., Store], root: Any, id: str = "root", **options: Any) -> None:
    """Save a graph by a store that is closed then."""
    with place(**options) as store:
        store.save(root, id)


def test_one_object_costs_one_read(
    place: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many it reaches."""
    saved(place, Jobs(50))
    store = place()
    reads = reads_of(store, monkeypatch)
    job = store.load("Job.7", lazy=True)
    assert [*map(len, reads)] == [1]
    assert job.n == 6
    assert not store.is_loaded(job.next)
    assert job.next.n == 7
    assert [*map(len, reads)] == [1, 1]
    assert job.next.previous is job
    assert job.all.jobs[6] is job
    assert job.all.jobs[7] is job.next
    assert [*map(len, reads)] == [1, 1, 1]


def test_a_walk_reads_in_batches(
    place: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More and more at once."""
    count = 3000
    saved(place, Jobs(count))
    store = place()
    root = store.load("root", lazy=True)
    reads = reads_of(store, monkeypatch)
    assert sum(job.n for job in root.jobs) == count * (count - 1) // 2
    assert sum(map(len, reads)) == count
    assert len(reads) < 20
    assert all(job.all is root for job in root.jobs)
    assert not ghosts_of(store, root)


def test_single_uses_read_no_more_than_they_need(
    place: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an order there is no pattern."""
    saved(place, Jobs(1000))
    store = place()
    root = store.load("root", lazy=True)
    reads = reads_of(store, monkeypatch)
    for place_ in (500, 3, 250, 740, 90):
        assert root.jobs[place_].n == place_
    assert sum(map(len, reads)) == 5


def test_an_eager_load_wakes_all_that_it_reaches(place: Callable[..., Store]) -> None:
    """Also through objects that were alive, and in containers, closures and slots."""
    saved(place, [Jobs(5), {"a": (Jobs(5),)}])
    store = place()
    lazily = store.load("Job.3", lazy=True)
    root = store.load("root", lazy=True)
    assert ghosts_of(store, [lazily, root])
    assert store.load("root") is root
    assert not ghosts_of(store, root)
    assert any(job is lazily for job in (*root[0].jobs, *root[1]["a"][0].jobs))


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill", "msgpack", "json"])
def test_plain_roots_have_ghosts_too(codec: str) -> None:
    """Lists and dicts of every codec."""
    with MemoryStore(codec=[codec, "pickle"] if codec in ("msgpack", "json") else codec) as store:
        store.save({"jobs": [Job(1), Job(2)]}, "root")
        store.invalidate_cache()
        root = store.load("root", lazy=True)
        assert [*map(store.is_loaded, root["jobs"])] == [False, False]
        assert [job.n for job in root["jobs"]] == [1, 2]


@pytest.mark.parametrize("compress", ["gzip", "none"])
@pytest.mark.parametrize("size", [10, 100_000])
def test_objects_with_arrays_have_ghosts(size: int, compress: str) -> None:
    """An array looks at nothing."""
    with MemoryStore(compress=compress) as store:
        job = Job(1)
        job.all = np.arange(size)
        job.next = Job(2)
        store.save(job, "root")
        del job
        root = store.load("root", lazy=True)
        assert not store.is_loaded(root.next)
        assert root.all.sum() == size * (size - 1) // 2
        assert root.next.n == 2


def test_code_of_the_user_finds_whole_objects(place: Callable[..., Store]) -> None:
    """A record that runs some gets all that it reaches."""
    saved(place, Job(1), "first")
    store = place()
    job = Job(4)
    job.next = Job(5)
    job.next.next = Job(6)
    root = Job(1)
    root.next = Stateful(job)
    store.save(root, "root")
    del root, job
    store.invalidate_cache()
    found = store.load("root", lazy=True)
    assert not store.is_loaded(found.next)
    assert found.next.seen == 4
    assert not ghosts_of(store, found.next)


def test_a_chain_with_code_needs_no_recursion(place: Callable[..., Store]) -> None:
    """5,000 objects that look at the next one."""
    chain: Any = Job(7)
    for n in range(5_000):
        chain = Stateful(chain, n)
    saved(place, chain)
    del chain
    found = place(lazy=True).load("root")
    assert found.seen == found.n - 1


def test_a_cycle_of_keys(place: Callable[..., Store]) -> None:
    """Keys that hash by value are whole when their table is filled."""
    root = Job(1)
    root.next = Table("a", "b")
    saved(place, root)
    store = place()
    found = store.load("root", lazy=True)
    assert found.next.rows[Key("b")] == "b"
    assert all(key.table is found.next for key in found.next.rows)


def test_objects_are_shared(place: Callable[..., Store]) -> None:
    """One object under one ID, a ghost or not, whoever refers to it."""
    saved(place, Jobs(4))
    store = place()
    first, third = store.load("Job.1", lazy=True), store.load("Job.3", lazy=True)
    assert first.next is third.previous
    assert not store.is_loaded(first.next)
    assert store.load("Job.2", lazy=True) is first.next
    assert store.is_loaded(first.next)
    assert store.load_many(["Job.2", "Job.4"], lazy=True) == [first.next, third.next]


def test_a_lazy_load_does_not_wake_what_is_alive(place: Callable[..., Store]) -> None:
    """Nor read it."""
    saved(place, Jobs(3))
    store = place()
    root = store.load("root")
    root.jobs[1].n = 77
    assert store.load("root", lazy=True) is root
    assert root.jobs[1].n == 77


# -- failures


def test_a_missing_record_is_named_with_the_way_to_it(place: Callable[..., Store]) -> None:
    """And the object stays a ghost, which finds its record when that is there again."""
    saved(place, Jobs(3))
    store = place()
    root = store.load("root", lazy=True)
    kept, _ = store.backend.get(brinery.ids.name_of("Job.2"))
    with place() as other:
        other.remove("Job.2")
    for _ in range(2):
        with pytest.raises(brinery.DanglingReferenceError) as caught:
            assert root.jobs[1].n
        assert caught.value.id == "Job.2"
        assert caught.value.referrer == "root"
        assert caught.value.object_path == ".jobs[1]"
        assert not store.is_loaded(root.jobs[1])
    store.backend.put(brinery.ids.name_of("Job.2"), kept)
    assert root.jobs[1].n == 1


def test_damage_is_an_error_and_the_ghost_stays(tmp_path: Path) -> None:
    """Of the object that was used, and of none beside it."""
    with FilesystemStore(tmp_path) as store:
        store.save(Jobs(10), "root")
    store = FilesystemStore(tmp_path, lazy=True)
    root = store.load("root")
    (path,) = tmp_path.glob("Job.4*")
    data = path.read_bytes()
    path.write_bytes(data[:20] + b"?" + data[21:])
    assert [job.n for job in root.jobs[:3]] == [0, 1, 2]
    with pytest.raises(brinery.CorruptRecordError, match=r"Job\.4") as caught:
        assert root.jobs[3].n
    assert "through 'root'" in "".join(caught.value.__notes__)
    assert not store.is_loaded(root.jobs[3])
    assert [job.n for job in root.jobs[4:]] == [4, 5, 6, 7, 8, 9]
    path.write_bytes(data)
    assert root.jobs[3].n == 3


def test_a_failed_wake_leaves_no_part_of_a_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one begins from nothing."""
    with MemoryStore() as store:
        root = Job(1)
        root.next = Stateful(Job(2))
        store.save(root, "root")
        del root
        root = store.load("root", lazy=True)

        def failing(self: Any, state: Any) -> None:
            self.half = 1
            raise RuntimeError("no")

        with monkeypatch.context() as patch:
            patch.setattr(Stateful, "__setstate__", failing)
            with pytest.raises(brinery.DecodeError, match="no"):
                assert root.next.n
            assert not store.is_loaded(root.next)
        assert root.next.seen == 2
        assert not hasattr(root.next, "half")


def test_a_closed_store_names_the_object(place: Callable[..., Store]) -> None:
    """What was loaded stays."""
    saved(place, Jobs(3))
    store = place()
    root = store.load("root", lazy=True)
    assert root.jobs[0].n == 0
    store.close()
    assert root.jobs[0].n == 0
    with pytest.raises(brinery.ClosedError, match=r"Job\.3"):
        assert root.jobs[2].n


def test_a_store_that_nobody_holds_is_still_read(tmp_path: Path) -> None:
    """The objects keep it open."""
    with FilesystemStore(tmp_path) as store:
        store.save(Jobs(3), "root")
    root = FilesystemStore(tmp_path, lazy=True).load("root")
    assert [job.n for job in root.jobs] == [0, 1, 2]


# -- other calls meanwhile


def test_after_invalidate_cache(place: Callable[..., Store]) -> None:
    """A graph of before stays one graph, beside one of afterwards."""
    saved(place, Jobs(6))
    store = place(lazy=True)
    root = store.load("root")
    assert root.jobs[0].n == 0
    store.invalidate_cache()
    again = store.load("root")
    assert again is not root
    assert again.jobs[1].n == 1
    assert root.jobs[1].n == 1
    assert root.jobs[1] is not again.jobs[1]
    assert root.jobs[1].all is root
    assert root.jobs[1].previous is root.jobs[0]
    assert again.jobs[1].all is again
    assert again.jobs[1].next is again.jobs[2]
    assert store.load("Job.2") is again.jobs[1]
    root.jobs[2].n = 20
    store.save(root)
    with place() as other:
        assert [job.n for job in other.load("root").jobs] == [0, 1, 20, 3, 4, 5]


def test_after_a_rollback(place: Callable[..., Store]) -> None:
    """Likewise, and after an update of what another process has changed."""
    saved(place, Jobs(6))
    store = place(lazy=True)
    root = store.load("root")
    with pytest.raises(KeyError), store.transaction():
        raise KeyError
    assert root.jobs[3].all is root
    assert root.jobs[3].next is root.jobs[4]
    with place() as other:
        other.update("Job.4", lambda job: setattr(job, "n", 50))
    store.update("Job.4", lambda job: setattr(job, "n", job.n + 1))
    assert root.jobs[5].all is root
    root.jobs[5].n = 60
    store.save(root)
    with place() as other:
        assert [job.n for job in other.load("root").jobs] == [0, 1, 2, 51, 4, 60]


def test_a_record_that_belongs_to_another_object(place: Callable[..., Store]) -> None:
    """Is not the state of the former one, while that object lives; afterwards it is what is stored."""
    saved(place, Jobs(3))
    store = place(lazy=True)
    root = store.load("root")
    other = Job(99)
    store.replace("Job.2", other)
    with pytest.raises(brinery.StaleReferenceError, match=r"'Job\.2'.*'root'") as caught:
        assert root.jobs[1].n
    assert (caught.value.id, caught.value.referrer) == ("Job.2", "root")
    assert store.load("Job.2") is other
    del other, caught
    gc.collect()
    assert root.jobs[1].n == 99
    with pytest.raises(KeyError), store.transaction():
        _replace_and_fail(store)
    assert root.jobs[2].n == 2


def _replace_and_fail(store: Store) -> None:
    store.replace("Job.3", Job(7))
    raise KeyError


def test_a_removed_object(place: Callable[..., Store]) -> None:
    """By this store."""
    saved(place, Jobs(3))
    store = place(lazy=True)
    root = store.load("root")
    store.remove("Job.2")
    with pytest.raises(brinery.DanglingReferenceError, match=r"Job\.2"):
        assert root.jobs[1].n


def test_threads_see_whole_objects(place: Callable[..., Store]) -> None:
    """Whoever wakes them."""
    saved(place, Jobs(200))
    store = place(lazy=True)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        root = store.load("root")
        seen: list[Any] = []

        def read(start: int) -> None:
            for step in range(200):
                job = root.jobs[(start + step * 7) % 200]
                seen.append((job.n, job.all is root, type(job) is Job))

        threads = [threading.Thread(target=read, args=(start,)) for start in (0, 0, 50, 100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert len(seen) == 800
    assert all(whole and named for _, whole, named in seen)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of the runner of tests
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_reads_by_itself(tmp_path: Path) -> None:
    """And the parent, too."""
    for url in (f"sqlite:///{tmp_path}/x.db", str(tmp_path / "x")):
        with make_store(url) as store:
            store.save(Jobs(5), "root")
        store = make_store(url, lazy=True)
        root = store.load("root")
        child = os.fork()
        if not child:
            os._exit(0 if [job.n for job in root.jobs] == [0, 1, 2, 3, 4] else 1)
        assert [job.n for job in root.jobs] == [0, 1, 2, 3, 4]
        assert os.waitpid(child, 0)[1] == 0
        store.close()


def test_in_transactions(place: Callable[..., Store]) -> None:
    """Objects are as the transaction sees them, and what was undone does not come back."""
    saved(place, Jobs(4))
    store = place(lazy=True)
    root = store.load("root")
    with store.transaction():
        root.jobs[1].n = 50
        store.save(root.jobs[1])
        assert root.jobs[2].n == 2
    assert store.load("Job.2") is root.jobs[1]
    root.jobs[3].n = 60
    with pytest.raises(brinery.BrineryError), store.transaction():
        store.save_many([root.jobs[3], Job()], [None, "root"])
    again = store.load("root")
    assert [job.n for job in again.jobs] == [0, 50, 2, 3]
    assert root.jobs[0].n == 0


# -- trust, renames, upgrades, placeholders


def test_classes_are_asked_about_before_they_are_imported(place: Callable[..., Store]) -> None:
    """A class that is not admitted is refused as in an eager load."""
    root = Job(1)
    root.next = Job(2)
    root.previous = Table("a")
    saved(place, root)
    store = place(lazy=True, trust=Trust(classes=[*map(_named, (Job, Table, Key))]))
    found = store.load("root")
    assert not store.is_loaded(found.next)
    assert found.next.n == 2
    assert found.previous.rows[Key("a")] == "a"
    store = place(lazy=True, trust=Trust(classes=[_named(Job)]))
    with pytest.raises(brinery.TrustError, match="Key"):
        store.load("root")


def _named(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a module with classes that change."""
    module: Any = ModuleType("app_of_ghosts")
    monkeypatch.setitem(sys.modules, "app_of_ghosts", module)
    source = "from brinery import Persistable\nclass Task(Persistable): pass\nclass Old(Persistable): pass"
    exec(source, vars(module))
    return module


def test_renamed_and_upgraded_classes(app: Any) -> None:
    """A ghost has the present class; its state is upgraded when it is read."""
    with MemoryStore() as store:
        root = Job(1)
        root.next, root.previous = app.Old(), app.Task()
        root.next.n, root.previous.n = 4, 5
        store.save(root, "root")
        del root
        app.New = type("New", (Persistable,), {"__module__": "app_of_ghosts"})
        del app.Old

        @upgrades(app.Task, to=2)
        def double(state: dict[str, Any]) -> dict[str, Any]:
            return {"n": 2 * state["n"]}

        renames = {"app_of_ghosts:Old": "app_of_ghosts:New"}
        lazily = Store(store.backend, renames=renames, lazy=True)
        found = lazily.load("root")
        assert isinstance(found.next, app.New)
        assert not lazily.is_loaded(found.next)
        assert found.next.n == 4
        assert type(found.next) is app.New
        assert not lazily.is_loaded(found.previous)
        assert found.previous.n == 10


def test_missing_classes(app: Any) -> None:
    """Are missing at once: a ghost has a class."""
    with MemoryStore() as store:
        root = Job(1)
        root.next, root.previous = app.Task(), Job(2)
        store.save(root, "root")
        del root, app.Task
        with pytest.raises(brinery.MissingClassError):
            store.load("root", lazy=True)
        found = store.load("root", lazy=True, missing="placeholder")
        assert isinstance(found.next, brinery.Placeholder)
        assert found.previous.n == 2


def test_a_record_decides_on_the_class(app: Any) -> None:
    """The object takes that of its record where it can; where it cannot, an error names both."""
    with MemoryStore() as store:
        root = Job(1)
        root.next, root.previous = Job(2), Job(3)
        store.save(root, "root")
        ids = store.id_of(root.next), store.id_of(root.previous)
        del root
        lazily = Store(store.backend, lazy=True)
        root = lazily.load("root")
        store.invalidate_cache()
        other = app.Task()
        other.n = 5
        store.replace(ids[0], other)
        store.replace(ids[1], {"n": 5})
        assert root.next.n == 5
        assert type(root.next) is app.Task
        with pytest.raises(brinery.StaleReferenceError, match="'root'"):
            assert root.previous.n
        assert not lazily.is_loaded(root.previous)


# -- settings


def test_a_store_remembers_that_it_is_lazy(tmp_path: Path) -> None:
    """By keyword or in its URL; each opening and each load may say otherwise."""
    for kind in ("sqlite:///{}/x.db", "file://{}/x"):
        url = kind.format(tmp_path)
        with make_store(f"{url}?lazy=1") as store:
            store.save(Jobs(3), "root")
        with make_store(url) as store:
            root = store.load("root")
            assert not store.is_loaded(root.jobs[0])
            assert store.load("root", lazy=False) is root
            assert store.is_loaded(root.jobs[2])
        with make_store(url, lazy=False) as store:
            assert store.is_loaded(store.load("root").jobs[0])
    with pytest.raises(brinery.InvalidArgumentError, match="lazy: expected true or false"):
        make_store(f"{tmp_path}/y?lazy=perhaps")


def test_refresh(place: Callable[..., Store]) -> None:
    """The state of the record again, in the same object."""
    saved(place, Jobs(3))
    store = place()
    root = store.load("root")
    job = root.jobs[1]
    job.n, job.more = 9, 1
    store.refresh(job)
    assert job.n == 1
    assert not hasattr(job, "more")
    assert type(job) is Job
    assert job.next is root.jobs[2]
    assert job.all is root
    with place() as other:
        found = other.load("Job.2")
        found.n = 70
        other.save(found)
    store.refresh(job)
    assert job.n == 70
    job.n = 71
    store.save(job)
    with pytest.raises(brinery.InvalidArgumentError, match="with an ID"):
        store.refresh(Job(1))
    with place() as other:
        other.remove("Job.3")
    last = root.jobs[2]
    with pytest.raises(brinery.BrineryError, match=r"Job\.3"):
        store.refresh(last)
    assert last.n == 2
    store.invalidate_cache()
    again = store.load("Job.2", lazy=True)
    with pytest.raises(brinery.InvalidArgumentError, match="of before"):
        store.refresh(job)
    assert store.load("Job.2", lazy=True) is again


def test_operations_look_at_records(place: Callable[..., Store]) -> None:
    """Whatever is alive, and they wake nothing."""
    saved(place, Jobs(5))
    store = place(lazy=True, codec="cloudpickle")
    root = store.load("root")
    assert store.check().is_good
    assert brinery.fsck(store).is_clean
    assert not brinery.recode(store).left
    store.gc(["root"], dry_run=False, older_than=0)
    assert len(ghosts_of(store, root)) == 5
    assert [job.n for job in root.jobs] == [0, 1, 2, 3, 4]
    assert store.info("Job.2").codec == "cloudpickle"
    store.save(root)


def test_a_walk_leaves_nothing_to_do(place: Callable[..., Store]) -> None:
    """Each object once."""
    saved(place, Jobs(20))
    store = place(lazy=True)
    root = store.load("root")
    walk(store, root)
    assert [type(job) for job in root.jobs] == [Job] * 20
