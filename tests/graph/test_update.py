"""Updating objects that other processes change at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from brinery import (
    ConflictError,
    FilesystemStore,
    IdTakenError,
    InvalidArgumentError,
    NotFoundError,
    Persistable,
    RolledBackError,
    Store,
)
from brinery.backends.memory import MemoryBackend


class Thing(Persistable):
    """Holds any attributes."""

    n: Any
    other: Any

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


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


def add(n: int = 1) -> Callable[[Any], None]:
    """Return a function that adds to the attribute `n`, in place."""

    def added(thing: Any) -> None:
        thing.n += n

    return added


def test_the_living_object_is_changed_if_its_record_is_unchanged(
    store: Store, other: Store
) -> None:
    """The same object each time, and saved."""
    thing = Thing(n=1)
    id = store.save(thing)
    assert store.update(id, add()) is thing
    assert store.update(id, add()) is thing
    assert store.load(id) is thing
    assert other.load(id).n == 3


def test_a_change_by_another_store_is_kept(store: Store, other: Store) -> None:
    """The update begins with the stored state; a living object is left alone, and is out of date."""
    thing = Thing(n=1)
    id = store.save(thing)
    other.update(id, add(10))
    updated = store.update(id, add(100))
    assert updated is not thing
    assert (updated.n, thing.n) == (111, 1)
    assert store.load(id) is updated
    thing.n = 7
    with pytest.raises(ConflictError) as caught:
        store.save(thing)
    assert caught.value.ids == (id,)


def test_unsaved_changes_are_left_out(store: Store) -> None:
    """They are not saved, because nobody asked for that, and they are not lost silently."""
    thing = Thing(n=1)
    id = store.save(thing)
    thing.n = 50
    updated = store.update(id, add())
    assert (updated.n, thing.n) == (2, 50)
    with pytest.raises(ConflictError):
        store.save(thing)


def test_it_is_repeated_when_another_store_comes_first(store: Store, other: Store) -> None:
    """With a freshly loaded object each time, until there is no conflict."""
    id = store.save(Thing(n=0))
    seen = []

    def function(thing: Any) -> None:
        seen.append((thing, thing.n))
        if len(seen) < 4:
            other.update(id, add(10))
        thing.n += 1

    updated = store.update(id, function)
    assert [n for _, n in seen] == [0, 10, 20, 30]
    assert len({obj for obj, _ in seen}) == 4
    assert updated.n == 31
    other.invalidate_cache()
    assert other.load(id).n == 31


@pytest.mark.parametrize("attempts", [1, 3])
def test_it_gives_up_after_some_attempts(store: Store, other: Store, attempts: int) -> None:
    """The conflict is raised, and the store has the changes of the others."""
    id = store.save(Thing(n=0))
    calls = []

    def function(thing: Any) -> None:
        calls.append(thing.n)
        other.update(id, add(10))
        thing.n += 1

    with pytest.raises(ConflictError) as caught:
        store.update(id, function, attempts=attempts)
    assert caught.value.ids == (id,)
    assert calls == [0, 10, 20][:attempts]
    assert store.load(id).n == 10 * attempts


def test_it_gives_up_after_some_time(store: Store, other: Store) -> None:
    """However many attempts there are left."""
    id = store.save(Thing(n=0))
    begun = time.monotonic()
    with pytest.raises(ConflictError):
        store.update(
            id, lambda thing: (other.update(id, add()), thing)[1].__dict__.update(n=-1), timeout=0.1
        )
    assert time.monotonic() - begun < 5


def test_another_object_can_take_the_place(store: Store, other: Store) -> None:
    """The object that the function returns is saved, if the record has not changed."""
    first, second = Thing(n=1), Thing(n=2)
    id = store.save(first)
    assert store.update(id, lambda thing: second) is second
    assert store.load(id) is second
    calls = []

    def function(thing: Any) -> Any:
        calls.append(thing.n)
        if len(calls) == 1:
            other.update(id, add(10))
        return Thing(n=thing.n + 1)

    assert store.update(id, function).n == 13
    assert calls == [2, 12]
    assert store.update(id, lambda thing: thing).n == 13


def test_numbers_and_strings_can_be_updated(store: Store, other: Store) -> None:
    """They have no identity; the function returns the new value."""
    store["hits"] = 5
    calls = []

    def function(hits: int) -> int:
        calls.append(hits)
        if len(calls) == 1:
            other.update("hits", lambda theirs: theirs + 10)
        return hits + 1

    assert store.update("hits", function) == 16
    assert calls == [5, 15]
    assert store["hits"] == other["hits"] == 16


def test_plain_containers_can_be_updated_in_place(store: Store, other: Store) -> None:
    """Also a list, which takes no weak references."""
    names = ["a"]
    id = store.save(names)
    assert store.update(id, lambda held: held.append("b")) is names
    other.update(id, lambda held: held.append("c"))
    assert store.update(id, lambda held: held.append("d")) == ["a", "b", "c", "d"]


def test_what_the_function_raises_ends_it(store: Store) -> None:
    """Nothing is saved, and the next update begins with the stored state."""
    thing = Thing(n=1)
    id = store.save(thing)

    def function(thing: Any) -> None:
        thing.n += 100
        store.save([1], "on the way")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.update(id, function)
    assert "on the way" not in store
    assert store.load(id).n == 1
    assert store.update(id, add()).n == 2


def test_what_the_function_saves_is_part_of_it(store: Store, other: Store) -> None:
    """After a conflict of any of these the update starts again, and loads all of them again."""
    store.save_many([Thing(n=100), Thing(n=0)], ["payer", "payee"])
    kept = store.load_many(["payer", "payee"])
    calls: list[None] = []

    def pay(payer: Any) -> None:
        calls.append(None)
        payee = store.load("payee")
        if len(calls) == 1:
            other.update("payee", add(7))
        payer.n -= 10
        payee.n += 10
        store.save(payee)
        store.save([len(calls)])

    assert store.update("payer", pay).n == 90
    assert len(calls) == 2
    assert store.load("payee").n == 17
    assert [store.load(id) for id in store.list("list")] == [[2]]
    del kept


def test_a_conflict_of_something_reached_is_solved(store: Store, other: Store) -> None:
    """Even if living objects in between lead to the old one."""
    root = Thing(other=Thing(other=Thing(n=0)))
    id = store.save(root)
    leaf = root.other.other.persistent_id
    other.update(leaf, add(10))

    def function(thing: Any) -> None:
        thing.other.other.n += 1

    assert store.update(id, function).other.other.n == 11
    assert root.other.other.n == 1
    other.invalidate_cache()
    assert other.load(leaf).n == 11


def test_a_member_of_a_cycle_that_another_store_changed_can_be_updated(
    store: Store, other: Store
) -> None:
    """The whole cycle is loaded again: new and old objects do not mix."""
    ring = [Thing(n=0) for _ in range(4)]
    for position, thing in enumerate(ring):
        thing.other = ring[position - 1]
    ids = store.save_many(ring)
    for held in (ids[0], ids[2]):
        other.update(held, add(10))
    ring[3].n = 5  # not saved
    first = store.update(ids[0], add())
    assert first.n == 11
    assert [first.other.n, first.other.other.n] == [0, 10]
    assert first.other.other.other.other is first
    assert store.save(first) == ids[0]
    assert len(store.list()) == 4


def test_what_is_loaded_after_a_refresh_is_one_object_for_a_record(
    store: Store, other: Store
) -> None:
    """Although a living object refers to the former one."""
    ann = Thing(n=100)
    bank = Thing(other=ann)
    store.save_many([ann, bank], ["ann", "bank"])
    other.update("ann", deposit)
    store.update("ann", deposit)
    assert store.load("ann").n == 120
    assert store.load("bank").other is store.load("ann")
    assert bank.other is ann


def test_an_object_of_before_a_rollback_ends_it_at_once(store: Store) -> None:
    """The function would use the same object in each attempt."""
    held = Thing(other=Thing(n=1))
    store.save_many([held, Thing(n=0)], ["held", "n"])
    calls = []

    def function(thing: Thing) -> None:
        calls.append(thing)
        held.other.n = len(calls)
        store.save(held)
        if len(calls) == 1:
            raise KeyError

    with pytest.raises(KeyError):
        store.update("n", function)
    with pytest.raises(RolledBackError):
        store.update("n", function)
    assert len(calls) == 2


def deposit(account: Thing) -> None:
    """Change an object in place."""
    account.n += 10


def test_objects_loaded_at_two_times_are_loaded_again(store: Store) -> None:
    """If a function brings together an old and a new object for one record."""
    child = store.save(Thing(n=1))
    old = store.load(child)
    id = store.save(Thing(other=None, more=None))
    store.invalidate_cache()
    given = [old]

    def function(thing: Any) -> None:
        thing.other = store.load(child)
        thing.more = given.pop() if given else thing.other

    updated = store.update(id, function)
    assert updated.more is updated.other is not old


def test_an_update_in_a_transaction_is_part_of_that(store: Store, other: Store) -> None:
    """It sees the writes of the transaction, and is rolled back with it."""
    id = store.save(Thing(n=0))
    with store.transaction():
        store.update(id, add())
        store.update(id, add())
        assert other.load(id).n == 0
    other.invalidate_cache()
    assert other.load(id).n == 2


def test_a_missing_object_cannot_be_updated(store: Store, other: Store) -> None:
    """Nor can a record that another store removes during the update: the removal stays."""
    with pytest.raises(NotFoundError):
        store.update("nothing", add())
    id = store.save(Thing(n=0))

    def function(thing: Any) -> None:
        if id in other:
            other.remove(id)
        thing.n += 1

    with pytest.raises(NotFoundError):
        store.update(id, function)
    assert store.list() == []


def test_an_id_that_is_taken_is_not_tried_again(store: Store) -> None:
    """Or at most once: repeating would not help."""
    store.save([1], "taken")
    id = store.save(Thing(n=0))
    calls: list[None] = []

    def function(thing: Any) -> None:
        calls.append(None)
        store.save([2], "taken")

    with pytest.raises(IdTakenError):
        store.update(id, function)
    assert len(calls) <= 2


def test_a_function_that_removes_the_object_is_told_so(store: Store) -> None:
    """At once, and its removal is undone."""
    id = store.save(Thing(n=0))
    calls: list[None] = []

    def function(thing: Any) -> None:
        calls.append(None)
        store.remove(id)

    with pytest.raises(InvalidArgumentError, match=r"got one that removes it.*transaction\(\)"):
        store.update(id, function)
    assert len(calls) == 1
    assert store.load(id).n == 0


def test_a_function_may_save_the_object_itself(store: Store, other: Store) -> None:
    """And change it again, or save it as a new one."""
    id = store.save(Thing(n=0))

    def save_twice(thing: Any) -> None:
        thing.n += 1
        store.save(thing)
        thing.n += 1

    assert store.update(id, save_twice).n == 2
    assert other.load(id).n == 2


@pytest.mark.parametrize("wrong", [3, None, "text", [len]])
def test_what_is_no_function_is_refused(store: Store, wrong: Any) -> None:
    """Whether the object is there or not."""
    store.save([1], "there")
    for id in ("there", "missing"):
        with pytest.raises(InvalidArgumentError, match=f"update: expected a function for '{id}'"):
            store.update(id, wrong)


def test_a_mapping_is_accepted_as_by_any_mapping(store: Store) -> None:
    """`update` with a mapping replaces its objects, in one commit."""
    store.update({"a": [1], "b": [2]})
    store.update([("b", [3])], c=[4])
    store.update(attempts=[5])
    assert dict(store) == {"a": [1], "b": [3], "c": [4], "attempts": [5]}

    def pairs() -> Iterator[tuple[str, Any]]:
        yield "a", [10]
        raise ValueError

    with pytest.raises(ValueError):
        store.update(pairs())
    assert store["a"] == [1]


@pytest.mark.parametrize(
    "wrong", [{"attempts": 0}, {"attempts": 1.5}, {"timeout": -1}, {"timeout": "1"}]
)
def test_wrong_arguments_are_refused(store: Store, wrong: dict[str, Any]) -> None:
    """Before anything is loaded."""
    with pytest.raises(InvalidArgumentError):
        store.update("a", add(), **wrong)


def test_an_id_without_a_function_is_refused(store: Store) -> None:
    """It would be taken for a sequence of pairs."""
    with pytest.raises(InvalidArgumentError):
        store.update("ab")  # type: ignore[arg-type]


@pytest.mark.thorough
@pytest.mark.parametrize("shares_a_store", [True, False])
def test_no_update_of_threads_is_lost(opener: Opener, shares_a_store: bool) -> None:
    """Each of them counts, whether they share a store or have one each."""
    threads, times = 6, 20
    shared = opener()
    shared.save(Thing(n=0), "counter")
    start = threading.Barrier(threads)

    def work(_: int) -> None:
        store = shared if shares_a_store else opener()
        start.wait()
        for _ in range(times):
            store.update("counter", add())
        if store is not shared:
            store.close()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    shared.invalidate_cache()
    assert shared.load("counter").n == threads * times
    shared.close()
