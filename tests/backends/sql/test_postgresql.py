"""PostgreSQL keeps the contract, by its driver and by SQLAlchemy alone."""

from __future__ import annotations

from functools import partial

import pytest

from brinery.backends.sql import SqlBackend
from brinery.testing.backend import BackendContract, Opener


class TestPostgresql(BackendContract):
    """A database of its own for each test, by the driver."""

    native = True

    @pytest.fixture
    def opener(self, postgres_url: str) -> Opener:
        """Open that database."""
        return partial(SqlBackend, postgres_url, native=self.native)


class TestPostgresqlThroughSqlalchemy(TestPostgresql):
    """The same, in the statements that every dialect gets."""

    native = False
    # What processes do is up to the database: a look suffices here.
    process_count, process_increment_count, kill_count = 3, 20, 2
    large_size = 8 << 20
