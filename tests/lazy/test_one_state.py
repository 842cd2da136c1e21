"""What a transaction or an update has read is as it was, or the work is done again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.lazy.test_loading import Job, Jobs, place, saved

import brinery
from brinery import Store

__all__ = ["place"]


def test_an_update_is_repeated_if_what_it_read_has_changed(place: Callable[..., Store]) -> None:
    """Two jobs of which one at most may be 0: each update looks at the other job."""
    saved(place, Jobs(2))
    store, other = place(), place()
    other.update("Job.1", lambda job: setattr(job, "n", 1))
    calls = []

    def clear(job: Any) -> None:
        calls.append(job.previous.n)
        if len(calls) == 1:
            # Another process is faster, and looked at this job, which is 1.
            other.update("Job.1", lambda first: setattr(first, "n", 0))
        if job.previous.n:
            job.n = 0

    store.update("Job.2", clear)
    assert calls == [1, 0]
    with place() as third:
        assert [job.n for job in third.load("root").jobs] == [0, 1]


def test_a_transaction_fails_if_what_it_read_has_changed(place: Callable[..., Store]) -> None:
    """With the ID of that object; and it has written nothing."""
    saved(place, Jobs(3))
    store, other = place(lazy=True), place()
    with pytest.raises(brinery.ConflictError) as caught, store.transaction():
        _move(store, other)
    assert caught.value.ids == ("Job.3",)
    assert [job.n for job in store.load("root").jobs] == [0, 1, 7]
    with store.transaction():
        _move(store, None)
    assert [job.n for job in store.load("root").jobs] == [7, 1, 7]


def _move(store: Store, other: Store | None) -> None:
    with store.transaction():  # an inner one, too
        job = store.load("Job.1")
        job.n = job.next.next.n
        store.save(job)
    if other is not None:
        other.update("Job.3", lambda found: setattr(found, "n", 7))


def test_a_transaction_that_only_reads_or_writes_what_it_read(place: Callable[..., Store]) -> None:
    """Is no conflict with itself."""
    saved(place, Jobs(3))
    store = place(lazy=True)
    with store.transaction():
        root = store.load("root")
        assert [job.n for job in root.jobs] == [0, 1, 2]
    with store.transaction():
        first = store.load("Job.1")
        first.n, first.next.n = 5, 6
        store.save(first)
        with store.transaction():
            first.next.n = 7
            store.save(first.next)
        store.remove("Job.3")
        assert store.load("root").jobs[1].n == 7
    with place() as other:
        assert [other.load("Job.1", lazy=True).n, other.load("Job.2", lazy=True).n] == [5, 7]


def test_a_whole_load_in_a_transaction_is_not_looked_at_again(place: Callable[..., Store]) -> None:
    """It may have read the whole store."""
    saved(place, Jobs(3))
    store, other = place(), place()
    with store.transaction():
        root = store.load("root")
        other.update("Job.3", lambda job: setattr(job, "n", 7))
        root.jobs[0].n = 5
        store.save(root.jobs[0])
    with place() as third:
        assert [job.n for job in third.load("root").jobs] == [5, 1, 7]
    assert Job(1).n == 1
