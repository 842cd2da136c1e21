"""What a save would write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.lazy.test_loading import Job, Jobs, place, saved

import brinery
from brinery import MemoryStore, Store

__all__ = ["place"]


def shown(changes: Any) -> dict[Any, tuple[str, ...]]:
    """Return the names of the attributes by ID."""
    return {change.id: change.attributes for change in changes}


def test_the_attributes_that_differ(place: Callable[..., Store]) -> None:
    """Of all objects that a save would write; and nothing is written."""
    saved(place, Jobs(4))
    for lazy in (False, True):
        store = place(lazy=lazy)
        root = store.load("root")
        assert store.changed(root) == []
        root.jobs[1].n, root.jobs[1].more = 5, "text"
        del root.jobs[2].previous
        new = Job(9)
        root.jobs.append(new)
        before = {info.id: info.created for info in store.infos()}
        changes = store.changed(root)
        assert shown(changes) == {
            "root": ("jobs",),
            "Job.2": ("n", "more"),
            "Job.3": ("previous",),
            None: (),
        }
        assert next(change.obj for change in changes if change.id is None) is new
        assert store.id_of(new) is None
        assert shown(store.changed(root.jobs[1], deep=False)) == {"Job.2": ("n", "more")}
        assert {info.id: info.created for info in store.infos()} == before
    ids = {store.id_of(job) for job in root.jobs[:4]}
    store.save(root)
    assert store.changed(root, root.jobs[0]) == []
    assert store.id_of(new) == "Job.5", "no ID was used up"
    assert ids == {"Job.1", "Job.2", "Job.3", "Job.4"}


def test_equal_values_are_no_change() -> None:
    """Of attributes that were set again, in whichever order a set has its members."""
    with MemoryStore() as store:
        job = Job(1)
        job.all = [{"a", "b"}, "text", 1.5, None, {"n": "n"}]
        store.save(job, "job")
        job.all = [{"b", "a"}, "text", 1.5, None, {"n": "n"}]
        job.n = 2
        assert shown(store.changed(job)) == {"job": ("n",)}


def test_objects_without_attributes() -> None:
    """There are no names."""
    with MemoryStore() as store:
        items = [1, 2]
        store.save(items, "items")
        items.append(3)
        assert shown(store.changed(items)) == {"items": ()}
        with pytest.raises(brinery.EncodeError):
            store.changed([iter([])], (str(n) for n in [1]))
