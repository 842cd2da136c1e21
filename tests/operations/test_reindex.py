"""Extra columns that are not of their records: no query uses them, and `reindex` fills them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import Column, Integer, String, func, select, text
from tests.databases import execute

import brinery
from brinery import (
    GET,
    FilesystemStore,
    InvalidArgumentError,
    MemoryStore,
    Persistable,
    SqlStore,
    Trust,
    UnfilledColumnsError,
    fsck,
    reindex,
    restore,
)
from brinery.backend import Put
from brinery.catalog.quarantine import Quarantine
from brinery.catalog.trash import Removed, Trash
from brinery.record.info import about_in


class Job(Persistable):
    """Has values for columns."""

    def __init__(self, state: str, *links: Any, rank: int = 0) -> None:
        self.state, self.links, self.rank = state, list(links), rank


STATE: Column[Any] = Column("state", String(20), index=True)
RANK: Column[Any] = Column("rank", Integer)
FIELDS = {STATE: GET.state}


def jobs(url: str, fields: Any = None, **options: Any) -> SqlStore:
    """Open the store with a column for the state of a job."""
    return SqlStore(url, extra_fields=FIELDS if fields is None else fields, **options)


def fill(url: str) -> None:
    """Save three jobs, two of them done."""
    with jobs(url) as store:
        store.save_many([Job("done"), Job("done", Job("new"))])


def by_a_store_without_them(url: str) -> None:
    with SqlStore(url) as store:
        job = store.load("Job.1")
        job.state = "lost"
        store.save(job)


def by_a_transaction_without_them(url: str) -> None:
    with SqlStore(url) as store, store.transaction():
        store.replace("Job.1", Job("lost"))


def by_a_copy(url: str) -> None:
    source = MemoryStore()
    source.save(Job("lost"), "Job.1")
    with jobs(url) as store:
        brinery.copy(source, store, overwrite=True)


def by_a_restore(url: str) -> None:
    with TemporaryDirectory() as place, jobs(url) as store:
        source = FilesystemStore(f"{place}/source")
        source.save(Job("lost"), "Job.1")
        source.backup(f"{place}/backup")
        restore(f"{place}/backup", store, overwrite=True)


def by_the_quarantine(url: str) -> None:
    with jobs(url) as store:
        store.replace("Job.1", Job("lost"))
        quarantine = Quarantine(store)
        moved = quarantine.move("Job.1", *store.backend.get("Job.1"), "corrupt", "for a test")
        assert moved is not None
        quarantine.put_back(moved.key)


def by_the_trash(url: str) -> None:
    with jobs(url) as store:
        store.replace("Job.1", Job("lost"))
        trash = Trash(store.backend)
        trash.move([Removed("Job.1", *store.backend.get("Job.1"))])
        assert trash.put_back(["Job.1"]) == ["Job.1"]


def by_a_recode_without_them(url: str) -> None:
    with jobs(url) as store:
        store.replace("Job.1", Job("lost"))
    with SqlStore(url, protocol=4) as store:
        assert brinery.recode(store).recoded == 3


WRITES: list[Callable[[str], None]] = [
    by_a_store_without_them,
    by_a_transaction_without_them,
    by_a_copy,
    by_a_restore,
    by_the_quarantine,
    by_the_trash,
    by_a_recode_without_them,
]


@pytest.mark.parametrize("write", WRITES)
def test_a_query_says_that_columns_are_unfilled_until_they_are_filled(
    url: str, tmp_path: Path, write: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Whichever way the record came: neither a stale value nor NULL passes for that of the object."""
    fill(url)
    with caplog.at_level(logging.WARNING):
        write(url)
    assert "without values for its columns 'state'" in caplog.text
    with jobs(url) as store:
        for where, order in ((STATE == "done", None), (None, store.columns.state)):
            with pytest.raises(UnfilledColumnsError, match="reindex") as caught:
                store.query(where, order_by=order)
            assert caught.value.columns == ("state",)
        assert "Job.1" not in store.query(STATE.is_(None), unfilled="omit")
        assert len(store.query(store.columns.size > 0)) == 3  # the other columns are right
        version = store.backend.get_tail("Job.1", 0)[2]
        report = reindex(store)
        assert report.is_whole
        assert report.filled == caught.value.count
        assert store.query(STATE == "lost") == ["Job.1"]
        assert store.query(STATE == "done") == ["Job.2"]
        assert store.backend.get_tail("Job.1", 0)[2] == version  # the record is the same
        assert reindex(store) == type(report)(filled=0, unchanged=3)
        assert fsck(store).is_clean


def test_records_older_than_a_column_are_unfilled(url: str) -> None:
    """They are counted, and the values of their objects come with `reindex`; a graph is loaded once."""
    with SqlStore(url) as store:
        store.save(Job("done", Job("new"), Job("done")))
    with jobs(url, migrate=True) as store:
        with pytest.raises(UnfilledColumnsError, match="reindex") as caught:
            store.query(STATE == "done")
        assert caught.value.count == 3
        assert reindex(store).filled == 3
        assert len(store.query(STATE == "done")) == 2


def test_columns_that_two_stores_fill_are_told_apart(url: str) -> None:
    """A query is about the columns that it uses; filling some leaves the others filled."""
    both = {STATE: GET.state, RANK: GET.rank}
    with jobs(url, both) as store:
        store.save(Job("done", rank=3), "a")
    with jobs(url) as store:
        store.save(Job("done", rank=4), "b")
        assert store.query(STATE == "done") == ["a", "b"]
    with jobs(url, both) as store:
        assert store.query(STATE == "done") == ["a", "b"]
        with pytest.raises(UnfilledColumnsError, match="the values of 'rank' are"):
            store.query(RANK > 3)
    with jobs(url) as store:
        assert reindex(store, everything=True).filled == 2
    with jobs(url, both) as store:
        assert store.query(RANK > 1, unfilled="omit") == ["a"]
        assert reindex(store).filled == 1
        assert store.query(RANK > 1) == ["a", "b"]


@pytest.mark.parametrize(
    "where", [text("state = 'done'"), select(func.count(STATE)).scalar_subquery() > 0]
)
def test_columns_are_found_in_every_form_of_expression(url: str, where: Any) -> None:
    """A text may name any column."""
    fill(url)
    with SqlStore(url) as store:
        store.save(Job("done"), "other")
    with jobs(url) as store, pytest.raises(UnfilledColumnsError):
        store.query(where)
    with SqlStore(url) as store, pytest.raises(UnfilledColumnsError):
        store.query(where)


def test_a_changed_function_is_called_again_for_every_record(url: str) -> None:
    """With `everything`; what a living object has that is not saved does not count."""
    fill(url)
    with jobs(url, {STATE: lambda job: job.state.upper()}) as store:
        job = store.load("Job.1")
        job.state = "not saved"
        assert reindex(store).filled == 0
        assert reindex(store, everything=True).filled == 3
        assert store.query(STATE == "DONE") == ["Job.1", "Job.2"]


def test_what_cannot_be_loaded_is_reported_and_stays_unfilled(url: str) -> None:
    """The others are filled; a query says so, or leaves it out."""
    with SqlStore(url) as store:
        store.save_many([Job("done"), Job("done")])
        data, version = store.backend.get("Job.1")
        damaged = data[:20] + bytes([data[20] ^ 1]) + data[21:]
        store.backend.commit([Put("Job.1", [damaged], version, about_in(damaged))])
    with jobs(url, migrate=True) as store:
        report = reindex(store)
        assert (report.filled, report.is_whole) == (1, False)
        assert "Job.1: left unfilled: " in str(report)
        with pytest.raises(UnfilledColumnsError):
            store.query(STATE == "done")
        assert store.query(STATE == "done", unfilled="omit") == ["Job.2"]


def test_what_changes_no_object_leaves_the_columns_filled(url: str) -> None:
    """New seals, also inside a transaction after a save; and another compression."""
    key = Trust(key=b"1" * 16)
    with jobs(url, trust=key) as store, store.transaction():
        store.save(Job("done"))
        assert store.reseal() == 1
    with SqlStore(url, trust=key, compress="gzip") as store:
        brinery.recode(store)
        store.reseal()
    with jobs(url, trust=key) as store:
        assert store.query(STATE == "done") == ["Job.1"]


def test_a_store_without_columns_is_refused(tmp_path: Path) -> None:
    """Nothing says how to fill them."""
    for store in (MemoryStore(), SqlStore(f"sqlite:///{tmp_path}/a.db")):
        with store, pytest.raises(InvalidArgumentError, match="extra_fields"):
            reindex(store)


def test_a_record_that_another_process_writes_is_not_overwritten(url: str) -> None:
    """The column gets the value of the object that is stored, not of the one that was."""
    fill(url)
    by_a_store_without_them(url)

    def value(job: Job) -> str:
        if job.state == "lost":
            with SqlStore(url) as other:
                other.replace("Job.1", Job("found"))
        return job.state

    with jobs(url, {STATE: value}) as store:
        assert reindex(store).is_whole
        assert store.query(STATE == "found") == ["Job.1"]


def test_names_of_columns_are_remembered_once(url: str) -> None:
    """Opening again writes nothing."""
    jobs(url).close()
    with jobs(url) as store:
        first = store.backend.get(".columns.json")
    with jobs(url) as store:
        assert store.backend.get(".columns.json") == first
    assert execute(url, "select count(*) from store where name = '.columns.json'") == [(1,)]


def test_the_index_of_references_is_made_again(tmp_path: Path) -> None:
    """Where there is one: another program may have changed it."""
    url = f"sqlite:///{tmp_path}/jobs.db"
    wanted = "select count(*) from sqlite_master where name = 'store_references'"
    with jobs(url) as store:
        inner = Job("inner")
        id_ = store.save(Job("outer", inner))
        reindex(store)
        assert execute(url, wanted) == [(0,)]
        assert store.referrers("Job.2") == [id_]
        execute(url, "delete from store_references")
        assert store.referrers("Job.2") == []
        reindex(store)
        assert store.referrers("Job.2") == [id_]
