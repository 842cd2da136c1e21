"""Sessions in SQLAlchemy Core, for every dialect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from brinery.backends.sql import failures
from brinery.backends.sql.connection import Session, Sessions, TakenError
from brinery.backends.sql.pending import Row
from brinery.errors import BrineryError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Executable

    from brinery.backends.sql.database import Place

_LARGE: Final = 1 << 20  # bytes; a larger record is read by itself
_ROWS: Final = 500
_ONE_STATE: Final = {
    "postgresql": "REPEATABLE READ",
    "mysql": "REPEATABLE READ",
    "mariadb": "REPEATABLE READ",
    "oracle": "SERIALIZABLE",
}


class CoreSession(Session):
    """One connection of SQLAlchemy."""

    def __init__(self, connection: Connection, place: Place) -> None:
        self.connection = connection
        self._records, self._references, self._fields = place.schema
        self._is_open = False
        self._level = _ONE_STATE.get(place.dialect)

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
        # What a part of a blob is called differs: the whole is read.
        found = self.get(name)
        if found is None:
            return None
        data, version = found
        return data[-count:] if count else b"", len(data), version

    def names(self, prefix: str) -> Sequence[str]:
        from sqlalchemy import select

        # Sorted and compared here: what the database makes of characters depends on its settings.
        wanted = select(self._records.c.name)
        if prefix:
            wanted = wanted.where(self._records.c.name.startswith(prefix, autoescape=True))
        found = [name for (name,) in self._rows(wanted)]
        return sorted(name for name in found if name.startswith(prefix) and name[0] != ".")

    def referrers(self, name: str) -> Sequence[str]:
        from sqlalchemy import select

        table = self._references.c
        return sorted(s for (s,) in self._rows(select(table.source).where(table.target == name)))

    def begin(self) -> None:
        self.connection.info["brinery_writes"] = True
        self._begin()

    def begin_reading(self) -> None:
        if self._level is not None:
            self.connection.execution_options(isolation_level=self._level)
        self._begin()

    def _begin(self) -> None:
        self.connection.begin()
        self._is_open = True

    def commit(self) -> None:
        self.connection.commit()
        self._ended()

    def rollback(self) -> None:
        self.connection.rollback()
        self._ended()

    def _ended(self) -> None:
        self._is_open = False
        self.connection.info.pop("brinery_writes", None)
        if self._level is not None:
            default = self.connection.default_isolation_level
            assert default is not None
            self.connection.execution_options(isolation_level=default)

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
                self.connection.execute(insert(self._records), some)
        except IntegrityError as error:
            raise TakenError from error

    def update(self, rows: Iterable[Row], *, with_fields: bool = True) -> None:
        from sqlalchemy import bindparam, update

        statement = update(self._records).where(self._records.c.name == bindparam("_name"))
        for some in _batches(self._values(row) for row in rows):
            for values in some:
                values["_name"] = values.pop("name")
                if not with_fields:
                    for field in self._fields:
                        del values[field]
            self.connection.execute(statement, some)

    def unlink(self, sources: Sequence[str]) -> None:
        self._delete(self._references, self._references.c.source, sources)

    def delete(self, names: Sequence[str]) -> None:
        self._delete(self._records, self._records.c.name, names)

    def _delete(self, table: Any, column: Any, names: Sequence[str]) -> None:
        from sqlalchemy import delete

        for start in range(0, len(names), _ROWS):
            self.connection.execute(delete(table).where(column.in_(names[start : start + _ROWS])))

    def link(self, references: Iterable[tuple[str, str]], *, are_new: bool = False) -> None:
        from sqlalchemy import insert
        from sqlalchemy.exc import IntegrityError

        pairs = ({"source": source, "target": target} for source, target in references)
        try:
            for some in _batches(pairs):
                self.connection.execute(insert(self._references), some)
        except IntegrityError as error:
            if not are_new:
                raise
            raise TakenError from error

    def is_idle(self) -> bool:
        return not self.connection.in_transaction()

    def close(self) -> None:
        self.connection.close()

    def _rows(self, statement: Executable) -> Sequence[Any]:
        try:
            return self.connection.execute(statement).fetchall()
        finally:
            if not self._is_open:
                self.connection.rollback()

    def _values(self, row: Row) -> dict[str, Any]:
        name, version, size, about, data = row
        values: dict[str, Any] = dict.fromkeys(self._fields)
        values |= {"name": name, "version": version, "size": size, "data": data}
        values |= {"class_name": None, "codec": None, "created": None}
        if about is not None:
            values |= {
                "class_name": about.class_name,
                "codec": about.codec,
                "created": about.created,
                **(about.fields or {}),
            }
        return values


def _batches(values: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    values = iter(values)
    while some := list(islice(values, _ROWS)):
        yield some


class CoreSessions(Sessions):
    """Connections by SQLAlchemy's engine."""

    def __init__(self, place: Place) -> None:
        from sqlalchemy.exc import SQLAlchemyError
        from sqlalchemy.pool import StaticPool

        super().__init__()
        self.errors = (SQLAlchemyError,)
        self._place = place
        if isinstance(place.engine.pool, StaticPool):
            self.most = 1

    def new(self) -> CoreSession:
        """Open a connection."""
        return CoreSession(self._place.engine.connect(), self._place)

    def failure(self, action: str, error: Exception, name: str | None = None) -> BrineryError:
        """Return the error of brinery that stands for one of SQLAlchemy."""
        return failures.failure(self._place, action, error, name)

    def is_passing(self, error: Exception) -> bool:
        """Tell whether the server gave up a transaction for the sake of another one."""
        return failures.code_of(error) in failures.PASSING

    def is_lost(self, error: Exception, session: Session) -> bool:
        """Tell whether the connection is gone."""
        assert isinstance(session, CoreSession)
        return bool(getattr(error, "connection_invalidated", False)) or session.connection.closed

    def check_size(self, name: str, size: int) -> None:
        """Raise `ValueTooLargeError` as the native sessions do."""
        from brinery.backends.sql.dialects import postgresql, sqlite

        native = {"sqlite": sqlite.check_size, "postgresql": postgresql.check_size}
        check = native.get(self._place.dialect)
        if check is not None:
            check(name, size)
