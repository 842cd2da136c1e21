"""PostgreSQL: its URLs, its engine, its types."""

from __future__ import annotations

from brinery.backends.sql.dialect import Dialect
from brinery.backends.sql.dialects.postgresql_connection import (
    READ_ONLY,
    PostgresPool,
    connect_options,
)
from brinery.errors import ValueTooLargeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final

    from sqlalchemy import URL, Column, Connection, Engine

    from brinery.backends.sql.connection import ConnectionPool

LARGEST: Final = (1 << 30) - (16 << 20)
"""A row has 1 GB; the other columns take far less than 16 MB."""
LARGEST_AT_ONCE: Final = 256 << 20
"""Where the record is the value of a statement, of which server and client hold several copies."""
_ELSEWHERE: Final = "keep it in a directory (file:///…), or as several smaller objects"
_DRIVER: Final = "psycopg"


class PostgresDialect(Dialect):
    """A PostgreSQL server, through psycopg where the URL names no other driver."""

    one_state = "REPEATABLE READ"

    @classmethod
    def complete(cls, url: URL) -> URL:
        if url.drivername in ("postgresql", "postgres"):
            return url.set(drivername=f"postgresql+{_DRIVER}")
        return url

    def make_engine(self) -> Engine:
        from sqlalchemy import create_engine, event
        from sqlalchemy.pool import NullPool

        engine = create_engine(
            self.url,
            poolclass=NullPool,
            hide_parameters=True,
            connect_args=connect_options(self.database) if self._has_psycopg() else {},
        )
        if self.database.mode == "r":
            event.listen(engine, "connect", _read_only)
        return engine

    def make_pool(self, *, native: bool) -> ConnectionPool:
        if native and self._has_psycopg():
            return PostgresPool(self)
        from brinery.backends.sql.dialects.generic_connection import GenericPool

        return GenericPool(self.engine, self.database.schema, self.one_state)

    def _has_psycopg(self) -> bool:
        return self.url.get_driver_name() == _DRIVER

    def check_size(self, name: str, size: int) -> None:
        largest = LARGEST_AT_ONCE if self.database.schema.fields else LARGEST
        if size > largest:
            raise ValueTooLargeError(name, size, largest, "PostgreSQL", _ELSEWHERE)

    def types_of(self, column: Column[Any]) -> Iterator[str]:
        from sqlalchemy.dialects.postgresql import ENUM, CreateEnumType

        dialect = self.engine.dialect
        type_ = column.type.dialect_impl(dialect)
        if isinstance(type_, ENUM):
            made = str(CreateEnumType(type_).compile(dialect=dialect)).strip()
            # There is no CREATE TYPE IF NOT EXISTS, and another table may have made the type.
            yield f"DO $$ BEGIN {made}; EXCEPTION WHEN duplicate_object THEN NULL; END $$"

    def tables_made(self, connection: Connection) -> None:
        # Compressed bytes do not compress again; uncompressed ones can be read from their middle.
        records = self.database.schema.records
        name = connection.dialect.identifier_preparer.format_table(records)
        connection.exec_driver_sql(f"ALTER TABLE {name} ALTER COLUMN data SET STORAGE EXTERNAL")


def _read_only(driver: Any, _: object) -> None:
    with driver.cursor() as cursor:
        cursor.execute(READ_ONLY)
    driver.commit()
