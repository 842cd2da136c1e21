"""SQLite keeps the contract, by its driver and by SQLAlchemy alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from brinery import BrineryError, fsck, make_store
from brinery.backend import Backend
from brinery.backends.sql import SqlBackend
from brinery.testing.backend import BackendContract, Opener


class TestSqlite(BackendContract):
    """A file, by the driver."""

    native = True

    @pytest.fixture
    def opener(self, tmp_path: Path) -> Opener:
        """Open one file."""
        return partial(SqlBackend, f"sqlite:///{tmp_path}/a.db", native=self.native)


@pytest.mark.thorough
class TestSqliteThroughSqlalchemy(TestSqlite):
    """The same, in the statements that every dialect gets."""

    native = False
    # What processes do is up to the database: a look suffices here.
    process_count, process_increment_count, kill_count = 3, 20, 2
    large_size = 8 << 20


class TestSqliteInMemory(BackendContract):
    """A database that is its connection."""

    @pytest.fixture
    def backend(self) -> Iterator[Backend]:
        """Open one."""
        with closing(SqlBackend("sqlite://")) as backend:
            yield backend


COLUMNS = ("name", "size", "data", "class_name", "codec", "created")


@pytest.mark.thorough
@pytest.mark.parametrize("value", ["''", "'x'", "x'00'", "x'ff'", "1", "1.5", "'%2E%2E'", "-1"])
@pytest.mark.parametrize("column", COLUMNS)
def test_values_of_any_type_are_no_records(tmp_path: Path, column: str, value: str) -> None:
    """SQLite keeps them in every column; the other records can be read, and the damage is found."""
    place = f"sqlite:///{tmp_path}/jobs.db"
    with make_store(place) as store:
        store.save_many([[1], [2]], ["a", "b"])
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as connection, connection:
        connection.execute(f"UPDATE store SET {column} = {value} WHERE name = 'a'")
    for use in (
        lambda store: store.load("a"),
        lambda store: store.info("a"),
        lambda store: store.gc(["b"], older_than=0),
        lambda store: store.backup(tmp_path / "backup"),
        lambda store: store.list(),
        lambda store: len(store),
    ):
        with make_store(place) as store, suppress(BrineryError):
            use(store)
    with make_store(place) as store:
        assert store.load("b") == [2]
        report = fsck(store, repair=True)
        if column == "data":
            assert not report.is_clean
        store.clear()
