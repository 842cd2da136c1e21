"""`setdefault`, `pop`, `popitem` and `remove` are exclusive across threads and processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from brinery import (
    ConflictError,
    MemoryStore,
    NotFoundError,
    Persistable,
    RecordError,
    Store,
    make_store,
)
from brinery.backend import Put
from brinery.backends.directory.backend import DirectoryBackend
from brinery.backends.memory import MemoryBackend
from brinery.record.format import MAGIC

COUNT = 200


class Job(Persistable):
    def __init__(self, number: int) -> None:
        self.number = number


def opened(url: str) -> Store:
    store = make_store(url, durability="process")
    assert isinstance(store, Store)
    return store


@pytest.fixture(params=["directory", "sqlite", pytest.param("pg", marks=pytest.mark.server)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Places that several processes can open."""
    if request.param == "pg":
        found: str = request.getfixturevalue("postgres_url")
        return found
    return str(tmp_path / "s") if request.param == "directory" else f"sqlite:///{tmp_path}/s.db"


@pytest.fixture(params=["memory", "directory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each engine."""
    urls = {"directory": str(tmp_path / "s"), "sqlite": f"sqlite:///{tmp_path}/s.db"}
    with MemoryStore() if request.param == "memory" else opened(urls[request.param]) as made:
        yield made


# -- what each process does, as if it were alone


def set_defaults(store: Store) -> list[Any]:
    return [store.setdefault(f"k{number}", [os.getpid()])[0] for number in range(COUNT)]


def removals(store: Store) -> list[Any]:
    done: list[Any] = []
    for number in range(COUNT):
        try:
            store.remove(f"k{number}")
            done.append(number)
        except NotFoundError:
            continue
    return done


def pops(store: Store) -> list[Any]:
    found = (store.pop(f"k{number}", None) for number in range(COUNT))
    return [job.number for job in found if job is not None]


def items(store: Store) -> list[Any]:
    done: list[Any] = []
    while True:
        try:
            id_, job = store.popitem()
        except KeyError:
            return done
        assert id_ == f"k{job.number}"
        done.append(job.number)


def handed_out(store: Store) -> list[Any]:
    done: list[Any] = []
    for number in range(COUNT):
        try:
            with store.transaction():
                job = store.load(f"k{number}")
                store.remove(f"k{number}")
            done.append(job.number)
        except (NotFoundError, ConflictError):
            continue
    return done


CLAIMS = (removals, pops, items, handed_out)


def in_process(url: str, work: Callable[[Store], list[Any]], barrier: Any, answers: Any) -> None:
    store = opened(url)
    barrier.wait()
    answers.put(work(store))
    store.close()


def in_processes(url: str, work: Callable[[Store], list[Any]]) -> Sequence[list[Any]]:
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(3), context.Queue()
    arguments = (url, work, barrier, answers)
    workers = [context.Process(target=in_process, args=arguments) for _ in range(3)]
    for worker in workers:
        worker.start()
    found = [answers.get() for _ in workers]
    for worker in workers:
        worker.join()
    return found


def in_threads(stores: Sequence[Store], work: Callable[[Store], list[Any]]) -> list[list[Any]]:
    barrier = Barrier(len(stores))

    def run(store: Store) -> list[Any]:
        barrier.wait()
        return work(store)

    with ThreadPoolExecutor(len(stores)) as pool:
        return [*pool.map(run, stores)]


def fill(store: Store) -> None:
    store.update({f"k{number}": Job(number) for number in range(COUNT)})


@pytest.mark.thorough
class TestProcesses:
    """Several processes on one place."""

    def test_all_get_the_default_that_is_stored(self, url: str) -> None:
        """Whichever process was first."""
        with opened(url) as store:
            store["made"] = True
        one, two, three = in_processes(url, set_defaults)
        assert one == two == three
        with opened(url) as store:
            assert [store[f"k{number}"][0] for number in range(COUNT)] == one

    @pytest.mark.parametrize("work", CLAIMS)
    def test_each_object_goes_to_one_process(
        self, url: str, work: Callable[[Store], list[Any]]
    ) -> None:
        """And every object to one."""
        with opened(url) as store:
            fill(store)
        done = in_processes(url, work)
        assert sorted(number for each in done for number in each) == [*range(COUNT)]
        with opened(url) as store:
            assert len(store) == 0


class TestThreads:
    """Threads on one store, and on two stores of one place."""

    @pytest.mark.parametrize("work", CLAIMS)
    def test_each_object_goes_to_one_thread(
        self, store: Store, work: Callable[[Store], list[Any]]
    ) -> None:
        """On one store."""
        fill(store)
        done = in_threads([store] * 4, work)
        assert sorted(number for each in done for number in each) == [*range(COUNT)]

    @pytest.mark.parametrize("work", CLAIMS)
    def test_each_object_goes_to_one_store(
        self, work: Callable[[Store], list[Any]], tmp_path: Path
    ) -> None:
        """On stores over one engine."""
        for backend in (MemoryBackend(), DirectoryBackend(tmp_path, durability="process")):
            fill(Store(backend))
            done = in_threads([Store(backend) for _ in range(3)], work)
            assert sorted(number for each in done for number in each) == [*range(COUNT)]

    def test_all_get_the_default_that_is_stored(self) -> None:
        """Each store of one engine."""
        backend = MemoryBackend()

        def work(store: Store) -> list[Any]:
            return [store.setdefault(f"k{n}", [id(store)])[0] for n in range(COUNT)]

        one, two, three = in_threads([Store(backend) for _ in range(3)], work)
        assert one == two == three


class TestOneStore:
    """What each call returns and raises."""

    def test_setdefault_keeps_what_is_there(self, store: Store) -> None:
        """The living object too."""
        job = Job(1)
        assert store.setdefault("job", job) is job
        assert store.setdefault("job", Job(2)) is job
        store.invalidate_cache()
        assert store.setdefault("job").number == 1
        assert store.setdefault("nothing") is None
        assert store.load("nothing") is None
        store.backend.commit([damaged("bad")])
        with pytest.raises(RecordError):
            store.setdefault("bad", 1)

    def test_pop_returns_what_it_removes(self, store: Store) -> None:
        """As the record has it."""
        job = Job(1)
        store["job"] = job
        assert store.pop("job") is job
        assert "job" not in store
        assert store.save(job) != "job"
        assert store.pop("job", "default") == "default"
        assert store.pop("job", None) is None
        with pytest.raises(NotFoundError) as caught:
            store.pop("job")
        assert caught.value.id == "job"
        with pytest.raises(NotFoundError):
            store.remove("job")

    def test_pop_keeps_a_record_that_cannot_be_loaded(self, store: Store) -> None:
        """The error passes on, also with a default."""
        store.backend.commit([damaged("bad")])
        with pytest.raises(RecordError):
            store.pop("bad", None)
        assert "bad" in store

    def test_popitem_empties_a_store(self, store: Store) -> None:
        """Then it raises `KeyError`, as that of a dict does."""
        fill(store)
        store["x" * 300] = Job(COUNT)
        found = dict(store.popitem() for _ in range(COUNT + 1))
        assert {job.number for job in found.values()} == {*range(COUNT + 1)}
        assert found["x" * 300].number == COUNT
        with pytest.raises(KeyError):
            store.popitem()

    def test_a_transaction_undoes_them(self, store: Store) -> None:
        """All of them are part of it."""
        fill(store)

        def block() -> None:
            with store.transaction():
                assert store.pop("k0").number == 0
                store.remove("k1")
                taken, _ = store.popitem()
                assert not {taken, "k0", "k1"} & {*store.list()}
                assert store.setdefault("k0", [5]) == [5]
                assert store.pop("k0") == [5]
                with pytest.raises(NotFoundError):
                    store.remove("k0")
                raise ValueError("undo")

        with pytest.raises(ValueError, match="undo"):
            block()
        assert len(store) == COUNT
        with store.transaction():
            items(store)
        assert len(store) == 0

    def test_a_removal_that_another_store_made_first_is_a_conflict(self, store: Store) -> None:
        """At the end of the transaction; also where only the record had the ID."""
        for id_ in ("short", "x" * 300):
            store[id_] = 1

            def block(id_: str = id_) -> None:
                with store.transaction():
                    store.remove(id_)
                    store["other"] = 2
                    Store(store.session.base).remove(id_)

            with pytest.raises(ConflictError):
                block()
            assert id_ not in store
            assert "other" not in store

    def test_what_another_store_has_changed_is_popped(self, store: Store) -> None:
        """A living object that is older does not count."""
        store["job"] = mine = Job(1)
        Store(store.backend)["job"] = Job(2)
        other = store.pop("job")
        assert (other.number, mine.number) == (2, 1)
        store["job"] = mine
        Store(store.backend).remove("job")
        Store(store.backend)["job"] = Job(3)
        assert store.setdefault("job", Job(4)).number == 3
        Store(store.backend).remove("job")
        assert store.setdefault("job", [5]) == [5]


def damaged(name: str) -> Put:
    """Return the put of a damaged record."""
    return Put(name, (b"damaged" * 20 + MAGIC,))


class TestEffort:
    """Taking some object, the first or the number does not list all."""

    def test_a_directory_is_not_read_to_its_end(self, tmp_path: Path) -> None:
        """The engine stops after some names."""
        listed = []

        class Observed(DirectoryBackend):
            def list(self, prefix: str = "") -> Iterator[str]:
                for name in super().list(prefix):
                    listed.append(name)
                    yield name

        store = Store(Observed(tmp_path, durability="process"))
        fill(store)
        listed.clear()
        store.popitem()
        assert len(listed) < 20
        listed.clear()
        next(iter(store))
        assert len(listed) == 1

    def test_a_database_is_not_listed(self, tmp_path: Path) -> None:
        """One statement with a limit, and one that counts."""
        with opened(f"sqlite:///{tmp_path}/s.db") as store:
            fill(store)
            backend: Any = store.backend
            backend.list = None
            store.popitem()
            next(iter(store))
            assert len(store) == COUNT - 1

    def test_objects_may_be_saved_and_removed_between_two_ids(self, store: Store) -> None:
        """An iteration ends all the same, and yields each ID once, and none saved after its second."""
        fill(store)
        seen = []
        for id_ in store:
            seen.append(id_)
            store.save([1])
            store.remove(id_)
        assert len(seen) == len({*seen})
        assert {*seen} - {"list.1"} == {f"k{number}" for number in range(COUNT)}


@pytest.mark.thorough
@pytest.mark.parametrize("where", ["directory", "sqlite"])
def test_a_list_never_fails_because_others_remove(tmp_path: Path, where: str) -> None:
    """A record with a long ID is read for it: it is listed or not."""
    url = str(tmp_path / "s") if where == "directory" else f"sqlite:///{tmp_path}/s.db"
    ids = [letter * 300 for letter in "abcdefgh"]
    with opened(url) as store:
        store.update(dict.fromkeys(ids, 1))
    context = multiprocessing.get_context("fork")
    stop = context.Event()

    def change() -> None:
        store = opened(url)
        while not stop.is_set():
            for id_ in ids:
                store.pop(id_, None)
                store[id_] = 1

    worker = context.Process(target=change)
    worker.start()
    try:
        with opened(url) as store:
            for _ in range(100):
                assert {*store.list()} <= {*ids}
                assert {*store} <= {*ids}
    finally:
        stop.set()
        worker.join()
