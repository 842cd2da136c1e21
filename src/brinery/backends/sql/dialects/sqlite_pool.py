"""The connections to one SQLite database."""

from __future__ import annotations

import sqlite3

from brinery.backends.sql.connection import ConnectionPool
from brinery.backends.sql.dialects.sqlite_connection import SqliteConnection, SqliteReader
from brinery.backends.sql.dialects.sqlite_file import ChangedError
from brinery.backends.sql.dialects.sqlite_settings import configure, is_in_memory
from brinery.backends.sql.dialects.sqlite_statements import Statements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from brinery.backends.sql.connection import Connection
    from brinery.backends.sql.dialect import Dialect
    from brinery.backends.sql.dialects.sqlite_file import SqliteFile


class SqlitePool(ConnectionPool):
    """Connections to one SQLite database."""

    errors = (sqlite3.Error,)
    tries = 20  # of a file that is read as if it did not change; each writer that comes costs one

    def __init__(self, dialect: Dialect, file: SqliteFile | None) -> None:
        super().__init__()
        self._dialect = dialect
        self._statements = Statements(dialect.database.schema)
        self._file = file
        self._is_in_memory = is_in_memory(dialect.database.url.database)
        self.most = 1 if self._is_in_memory else None
        if dialect.database.schema.fields:
            from brinery.backends.sql.columns import Fields

            self.fields = Fields(dialect.database.schema, dialect.engine.dialect, _fitting)

    def new(self) -> SqliteConnection:
        if self._file is not None:
            opened = self._file.open()
            if opened.is_reader:
                return SqliteReader(opened.driver, self._statements, self._file, opened.guard)
            return SqliteConnection(opened.driver, self._statements, self._file)
        engine = self._dialect.engine
        if self._is_in_memory:
            # The database lives in its connection, which the engine holds.
            held = engine.raw_connection().driver_connection
            assert isinstance(held, sqlite3.Connection)
            return SqliteConnection(held, self._statements)
        database = self._dialect.database
        arguments, given = engine.dialect.create_connect_args(engine.url)
        options: Any = {
            **given,
            "timeout": database.timeout,
            "check_same_thread": False,
            "cached_statements": 64,
        }
        driver: sqlite3.Connection
        driver = sqlite3.connect(*arguments, **options)  # type: ignore[call-overload]
        try:
            configure(driver, database)
        except BaseException:
            driver.close()
            raise
        return SqliteConnection(driver, self._statements)

    def take_back(self, connection: Connection, error: BaseException | None) -> None:
        if error is None and type(connection) is SqliteReader:
            try:
                connection.check_guard()  # for reads of every kind, also those that do not look themselves
            except ChangedError:
                connection.close()
                raise
        super().take_back(connection, error)

    def is_lost(self, error: Exception, connection: Connection) -> bool:
        return isinstance(error, ChangedError)


def _fitting(_: Any, value: Any) -> Any:
    # Find out now: an error of the driver would end the whole commit.
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, int):
        value.to_bytes(8, "big", signed=True)
    elif not isinstance(value, (float, bytes, bytearray, memoryview)):
        return sqlite3.adapt(value, sqlite3.PrepareProtocol)
    return value
