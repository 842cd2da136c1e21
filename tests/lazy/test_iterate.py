"""Many objects, a few at a time."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.lazy.test_loading import Job, Jobs, place, reads_of, saved

import brinery
from brinery import MemoryStore, Store

__all__ = ["place"]


def test_all_objects_in_the_order_of_ids(place: Callable[..., Store]) -> None:
    """As pairs; also by the views of mappings."""
    saved(place, Jobs(12))
    store = place()
    ids = store.list()
    assert ids[-4:] == ["Job.10", "Job.11", "Job.12", "root"]
    assert [id_ for id_, _ in store.iterate()] == ids
    assert [id_ for id_, _ in store.items()] == ids
    assert [store.id_of(obj) for obj in store.values()] == ids
    assert [job.n for _, job in store.iterate(prefix="Job.1")] == [0, 9, 10, 11]
    assert [id_ for id_, _ in store.iterate(cls=Jobs)] == ["root"]
    assert [job.n for _, job in store.iterate(["Job.3", "Job.2", "gone"])] == [2, 1]
    assert len(store.items()) == 13
    assert ("Job.3", store["Job.3"]) in store.items()
    with pytest.raises(brinery.InvalidArgumentError, match="ids, or prefix"):
        store.iterate(["a"], prefix="b")
    with pytest.raises(brinery.InvalidArgumentError, match="expected a list"):
        store.iterate("Job.1")


def test_records_are_read_together(
    place: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with `lazy` nothing else is read."""
    with place() as store:
        store.save_many({f"job.{n}": Job(n) for n in range(600)})
    store = place()
    reads = reads_of(store, monkeypatch)
    assert sum(job.n for _, job in store.iterate(lazy=True)) == 600 * 599 // 2
    assert len(reads) == 3
    assert sum(map(len, reads)) == 600


def test_objects_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large ones are read one by one, and none is kept."""
    monkeypatch.setattr("brinery.graph.loading.iterate._LARGEST", 100_000)
    with MemoryStore() as store:
        for n in range(20):
            job = Job(n)
            job.all = np.zeros(10_000)
            store.save(job, f"job.{n}")
        del job
        store.invalidate_cache()
        known: list[Any] = []
        for _, job in store.iterate():
            known.append(weakref.ref(job))
            gc.collect()
            assert sum(each() is not None for each in known) <= 2


def test_records_that_are_removed_meanwhile(place: Callable[..., Store]) -> None:
    """Are left out; one to which an object refers is an error."""
    with place() as store:
        store.save_many({f"job.{n}": Job(n) for n in range(600)})
    store, other = place(), place()
    seen = []
    for id_, _ in store.iterate():
        seen.append(id_)
        if id_ == "job.10":
            other.remove("job.400")
            other.remove("job.599")
    assert len(seen) == 598


def test_progress() -> None:
    """Called with what is done, and with all at the end."""
    calls = []
    with MemoryStore() as store:
        store.save_many({f"job.{n}": Job(n) for n in range(30)})
        for _ in store.iterate(progress=lambda done, total: calls.append((done, total))):
            pass
    assert calls[0] == (1, 30)
    assert calls[-1] == (30, 30)


def test_several_are_removed_by_one_commit(place: Callable[..., Store]) -> None:
    """All, or none where one is missing."""
    saved(place, Jobs(6))
    store = place()
    with pytest.raises(brinery.NotFoundError) as caught:
        store.remove_many(["Job.1", "gone", "Job.2"])
    assert caught.value.id == "gone"
    assert len(store) == 7
    store.remove_many(f"Job.{number}" for number in (1, 2, 3))
    assert store.list() == ["Job.4", "Job.5", "Job.6", "root"]
    store.remove_many([])
    with pytest.raises(brinery.InvalidArgumentError):
        store.remove_many("Job.4")
