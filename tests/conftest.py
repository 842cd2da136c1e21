"""What tests of several directories need."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest
from tests.postgres import MISSING, PostgresCluster, binaries

MARK_OF_FIXTURE: Final[Mapping[str, str]] = {
    "anywhere": "thorough",  # of the contract of backends: opens the place in worker processes
    "browser": "browser",
    "needs_strace": "thorough",
    "postgres": "server",
    "proofs": "thorough",  # proves the whole table of what codecs keep
}
"""A test that uses the fixture, itself or by another fixture, has the mark."""

THOROUGH_OF_CONTRACTS: Final = frozenset(
    {
        "test_a_large_record_comes_back_whole",
        "test_data_nested_too_deeply_are_refused",
        "test_each_row_of_the_table_is_proven",
        "test_many_records_are_written_and_read_at_once",
        "test_no_increment_of_threads_is_lost",
        "test_readers_see_whole_records_while_a_thread_writes",
    }
)
"""Long tests of `brinery.testing`, which runs in other projects, too, and so has no marks of this one."""


@pytest.hookimpl(tryfirst=True)  # before pytest looks at the marks to choose tests
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark tests by what they use, so that `make quick` starts neither a server nor a browser."""
    for item in items:
        if isinstance(item, pytest.Function):
            for fixture in MARK_OF_FIXTURE.keys() & set(item.fixturenames):
                item.add_marker(MARK_OF_FIXTURE[fixture])
            if item.originalname in THOROUGH_OF_CONTRACTS:
                item.add_marker("thorough")


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
def postgres_url(postgres: PostgresCluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database, which goes with the test."""
    # A test that asks for this fixture while it runs is not found by MARK_OF_FIXTURE.
    assert request.node.get_closest_marker("server"), "mark this test with `pytest.mark.server`"
    url = postgres.new_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture
def mortal_postgres(postgres: PostgresCluster) -> Iterator[PostgresCluster]:
    """The same server for a test that stops, kills and starts it: it runs again afterwards."""
    yield postgres
    postgres.start()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/jobs.db"
    found: str = request.getfixturevalue("postgres_url")
    return found
