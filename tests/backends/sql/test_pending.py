"""The records of a large commit wait in a temporary file, and come from it as often as they are needed."""

from __future__ import annotations

import datetime
import gc
import json
import os
import tempfile
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import pytest
from sqlalchemy import Column, DateTime
from tests.databases import execute

from brinery import StorageError
from brinery.backend import ABSENT, About, Conflict, Put
from brinery.backends.sql import SqlBackend
from brinery.backends.sql.connection import TakenError
from brinery.backends.sql.dialects.sqlite_connection import SqliteConnection
from brinery.backends.sql.pending import LARGE
from brinery.bench.run.memory import peak_of
from brinery.errors import InvalidArgumentError
from brinery.ids import name_of
from brinery.query.question import Question

ABOUT = About("module:Clässe", "pickle", 1.5, ("shared", "../odd"))
COUNT = 5_000
"""Records of some KB, of which a few MB wait in memory."""


def data_of(number: int, generation: int = 0) -> bytes:
    """Return the bytes of a record."""
    return b"%d of %d " % (number, generation) * 100


def puts(generation: int = 0, expect: Any = ABSENT, about: About = ABOUT) -> Iterator[Put]:
    """Yield puts whose names are in no order."""
    for number in range(COUNT):
        name = f"Task.{number * 7 % COUNT}"
        yield Put(name, (data_of(number, generation),), expect, about)


def check(backend: SqlBackend, versions: Any, generation: int = 0) -> None:
    """Raise `AssertionError` unless all records are those of a generation."""
    found = {name: (data, version) for name, data, version in backend.get_many(versions)}
    assert found == {
        f"Task.{number * 7 % COUNT}": (
            data_of(number, generation),
            versions[f"Task.{number * 7 % COUNT}"],
        )
        for number in range(COUNT)
    }


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> list[IO[bytes]]:
    """Note the temporary files that are made."""
    made: list[IO[bytes]] = []
    make = tempfile.TemporaryFile

    def noting(*args: Any, **options: Any) -> Any:
        made.append(make(*args, **options))
        return made[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", noting)
    return made


@pytest.mark.parametrize("native", [True, False])
def test_many_records_are_added_and_changed(url: str, native: bool, files: list[IO[bytes]]) -> None:
    """By one commit each, with all their columns."""
    with closing(SqlBackend(url, native=native)) as backend:
        versions = backend.commit(puts())
        check(backend, versions)
        rows = execute(url, "select distinct class_name, codec, created, refs, filled from store")
        assert rows == [("module:Clässe", "pickle", 1.5, '["shared","%2E.%2Fodd"]', None)]
        again = backend.commit(
            put._replace(expect=versions[put.name]) for put in puts(generation=1)
        )
        check(backend, again, 1)
        with pytest.raises(Conflict) as caught:
            backend.commit(put._replace(expect=versions[put.name]) for put in puts(2))
        assert len(caught.value.names) == COUNT
        check(backend, again, 1)
    assert len(files) == 3
    assert all(file.closed for file in files)


def test_each_row_has_the_names_of_its_own_references(url: str) -> None:
    """Whether or not rows beside it refer to IDs that are no names, in small and in large records."""

    def refer(number: int) -> tuple[str, ...]:
        odd = ("../odd", f"a{number}", 'b","c') if number % 3 == 0 else ()
        return (f"Task.{number + 1}", *odd)[number % 5 == 0 :]

    def some() -> Iterator[Put]:
        for number in range(COUNT):
            data = bytes(LARGE + 1) if number % 1000 == 3 else data_of(number)
            about = ABOUT._replace(references=refer(number))
            yield Put(f"Task.{number}", (data,), ABSENT, about)

    with closing(SqlBackend(url)) as backend:
        backend.commit(some())
        found = dict(execute(url, "select name, refs from store"))
    assert {name: json.loads(refs or "[]") for name, refs in found.items()} == {
        f"Task.{number}": [*map(name_of, refer(number))] for number in range(COUNT)
    }
    assert found["Task.5"] is None


def test_a_small_commit_makes_no_file(url: str, files: list[IO[bytes]]) -> None:
    """A file costs more than the records."""
    with closing(SqlBackend(url)) as backend:
        backend.commit(Put(f"Task.{number}", (data_of(number),), ABSENT) for number in range(300))
    assert files == []


def test_a_transaction_that_is_tried_again_has_all_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read from the file again."""
    insert, calls = SqliteConnection.insert, []

    def failing(self: SqliteConnection, rows: Any) -> None:
        calls.append(len(rows))
        insert(self, rows)
        if len(calls) == 2:
            raise TakenError

    monkeypatch.setattr(SqliteConnection, "insert", failing)
    with closing(SqlBackend(f"sqlite:///{tmp_path}/a.db")) as backend:
        check(backend, backend.commit(puts()))
    assert sum(calls[2:]) == COUNT


def test_a_name_that_is_put_twice_is_found_in_the_file(url: str, files: list[IO[bytes]]) -> None:
    """However far apart; nothing is written, and the file is gone."""
    with closing(SqlBackend(url)) as backend:
        with pytest.raises(InvalidArgumentError, match=r"'Task\.0' is put twice"):
            backend.commit([*puts(), Put("Task.0", (b"x",))])
        assert [*backend.list()] == []
    assert [file.closed for file in files] == [True]


def test_a_full_disk_is_an_error(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written to the database."""

    def full(**_: Any) -> IO[bytes]:
        return open("/dev/full", "r+b", 0)

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with closing(SqlBackend(url)) as backend:
        with pytest.raises(StorageError, match="temporary file"):
            backend.commit(puts())
        with pytest.raises(StorageError, match="temporary file"):
            backend.commit(iter([Put("large", (bytes(20 << 20),))]))
        assert [*backend.list()] == []


@pytest.mark.parametrize("native", [True, False])
def test_values_that_only_the_driver_knows_are_kept(url: str, native: bool) -> None:
    """They cannot wait in the file."""
    column: Column[Any] = Column("moment", DateTime)
    moment = datetime.datetime(2026, 11, 28, 18, 30)
    with closing(SqlBackend(url, extra=[column], native=native)) as backend:
        check(backend, backend.commit(puts(about=ABOUT._replace(fields={"moment": moment}))))
        wanted = Question(backend.database.schema.records.c.moment == moment, limit=1)
        assert backend.columns.query(lambda query: query.rows(wanted)) == [("Task.0",)]


def test_a_large_commit_takes_little_memory(url: str) -> None:
    """Its records do not wait in memory; their names and versions do."""
    with closing(SqlBackend(url)) as backend:
        names = [f"Task.{number}" for number in range(20_000)]
        gc.collect()
        tracemalloc.start()
        try:
            backend.commit(Put(name, (os.urandom(1_000),), ABSENT, ABOUT) for name in names)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 12e6 < 20_000 * 1_000


def test_the_pages_of_a_large_commit_do_not_stay_in_memory(tmp_path: Path) -> None:
    """SQLite writes them into its log before the commit."""
    with closing(SqlBackend(f"sqlite:///{tmp_path}/a.db")) as backend:
        backend.commit([Put("first", (b"x",), ABSENT, ABOUT)])
        puts = (Put(f"Task.{number}", (bytes(2_000),), ABSENT, ABOUT) for number in range(20_000))
        peak = peak_of(lambda: backend.commit(puts))
    assert peak is not None
    assert peak < 25e6 < 20_000 * 2_000
