"""The table of one store: found, made, and extended."""

from __future__ import annotations

from contextlib import contextmanager

from brinery.backends.sql.schema import FILLED, INDEXED, STANDARD
from brinery.errors import (
    MissingColumnsError,
    MissingTableError,
    StorageError,
    UrlError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from sqlalchemy import Column, Connection

    from brinery.backends.sql.dialect import Dialect


class Tables:
    """The table of one store, by SQLAlchemy."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._schema = dialect.database.schema
        self._location = dialect.database.location

        self.has_others = False
        """Whether the table has columns of other stores or programs; set by `prepare`."""

    def prepare(self, *, create: bool, migrate: bool) -> None:
        """Find the table, or make it; with `migrate` also the extra columns that are missing.

        Raise `MissingTableError`, `MissingColumnsError`, `StorageError`.
        """
        with self._translated("open"), self._dialect.engine.connect() as connection:
            missing = self._missing(connection)
            connection.rollback()
            if missing is None:
                if not create:
                    raise MissingTableError(self._schema.table_name, path=self._location)
                self._create(connection)
                missing = self._missing(connection) or ()
            if missing and not migrate:
                statements = [
                    text.replace("%%", "%") if self._doubles_percents() else text
                    for text in self._additions(connection, missing)
                ]
                raise MissingColumnsError(
                    [column.name for column in missing], statements, path=self._location
                )
            if missing:
                self._migrate(connection, missing)

    def _missing(self, connection: Connection) -> Sequence[Column[Any]] | None:
        # The extra columns that the table lacks; None where there is no table.
        from sqlalchemy import inspect

        inspector, records = inspect(connection), self._schema.records
        if not inspector.has_table(records.name):
            return None
        found = {column["name"] for column in inspector.get_columns(records.name)}
        if not found >= {*STANDARD, FILLED}:
            raise StorageError(
                "use as a store",
                f"a table {records.name!r} exists, and brinery did not make it for this: name another one "
                "with table_name=…, or #table=… at the end of the URL",
                path=self._location,
            )
        self.has_others = not found <= {*STANDARD, FILLED, *self._schema.fields}
        return [records.c[name] for name in self._schema.fields if name not in found]

    def _create(self, connection: Connection) -> None:
        from sqlalchemy.exc import DBAPIError

        try:
            with writing(connection):
                self._schema.records.metadata.create_all(connection)
                self._dialect.tables_made(connection)
        except DBAPIError:
            # Another process has made them at the same time, which is as good.
            if self._missing(connection) is None:
                raise

    def _migrate(self, connection: Connection, missing: Sequence[Column[Any]]) -> None:
        from sqlalchemy.exc import DBAPIError

        try:
            with writing(connection):
                for statement in [*self._additions(connection, missing)]:
                    connection.exec_driver_sql(statement)
        except DBAPIError:
            if self._missing(connection):
                raise

    def _doubles_percents(self) -> bool:
        # Where %s marks a value, a percent sign is written %%.
        return self._dialect.engine.dialect.paramstyle in ("format", "pyformat")

    def _additions(self, connection: Connection, missing: Sequence[Column[Any]]) -> Iterator[str]:
        from sqlalchemy import inspect
        from sqlalchemy.schema import CreateIndex

        for column in missing:
            yield from self._addition(column)
        if self._dialect.engine.dialect.name not in INDEXED:
            return
        records = self._schema.records
        names = {index["name"] for index in inspect(connection).get_indexes(records.name)}
        for index in records.indexes:
            if FILLED in index.columns and index.name not in names:
                yield str(CreateIndex(index).compile(dialect=self._dialect.engine.dialect))

    def _addition(self, column: Column[Any]) -> Iterator[str]:
        from sqlalchemy.schema import CreateColumn, CreateIndex

        dialect, table = self._dialect.engine.dialect, column.table
        yield from self._dialect.types_of(column)
        described = CreateColumn(column).compile(dialect=dialect)
        quoted = dialect.identifier_preparer.format_table(table)
        yield f"ALTER TABLE {quoted} {self._dialect.add_column} {described}"
        for index in table.indexes:
            if column.name in index.columns:
                yield str(CreateIndex(index).compile(dialect=dialect))

    @contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except SQLAlchemyError as error:
            raise self._dialect.failure(action, error) from error
        except TypeError as error:
            # SQLAlchemy hands the query of a URL to the driver as keyword arguments.
            raise UrlError(self._location, f"the driver refuses its options: {error}") from error


@contextmanager
def writing(connection: Connection) -> Iterator[None]:
    """Begin a transaction that writes, and commit it; roll back at an error."""
    connection.info["brinery_writes"] = True
    try:
        with connection.begin():
            yield
    finally:
        connection.info.pop("brinery_writes", None)
