"""Sessions on SQLite, by the driver of the standard library.

Settings, each with its reason (https://sqlite.org/pragma.html):

journal_mode = WAL     readers and the writer do not wait for each other; one fsync a commit
synchronous = FULL     NORMAL loses acknowledged commits in a power cut
page_size = 8192       of a new file: records of some KB keep out of overflow pages
cache_size = 64 MB     the index of names stays in memory
BEGIN IMMEDIATE        a transaction that reads first and writes then would fail, not wait

Measured against SQLAlchemy Core on the same connection: reading a record 4 µs and 17, adding one to a
batch 3 µs and 11.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from brinery.backends._openness import Openness
from brinery.backends.sql import failures
from brinery.backends.sql._fields import Fields
from brinery.backends.sql._networks import network_of
from brinery.backends.sql._pending import Row
from brinery.backends.sql._session import Session, Sessions, TakenError
from brinery.backends.sql.schema import STANDARD
from brinery.errors import (
    BrineryError,
    MissingTableError,
    StorageError,
    UrlError,
    ValueTooLargeError,
    storage_error,
)

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

    from brinery.backends.sql.engine import Place

_PAGE: Final = 8192  # bytes
_CACHE: Final = 64 << 10  # KiB
_DRIVER_OPTIONS: Final = frozenset(
    {"timeout", "detect_types", "isolation_level", "check_same_thread", "cached_statements"}
)
_MEMORY: Final = (None, "", ":memory:")
# https://sqlite.org/limits.html: the row as a whole; what stands beside the record is far below 1 MB.
_LARGEST: Final = 1_000_000_000 - (1 << 20)
_ELSEWHERE: Final = "keep it in a directory (file:///…), or as several smaller objects"


def absolute(url: URL) -> URL:
    """Return the URL with an absolute path, so that it stays the same place after a chdir.

    Raise `UrlError` for options that the driver would pass over.
    """
    unknown = set() if "uri" in url.query else {*url.query} - _DRIVER_OPTIONS
    if unknown:
        raise UrlError(
            url.render_as_string(),
            f"neither the store nor sqlite3 has an option {', '.join(map(repr, sorted(unknown)))}",
        )
    path = url.database
    if path in _MEMORY or _is_uri(path):
        return url
    return url.set(database=os.path.abspath(os.path.expanduser(path)))


def _is_uri(path: str | None) -> bool:
    return path is not None and path.startswith("file:")


def prepare(place: Place, *, create: bool) -> None:
    """Make the directory of the file.  Raise `MissingTableError`, `StorageError`."""
    path = place.url.database
    if path in _MEMORY or _is_uri(path):
        return
    directory = os.path.dirname(path)
    if not os.path.exists(path):
        if not create:
            raise MissingTableError(place.schema.records.name, place.location)
        try:
            os.makedirs(directory, exist_ok=True)
        except OSError as error:
            raise storage_error("make the directory", error, path=directory) from error
    network = network_of(directory)
    if network is not None:
        raise StorageError(
            "open",
            f"{directory} is on a network file system ({network}), where SQLite's write-ahead log "
            "loses data; use a local disk, a directory store (file:///…) or PostgreSQL",
            path=place.location,
        )


def openness(url: URL) -> Openness | None:
    """Return what tells whether others can write to a database; None for one in memory.

    Whoever can make a file in its directory can plant a log, which SQLite writes into the database.
    """
    path = url.database
    if path in _MEMORY or _is_uri(path):
        return None
    real = os.path.realpath(path)  # as SQLite follows links, and has its log where they lead
    directories = dict.fromkeys((os.path.dirname(real), os.path.dirname(path)))
    return Openness([*directories], lambda: (real, f"{real}-wal", f"{real}-shm"))


def engine_of(place: Place) -> Engine:
    """Return the engine of SQLAlchemy, whose connections have the same settings."""
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import NullPool, StaticPool

    is_in_memory = place.url.database in _MEMORY
    engine = create_engine(
        place.url,
        poolclass=StaticPool if is_in_memory else NullPool,
        pool_reset_on_return=None,  # nobody leaves a transaction open here
        connect_args={"timeout": place.timeout, "check_same_thread": False},
        hide_parameters=True,
    )
    event.listen(engine, "connect", lambda connection, _: _configure(connection, place))
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Any) -> None:
    how = "BEGIN IMMEDIATE" if connection.info.get("brinery_writes") else "BEGIN"
    connection.exec_driver_sql(how)


def _configure(connection: sqlite3.Connection, place: Place) -> None:
    connection.isolation_level = None  # transactions are begun here, not by the driver
    full = place.durability == "full"
    for pragma in (
        f"page_size = {_PAGE}",
        f"synchronous = {'FULL' if full else 'NORMAL'}",
        f"cache_size = -{_CACHE}",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")
    if place.url.database in _MEMORY:
        return
    if full and hasattr(os, "fchmod"):
        connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone stops at the drive's cache
    (mode,) = _patiently(
        lambda: connection.execute("PRAGMA journal_mode = WAL").fetchone(), place.timeout
    )
    if mode == "memory":
        raise StorageError(
            "open",
            "each connection would have a database of its own: one in memory is sqlite://",
            path=place.location,
        )
    if mode != "wal" and "immutable" not in place.url.query:  # then nobody writes, and all may read
        raise StorageError(
            "open",
            f"SQLite could not switch to its write-ahead log (it answers {mode!r}): the file system "
            "may not allow shared memory; use a local disk",
            path=place.location,
        )


def _patiently(call: Callable[[], Any], timeout: float) -> Any:
    # The switch to WAL does not wait for a lock as statements do.
    until = time.monotonic() + timeout
    while True:
        try:
            return call()
        except sqlite3.OperationalError as error:
            if failures.code_of(error) != "SQLITE_BUSY" or time.monotonic() > until:
                raise
            time.sleep(0.01)


def check_size(name: str, size: int) -> None:
    """Raise `ValueTooLargeError` for a record that is too large for a row."""
    if size > _LARGEST:
        raise ValueTooLargeError(name, size, _LARGEST, "SQLite", _ELSEWHERE)


class SqliteSession(Session):
    """One connection."""

    def __init__(
        self, connection: sqlite3.Connection, statements: _Statements, path: str | None = None
    ) -> None:
        """`path` is the file of the database, if it is one."""
        self.connection = connection
        self._text = statements
        self._path = path
        self._file = None if path is None else _file_at(path)

    def get(self, name: str) -> tuple[bytes, int] | None:
        found = self.connection.execute(self._text.get, (name,)).fetchone()
        return None if found is None else (_bytes(found[0]), found[1])

    def get_some(self, names: Sequence[str]) -> Iterator[tuple[str, bytes, int]]:
        # One by one: measured as fast as IN with many names, and only one record is in memory.
        execute, text = self.connection.execute, self._text.get
        for name in names:
            found = execute(text, (name,)).fetchone()
            if found is not None:
                yield name, _bytes(found[0]), found[1]

    def tail(self, name: str, count: int) -> tuple[bytes, int, int] | None:
        found = self.connection.execute(self._text.tail, (count, count, name)).fetchone()
        if found is None:
            return None
        return _bytes(found[0]), _size(found[1]), found[2]

    def tails(self, names: Sequence[str], count: int) -> Sequence[tuple[str, bytes, int, int]]:
        if count:
            return super().tails(names, count)
        # Only whether they are there, which needs nothing of the record.
        execute, text = self.connection.execute, self._text.sizes
        found = ((name, execute(text, (name,)).fetchone()) for name in names)
        return [(name, b"", _size(row[0]), row[1]) for name, row in found if row is not None]

    def names(self, prefix: str) -> Sequence[str]:
        if not prefix:
            found = self.connection.execute(self._text.names).fetchall()
        else:
            # Every name that starts with the prefix sorts before the prefix and the last character.
            found = self.connection.execute(
                self._text.names_from, (prefix, prefix + "\U0010ffff")
            ).fetchall()
        return [name for (name,) in found if type(name) is str and name[:1] not in ("", ".")]

    def referrers(self, name: str) -> Sequence[str]:
        return [source for (source,) in self.connection.execute(self._text.referrers, (name,))]

    def begin(self) -> None:
        self._check_file()
        self.connection.execute("BEGIN IMMEDIATE")

    def _check_file(self) -> None:
        # SQLite goes on with a file that has no name any more, and what it writes is gone with the process.
        if self._path is not None and _file_at(self._path) != self._file:
            raise StorageError(
                "write",
                "the database file was removed or replaced while the store was open: put it back, or open "
                "the store again",
                path=self._path,
            )

    def begin_reading(self) -> None:
        self.connection.execute("BEGIN")

    def commit(self) -> None:
        self.connection.execute("COMMIT")

    def rollback(self) -> None:
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def versions(self, names: Sequence[str]) -> dict[str, int]:
        execute, text, found = self.connection.execute, self._text.version, {}
        for name in names:
            row = execute(text, (name,)).fetchone()
            if row is not None:
                found[name] = row[0]
        return found

    def insert(self, rows: Iterable[Row]) -> None:
        try:
            self.connection.executemany(self._text.insert, map(self._text.values, rows))
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
                raise
            raise TakenError from error

    def put_alone(self, row: Row, expect: int | None, targets: Sequence[str]) -> bool | None:
        if expect is not None or targets:
            return None  # nothing is gained: no statement has a way to go
        self._check_file()
        try:
            self.connection.execute(self._text.insert, self._text.values(row))
        except sqlite3.IntegrityError as error:
            raise TakenError from error
        return True

    def update(self, rows: Iterable[Row], *, with_fields: bool = True) -> None:
        if with_fields:
            self.connection.executemany(
                self._text.update, ((*self._text.values(row)[1:], row.name) for row in rows)
            )
        else:
            self.connection.executemany(
                self._text.update_record, ((*_record_of(row)[1:], row.name) for row in rows)
            )

    def unlink(self, sources: Sequence[str]) -> None:
        self.connection.executemany(self._text.unlink, ((source,) for source in sources))

    def link(self, references: Iterable[tuple[str, str]]) -> None:
        self.connection.executemany(self._text.link, references)

    def delete(self, names: Sequence[str]) -> None:
        self.connection.executemany(self._text.delete, ((name,) for name in names))

    def is_idle(self) -> bool:
        return not self.connection.in_transaction

    def close(self) -> None:
        self.connection.close()


class _Statements:
    """The text of the statements of one store, and the values that go into them."""

    def __init__(self, place: Place) -> None:
        dialect = place.engine.dialect
        quote = dialect.identifier_preparer.quote
        schema = place.schema
        records, references = quote(schema.records.name), quote(schema.references.name)
        columns = [*STANDARD, *map(quote, schema.fields)]
        marks = ", ".join("?" * len(columns))
        settings = [f"{column} = ?" for column in columns[1:]]
        self.get = f"SELECT data, version FROM {records} WHERE name = ?"
        self.tail = (
            f"SELECT substr(data, max(1, size - ? + 1), ?), size, version "
            f"FROM {records} WHERE name = ?"
        )
        self.sizes = f"SELECT size, version FROM {records} WHERE name = ?"
        self.names = f"SELECT name FROM {records} ORDER BY name"
        self.names_from = f"SELECT name FROM {records} WHERE name >= ? AND name < ? ORDER BY name"
        self.version = f"SELECT version FROM {records} WHERE name = ?"
        self.insert = f"INSERT INTO {records} ({', '.join(columns)}) VALUES ({marks})"
        self.update = f"UPDATE {records} SET {', '.join(settings)} WHERE name = ?"
        own = ", ".join(settings[: len(STANDARD) - 1])
        self.update_record = f"UPDATE {records} SET {own} WHERE name = ?"
        self.delete = f"DELETE FROM {records} WHERE name = ?"
        self.link = f"INSERT OR IGNORE INTO {references} (source, target) VALUES (?, ?)"
        self.unlink = f"DELETE FROM {references} WHERE source = ?"
        self.referrers = f"SELECT source FROM {references} WHERE target = ? ORDER BY source"
        self._fields = Fields(schema, dialect) if schema.fields else None

    def values(self, row: Row) -> tuple[Any, ...]:
        """Return the values of a row, in the order of the columns."""
        if self._fields is None:
            return _record_of(row)
        return *_record_of(row), *self._fields.values(row.about, _fitting)


def _file_at(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _bytes(value: Any) -> bytes:
    # Somebody else's statement may have left a text, or nothing: no record, as every reader finds.
    if type(value) is bytes:
        return value
    return b"" if value is None else str(value).encode("utf-8", "surrogatepass")


def _size(value: Any) -> int:
    return value if type(value) is int else -1


def _record_of(row: Row) -> tuple[Any, ...]:
    name, version, size, about, data = row
    if about is None:
        return name, version, size, None, None, None, data
    return name, version, size, about.class_name, about.codec, about.created, data


def _fitting(_: Any, value: Any) -> Any:
    # What the driver finds out later would end the whole commit.
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, int):
        value.to_bytes(8, "big", signed=True)
    elif not isinstance(value, (float, bytes, bytearray, memoryview)):
        return sqlite3.adapt(value, sqlite3.PrepareProtocol)
    return value


class SqliteSessions(Sessions):
    """Connections to one SQLite database."""

    errors = (sqlite3.Error,)

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place
        self._statements = _Statements(place)
        self._is_in_memory = place.url.database in _MEMORY
        self.most = 1 if self._is_in_memory else None

    def new(self) -> SqliteSession:
        """Open a connection."""
        if self._is_in_memory:
            # The database is its connection, which the engine holds as well.
            held = self._place.engine.raw_connection().driver_connection
            assert isinstance(held, sqlite3.Connection)
            return SqliteSession(held, self._statements)
        arguments, given = self._place.engine.dialect.create_connect_args(self._place.url)
        options: Any = {
            **given,
            "timeout": self._place.timeout,
            "check_same_thread": False,
            "cached_statements": 64,
        }
        connection: sqlite3.Connection
        connection = sqlite3.connect(*arguments, **options)  # type: ignore[call-overload]
        try:
            _configure(connection, self._place)
        except BaseException:
            connection.close()
            raise
        path = self._place.url.database
        return SqliteSession(connection, self._statements, None if _is_uri(path) else path)

    def check_size(self, name: str, size: int) -> None:
        """Raise `ValueTooLargeError` for a record that is too large for a row."""
        check_size(name, size)

    def failure(self, action: str, error: Exception, name: str | None = None) -> BrineryError:
        """Return the error of brinery that stands for one of SQLite."""
        return failures.failure(self._place, action, error, name)
