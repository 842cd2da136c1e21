"""Objects whose hooks save and load other objects of the same store."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brinery import (
    AlreadySavedError,
    BrineryError,
    DecodeError,
    EncodeError,
    MemoryStore,
    NotFoundError,
    Persistable,
    Store,
    make_store,
)


class Thing(Persistable):
    """Holds any attributes."""

    n: Any
    other: Any
    child: Any
    cursor: Any

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Cursor:
    """Keeps the ID of an object, which it saves when it is saved."""

    store: Store
    wanted: str | None = None
    changes = False

    def __init__(self, child: Any) -> None:
        self.child = child

    def __getstate__(self) -> Any:
        if Cursor.changes:
            self.child.n = getattr(self.child, "n", 0) + 1
        return {"id": str(Cursor.store.save(self.child, Cursor.wanted))}

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)


class Link(Persistable):
    """Loads the object that it refers to by its ID."""

    store: Store
    calls = 0
    wraps = False

    def __init__(self, to: str | None) -> None:
        self.to = to

    def __getstate__(self) -> Any:
        return {"to": self.to}

    def __setstate__(self, state: Any) -> None:
        Link.calls += 1
        if state["to"] is None:
            raise ValueError("the end is broken")
        self.to = state["to"]
        try:
            self.target = Link.store.load(state["to"])
        except BrineryError as error:
            if Link.wraps:
                raise ValueError(f"no {state['to']}") from error
            raise


class Keyed(Link):
    """The same, where the object is a key of its own."""

    def __init__(self, to: str) -> None:
        super().__init__(to)
        self.table = {self: 1}

    def __getstate__(self) -> Any:
        return {"to": self.to, "table": self.table}

    def __eq__(self, other: object) -> bool:
        return type(other) is Keyed and self.to == other.to

    def __hash__(self) -> int:
        return hash(self.to)


@pytest.fixture(params=["memory", "directory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Give a store of each kind, which the hooks use."""
    urls = {"directory": f"{tmp_path}/jobs", "sqlite": f"sqlite:///{tmp_path}/jobs.db"}
    opened: Store
    if request.param == "memory":
        opened = MemoryStore()
    else:
        opened = make_store(urls[request.param], durability="process")
    with opened:
        Cursor.store = Link.store = opened
        yield opened
        Cursor.wanted, Cursor.changes, Link.wraps = None, False, False


# -- saving


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill"])
@pytest.mark.parametrize("first", ["child", "cursor"])
def test_one_object_gets_one_record(store: Store, first: str, codec: str) -> None:
    """Whether the save around it has met the object before or not."""
    child = Thing(n=1)
    parts = {"child": child, "cursor": Cursor(child)}
    parent = Thing(**dict(sorted(parts.items(), reverse=first == "cursor")))
    store.save(parent, "parent", codec=codec)
    assert store.references("parent") == (child.persistent_id,)
    assert store.list() == [child.persistent_id, "parent"]
    store.invalidate_cache()
    parent = store.load("parent")
    assert parent.cursor.id == parent.child.persistent_id
    assert parent.child.n == 1


def test_it_gets_one_record_in_a_transaction(store: Store) -> None:
    """Both saves belong to it."""
    child = Thing(n=1)
    with store.transaction():
        store.save(Thing(child=child, cursor=Cursor(child)), "parent")
    assert store.list() == [child.persistent_id, "parent"]


def test_an_object_that_was_encoded_already_is_looked_at_again(store: Store) -> None:
    """A later record of the same save has the hook."""
    child = Thing(n=1)
    last = Thing(cursor=Cursor(child))
    store.save(Thing(child=child, other=Thing(other=last)), "parent")
    assert len(store) == 4
    # The same with objects that are stored, and that the hook changes once more.
    Cursor.changes = True
    child.n = 10
    store.save(store.load("parent"))
    Cursor.changes = False
    assert len(store) == 4
    store.invalidate_cache()
    assert store.load("parent").child.n == child.n > 10


def test_a_second_id_is_refused(store: Store) -> None:
    """The save around it has given it one already."""
    child = Thing()
    Cursor.wanted = "mine"
    with pytest.raises(AlreadySavedError):
        store.save(Thing(child=child, cursor=Cursor(child)))
    assert store.list() == []


def test_an_object_that_saves_itself_is_refused(store: Store) -> None:
    """Not after the limit of recursion."""
    limit = sys.getrecursionlimit()
    parent = Thing()
    parent.cursor = Cursor(parent)
    with pytest.raises(EncodeError, match="it is being saved already"):
        store.save(parent)
    assert store.list() == []
    assert sys.getrecursionlimit() == limit
    store.save([Cursor([1])])  # others can be saved


class Step(Persistable):
    """Saves the next one when it is saved; the last one cannot be."""

    calls = 0
    wraps = False

    def __init__(self, next: Step | None) -> None:
        self.next = next

    def __getstate__(self) -> Any:
        Step.calls += 1
        if self.next is None:
            raise ValueError("the end cannot be saved")
        try:
            return {"next": str(Cursor.store.save(self.next))}
        except BrineryError as error:
            if Step.wraps:
                raise ValueError("no next one") from error
            raise


@pytest.mark.parametrize("wraps", [False, True])
def test_a_failed_save_costs_a_few_encodings_for_each_level(store: Store, wraps: bool) -> None:
    """Only the outermost save looks for the place of the failure."""
    Step.wraps, Step.calls = wraps, 0
    length = 12
    step = Step(None)
    for _ in range(length - 1):
        step = Step(step)
    with pytest.raises(EncodeError, match="no next one" if wraps else "the end cannot be saved"):
        store.save(step)
    assert Step.calls <= 10 * length
    assert store.list() == []


# -- loading


@pytest.mark.parametrize("wraps", [False, True])
@pytest.mark.parametrize("to", [None, "missing"])
def test_a_failure_costs_one_decode_for_each_level(
    store: Store, to: str | None, wraps: bool
) -> None:
    """Also the innermost, whether it failed by itself or because its target is missing."""
    Link.wraps = wraps
    length = 10
    for i in range(length):
        store.save(Link(f"link-{i - 1}" if i else to), f"link-{i}")
    store.invalidate_cache()
    Link.calls = 0
    with pytest.raises(DecodeError, match="link-9"):
        store.load(f"link-{length - 1}")
    assert Link.calls == length
    # A failure leaves no trace: the rest can be loaded.
    store.save(Thing(n=1), "missing")
    if to:
        assert store.load("link-3").target.target.target.target.n == 1


@pytest.mark.parametrize("cls", [Link, Keyed])
def test_a_ring_ends_in_an_error(store: Store, cls: Any) -> None:
    """Which says what it is; an object may also load itself."""
    store.save_many([cls("b"), cls("a"), cls("self")], ["a", "b", "self"])
    store.invalidate_cache()
    for id in ("a", "b", "self"):
        Link.calls = 0
        with pytest.raises(DecodeError, match=r"it is being loaded already.*first used"):
            store.load(id)
        assert Link.calls <= 6
    with pytest.raises(NotFoundError):
        store.load("c")


class Eager(Persistable):
    """Loads an object that belongs to the graph in which it is loaded itself."""

    def __init__(self, to: str, **attributes: Any) -> None:
        self.to = to
        self.__dict__.update(attributes)

    def __getstate__(self) -> Any:
        return {name: value for name, value in vars(self).items() if name != "target"}

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)
        self.target = Link.store.load(self.to)


@pytest.mark.parametrize("first", ["eager", "thing"])
def test_an_object_of_the_graph_around_it_is_one_object(store: Store, first: str) -> None:
    """Whichever of the two is decoded first; both are saved under their own IDs."""
    thing = Thing(n=1, other=Thing(n=2))
    store.save(thing, "thing")
    parts = {"eager": Eager("thing"), "thing": thing}
    root = Thing(**dict(sorted(parts.items(), reverse=first == "thing")))
    store.save(root, "root")
    store.invalidate_cache()
    root = store.load("root")
    assert root.eager.target is root.thing is store.load("thing")
    root.thing.n = 5
    root.thing.other.n = 6
    store.save(root)
    assert len(store) == 4
    store.invalidate_cache()
    assert (store.load("thing").n, store.load("thing").other.n) == (5, 6)


def test_an_object_in_a_cycle_is_lent_when_it_is_complete(store: Store) -> None:
    """One that waits for the hook is a ring."""
    one, two = Thing(n=1), Thing(n=2)
    one.other, two.other = two, one
    store.save_many([one, two], ["one", "two"])
    store.save(Thing(a=one, b=Eager("two"), c=two), "root")
    owner = Thing(n=3)
    owner.child = Eager("owner")
    store.save(owner, "owner")
    store.invalidate_cache()
    root = store.load("root")
    assert root.b.target is root.c is root.a.other
    assert root.a is root.c.other
    with pytest.raises(DecodeError, match="it is being loaded already"):
        store.load("owner")


def test_a_lent_object_stays_when_the_load_around_it_fails(store: Store) -> None:
    """It is complete; nothing else of the failed load is known."""
    store.save(Thing(n=1), "thing")
    store.save(Thing(a=store.load("thing"), b=Eager("thing"), c=Link(None)), "root")
    kept = []
    store.invalidate_cache()
    with pytest.raises(DecodeError, match="the end is broken"):
        store.load("root")
    kept.append(store.load("thing"))
    kept[0].n = 2
    assert store.save(kept[0]) == "thing"


def test_a_hook_may_change_and_save_what_it_loads(store: Store) -> None:
    """The load around it takes the object as it is then."""

    class Counting(Eager):
        def __setstate__(self, state: Any) -> None:
            super().__setstate__(state)
            self.target.n += 1
            Link.store.save(self.target)

    Counting.__qualname__ = "Counting"
    globals()["Counting"] = Counting
    try:
        thing = Thing(n=1)
        store.save(thing, "thing")
        store.save(Thing(a=Counting("thing"), b=thing, c=Counting("thing")), "root")
        store.invalidate_cache()
        root = store.load("root")
        assert root.a.target is root.b is root.c.target
        root.b.n += 1
        store.save(root)
        assert len(store) == 4
        store.invalidate_cache()
        assert store.load("thing").n == 4
    finally:
        del globals()["Counting"]


def test_a_check_keeps_its_objects_to_itself(store: Store) -> None:
    """Its loads have living objects of their own, and a hook loads by the store."""
    store.save(Thing(n=1), "thing")
    store.save(Thing(a=Eager("thing"), b=store.load("thing")), "root")
    store.invalidate_cache()
    assert store.check().is_good
    root = store.load("root")
    assert root.a.target is root.b
    store.save(root)
    assert len(store) == 3


def test_loads_inside_a_graph_go_on_working(store: Store) -> None:
    """Also several of them, and of one object."""
    store.save(Thing(n=1), "target")
    ids = store.save_many([Link("target"), Link("target"), [Link("target")]])
    store.invalidate_cache()
    one, two, several = store.load_many(ids)
    assert one.target is two.target is several[0].target is store.load("target")
