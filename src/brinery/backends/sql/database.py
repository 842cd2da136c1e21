"""Where the tables are: the URL, the engine of SQLAlchemy, and the tables made or found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from brinery.backends.permissions import Openness
from brinery.backends.sql import failures
from brinery.backends.sql.connection import Sessions
from brinery.backends.sql.schema import DEFAULT_TABLE, STANDARD, make_schema
from brinery.errors import (
    DriverNotInstalledError,
    InvalidArgumentError,
    MissingColumnsError,
    MissingTableError,
    StorageError,
    UrlError,
)
from brinery.url import Url

if TYPE_CHECKING:
    from sqlalchemy import URL, Column, Connection, Engine

# The driver that is meant where a URL names none, and what installs it.
_DRIVERS: Final = {"postgresql": "psycopg", "postgres": "psycopg"}
_EXTRAS: Final = {
    "sqlalchemy": "pip install 'brinery[sql]'",
    "psycopg": "pip install 'brinery[postgres]'",
    "MySQLdb": "pip install mysqlclient",
    "mariadb": "pip install mariadb",
    "pysqlcipher3": "pip install sqlcipher3",
}


_FORMS: Final = "; an SQLite file is sqlite:///relative.db or sqlite:////absolute.db, a database in memory sqlite://"


class Place:
    """One database and table, as a URL and a few arguments name them."""

    def __init__(
        self,
        url: str,
        table_name: str,
        extra: Sequence[Column[Any]],
        durability: str,
        timeout: float,
    ) -> None:
        if durability not in ("full", "process"):
            raise InvalidArgumentError(f"durability={durability!r}: say 'full' or 'process'")
        self.durability = durability
        self.timeout = timeout
        with installed():
            self.url = _read(url)
        self.dialect = self.url.get_backend_name()
        self._openness: Openness | None = None
        if self.dialect == "sqlite":
            from brinery.backends.sql.dialects import sqlite

            self.url = sqlite.absolute(self.url)
            self._openness = sqlite.openness(self.url)
        self.schema = make_schema(table_name, extra)
        table = "" if table_name == DEFAULT_TABLE else f"#table={table_name}"
        self.location = Url(self.url.render_as_string(hide_password=True)).without_secrets() + table
        self.password = self.url.password
        with installed(), _understood(self.location):
            self.engine = self._engine()

    def _engine(self) -> Engine:
        from sqlalchemy import create_engine

        if self.dialect == "sqlite":
            from brinery.backends.sql.dialects import sqlite

            return sqlite.engine_of(self)
        if self.dialect == "postgresql":
            from brinery.backends.sql.dialects import postgresql

            return postgresql.engine_of(self)
        # Of the pool one connection at a time is used: for each session one is taken out for good.
        from sqlalchemy.pool import NullPool

        return create_engine(self.url, poolclass=NullPool, hide_parameters=True)

    # -- the tables

    def prepare(self, *, create: bool, migrate: bool) -> None:
        """Find the tables, or make them.

        Raise `MissingTableError`, `MissingColumnsError`, `StorageError`.
        """
        if self.dialect == "sqlite":
            from brinery.backends.sql.dialects import sqlite

            sqlite.prepare(self, create=create)
        with self._translated("open"), self.engine.connect() as connection:
            missing = self._missing(connection)
            connection.rollback()
            if missing is None:
                if not create:
                    raise MissingTableError(self.schema.records.name, path=self.location)
                self._create(connection)
                missing = self._missing(connection) or ()
            if missing and not migrate:
                statements = [
                    text.replace("%%", "%") if self._doubles_percents() else text
                    for column in missing
                    for text in self._additions(column)
                ]
                raise MissingColumnsError(
                    [column.name for column in missing], statements, path=self.location
                )
            if missing:
                self._migrate(connection, missing)

    def _missing(self, connection: Connection) -> Sequence[Column[Any]] | None:
        # The further columns that the table lacks; None where there is no table.
        from sqlalchemy import inspect

        inspector, records = inspect(connection), self.schema.records
        if not inspector.has_table(records.name):
            if self._has_references(inspector) is False:
                raise self._taken(self.schema.references.name)
            return None
        found = {column["name"] for column in inspector.get_columns(records.name)}
        if not found >= set(STANDARD) or not self._has_references(inspector):
            raise self._taken(records.name)
        return [records.c[name] for name in self.schema.fields if name not in found]

    def _has_references(self, inspector: Any) -> bool | None:
        # Whether the second table is one of brinery's; None where there is none.
        references = self.schema.references
        if not inspector.has_table(references.name):
            return None
        found = {column["name"] for column in inspector.get_columns(references.name)}
        return found >= set(references.c.keys())

    def _taken(self, name: str) -> StorageError:
        return StorageError(
            "use as a store",
            f"there is a table {name!r} already, and it is not one that brinery makes for this: name "
            "another one with table_name=…, or #table=… at the end of the URL",
            path=self.location,
        )

    def _create(self, connection: Connection) -> None:
        from sqlalchemy.exc import DBAPIError

        try:
            with writing(connection):
                self.schema.records.metadata.create_all(connection)
        except DBAPIError:
            # Somebody else has made them at the same time, which is as good.
            if self._missing(connection) is None:
                raise

    def _migrate(self, connection: Connection, missing: Sequence[Column[Any]]) -> None:
        from sqlalchemy.exc import DBAPIError

        try:
            with writing(connection):
                for column in missing:
                    for statement in self._additions(column):
                        connection.exec_driver_sql(statement)
        except DBAPIError:
            if self._missing(connection):
                raise

    def _doubles_percents(self) -> bool:
        # Where values stand as %s, a sign of its own is %%.
        return self.engine.dialect.paramstyle in ("format", "pyformat")

    def _additions(self, column: Column[Any]) -> Iterator[str]:
        from sqlalchemy.schema import CreateColumn, CreateIndex

        dialect, table = self.engine.dialect, column.table
        if self.dialect == "postgresql":
            from brinery.backends.sql.dialects import postgresql

            yield from postgresql.types_for(column, dialect)
        what = "ADD" if self.dialect in ("mssql", "oracle") else "ADD COLUMN"
        described = CreateColumn(column).compile(dialect=dialect)
        yield f"ALTER TABLE {dialect.identifier_preparer.format_table(table)} {what} {described}"
        for index in table.indexes:
            if column.name in index.columns:
                yield str(CreateIndex(index).compile(dialect=dialect))

    def close(self) -> None:
        """Let go of what the engine holds: of a database in memory, the connection that it is."""
        self.engine.dispose()

    def is_open_to_others(self) -> str | None:
        """Return in which way others can write to the database, as far as files tell."""
        return None if self._openness is None else self._openness.reason()

    def query(self, where: Any, order_by: Any, limit: int | None) -> list[str]:
        """Return the names of the records whose columns fit.

        Raise `InvalidArgumentError` for what is no expression, and the errors of SQLAlchemy.
        """
        from sqlalchemy import select
        from sqlalchemy.exc import ArgumentError, CompileError

        if limit is not None and (not isinstance(limit, int) or limit < 0):
            raise InvalidArgumentError(f"limit is a whole number from 0 on, not {limit!r:.60}")
        table = self.schema.records
        # The store's own settings and counter have no class.
        wanted = select(table.c.name).where(table.c.class_name.is_not(None))
        try:
            if where is not None:
                wanted = wanted.where(where)
            if order_by is not None:
                several = order_by if isinstance(order_by, (list, tuple)) else [order_by]
                wanted = wanted.order_by(*several)
            wanted = wanted.order_by(table.c.name)
            if limit is not None:
                wanted = wanted.limit(limit)
            with self.engine.connect() as connection:
                found = [name for (name,) in connection.execute(wanted)]
                connection.rollback()
        except (ArgumentError, CompileError, TypeError, ValueError, OverflowError) as error:
            raise InvalidArgumentError(
                "where and order_by are expressions of SQLAlchemy, such as "
                f"store.columns.size > 1000: {error}"
            ) from error
        return found

    @contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except SQLAlchemyError as error:
            raise failures.failure(self, action, error) from error
        except TypeError as error:
            # What the query of a URL has goes to the driver as keyword arguments.
            raise UrlError(self.location, f"the driver does not take it: {error}") from error


def sessions_of(place: Place, *, native: bool) -> Sessions:
    """Return what makes connections to a place: through the driver where `native` and known."""
    if native and place.dialect == "sqlite":
        from brinery.backends.sql.dialects.sqlite_connection import SqliteSessions

        return SqliteSessions(place)
    if native and place.dialect == "postgresql" and place.url.get_driver_name() == "psycopg":
        from brinery.backends.sql.dialects.postgresql import PostgresSessions

        return PostgresSessions(place)
    from brinery.backends.sql.dialects.generic import CoreSessions

    return CoreSessions(place)


@contextmanager
def writing(connection: Connection) -> Iterator[None]:
    """Begin a transaction that writes, and commit it; roll back at an error."""
    connection.info["brinery_writes"] = True
    try:
        with connection.begin():
            yield
    finally:
        connection.info.pop("brinery_writes", None)


@contextmanager
def installed() -> Iterator[None]:
    """Name the extra to install where a module is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        hint = _EXTRAS.get(module, f"pip install {module}")
        raise DriverNotInstalledError(module, hint) from error


def _check_password(url: Url) -> None:
    # Part of a password that was not encoded would be taken for the host, the database or an option,
    # and a driver shows these.
    if url.scheme.partition("+")[0] == "sqlite":
        return
    options = [pair.partition("=")[0] for pair in url.query.split("&")]
    is_torn = any("@" in name or "%40" in name for name in options)
    is_torn |= ":" in url.netloc and "@" in url.path
    if is_torn or "@" in url.netloc.rpartition("@")[0]:
        user = url.netloc.partition(":")[0]
        raise UrlError(
            f"{url.scheme}://{user}:***",
            "/ ? # and @ in a user, password or database are written as %2F, %3F, %23 and %40",
        )


def _read(url: str) -> URL:
    from sqlalchemy import make_url

    parsed = Url(url)
    masked = parsed.without_secrets()
    _check_password(parsed)
    with _understood(masked):
        found = make_url(url)
        scheme = found.drivername
        if scheme in _DRIVERS:
            found = found.set(drivername=f"postgresql+{_DRIVERS[scheme]}")
        found.get_dialect()
    return found


@contextmanager
def _understood(masked: str) -> Iterator[None]:
    """Tell of a URL that SQLAlchemy does not take.  Raise `UrlError`."""
    from sqlalchemy.exc import ArgumentError

    try:
        yield
    except (ArgumentError, ValueError) as error:
        said = str(error).partition("\n")[0]
        hint = _FORMS if masked.startswith(("sqlite", "file")) else ""
        raise UrlError(masked, f"SQLAlchemy does not take it: {said}{hint}") from None
