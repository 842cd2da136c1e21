"""`progress=`: how far a save or a load is, told to a function of the caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import brinery.session.progress
from brinery import DecodeError, MemoryStore, Persistable, Store, make_store

URLS = ("memory://", "{}/directory", "sqlite:///{}/database.sqlite")


class Job(Persistable):
    """One of a chain, with anything else that it needs."""

    def __init__(self, following: Job | None = None, **more: Any) -> None:
        self.following = following
        vars(self).update(more)


class Woken(Job):
    """Runs code of its own when it is loaded."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


class Stop(Exception):
    """Raised by a progress function."""


class Calls(list[tuple[int, int]]):
    """The calls of a progress function."""

    def __call__(self, done: int, total: int) -> None:
        """Note a call."""
        self.append((done, total))


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report each object, however fast they come."""
    monkeypatch.setattr(brinery.session.progress, "_INTERVAL", -1.0)


@pytest.fixture(params=URLS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Return a store of each engine."""
    with make_store(request.param.format(tmp_path)) as made:
        yield made


def chain(length: int, cls: type[Job] = Job) -> Job:
    """Return the first of some jobs, each of which refers to the next."""
    job = cls()
    for _ in range(length - 1):
        job = cls(job)
    return job


def stop_at(done: int, calls: Calls) -> Callable[[int, int], None]:
    """Return a progress function that raises once so many are done."""

    def show(*at: int) -> None:
        calls(*at)
        if at[0] == done:
            raise Stop

    return show


class TestSaving:
    """Objects that were looked at, of those found so far."""

    @pytest.mark.usefixtures("always")
    def test_a_graph_is_found_on_the_way(self, store: Store) -> None:
        """Each job of a chain is found when the one before it is encoded."""
        calls = Calls()
        store.save(chain(4), progress=calls)
        assert calls == [(1, 2), (2, 3), (3, 4), (4, 4)]

    @pytest.mark.usefixtures("always")
    def test_what_has_not_changed_counts(self, store: Store) -> None:
        """It was looked at."""
        job, calls = chain(3), Calls()
        store.save(job)
        job.following = Job(job.following)
        store.save(job, progress=calls)
        assert calls == [(1, 2), (2, 3), (3, 4), (4, 4)]

    @pytest.mark.usefixtures("always")
    def test_many(self, store: Store) -> None:
        """All roots are known from the start."""
        calls = Calls()
        store.save_many([Job(), Job(Job()), Job()], progress=calls)
        assert calls == [(1, 3), (2, 4), (3, 4), (4, 4)]

    def test_it_ends_with_all(self, store: Store) -> None:
        """However fast it is; also where there is nothing to do."""
        for objects, count in ([Job()], 1), ([], 0), ([chain(300)], 300), ([Job(), 7], 2):
            calls = Calls()
            store.save_many(objects, progress=calls)
            assert calls[-1] == (count, count)
            assert [at for at in calls if at[0] == at[1]] == [(count, count)]

    @pytest.mark.usefixtures("always")
    def test_what_has_to_be_written_again_counts_once(self, tmp_path: Path) -> None:
        """Another process has removed the record of an object that has not changed."""
        store, other = make_store(str(tmp_path / "d")), make_store(str(tmp_path / "d"))
        job, calls = chain(3), Calls()
        store.save(job)
        other.remove("Job.2")
        store.save(job, progress=calls)
        assert calls[-1] == (3, 3)
        assert len(store) == 3

    def test_an_unused_ghost_is_not_looked_at(self, store: Store) -> None:
        """Nor does the report of that use it."""
        id_ = store.save(chain(2))
        store.invalidate_cache()
        following, calls = store.load(id_, lazy=True).following, Calls()
        store.save(following, progress=calls)
        assert calls == [(0, 0)]
        assert not store.is_loaded(following)

    @pytest.mark.usefixtures("always")
    @pytest.mark.parametrize("done", [1, 2, 3])
    def test_an_exception_ends_it(self, store: Store, done: int) -> None:
        """Nothing is written, and no object has an ID; the next save writes all."""
        job, calls = chain(3), Calls()
        with pytest.raises(Stop):
            store.save(job, progress=stop_at(done, calls))
        assert calls[-1][0] == done
        assert store.list() == []
        assert store.id_of(job) is None
        store.save(job)
        assert len(store) == 3

    @pytest.mark.usefixtures("always")
    def test_an_exception_in_a_transaction(self, store: Store) -> None:
        """What was saved before it is committed."""
        with store.transaction():
            store.save(Job(), "first")
            with pytest.raises(Stop):
                store.save(chain(3), progress=stop_at(2, Calls()))
        assert store.list() == ["first"]

    @pytest.mark.usefixtures("always")
    def test_the_function_may_use_the_store(self, store: Store) -> None:
        """It runs as a hook of an object would."""
        store.save(Job(name="other"), "other")
        job, log, found = chain(3), Job(done=0), []

        def show(done: int, total: int) -> None:
            found.append(store.load("other").name)
            vars(log)["done"] = done
            store.save(log, "log")

        store.save(job, "first", progress=show)
        store.invalidate_cache()
        assert found == ["other"] * 3
        assert store.load("log").done == 3
        assert store.load("first").following.following.following is None

    @pytest.mark.usefixtures("always")
    def test_inside_a_hook(self, store: Store) -> None:
        """A save inside another one reports its own objects."""
        calls = Calls()

        class Saving(Job):
            def __getstate__(self) -> Any:
                store.save(inner, progress=calls)
                return vars(self).copy()

        inner, outer = chain(2), Calls()
        store.save(Saving(inner), codec="cloudpickle", progress=outer)
        assert calls[:2] == [(1, 2), (2, 2)]
        assert outer[-1][0] == outer[-1][1]

    def test_at_most_ten_times_a_second(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever the number of objects."""
        times = iter(n / 100 for n in range(10_000))
        monkeypatch.setattr("brinery.session.progress.time.monotonic", lambda: next(times))
        calls = Calls()
        MemoryStore().save_many([Job() for _ in range(500)], progress=calls)
        assert 20 <= len(calls) <= 101


class TestLoading:
    """Objects that were decoded, of those found so far."""

    @pytest.mark.usefixtures("always")
    @pytest.mark.parametrize("cls", [Job, Woken])
    def test_reading_comes_before_decoding(self, store: Store, cls: type[Job]) -> None:
        """The records are read wave by wave, and then decoded one by one."""
        id_, calls = store.save(chain(4, cls)), Calls()
        store.invalidate_cache()
        store.load(id_, progress=calls)
        reading = [at for at in calls if at[0] == 0]
        assert [total for _, total in reading] == sorted(total for _, total in reading)
        assert calls[len(reading) :] == [(1, 4), (2, 4), (3, 4), (4, 4)]

    @pytest.mark.usefixtures("always")
    @pytest.mark.parametrize("lazy", [False, True])
    def test_both_kinds_of_records(self, store: Store, lazy: bool) -> None:
        """Those that run code of the user's are decoded after the others."""
        ids = store.save_many([Job(), Woken(Job()), Job(Woken()), 7, [chain(2)]])
        store.invalidate_cache()
        calls = Calls()
        store.load_many(ids, lazy=lazy, progress=calls)
        done = [at[0] for at in calls if at[0]]
        assert done == [*range(1, done[-1] + 1)]
        assert calls[-1] == (done[-1],) * 2
        assert done[-1] == (6 if lazy else 9)

    def test_it_ends_with_all(self, store: Store) -> None:
        """However fast it is; what is alive does not count."""
        ids = store.save_many([chain(300), Job()])
        store.invalidate_cache()
        calls = Calls()
        kept = store.load(ids[1], progress=calls)
        assert calls[-1] == (1, 1)
        store.load(ids[1], progress=calls)
        assert calls[-1] == (0, 0)
        store.load_many(ids, progress=calls)
        assert calls[-1] == (300, 300)
        assert kept is store.load(ids[1])
        store.load_many([], progress=calls)
        assert calls[-1] == (0, 0)

    @pytest.mark.usefixtures("always")
    def test_ghosts_that_an_eager_load_wakes_count(self, store: Store) -> None:
        """Those that an earlier load has met, and all behind them."""
        id_ = store.save(chain(5))
        store.invalidate_cache()
        kept, calls = store.load(id_, lazy=True), Calls()
        assert store.load(id_, lazy=False, progress=calls) is kept
        assert calls[-1] == (4, 4)

    @pytest.mark.usefixtures("always")
    @pytest.mark.parametrize("cls", [Job, Woken])
    @pytest.mark.parametrize("done", [0, 1, 2, 3])
    def test_an_exception_ends_it(self, store: Store, cls: type[Job], done: int) -> None:
        """It is the one of the function, raised once; and the next load reads all."""
        id_, calls = store.save(chain(3, cls)), Calls()
        store.invalidate_cache()
        with pytest.raises(Stop):
            store.load(id_, progress=stop_at(done, calls))
        assert calls[-1][0] == done
        assert len([at for at in calls if at[0] == done]) == 1
        assert store.load(id_).following.following.following is None

    @pytest.mark.usefixtures("always")
    @pytest.mark.parametrize("cls", [Job, Woken])
    def test_the_function_may_load_others(self, store: Store, cls: type[Job]) -> None:
        """They are alive for the load around it, if that reaches them."""
        ids = store.save_many([chain(3, cls), chain(2)])
        store.save(cls(store.load(ids[1])), "shared")
        store.invalidate_cache()
        found: list[Any] = []
        shared = store.load("shared", progress=lambda *_: found.append(store.load(ids[0])))
        assert {id(each) for each in found} == {id(store.load(ids[0]))}
        assert shared.following is store.load(ids[1])
        assert found[0].following.following.following is None

    @pytest.mark.usefixtures("always")
    def test_the_function_may_load_what_is_found_later(self, store: Store) -> None:
        """The load finds it alive then."""
        store.save(Job(), "last")
        id_ = store.save(Job(Job(store.load("last"))))
        store.invalidate_cache()
        found: list[Any] = []

        def show(*at: int) -> None:
            if not found:
                found.append(store.load("last"))

        assert store.load(id_, progress=show).following.following is found[0]

    @pytest.mark.usefixtures("always")
    @pytest.mark.parametrize("cls", [Job, Woken])
    @pytest.mark.parametrize("done", [0, 1, 2])
    def test_the_function_cannot_load_the_same(
        self, store: Store, cls: type[Job], done: int
    ) -> None:
        """There would be two objects of one ID."""
        ids = store.save_many([cls(), cls()])
        store.invalidate_cache()

        def show(*at: int) -> None:
            if at[0] == done:
                store.load(ids[1])

        with pytest.raises(DecodeError, match=f"(?s){ids[1]}.*when the first load has ended"):
            store.load_many(ids, progress=show)
        assert store.load_many(ids) == [store.load(id_) for id_ in ids]

    @pytest.mark.parametrize("missing", ["error", "placeholder"])
    def test_other_arguments_hold(self, store: Store, missing: str) -> None:
        """As for a load without a report."""
        store.save(Job(name="one"), "one")
        store.invalidate_cache()
        assert store.load("one", missing=missing, progress=Calls()).name == "one"
        with pytest.raises(KeyError):
            store.load("two", missing=missing, progress=Calls())
