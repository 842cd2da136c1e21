"""Connections in SQLAlchemy Core, for every database."""

from __future__ import annotations

from brinery.backends.sql.columns import marker_of
from brinery.backends.sql.connection import Connection, ConnectionPool, TakenError
from brinery.backends.sql.pending import LARGE
from brinery.backends.sql.schema import DATA, FILLED, STANDARD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any, Final

    import sqlalchemy as sa

    from brinery.backends.sql.pending import Row
    from brinery.backends.sql.schema import Schema

_ROWS: Final = 500


class GenericConnection(Connection):
    """One connection of SQLAlchemy."""

    def __init__(self, driver: sa.Connection, schema: Schema, one_state: str | None) -> None:
        """`one_state` is the isolation level for `begin_reading`, None for the default one."""
        self.driver = driver
        self._records = schema.records
        self._columns = (*STANDARD, FILLED, *schema.fields)
        self._is_open = False
        self._level = one_state

    def get(self, name: str) -> tuple[bytes, int] | None:
        from sqlalchemy import select

        table = self._records.c
        for data, version in self._rows(
            select(table.data, table.version).where(table.name == name)
        ):
            return bytes(data), version
        return None

    def get_some(self, names: Sequence[str]) -> Sequence[tuple[str, Any, int]]:
        from sqlalchemy import case, select

        table = self._records.c
        small = case((table.size <= LARGE, table.data))
        wanted = select(table.name, small, table.version).where(table.name.in_(names))
        return [
            (name, None if data is None else bytes(data), version)
            for name, data, version in self._rows(wanted)
        ]

    def tail(self, name: str, count: int) -> tuple[bytes, int, int] | None:
        # Each database has a function of its own for a part of a blob: read all of it.
        found = self.get(name)
        if found is None:
            return None
        data, version = found
        return data[-count:] if count else b"", len(data), version

    def names(self, prefix: str) -> Sequence[str]:
        from sqlalchemy import select

        # Sort and compare here: how the database does that depends on its settings.
        wanted = select(self._records.c.name)
        if prefix:
            wanted = wanted.where(self._records.c.name.startswith(prefix, autoescape=True))
        found = [name for (name,) in self._rows(wanted)]
        return sorted(name for name in found if name.startswith(prefix) and name[0] != ".")

    def some_names(self, most: int) -> Sequence[str]:
        from sqlalchemy import select

        name = self._records.c.name
        wanted = select(name).where(~name.startswith(".", autoescape=True)).limit(most)
        return [name for (name,) in self._rows(wanted)]

    def count(self) -> int:
        from sqlalchemy import func, select

        name = self._records.c.name
        wanted = select(func.count()).where(~name.startswith(".", autoescape=True))
        ((count,),) = self._rows(wanted)
        return int(count)

    def referrers(self, name: str) -> Sequence[str]:
        from sqlalchemy import select

        # There is no index: the database looks through the column.  Some compare without regard to case.
        table, quoted = self._records.c, f'"{name}"'
        wanted = select(table.name, table.refs).where(table.refs.contains(quoted, autoescape=True))
        return sorted(source for source, refs in self._rows(wanted) if quoted in refs)

    def described(self, names: Sequence[str]) -> Sequence[tuple[Any, ...]]:
        from sqlalchemy import select, type_coerce
        from sqlalchemy.types import NullType

        # As they are: a value of a wrong type is a difference.
        columns = [type_coerce(self._records.c[name], NullType()) for name in STANDARD[1:DATA]]
        name = self._records.c.name
        return [tuple(row) for row in self._rows(select(name, *columns).where(name.in_(names)))]

    def begin(self) -> None:
        self.driver.info["brinery_writes"] = True
        self._begin()

    def begin_reading(self) -> None:
        if self._level is not None:
            self.driver.execution_options(isolation_level=self._level)
        self._begin()

    def _begin(self) -> None:
        self.driver.begin()
        self._is_open = True

    def commit(self) -> None:
        self.driver.commit()
        self._ended()

    def rollback(self) -> None:
        self.driver.rollback()
        self._ended()

    def _ended(self) -> None:
        self._is_open = False
        self.driver.info.pop("brinery_writes", None)
        if self._level is not None:
            default = self.driver.default_isolation_level
            assert default is not None
            self.driver.execution_options(isolation_level=default)

    def versions(self, names: Sequence[str]) -> Sequence[tuple[str, int]]:
        from sqlalchemy import select

        table = self._records.c
        wanted = select(table.name, table.version).where(table.name.in_(names))
        return [*map(tuple, self._rows(wanted.order_by(table.name).with_for_update()))]

    def insert(self, rows: Sequence[Row]) -> None:
        from sqlalchemy import insert
        from sqlalchemy.exc import IntegrityError

        try:
            for some in _batches(rows):
                # Those that keep their extra columns have none yet.
                nothing = dict.fromkeys(self._columns)
                self.driver.execute(
                    insert(self._records), [{**nothing, **self._values(row)} for row in some]
                )
        except IntegrityError as error:
            raise TakenError from error

    def _values(self, row: Row) -> dict[str, Any]:
        return dict(zip(self._columns, row, strict=False))

    def update(self, rows: Sequence[Row]) -> None:
        from sqlalchemy import bindparam, update

        statement = update(self._records).where(self._records.c.name == bindparam("_name"))
        for width in {*map(len, rows)}:
            for some in _batches([row for row in rows if len(row) == width]):
                values = [self._values(row) for row in some]
                for each in values:
                    each["_name"] = each.pop("name")
                self.driver.execute(statement, values)

    def fill(self, rows: Iterable[Row]) -> None:
        from sqlalchemy import bindparam, update

        table = self._records.c
        is_same = (table.name == bindparam("_name")) & (table.version == bindparam("_version"))
        statement = update(self._records).where(is_same)
        filled = ("_name", "_version", *self._columns[DATA + 1 :])
        for row in rows:
            self.driver.execute(statement, dict(zip(filled, row, strict=True)))

    def delete(self, names: Sequence[str]) -> None:
        from sqlalchemy import delete

        for some in _batches(names):
            self.driver.execute(delete(self._records).where(self._records.c.name.in_(some)))

    def is_idle(self) -> bool:
        return not self.driver.in_transaction()

    def close(self) -> None:
        self.driver.close()

    def _rows(self, statement: sa.Executable) -> Sequence[Any]:
        try:
            return self.driver.execute(statement).fetchall()
        finally:
            if not self._is_open:
                self.driver.rollback()


def _batches(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), _ROWS):
        yield values[start : start + _ROWS]


class _Fields:
    """The extra columns of one store, whose values SQLAlchemy converts."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._marker = marker_of(names)
        self.unfilled: Row = (None,) * (1 + len(names))

    def values(self, given: Mapping[str, Any]) -> Row:
        """Return the values for `filled` and the extra columns."""
        return self._marker, *map(given.get, self._names)


class GenericPool(ConnectionPool):
    """Connections of SQLAlchemy's engine."""

    def __init__(self, engine: sa.Engine, schema: Schema, one_state: str | None) -> None:
        """See `GenericConnection`."""
        from sqlalchemy.exc import SQLAlchemyError
        from sqlalchemy.pool import StaticPool

        super().__init__()
        self.errors = (SQLAlchemyError,)
        self._engine = engine
        self._schema = schema
        self._one_state = one_state
        self.fields = _Fields(schema.fields) if schema.fields else None
        if isinstance(engine.pool, StaticPool):
            self.most = 1

    def new(self) -> GenericConnection:
        return GenericConnection(self._engine.connect(), self._schema, self._one_state)

    def is_lost(self, error: Exception, connection: Connection) -> bool:
        assert isinstance(connection, GenericConnection)
        return bool(getattr(error, "connection_invalidated", False)) or connection.driver.closed
