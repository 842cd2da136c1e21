"""SQLite keeps the contract, by its driver and by SQLAlchemy alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from brinery.backend import Backend
from brinery.backends.sql import SqlBackend
from brinery.testing.backend import BackendContract, Reopen


class TestSqlite(BackendContract):
    native = True

    @pytest.fixture
    def backend(self, tmp_path: Path) -> Iterator[Backend]:
        with closing(SqlBackend(f"sqlite:///{tmp_path}/a.db", native=self.native)) as backend:
            yield backend

    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Reopen:
        return lambda: SqlBackend(f"sqlite:///{tmp_path}/a.db", native=self.native)


class TestSqliteThroughSqlalchemy(TestSqlite):
    native = False


class TestSqliteInMemory(BackendContract):
    @pytest.fixture
    def backend(self) -> Iterator[Backend]:
        with closing(SqlBackend("sqlite://")) as backend:
            yield backend
