"""SQLite: its URLs, its files, its engine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from brinery.backends.permissions import PermissionCheck
from brinery.backends.sql.connection import ConnectionPool
from brinery.backends.sql.database import Database
from brinery.backends.sql.dialect import Dialect
from brinery.backends.sql.dialects.network_drives import network_of
from brinery.backends.sql.dialects.sqlite_connection import SqlitePool
from brinery.backends.sql.dialects.sqlite_settings import configure, is_in_memory, is_uri
from brinery.errors import (
    MissingTableError,
    StorageError,
    UrlError,
    ValueTooLargeError,
    storage_error,
)
from brinery.url import Url

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

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
        self._path = None if is_in_memory(path) or is_uri(path) else path
        self._permissions: PermissionCheck | None = None
        if self._path is not None:
            # SQLite follows links, and keeps its log where they lead.  A user who can make a file there can
            # plant a log, which SQLite then writes into the database.
            real = os.path.realpath(self._path)
            directories = dict.fromkeys((os.path.dirname(real), os.path.dirname(self._path)))
            self._permissions = PermissionCheck(
                [*directories], lambda: (real, f"{real}-wal", f"{real}-shm")
            )

    @classmethod
    def check_url(cls, url: Url) -> None:
        """Accept every URL: there is no password in it."""

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
            database.url,
            poolclass=StaticPool if is_in_memory(database.url.database) else NullPool,
            pool_reset_on_return=None,  # no transaction is left open here
            connect_args={"timeout": database.timeout, "check_same_thread": False},
            hide_parameters=True,
        )
        event.listen(engine, "connect", lambda driver, _: configure(driver, database))
        event.listen(engine, "begin", _begin)
        return engine

    def make_pool(self, *, native: bool) -> ConnectionPool:
        if native:
            return SqlitePool(self.database, self.engine)
        from brinery.backends.sql.dialects.generic_connection import GenericPool

        return GenericPool(self.engine, self.database.schema, None)

    def prepare(self, *, create: bool) -> None:
        """Make the directory of the file.  Raise `MissingTableError`, `StorageError`."""
        if self._path is None:
            return
        directory = os.path.dirname(self._path)
        if not os.path.exists(self._path):
            if not create:
                raise MissingTableError(
                    self.database.schema.records.name, path=self.database.location
                )
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
                path=self.database.location,
            )

    def is_open_to_others(self) -> str | None:
        return None if self._permissions is None else self._permissions.reason()

    def check_size(self, name: str, size: int) -> None:
        if size > LARGEST:
            raise ValueTooLargeError(name, size, LARGEST, "SQLite", _ELSEWHERE)


def _begin(connection: Any) -> None:
    how = "BEGIN IMMEDIATE" if connection.info.get("brinery_writes") else "BEGIN"
    connection.exec_driver_sql(how)
