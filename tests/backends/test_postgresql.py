"""PostgreSQL keeps the contract, by its driver and by SQLAlchemy alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from brinery.backend import Backend
from brinery.backends.sql import SqlBackend
from brinery.testing.backend import BackendContract, Reopen


class TestPostgresql(BackendContract):
    native = True

    @pytest.fixture
    def backend(self, postgres_url: str) -> Iterator[Backend]:
        with closing(SqlBackend(postgres_url, native=self.native)) as backend:
            yield backend

    @pytest.fixture
    def reopen(self, postgres_url: str) -> Reopen:
        return lambda: SqlBackend(postgres_url, native=self.native)


class TestPostgresqlThroughSqlalchemy(TestPostgresql):
    native = False
