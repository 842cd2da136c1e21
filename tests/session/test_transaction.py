"""The writes of a transaction are saved together, or not at all."""

# ruff: noqa: PT012 - a transaction that fails is a block of several statements
from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from brinery import (
    BrineryError,
    ClosedError,
    ConflictError,
    FilesystemStore,
    IdTakenError,
    MemoryStore,
    NotFoundError,
    Persistable,
    RolledBackError,
    Store,
    TransactionError,
)
from brinery.backend import Backend, Put
from brinery.backends.memory import MemoryBackend


class Thing(Persistable):
    """Holds any attributes."""

    n: Any
    other: Any

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Slim(Persistable):
    """Has slots, and no `__dict__`."""

    __slots__ = ("__weakref__", "n")

    def __init__(self, n: int) -> None:
        self.n = n


class Boom(Exception):
    """Raised by tests."""


Opener = Callable[[], Store]


@pytest.fixture(params=["memory", "directory"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Give a function that opens stores on one place."""
    if request.param == "memory":
        shared = MemoryBackend()
        return lambda: Store(shared)
    return lambda: FilesystemStore(tmp_path / "store")


@pytest.fixture
def store(opener: Opener) -> Iterator[Store]:
    """Give a store."""
    with opener() as opened:
        yield opened


@pytest.fixture
def other(opener: Opener) -> Iterator[Store]:
    """Give a second store on the same place, as another process would have."""
    with opener() as opened:
        yield opened


class Commits(MemoryBackend):
    """Counts the commits that write records, and can fail or be interrupted after one."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.then: BaseException | None = None

    def commit(self, puts: Any, deletes: Any = ()) -> Any:
        puts = list(puts)
        self.count += not all(put.name.startswith(".") for put in puts) or bool(deletes)
        versions = super().commit(puts, deletes)
        if self.then is not None:
            then, self.then = self.then, None
            raise then
        return versions


# -- what it groups


def test_everything_in_the_block_is_one_commit() -> None:
    """Saves, replacements, removals, the methods of a mapping: the backend gets one commit."""
    backend = Commits()
    store = Store(backend)
    store.save_many([[1], [2], [3]], ["a", "b", "c"])
    backend.count = 0
    with store.transaction():
        store.save(Thing(other=Thing()))
        store.save_many([[4], [5]], ["d", "e"])
        store.replace("a", [10])
        store["f"] = [6]
        store.remove("b")
        del store["c"]
        assert store.pop("d") == [4]
        store.update({"g": 7}, h=8)
        store.update("g", lambda number: number + 1)
        store.setdefault("i", [9])
        assert backend.count == 0
    assert backend.count == 1
    assert {*store.list()} == {"Thing.1", "Thing.2", "a", "e", "f", "g", "h", "i"}
    assert [store.load(id) for id in "aefghi"] == [[10], [5], [6], 8, 8, [9]]


def test_reads_see_what_the_transaction_has_written(store: Store, other: Store) -> None:
    """Other stores see none of it before its end."""
    kept = store.save([0], "kept")
    store.save([1], "gone")
    with store.transaction():
        thing = Thing(other=Thing(n=1))
        id = store.save(thing)
        store.remove("gone")
        assert store.list() == [id, thing.other.persistent_id, kept]
        assert id in store
        assert "gone" not in store
        assert len(store) == 3
        assert store.load(id) is thing
        assert store.references(id) == (thing.other.persistent_id,)
        assert store.info(id).class_name.endswith(":Thing")
        assert store.check().is_good
        store.invalidate_cache()
        again = store.load(id)
        assert again is not thing
        assert again.other.n == 1
        with pytest.raises(NotFoundError):
            store.load("gone")
        assert sorted(other.list()) == ["gone", "kept"]
    assert other.load(id).other.n == 1
    assert "gone" not in other


def test_committed_objects_are_known_as_after_a_save(store: Store, other: Store) -> None:
    """Living objects are the same, unchanged ones are not written again, and conflicts are found."""
    thing = Thing(n=1, other=[1])
    with store.transaction():
        id = store.save(thing)
        thing.n = 2
        store.save(thing)
    assert store.load(id) is thing
    version = store.backend.get(id)[1]
    store.save(thing)
    assert store.backend.get(id)[1] == version
    thing.n = 3
    store.save(thing)
    assert other.load(id).n == 3
    theirs = other.load(id)
    theirs.n = 4
    other.save(theirs)
    thing.n = 5
    with pytest.raises(ConflictError):
        store.save(thing)


def test_clear_is_part_of_it(store: Store) -> None:
    """All records are removed at the end, or are all there again."""
    thing = Thing(n=1)
    id = store.save(thing)
    with pytest.raises(Boom), store.transaction():
        store.clear()
        assert store.list() == []
        assert store.save(Thing()) != id
        raise Boom
    assert store.list() == [id]
    assert store.save(thing) == id
    with store.transaction():
        store.clear()
        fresh = store.save(Thing(n=2))
    assert store.list() == [fresh]


def test_an_empty_transaction_writes_nothing() -> None:
    """Nor does one that only reads."""
    backend = Commits()
    store = Store(backend)
    id = store.save([1])
    backend.count = 0
    with store.transaction():
        pass
    with store.transaction():
        store.load(id)
        store.save(store.load(id))
    assert backend.count == 0


# -- rolling back


@pytest.mark.parametrize("error", [Boom(), KeyboardInterrupt(), GeneratorExit(), RecursionError()])
def test_any_exception_undoes_everything_and_passes_unchanged(
    store: Store, error: BaseException
) -> None:
    """Records, IDs of new objects and `persistent_id` are as before."""
    thing, gone, fresh, slim = Thing(n=1), Thing(n=2), Thing(n=3), Slim(4)
    id, gone_id = store.save_many([thing, gone])
    before = {name: store.backend.get(name) for name in store.list()}
    with pytest.raises(type(error)) as caught, store.transaction():
        new_id = store.save(fresh)
        store.save(slim)
        thing.n = 100
        store.save(thing)
        store.remove(gone_id)
        store["other"] = [1]
        raise error
    assert caught.value is error
    assert {name: store.backend.get(name) for name in store.list()} == before
    assert fresh.persistent_id is None
    assert slim.persistent_id is None
    assert new_id not in store
    # The numbers stay unused, and the objects are new.
    assert store.save(fresh) not in (new_id, id, gone_id)
    # Removed objects have their IDs back.
    assert store.save(gone) == gone_id
    assert store.load(gone_id).n == 2


def test_objects_keep_their_state_and_are_read_again(store: Store) -> None:
    """A changed object differs from its record, so the next load returns a new object."""
    thing = Thing(n=1, other=Thing(n=10))
    id = store.save(thing)
    child = thing.other.persistent_id
    for save in (True, False):
        thing = store.load(id)
        with pytest.raises(Boom), store.transaction():
            loaded = store.load(id)
            loaded.n -= 100
            loaded.other.n -= 100
            if save:
                store.save(loaded)
            raise Boom
        assert loaded.n == -99
        assert store.load(id).n == 1
        assert store.load(child).n == 10
        assert store.load(id).other is store.load(child)


def test_an_object_that_was_changed_in_it_can_be_saved_afterwards(
    store: Store, other: Store
) -> None:
    """It keeps its ID and the version of its record: no conflict, and no second ID."""
    thing = Thing(n=1)
    id = store.save(thing)
    with pytest.raises(Boom), store.transaction():
        thing.n = 2
        store.save(thing)
        thing.n = 3
        store.save(thing)
        raise Boom
    assert other.load(id).n == 1
    assert store.save(thing) == id
    other.invalidate_cache()
    assert other.load(id).n == 3


def test_objects_that_were_loaded_in_it_keep_their_ids(store: Store, opener: Opener) -> None:
    """Their records stay."""
    id = store.save(Thing(n=1))
    with opener() as fresh:
        with pytest.raises(Boom), fresh.transaction():
            thing = fresh.load(id)
            raise Boom
        thing.n = 2
        assert fresh.save(thing) == id
        assert fresh.list() == [id]


def test_an_object_that_it_loaded_and_saved_keeps_its_id(store: Store) -> None:
    """Saving its referrer would write the undone change under a new one."""
    two = Thing(n=0)
    one = Thing(n=0, other=two)
    store.save_many({"one": one, "two": two})
    del one, two
    store.invalidate_cache()
    with pytest.raises(Boom), store.transaction():
        one = store.load("one")
        for number in range(5):
            one.other.n = number + 1
            store.save(one.other)
        raise Boom
    assert [store.id_of(one), store.id_of(one.other)] == ["one", "two"]
    one.n = 1
    with pytest.raises(RolledBackError):
        store.save(one)
    assert store.list() == ["one", "two"]


def test_a_replaced_object_has_its_id_back(store: Store) -> None:
    """The object that was to replace it is new again."""
    first, second = Thing(n=1), Thing(n=2)
    id = store.save(first)
    with pytest.raises(Boom), store.transaction():
        store.replace(id, second)
        raise Boom
    assert second.persistent_id is None
    assert first.persistent_id == id
    assert store.load(id).n == 1
    first.n = 3
    assert store.save(first) == id
    assert store.save(second) != id


def test_objects_without_weak_references_are_rolled_back_too(store: Store) -> None:
    """The store holds lists; it forgets new ones."""
    kept, fresh = [1], [2]
    id = store.save(kept)
    with pytest.raises(Boom), store.transaction():
        store.remove(id)
        fresh_id = store.save(fresh)
        raise Boom
    assert store.load(id) == kept
    assert store.save(fresh) != fresh_id
    kept.append(3)
    assert store.save(kept) == id


@pytest.mark.thorough
def test_a_transaction_keeps_nothing_alive(store: Store) -> None:
    """Neither after a commit nor after a rollback."""
    seen = []
    for fails in (False, True):
        thing = Thing(n=1, other=Thing())
        seen += [weakref.ref(thing), weakref.ref(thing.other)]
        try:
            with store.transaction():
                store.save(thing)
                if fails:
                    raise Boom
        except Boom:
            pass
        del thing
    gc.collect()
    assert [ref() for ref in seen] == [None] * 4


def test_objects_that_died_in_it_do_not_come_back(store: Store) -> None:
    """An address used again is not the old object."""
    ids = store.save_many([Thing(n=n) for n in range(50)])
    with pytest.raises(Boom), store.transaction():
        for id in ids:
            store.load(id)
            store.remove(id)
        new = [Thing(n=n) for n in range(100)]
        store.save_many(new)
        raise Boom
    assert store.list() == sorted(ids)
    assert [store.load(id).n for id in ids] == list(range(50))
    assert not {*store.save_many(new)} & {*ids}


def test_a_save_that_failed_in_it_does_not_end_it(store: Store) -> None:
    """If the exception is caught, the other writes are committed."""
    with store.transaction():
        id = store.save([1])
        with pytest.raises(BrineryError):
            store.save(lambda: 0)
    assert store.list() == [id]


# -- what a rollback undid


def test_an_undone_change_does_not_come_back_by_a_referrer(store: Store) -> None:
    """`load` joins new objects to new ones, and no save stores the change along with another one."""
    account = Thing(n=100)
    bank = Thing(other=account)
    store.save_many([account, bank], ["account", "bank"])

    def withdraw(account: Thing) -> None:
        account.n -= 1000
        raise Boom

    with pytest.raises(Boom):
        store.update("account", withdraw)
    assert store.load("bank").other is store.load("account")
    assert store.load("account").n == 100
    bank.n = "changed"
    with pytest.raises(RolledBackError, match=r"'account'.*save each of them by itself") as caught:
        store.save(bank)
    assert caught.value.ids == ("account",)
    assert store.load("account").n == 100
    # The caller may say that this state is the right one.
    store.invalidate_cache()
    store.save_many([bank, account])
    assert store.load("account").n == -900


def test_unchanged_objects_of_before_a_rollback_are_saved_as_ever(store: Store) -> None:
    """Nor is it an error to write them with another codec."""
    child = Thing(n={"one", "two", "three"})
    id = store.save(Thing(other=child), "root")
    store.invalidate_cache()
    root = store.load(id)

    def roll_back() -> None:
        with pytest.raises(Boom), store.transaction():
            store.load(id)
            raise Boom

    roll_back()
    root.n = 1
    store.save(root)
    root.other.n = {"one", "two"}
    store.save(root)  # it was as its record when the last save looked
    roll_back()
    store.save(root, codec="cloudpickle")
    assert store.info(root.other.persistent_id).codec == "cloudpickle"
    roll_back()
    root.other.n = 5
    for codec in (None, "dill"):
        with pytest.raises(RolledBackError):
            store.save(root, codec=codec)


def test_objects_that_a_transaction_did_not_touch_are_in_no_doubt(
    store: Store, other: Store
) -> None:
    """An update that starts again because of another process is no reason to refuse their changes."""
    store.save_many({"count": Thing(n=0), "root": Thing(other=Thing(n=1))})
    root = store.load("root")

    def count(thing: Thing) -> None:
        if thing.n == 0:
            other.update("count", lambda theirs: setattr(theirs, "n", 5))
        thing.n += 1

    assert store.update("count", count).n == 6
    root.other.n = 2
    store.save(root)
    assert other.load("root").other.n == 2


def test_objects_that_it_reached_by_their_records_are_in_doubt(store: Store) -> None:
    """Also by the record of an object that is not alive, and where there are too many to look."""
    leaf = Thing(n=1)
    store.save(Thing(other=Thing(other=leaf)), "root")
    holder = Thing(other=leaf)
    store.save(holder, "holder")
    gc.collect()

    def change(most: int) -> None:
        leaf.n += 1
        with pytest.raises(Boom), store.transaction():
            store.save(store.load("root"))
            store.save_many([[n] for n in range(most)])
            raise Boom
        with pytest.raises(RolledBackError):
            store.save(holder)
        store.save(leaf)

    change(0)
    change(1)


def test_all_that_is_loaded_after_a_rollback_is_one_object_for_a_record(store: Store) -> None:
    """Although an object that was not part of the transaction refers to the former one."""
    b = Thing(n=0)
    a = Thing(other=b)
    root = Thing(other=a)
    store.save_many([b, a, root], ["b", "a", "root"])
    del a, b
    with pytest.raises(Boom), store.transaction():
        x = store.load("b")
        x.n = 999
        store.save(x)
        raise Boom
    b, a = store.load("b"), store.load("a")
    assert (b.n, a.other) == (0, b)
    b.other = a
    store.save(b)
    assert root.other.other.n == 999  # the object that the caller holds keeps its state


def test_an_undone_change_does_not_come_back_through_a_dead_object(store: Store) -> None:
    """What it referred to is alive by a cycle, and only its record leads there."""
    root = Thing(other=Thing(other=Thing(n=0)))
    y = root.other.other
    y.me = y
    store.save(root, "root")
    with pytest.raises(Boom), store.transaction():
        y.n = 999
        root.other = None
        store.save(root)
        raise Boom
    del y
    root = store.load("root")
    assert root.other.other.n == 0
    root.n = 1
    store.save(root)
    store.invalidate_cache()
    assert store.load("root").other.other.n == 0


def test_placeholders_are_forgotten_by_a_rollback_like_other_objects(store: Store) -> None:
    """The table of partial objects goes with them."""
    id = store.save(Thing(n=1))
    store.session.identity.incomplete.add(id)
    with pytest.raises(Boom), store.transaction():
        raise Boom
    assert store.session.identity.incomplete == set()


# -- conflicts


def test_a_conflict_at_the_end_names_all_records_and_undoes_everything(
    store: Store, other: Store
) -> None:
    """Also those whose names are digests of their IDs."""
    names = ["a", "b", "c", "x" * 300, "../d"]
    store.save_many([Thing(n=n) for n in range(5)], names)
    with pytest.raises(ConflictError) as caught, store.transaction():
        things = store.load_many(names)
        for thing in things:
            thing.n += 100
        store.save_many(things)
        new = Thing(n=7)
        store.save(new)
        for name in ("b", *names[3:]):
            other.update(name, lambda theirs: setattr(theirs, "n", -1))
    assert sorted(caught.value.ids) == sorted(["b", *names[3:]])
    assert new.persistent_id is None
    assert [store.load(name).n for name in names] == [0, -1, 2, -1, -1]
    # Repeated, it succeeds: the load returns the stored state.
    with store.transaction():
        for thing in store.load_many(names):
            thing.n += 100
            store.save(thing)
    other.invalidate_cache()
    assert [other.load(name).n for name in names] == [100, 99, 102, 99, 99]


def test_a_conflict_that_is_already_there_is_raised_by_save(store: Store, other: Store) -> None:
    """With a record that another store has saved before."""
    thing = Thing(n=1)
    id = store.save(thing)
    other.update(id, lambda theirs: setattr(theirs, "n", 2))
    thing.n = 3
    with store.transaction(), pytest.raises(ConflictError):
        store.save(thing)
    assert other.load(id).n == 2


def test_an_id_that_another_store_takes_is_a_conflict(store: Store, other: Store) -> None:
    """At once if the record is there already, else at the end."""
    with store.transaction():
        other.save([1], "theirs")
        with pytest.raises(IdTakenError):
            store.save([2], "theirs")
    with pytest.raises(ConflictError) as caught, store.transaction():
        store.save([2], "late")
        other.save([1], "late")
    assert caught.value.ids == ("late",)
    assert store.load("late") == [1]


def test_replacing_and_removing_raise_no_conflict(store: Store, other: Store) -> None:
    """As outside of transactions."""
    store.save_many([[1], [2]], ["a", "b"])
    with store.transaction():
        store.replace("a", [10])
        store.remove("b")
        other.replace("a", [20])
        other.replace("b", [20])
    assert store.load("a") == [10]
    assert "b" not in other


def test_a_stale_object_stays_a_conflict_after_the_commit(store: Store) -> None:
    """Of two objects for one record, only the one saved last is up to date."""
    first = Thing(n=1)
    with store.transaction():
        id = store.save(first)
        store.invalidate_cache()
        second = store.load(id)
        second.n = 2
        store.save(second)
    first.n = 3
    with pytest.raises(ConflictError):
        store.save(first)
    assert store.load(id) is second


# -- failures at the end


def test_an_interrupt_after_the_commit_keeps_the_committed_versions() -> None:
    """The records are visible: the objects have their IDs, and do not conflict with themselves."""
    backend = Commits()
    store = Store(backend)
    store.save([0])
    thing = Thing(n=1)
    with pytest.raises(KeyboardInterrupt), store.transaction():
        id = store.save(thing)
        backend.then = KeyboardInterrupt()
    assert store.load(id) is thing
    thing.n = 2
    assert store.save(thing) == id


def test_a_failed_commit_is_rolled_back() -> None:
    """The error passes, the objects are new again."""

    class Full(MemoryBackend):
        is_full = False

        def commit(self, puts: Any, deletes: Any = ()) -> Any:
            puts = list(puts)
            if self.is_full and not puts[0].name.startswith("."):
                raise BrineryError("full")
            return super().commit(puts, deletes)

    backend = Full()
    store = Store(backend)
    thing = Thing(n=1)
    with pytest.raises(BrineryError, match="full"), store.transaction():
        id = store.save(thing)
        backend.is_full = True
    backend.is_full = False
    assert thing.persistent_id is None
    assert store.list() == []
    assert store.save(thing) != id


# -- transactions in transactions


def test_an_inner_transaction_is_a_savepoint(store: Store, other: Store) -> None:
    """Its exception, caught, undoes its own part; the outer one commits all at its end."""
    thing, inner, lost = Thing(n=1), Thing(n=2), Thing(n=3)
    with store.transaction():
        id = store.save(thing)
        with store.transaction():
            inner_id = store.save(inner)
            thing.n = 10
            store.save(thing)
        with pytest.raises(Boom), store.transaction():
            store.save(lost)
            store.remove(inner_id)
            thing.n = 20
            store.save(thing)
            raise Boom
        assert lost.persistent_id is None
        assert store.load(inner_id).n == 2
        assert store.load(id).n == 10
        assert other.list() == []
    assert sorted(other.list()) == [id, inner_id]
    assert other.load(id).n == 10
    thing.n = 30
    store.save(thing)
    inner.n = 31
    store.save(inner)
    other.invalidate_cache()
    assert [other.load(id).n, other.load(inner_id).n] == [30, 31]


def test_the_outer_exception_undoes_the_inner_commit(store: Store) -> None:
    """No write of either is left, however they are nested."""
    kept = Thing(n=1)
    id = store.save(kept)
    things = [Thing(n=n) for n in range(3)]
    with pytest.raises(Boom), store.transaction():
        store.save(things[0])
        with store.transaction():
            store.save(things[1])
            store.remove(id)
            with store.transaction():
                store.save(things[2])
        raise Boom
    assert [thing.persistent_id for thing in things] == [None] * 3
    assert store.list() == [id]
    assert store.save(kept) == id


def test_objects_loaded_in_an_inner_one_are_dropped_with_their_record(store: Store) -> None:
    """An object decoded from a record of the outer transaction is new once that is rolled back."""
    with pytest.raises(Boom), store.transaction():
        id = store.save(Thing(n=1))
        store.invalidate_cache()
        with pytest.raises(Boom), store.transaction():
            loaded = store.load(id)
            raise Boom
        assert store.save(loaded) == id
        raise Boom
    assert store.list() == []
    assert store.save(loaded) != id


# -- its life


def test_other_threads_wait_for_its_end(store: Store) -> None:
    """They see all of it or nothing, and their own writes are not part of it."""
    started, seen = threading.Event(), []

    def look() -> None:
        started.set()
        seen.append(store.list())

    thread = threading.Thread(target=look)
    with store.transaction():
        store.save([1], "a")
        thread.start()
        started.wait()
        thread.join(0.05)
        assert thread.is_alive()
        store.save([2], "b")
    thread.join()
    assert seen == [["a", "b"]]


def test_closing_inside_rolls_back(opener: Opener) -> None:
    """The end of the block raises an error."""
    store = opener()
    with pytest.raises(TransactionError), store.transaction():
        store.save([1], "a")
        store.close()
        with pytest.raises(ClosedError):
            store.list()
    with opener() as other:
        assert other.list() == []
    with pytest.raises(ClosedError), store.transaction():
        pass


def test_the_settings_are_not_part_of_it(opener: Opener) -> None:
    """They are written at the first save, even if that is rolled back."""
    with opener() as store, pytest.raises(Boom), store.transaction():
        store.save([1])
        raise Boom
    with opener() as store:
        assert store.list() == []
        store.save([1])


def test_the_backend_of_the_store_stays_the_same() -> None:
    """The attribute is the backend that others see, also inside a transaction."""
    backend: Backend = MemoryBackend()
    store = Store(backend)
    with store.transaction():
        store.save([1], "a")
        assert store.backend is backend
        assert list(backend.list()) == []
        backend.commit([Put("b", (b"stray",))])
    assert sorted(backend.list()) == ["a", "b"]


def test_a_decorated_function_is_a_transaction() -> None:
    """The result of `contextmanager` is also a decorator."""
    store = MemoryStore()

    @store.transaction()
    def work() -> None:
        store.save([1], "a")
        raise Boom

    for _ in range(2):
        with pytest.raises(Boom):
            work()
    assert store.list() == []
