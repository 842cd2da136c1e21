"""SQLite: its URLs, its files, its engine."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager

from brinery.backends.permissions import PermissionCheck
from brinery.backends.sql import failures
from brinery.backends.sql.database import FileUrl
from brinery.backends.sql.dialect import Dialect
from brinery.backends.sql.dialects.network_drives import network_of
from brinery.backends.sql.dialects.sqlite_connection import SqliteConnection
from brinery.backends.sql.dialects.sqlite_file import UNWRITABLE, SqliteFile
from brinery.backends.sql.dialects.sqlite_pool import SqlitePool
from brinery.backends.sql.dialects.sqlite_settings import (
    configure,
    is_in_memory,
    is_uri,
)
from brinery.backends.sql.dialects.sqlite_tables import has_plain_table
from brinery.errors import (
    InvalidArgumentError,
    MissingTableError,
    StorageError,
    StorageFullError,
    UrlError,
    ValueTooLargeError,
    storage_error,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Final

    from sqlalchemy import URL, Connection, Engine

    from brinery.backends.sql.connection import ConnectionPool
    from brinery.backends.sql.database import Database
    from brinery.backends.sql.dialects.sqlite_file import Guard
    from brinery.errors import BrineryError
    from brinery.url import Url

_DRIVER_OPTIONS: Final = frozenset(
    {"timeout", "detect_types", "isolation_level", "check_same_thread", "cached_statements"}
)
# Of a row: https://sqlite.org/limits.html.  The other columns take far less than 1 MB.
LARGEST: Final = 1_000_000_000 - (1 << 20)
_ELSEWHERE: Final = "keep it in a directory (file:///…), or as several smaller objects"


class SqliteDialect(Dialect):
    """An SQLite file, or a database in memory."""

    has_server = False
    url_hint = (
        "; an SQLite file is sqlite:///relative.db or sqlite:////absolute.db, a database in memory "
        "sqlite://"
    )

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        path = database.url.database or ""
        self._file: SqliteFile | None = None
        self._guard = _LastGuard()
        if not (is_in_memory(path) or is_uri(path)):
            options: Mapping[str, Any] = {}
            if not isinstance(database.url, FileUrl):
                with self._url_errors(database.location):
                    _, options = self.url.get_dialect()().create_connect_args(self.url)
            # SQLite follows links, and keeps its log where they lead.
            self._file = SqliteFile(os.path.realpath(path), database, options)
        elif database.mode == "r":
            raise InvalidArgumentError(
                "mode: expected 'rw' for a database in memory, which begins empty, and for a URI of SQLite, "
                "which says mode=ro itself"
            )
        self._permissions: PermissionCheck | None = None
        if self._file is not None:
            # A user who can make a file there can plant a log, which SQLite then writes into the database.
            real = self._file.path
            directories = dict.fromkeys((os.path.dirname(real), os.path.dirname(path)))
            self._permissions = PermissionCheck(
                [*directories], lambda: (real, f"{real}-wal", f"{real}-shm")
            )

    @classmethod
    def check_url(cls, url: Url) -> None:
        """Accept every URL: there is no password in it."""

    @classmethod
    def read(cls, url: str) -> URL | FileUrl:
        kind, is_file, path = url.partition(":///")
        is_plain = is_file and kind in ("sqlite", "sqlite+pysqlite") and path.isprintable()
        if not is_plain or not path or "?" in path or is_in_memory(path) or is_uri(path):
            return super().read(url)
        return FileUrl(os.path.abspath(os.path.expanduser(path)))

    @classmethod
    def complete(cls, url: URL) -> URL:
        """Return the URL with an absolute path, so that it names the same file after a chdir.

        Raise `UrlError` for options that the driver would ignore.
        """
        unknown = set() if "uri" in url.query else {*url.query} - _DRIVER_OPTIONS
        if unknown:
            raise UrlError(
                url.render_as_string(),
                "neither the store nor sqlite3 has an option "
                f"{', '.join(map(repr, sorted(unknown)))}",
            )
        path = url.database
        if path is None or is_in_memory(path) or is_uri(path):
            return url
        return url.set(database=os.path.abspath(os.path.expanduser(path)))

    def make_engine(self) -> Engine:
        from sqlalchemy import create_engine, event
        from sqlalchemy.pool import NullPool, StaticPool

        database = self.database
        engine = create_engine(
            self.url,
            poolclass=StaticPool if is_in_memory(database.url.database) else NullPool,
            pool_reset_on_return=None,  # no transaction is left open here
            connect_args={"timeout": database.timeout, "check_same_thread": False},
            hide_parameters=True,
            **({} if self._file is None else {"creator": self._open}),
        )
        if self._file is None:
            event.listen(engine, "connect", lambda driver, _: configure(driver, database))
        event.listen(engine, "begin", _begin)
        return engine

    def make_pool(self, *, native: bool) -> ConnectionPool:
        if native or self.database.mode == "r":
            return SqlitePool(self, self._file)
        if self._file is not None:
            self._file.may_guard = False
        from brinery.backends.sql.dialects.generic_connection import GenericPool

        return GenericPool(self.engine, self.database.schema, None)

    def _open(self) -> sqlite3.Connection:
        # For the engine, whose connections serve one question each.
        assert self._file is not None
        opened = self._file.open()
        self._guard.value = opened.guard
        return opened.driver

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with super().reading() as connection:
            guard = self._guard.value if self._file is not None else None
            try:
                yield connection
            finally:
                if guard is not None:
                    guard.check()

    def prepare(self, *, create: bool, shared: str) -> None:
        if self._file is None:
            return
        directory = os.path.dirname(self._file.path)
        if not os.path.exists(self._file.path):
            if not create:
                raise MissingTableError(
                    self.database.schema.table_name, path=self.database.location
                )
            try:
                self._file.make(for_group=shared == "group")
            except OSError as error:
                raise storage_error("make the database", error, path=self._file.path) from error
            except sqlite3.Error as error:
                raise self.failure("make the database", error) from error
        network = network_of(directory)
        if network is not None:
            raise StorageError(
                "open",
                f"{directory} is on a network file system ({network}), where SQLite's write-ahead log "
                "loses data; use a local disk, a directory store (file:///…) or PostgreSQL",
                path=self.database.location,
            )

    def has_plain_table(self, pool: ConnectionPool, *, create: bool) -> bool:
        schema = self.database.schema
        if self._file is None or schema.fields or not isinstance(pool, SqlitePool):
            return False
        try:
            with pool.use() as connection:
                assert isinstance(connection, SqliteConnection)
                return has_plain_table(connection.driver, schema.table_name, create=create)
        except sqlite3.Error as error:
            raise self.failure("open", error) from error

    def is_open_to_others(self, *, trusts_group: bool) -> str | None:
        if self._permissions is None:
            return None
        return self._permissions.reason(trusts_group=trusts_group)

    def failure(self, action: str, error: BaseException, name: str | None = None) -> BrineryError:
        found = super().failure(action, error, name)
        cause = None
        if self._file is not None and failures.code_of(error) in UNWRITABLE:
            cause = self._file.cause()
        if cause is None or not isinstance(found, StorageError):
            return found
        reason = str(getattr(error, "orig", None) or error)
        if cause == "full":
            full = f"{reason}; the disk is full: free some space and repeat the call"
            return StorageFullError(action, full, id=name, path=found.path)
        return StorageError(action, f"{reason}; {cause}", id=name, path=found.path)

    def check_size(self, name: str, size: int) -> None:
        if size > LARGEST:
            raise ValueTooLargeError(name, size, LARGEST, "SQLite", _ELSEWHERE)


class _LastGuard(threading.local):
    """The guard of the connection that a thread has opened last for the engine."""

    value: Guard | None = None


def _begin(connection: Any) -> None:
    how = "BEGIN IMMEDIATE" if connection.info.get("brinery_writes") else "BEGIN"
    connection.exec_driver_sql(how)
