"""What tests of several directories need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.postgres import MISSING, PostgresCluster, binaries


def require_postgres() -> None:
    """Skip where there is no server; where CI runs the tests, that is a failure."""
    if binaries() is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresCluster]:
    """One server for all tests of a process; only those of `mortal_postgres` may end it.

    Each worker of xdist has its own: it is there within a second, and nobody has to count who still
    needs it.
    """
    require_postgres()
    with PostgresCluster() as cluster:
        yield cluster


@pytest.fixture
def postgres_url(postgres: PostgresCluster) -> Iterator[str]:
    """The URL of an empty database, which goes with the test."""
    url = postgres.new_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture
def mortal_postgres(postgres: PostgresCluster) -> Iterator[PostgresCluster]:
    """The same server for a test that stops, kills and starts it: it runs again afterwards."""
    yield postgres
    postgres.start()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/jobs.db"
    found: str = request.getfixturevalue("postgres_url")
    return found
