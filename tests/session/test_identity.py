"""The side table of living objects."""

from __future__ import annotations

import gc
import threading
from typing import Any

from brinery.registry.codecs import make_codec
from brinery.session.identity import NOTHING, IdentityMap

CODEC = make_codec("pickle")


class Thing:
    """Takes weak references."""


class Number(int):
    """Takes no weak references."""


def entered(*objects: Any) -> IdentityMap:
    """Return a map with the objects under their positions."""
    table = IdentityMap()
    table.enter((str(position), obj, 0, b"", CODEC) for position, obj in enumerate(objects))
    return table


def test_an_object_is_found_by_id_and_by_itself() -> None:
    """In both directions, by identity and not by equality."""
    one, two = [1], [1]
    table = entered(one, two)
    assert table.get("1") is two
    entry = table.entry(one)
    assert entry is not None
    assert entry.id == "0"
    assert table.entry([1]) is None


def test_a_dead_object_is_forgotten() -> None:
    """The table does not keep it alive."""
    thing = Thing()
    table = entered(thing)
    del thing
    gc.collect()
    assert table.get("0") is NOTHING
    assert len(table) == 0


def test_objects_without_weak_references_are_dropped_once_unreferenced() -> None:
    """The table stays small while thousands of them come and go."""
    kept = [Number(n) for n in range(10)]
    table = entered(*kept)
    for n in range(20_000):
        table.set(f"passing {n}", Number(n), 0, b"", CODEC)
    assert len(table) < 1000
    assert all(table.get(str(n)) is kept[n] for n in range(10))


def test_an_address_used_again_is_not_the_old_object() -> None:
    """A dead object leaves no entry that a new object at its address could inherit."""
    table = IdentityMap()
    for n in range(2000):
        thing = Thing()
        assert table.entry(thing) is None
        table.set(str(n), thing, 0, b"", CODEC)
        del thing


def test_objects_may_die_in_other_threads_at_any_time() -> None:
    """`doubt` iterates over a table that may change at the same time."""
    table, ended = IdentityMap(), threading.Event()
    kept = [Thing() for _ in range(500)]
    for n, thing in enumerate(kept):
        table.set(str(n), thing, 0, b"", CODEC)
    passing = [Thing() for _ in range(20_000)]
    for n, thing in enumerate(passing):
        table.set(f"passing {n}", thing, 0, b"", CODEC)
    del thing

    def let_go() -> None:
        while passing:
            passing.pop()
        ended.set()

    thread = threading.Thread(target=let_go)
    thread.start()
    while not ended.is_set():
        table.doubt(None)
    thread.join()
    assert len(table) == len(kept)


def test_atoms_have_no_identity() -> None:
    """One small integer under two IDs is two objects of the store."""
    table = entered(5, 5, "x", None)
    assert table.get("0") is NOTHING
    assert table.entry(5) is None


def test_forgetting_objects_leaves_the_living_their_ids() -> None:
    """`invalidate_cache` does not make a saved object a new one."""
    thing = Thing()
    table = entered(thing)
    table.forget_objects()
    assert table.get("0") is NOTHING
    entry = table.entry(thing)
    assert entry is not None
    assert entry.id == "0"


def test_removing_a_record_makes_its_object_new() -> None:
    """The object has no ID any more."""
    thing, other = Thing(), Thing()
    table = entered(thing, other)
    table.remove("0")
    assert table.entry(thing) is None
    assert table.entry(other) is not None
