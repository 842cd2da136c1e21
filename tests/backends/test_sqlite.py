"""SQLite keeps the contract, by its driver and by SQLAlchemy alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

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
