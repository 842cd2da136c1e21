"""Connections in SQLAlchemy Core, for every database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from brinery.backends.sql.columns import marker_of
from brinery.backends.sql.connection import Connection, ConnectionPool, TakenError
from brinery.backends.sql.pending import Row
from brinery.backends.sql.schema import FILLED, Schema

if TYPE_CHECKING:
    import sqlalchemy as sa

_LARGE: Final = 1 << 20  # bytes; a larger record is read by itself
_ROWS: Final = 500


class GenericConnection(Connection):
    """One connection of SQLAlchemy."""

    def __init__(self, driver: sa.Connection, schema: Schema, one_state: str | None) -> None:
        """`one_state` is the isolation level for `begin_reading`, None for the default one."""
        self.driver = driver
        self._records, self._references, self._fields = schema
        self._marker = marker_of(schema.fields)
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

    def get_some(self, names: Sequence[str]) -> Iterator[tuple[str, bytes, int]]:
        from sqlalchemy import case, select

        table = self._records.c
        small = case((table.size <= _LARGE, table.data))
        wanted = select(table.name, table.version, small).where(table.name.in_(names))
        large = []
        for name, version, data in self._rows(wanted):
            if data is None:
                large.append(name)
            else:
                yield name, bytes(data), version
        for name in large:
            found = self.get(name)
            if found is not None:
                yield name, *found

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

        table = self._references.c
        return sorted(s for (s,) in self._rows(select(table.source).where(table.target == name)))

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

    def versions(self, names: Sequence[str]) -> dict[str, int]:
        from sqlalchemy import select

        table = self._records.c
        wanted = select(table.name, table.version).where(table.name.in_(names))
        rows = self._rows(wanted.order_by(table.name).with_for_update())
        return dict(map(tuple, rows))

    def insert(self, rows: Iterable[Row]) -> None:
        from sqlalchemy import insert
        from sqlalchemy.exc import IntegrityError

        try:
            for some in _batches(map(self._values, rows)):
                self.driver.execute(insert(self._records), some)
        except IntegrityError as error:
            raise TakenError from error

    def update(self, rows: Iterable[Row], *, with_fields: bool = True) -> None:
        from sqlalchemy import bindparam, update

        statement = update(self._records).where(self._records.c.name == bindparam("_name"))
        for some in _batches(self._values(row) for row in rows):
            for values in some:
                values["_name"] = values.pop("name")
                if not with_fields:
                    for field in (FILLED, *self._fields):
                        del values[field]
            self.driver.execute(statement, some)

    def fill(self, rows: Iterable[tuple[Row, str]]) -> None:
        from sqlalchemy import bindparam, update

        table = self._records.c
        is_same = (table.name == bindparam("_name")) & (table.version == bindparam("_version"))
        statement = update(self._records).where(is_same)
        for row, marker in rows:
            values = self._values(row)
            columns = {name: values[name] for name in self._fields}
            names = {"_name": row.name, "_version": row.version}
            self.driver.execute(statement, {**columns, **names, FILLED: marker})

    def unlink(self, sources: Sequence[str]) -> None:
        self._delete(self._references, self._references.c.source, sources)

    def delete(self, names: Sequence[str]) -> None:
        self._delete(self._records, self._records.c.name, names)

    def _delete(self, table: Any, column: Any, names: Sequence[str]) -> None:
        from sqlalchemy import delete

        for start in range(0, len(names), _ROWS):
            self.driver.execute(delete(table).where(column.in_(names[start : start + _ROWS])))

    def link(self, references: Iterable[tuple[str, str]], *, are_new: bool = False) -> None:
        from sqlalchemy import insert
        from sqlalchemy.exc import IntegrityError

        pairs = ({"source": source, "target": target} for source, target in references)
        try:
            for some in _batches(pairs):
                self.driver.execute(insert(self._references), some)
        except IntegrityError as error:
            if not are_new:
                raise
            raise TakenError from error

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

    def _values(self, row: Row) -> dict[str, Any]:
        name, version, size, about, data = row
        values: dict[str, Any] = dict.fromkeys(self._fields)
        values |= {"name": name, "version": version, "size": size, "data": data}
        values |= {"class_name": None, "codec": None, "created": None, FILLED: None}
        if about is not None:
            values |= {
                "class_name": about.class_name,
                "codec": about.codec,
                "created": about.created,
                **(about.fields or {}),
            }
            if about.fields:
                values[FILLED] = self._marker
        return values


def _batches(values: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    values = iter(values)
    while some := list(islice(values, _ROWS)):
        yield some


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
        if isinstance(engine.pool, StaticPool):
            self.most = 1

    def new(self) -> GenericConnection:
        return GenericConnection(self._engine.connect(), self._schema, self._one_state)

    def is_lost(self, error: Exception, connection: Connection) -> bool:
        assert isinstance(connection, GenericConnection)
        return bool(getattr(error, "connection_invalidated", False)) or connection.driver.closed
