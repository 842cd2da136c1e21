"""Connections to PostgreSQL, by psycopg 3.

Rows are written by ``unnest``: one statement and one round trip for hundreds of rows.  Measured for rows of
400 bytes over a unix socket: 7 µs a row, against 17 by SQLAlchemy's insertmanyvalues and 105 one by one.
Many new rows are copied (COPY in its binary form), in half that time; an existing row ends the copy.
"""

from __future__ import annotations

import select
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from brinery.backend import ABSENT, ANY, Expect, Version
from brinery.backends.sql.connection import (
    LARGEST_AHEAD,
    Connection,
    ConnectionPool,
    TakenError,
)
from brinery.backends.sql.database import Database
from brinery.backends.sql.dialects.postgresql_statements import Statements, type_of
from brinery.backends.sql.pending import Row

if TYPE_CHECKING:
    import psycopg
    import sqlalchemy as sa

_BATCH: Final = 4 << 20  # bytes of one statement
_ROWS: Final = 500
_LARGE: Final = 1 << 20  # bytes; a larger record is read by itself

_MANY: Final = 100
"""New rows that are copied: 3.6 µs for a record and 2.0 for a reference, by unnest 5.9 and 5.3."""
_COPIED: Final = ("text", "int8", "int8", "text", "text", "float8", "bytea")

# Every statement looks rows up by name, so one plan fits all values.  Planning takes as long as the statement
# itself: replacing a record and its references takes 577 µs, and 354 with a plan that is kept.  Compiling
# (JIT) costs 5 ms each time the planner expects many rows, as it does without statistics.
_PLANNED_ONCE: Final = (
    "SELECT set_config('plan_cache_mode', 'force_generic_plan', false), "
    "set_config('jit', 'off', false)"
)
_PLANS_CHOSEN: Final = 120000

# A server, a database or a role may be set to acknowledge commits that a power cut can lose.
_SYNCHRONOUS: Final = (
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)

READ_ONLY: Final = "SET default_transaction_read_only = on"
"""Said by each connection of a store that was opened to read only."""


def connect_options(database: Database) -> dict[str, Any]:
    """Return the arguments of `psycopg.connect` that the URL does not give."""
    # UTF-8 whatever the encoding of the database: the server converts or refuses, and SQL_ASCII takes bytes
    # as they are.
    options: dict[str, Any] = {"application_name": "brinery", "client_encoding": "utf8"}
    if "connect_timeout" not in database.url.query:
        options["connect_timeout"] = max(2, int(database.timeout))
    return {name: value for name, value in options.items() if name not in database.url.query}


class PostgresConnection(Connection):
    """One connection of psycopg."""

    def __init__(self, driver: psycopg.Connection[Any], statements: Statements) -> None:
        self.driver = driver
        self._text = statements
        self._cursor = driver.cursor(binary=True)
        self._transformer: Any = None

    def get(self, name: str) -> tuple[bytes, int] | None:
        return self._cursor.execute(self._text.get, (name,)).fetchone()

    def get_some(self, names: Sequence[str]) -> Iterator[tuple[str, bytes, int]]:
        large = []
        for name, version, data in self._cursor.execute(
            self._text.get_some, (list(names), _LARGE)
        ).fetchall():
            if data is None:
                large.append(name)
            else:
                yield name, data, version
        for name in large:
            found = self.get(name)
            if found is not None:
                yield name, *found

    def closure(
        self, name: str, without: Sequence[str], most: int
    ) -> Sequence[tuple[str, bytes, int]] | None:
        found = self._cursor.execute(
            self._text.closure, (name, [*without], LARGEST_AHEAD, most + 1)
        ).fetchall()
        is_whole = len(found) <= most and all(data is not None for _, data, _ in found)
        return found if is_whole else None

    def tail(self, name: str, count: int) -> tuple[bytes, int, int] | None:
        return self._cursor.execute(self._text.tail, (count, count, name)).fetchone()

    def tails(self, names: Sequence[str], count: int) -> Sequence[tuple[str, bytes, int, int]]:
        return self._cursor.execute(self._text.tails, (count, count, list(names))).fetchall()

    def names(self, prefix: str) -> Sequence[str]:
        if not prefix:
            found = self._cursor.execute(self._text.names).fetchall()
        else:
            found = self._cursor.execute(
                self._text.names_from, (prefix, prefix + "\U0010ffff")
            ).fetchall()
        return [name for (name,) in found if name[0] != "."]

    def some_names(self, most: int) -> Sequence[str]:
        found = self._cursor.execute(self._text.some_names, (most,)).fetchall()
        return [name for (name,) in found]

    def count(self) -> int:
        found = self._cursor.execute(self._text.count).fetchone()
        assert found is not None
        return int(found[0])

    def referrers(self, name: str) -> Sequence[str]:
        found = self._cursor.execute(self._text.referrers, (name,)).fetchall()
        return [source for (source,) in found]

    def begin(self) -> None:
        self._cursor.execute("BEGIN")

    def begin_reading(self) -> None:
        self._cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def commit(self) -> None:
        self._cursor.execute("COMMIT")

    def rollback(self) -> None:
        # Also when no transaction is open, or one has failed: psycopg knows the state without a round trip.
        if self.driver.info.transaction_status:
            self._cursor.execute("ROLLBACK")

    def versions(self, names: Sequence[str]) -> dict[str, int]:
        return dict(self._cursor.execute(self._text.versions, (list(names),)).fetchall())

    def insert(self, rows: Iterable[Row]) -> None:
        some = iter(rows)
        first = list(islice(some, _MANY))
        with _taken():
            if len(first) < _MANY or not (self._text.is_plain and self._text.copies):
                self._write(self._text.insert, chain(first, some))
            else:
                values = (self._text.values(row, self._as_text) for row in chain(first, some))
                self._copy(self._text.copy, _COPIED, values)

    def _copy(self, text: str, types: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        from psycopg.errors import FeatureNotSupported, WrongObjectType

        try:
            with self._cursor.copy(text) as copy:
                copy.set_types(types)
                for row in rows:
                    copy.write_row(row)
        except (FeatureNotSupported, WrongObjectType) as error:
            # A table with row-level security, or a view: start again, with INSERT.
            self._text.copies = False
            raise TakenError from error

    def put_alone(self, row: Row, expect: Version | Expect, targets: Sequence[str]) -> bool | None:
        if _has_message(self.driver):
            return None  # the connection has ended: `begin` finds that before anything is written
        values = [[value] for value in self._text.values(row, self._as_text)]
        linked = [*targets]
        with _taken():
            if expect is ABSENT:
                asked = self._cursor.execute(self._text.insert_alone, (*values, linked))
            elif expect is ANY:
                names = [row.name] * len(linked)
                return self._at_once(
                    (self._text.upsert, values),
                    (self._text.unlink, ([row.name],)),
                    (self._text.link, (names, linked)),
                )
            else:
                asked = self._cursor.execute(
                    self._text.update_alone, (*values, expect, linked, linked)
                )
        return asked.fetchone() == (1,)

    def delete_alone(self, name: str) -> bool:
        if _has_message(self.driver):
            return False
        return self._at_once((self._text.delete, ([name],)), (self._text.unlink, ([name],)))

    def _at_once(self, *statements: tuple[str, Sequence[Any]]) -> bool:
        # A transaction in one round trip; False where the driver cannot do that.  Several statements rather
        # than one: links that another writer has just committed are visible only to a statement that begins
        # after the wait for the row.
        from psycopg import Pipeline

        if not Pipeline.is_supported():
            return False
        with self.driver.pipeline():
            self._cursor.execute("BEGIN")
            for text, values in statements:
                self._cursor.execute(text, values)
            self._cursor.execute("COMMIT")
        return True

    def update(self, rows: Iterable[Row], *, with_fields: bool = True) -> None:
        self._write(self._text.update if with_fields else self._text.update_record, rows)

    def fill(self, rows: Iterable[tuple[Row, str]]) -> None:
        values = [self._text.filling(*row, self._as_text) for row in rows]
        self._cursor.execute(self._text.fill, [[*column] for column in zip(*values, strict=True)])

    def unlink(self, sources: Sequence[str]) -> None:
        self._cursor.execute(self._text.unlink, (list(sources),))

    def link(self, references: Iterable[tuple[str, str]], *, are_new: bool = False) -> None:
        pairs = list(references)
        if are_new and len(pairs) >= _MANY and self._text.copies:
            with _taken():
                self._copy(self._text.copy_references, ("text", "text"), pairs)
            return
        for start in range(0, len(pairs), 10 * _ROWS):
            some = pairs[start : start + 10 * _ROWS]
            columns = [source for source, _ in some], [target for _, target in some]
            self._cursor.execute(self._text.link, columns)

    def delete(self, names: Sequence[str]) -> None:
        self._cursor.execute(self._text.delete, (list(names),))

    def is_idle(self) -> bool:
        return self.driver.info.transaction_status == 0  # TransactionStatus.IDLE

    def close(self) -> None:
        self.driver.close()

    def _write(self, text: str, rows: Iterable[Row]) -> None:
        columns: tuple[list[Any], ...] = tuple([] for _ in range(self._text.width))
        size = 0
        for row in rows:
            for column, value in zip(columns, self._text.values(row, self._as_text), strict=True):
                column.append(value)
            size += row.size
            if size > _BATCH or len(columns[0]) == _ROWS:
                self._cursor.execute(text, columns)
                columns, size = tuple([] for _ in columns), 0
        if columns[0]:
            self._cursor.execute(text, columns)

    def _as_text(self, column: sa.Column[Any], value: Any) -> str | None:
        # Each value by itself: an array of values that have several types is refused.
        from psycopg.adapt import PyFormat, Transformer
        from sqlalchemy import Boolean, String

        type_ = type_of(column)
        if isinstance(value, bool) and not isinstance(type_, (Boolean, String)):
            value = int(value)
        if self._transformer is None:
            self._transformer = Transformer(self.driver)
        dumped = self._transformer.get_dumper(value, PyFormat.TEXT).dump(value)
        if dumped is None:
            return None
        text = str(dumped, self.driver.info.encoding)
        longest = getattr(type_, "length", None)
        if isinstance(value, str) and longest is not None and len(text) > longest:
            raise ValueError(f"expected at most {longest} characters, got {len(text)}")
        return text


def _has_message(connection: psycopg.Connection[Any]) -> bool:
    """Return whether the server has sent an unrequested message; usually that it ends the connection."""
    descriptor = connection.fileno()
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([descriptor], [], [], 0)[0])
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(0))


@contextmanager
def _taken() -> Iterator[None]:
    from psycopg.errors import UniqueViolation

    try:
        yield
    except UniqueViolation as error:
        if not (error.diag.constraint_name or "").endswith("_pkey"):
            raise
        raise TakenError from error


class PostgresPool(ConnectionPool):
    """Connections to one PostgreSQL database."""

    def __init__(self, database: Database, dialect: sa.Dialect) -> None:
        import psycopg

        super().__init__()
        self.errors = (psycopg.Error,)
        self._database = database
        self._dialect = dialect
        self._statements = Statements(dialect, database.schema)

    def new(self) -> PostgresConnection:
        import psycopg

        database = self._database
        arguments, options = self._dialect.create_connect_args(database.url)
        driver = psycopg.connect(
            *arguments, **{**options, **connect_options(database)}, autocommit=True
        )
        try:
            if database.durability != "full":
                driver.execute("SET synchronous_commit = off")
            else:
                driver.execute(_SYNCHRONOUS)
            if database.mode == "r":
                driver.execute(READ_ONLY)
            if driver.info.server_version >= _PLANS_CHOSEN:
                driver.execute(_PLANNED_ONCE)
            return PostgresConnection(driver, self._statements)
        except BaseException:
            driver.close()
            raise

    def is_lost(self, error: Exception, connection: Connection) -> bool:
        assert isinstance(connection, PostgresConnection)
        return connection.driver.closed
