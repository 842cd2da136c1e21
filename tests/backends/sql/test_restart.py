"""A server killed in the middle of commits leaves the old graph or the new one, and writers go on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final

import psycopg
import pytest
from tests.backends.sql.restarts import restart_under_commits
from tests.postgres import PostgresCluster, connect

from brinery.backend import Backend, BackendCapabilities, Delete, Missing, Put, Version
from brinery.backends.sql import SqlBackend
from brinery.errors import StorageError
from brinery.testing.backend import Opener
from brinery.testing.generations import Generations

UPSERT: Final = """
insert into record select * from unnest(%s::text[], %s::bytea[])
on conflict (name) do update set data = excluded.data
"""


class PlainBackend(Backend):
    """A table and the driver, no more: to know that the test passes where it should, and fails."""

    capabilities: ClassVar[BackendCapabilities] = BackendCapabilities(
        atomic_batch=True, snapshot_reads=True
    )

    def __init__(self, url: str, pieces: int = 1) -> None:
        self.location = "the table record"
        self._url = url
        self._pieces = pieces
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._ask("create table if not exists record (name text primary key, data bytea)")

    def get(self, name: str) -> tuple[bytes, Version]:
        """Return bytes, which are their own version."""
        for _, data, version in self.get_many([name]):
            return data, version
        raise Missing(name)

    def get_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes, Version]]:
        """Yield those that there are."""
        query = "select name, data, data from record where name = any(%s)"
        yield from self._ask(query, [*names])

    def read_one_state(self, read: Callable[[Backend], Any]) -> Any:
        """Read while nobody writes: enough for one writer, which is stopped."""
        return read(self)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield all names."""
        for (name,) in self._ask("select name from record"):
            if name.startswith(prefix):
                yield name

    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        """Write all names in so many statements, each of which is a transaction."""
        rows = [(put.name, b"".join(put.data)) for put in puts]
        for piece in range(self._pieces):
            some = rows[piece :: self._pieces]
            self._ask(UPSERT, [name for name, _ in some], [data for _, data in some])
        return dict(rows)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, query: str, *values: object) -> Sequence[tuple[Any, ...]]:
        for _ in range(2):
            try:
                if self._connection is None:
                    self._connection = connect(self._url, autocommit=True)
                cursor = self._connection.execute(query.encode(), values)
                return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError as error:
                failure = error
                self.close()
        raise StorageError("ask", str(failure), path=self.location) from failure


ENGINES: Final[Mapping[str, Callable[[str], Opener]]] = {
    "plain": lambda url: partial(PlainBackend, url),
    "driver": lambda url: partial(SqlBackend, url),
    "sqlalchemy": lambda url: partial(SqlBackend, url, native=False),
}
"""What opens the database of a URL."""

ENDS: Final[Mapping[str, Callable[[PostgresCluster], None]]] = {
    "killed": PostgresCluster.kill,
    "stopped": lambda cluster: cluster.stop("immediate"),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_server_that_ends_in_a_commit_leaves_one_state(
    mortal_postgres: PostgresCluster, engine: str, end: str
) -> None:
    """The last that was confirmed, or the next; nothing has to be opened again."""
    opener = ENGINES[engine](mortal_postgres.new_database())
    turns = restart_under_commits(mortal_postgres, opener, 6, ENDS[end])
    assert len(turns) == 6
    confirmed = [turn.confirmed for turn in turns]
    assert confirmed == sorted(set(confirmed))


def test_commits_in_pieces_are_found(mortal_postgres: PostgresCluster) -> None:
    """An engine that writes a graph in several transactions does not pass."""
    opener = partial(PlainBackend, mortal_postgres.new_database(), 20)
    with pytest.raises(AssertionError, match="the records are in the states"):
        restart_under_commits(mortal_postgres, opener, 30, PostgresCluster.kill)


class LosingBackend(PlainBackend):
    """Confirms all commits, and makes one in a thousand."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._numbers = itertools.count()

    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        """Make the first one."""
        return super().commit(puts) if next(self._numbers) % 1000 == 0 else {}


def test_commits_that_were_confirmed_and_are_lost_are_found(
    mortal_postgres: PostgresCluster,
) -> None:
    """An engine that confirms what it has not made does not pass."""
    opener = partial(LosingBackend, mortal_postgres.new_database())
    with pytest.raises(AssertionError, match="was confirmed"):
        restart_under_commits(mortal_postgres, opener, 5, PostgresCluster.kill)


def test_a_state_put_together_from_two_is_found(mortal_postgres: PostgresCluster) -> None:
    """The check itself, on records written by hand."""
    generations = Generations(20)
    backend = PlainBackend(mortal_postgres.new_database())
    generations.commit(backend, 1)
    backend.commit([*generations.puts(2)][:1])
    assert generations.seen(backend) == {1, 2}
    backend.close()
