"""Connections to PostgreSQL, by psycopg 3.

Many new rows are copied (COPY in its binary form); an existing row ends the copy.  Others are written by
``unnest``: one statement and one round trip for hundreds of rows.  Measured for rows of 400 bytes over a unix
socket: 3.6 µs a row copied, 7 by ``unnest``, 17 by SQLAlchemy's insertmanyvalues and 105 one by one.

The index of references is one of the server: a GIN index over the names in the column `refs`.  The server
keeps it, whatever program writes.
"""

from __future__ import annotations

import select
from contextlib import contextmanager
from itertools import chain
from operator import itemgetter
from struct import pack

from brinery.backend import ABSENT, ANY, PRESENT
from brinery.backends.sql.connection import (
    LARGEST_AHEAD,
    Connection,
    ConnectionPool,
    TakenError,
)
from brinery.backends.sql.dialects.postgresql_statements import (
    LARGE_READ,
    Statements,
    type_of,
)
from brinery.backends.sql.pending import LARGE
from brinery.backends.sql.schema import DATA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, Final

    import psycopg
    import sqlalchemy as sa

    from brinery.backend import Expect, Version
    from brinery.backends.sql.database import Database
    from brinery.backends.sql.dialect import Dialect
    from brinery.backends.sql.pending import Row
    from brinery.backends.sql.ranges import Part

_BATCH: Final = 4 << 20  # bytes of one statement
_ROWS: Final = 500

_MANY: Final = 100
"""New rows that are copied."""
_COPIED: Final = ("text", "int8", "int8", "text", "text", "float8", "text", "bytea")
# https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format"
_COPY_BEGIN: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END: Final = b"\xff\xff"
_NULL: Final = pack(">i", -1)

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

    reads_parts = True

    def __init__(self, driver: psycopg.Connection[Any], statements: Statements) -> None:
        self.driver = driver
        self._text = statements
        self._cursor = driver.cursor(binary=True)
        self._run = self._cursor.execute

    def get_small(self, name: str) -> tuple[Any, int] | None:
        return self._run(self._text.get, (name,)).fetchone()

    def get(self, name: str) -> tuple[bytes, int] | None:
        found = self.get_small(name)
        if found is None or found[0] is not None:
            return found
        if self.driver.info.transaction_status:
            return self._get_large(name)
        self.begin_reading()
        try:
            return self._get_large(name)
        finally:
            self.rollback()

    def _get_large(self, name: str) -> tuple[bytes, int] | None:
        part = self.part(name)
        if part is None:
            return None
        read, size, version = part
        step = LARGE_READ
        return b"".join(read(start, step) for start in range(0, size, step)), version

    def part(self, name: str) -> Part | None:
        found = self._run(self._text.size, (name,)).fetchone()
        if found is None:
            return None

        def read(start: int, count: int) -> bytes:
            part = self._run(self._text.part, (start + 1, count, name)).fetchone()
            assert part is not None  # in one state
            return bytes(part[0])

        return read, *found

    def get_some(self, names: Sequence[str]) -> Sequence[tuple[str, Any, int]]:
        return self._run(self._text.get_some, (list(names), LARGE)).fetchall()

    def closure(
        self, name: str, without: Sequence[str], most: int
    ) -> Sequence[tuple[str, bytes, int]] | None:
        found = self._run(
            self._text.closure, (name, [*without], LARGEST_AHEAD, most + 1)
        ).fetchall()
        is_whole = len(found) <= most and None not in map(_DATA_OF, found)
        return found if is_whole else None

    def has(self, name: str) -> bool:
        return self._run(self._text.has, (name,)).fetchone() is not None

    def tail(self, name: str, count: int) -> tuple[bytes, int, int] | None:
        return self._run(self._text.tail, (count, count, name)).fetchone()

    def tails(self, names: Sequence[str], count: int) -> Sequence[tuple[str, bytes, int, int]]:
        return self._run(self._text.tails, (count, count, list(names))).fetchall()

    def names(self, prefix: str) -> Sequence[str]:
        if prefix:
            found = self._run(self._text.names_from, (prefix, prefix + "\U0010ffff"))
        else:
            found = self._run(self._text.names)
        return [*chain.from_iterable(found.fetchall())]

    def some_names(self, most: int) -> Sequence[str]:
        return [*chain.from_iterable(self._run(self._text.some_names, (most,)).fetchall())]

    def count(self) -> int:
        return int(self._one(self._text.count))

    def _one(self, text: str) -> Any:
        found = self._run(text).fetchone()
        assert found is not None
        return found[0]

    def referrers(self, name: str) -> Sequence[str]:
        return [*chain.from_iterable(self._run(self._text.referrers, (name,)).fetchall())]

    def has_index(self) -> bool:
        return bool(self._one(self._text.has_index))

    def build_index(self) -> None:
        # One writer at a time, and none that does not see the index.
        self._run(self._text.lock)
        if not self.has_index():
            self._run(self._text.make_index)

    def described(self, names: Sequence[str]) -> Sequence[tuple[Any, ...]]:
        return self._run(self._text.described, (list(names),)).fetchall()

    def begin(self) -> None:
        self._run("BEGIN")

    def begin_reading(self) -> None:
        self._run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def commit(self) -> None:
        self._run("COMMIT")

    def rollback(self) -> None:
        # Also when no transaction is open, or one has failed: psycopg knows the state without a round trip.
        if self.driver.info.transaction_status:
            self._run("ROLLBACK")

    def versions(self, names: Sequence[str]) -> Sequence[tuple[str, int]]:
        return self._run(self._text.versions, (list(names),)).fetchall()

    def insert(self, rows: Sequence[Row]) -> None:
        rows = [*map(self._text.new, rows)]
        with _taken():
            if len(rows) < _MANY or not (self._text.is_plain and self._text.copies):
                self._write(self._text.insert, rows)
            else:
                with self._copying() as copy:
                    copy.set_types(_COPIED)
                    write = copy.write_row
                    for row in rows:
                        write(row)

    @contextmanager
    def _copying(self) -> Iterator[psycopg.Copy]:
        from psycopg.errors import FeatureNotSupported, WrongObjectType

        try:
            with self._cursor.copy(self._text.copy) as copy:
                yield copy
        except (FeatureNotSupported, WrongObjectType) as error:
            # A table with row-level security, or a view: start again, with INSERT.
            self._text.copies = False
            raise TakenError from error

    def put_large(self, row: Row, *, is_new: bool) -> None:
        is_whole = is_new or len(row) == self._text.width
        if not (is_whole and self._text.is_plain and self._text.copies):
            super().put_large(row, is_new=is_new)
            return
        if not is_new:
            self.delete(row[:1])
        row = self._text.new(row)
        with _taken(), self._copying() as copy:
            copy.write(_COPY_BEGIN + _beginning(row))
            for piece in row[DATA].pieces():
                copy.write(memoryview(piece).cast("B") if len(piece) else b"")
            copy.write(_COPY_END)

    def put_alone(self, row: Row, expect: Version | Expect) -> bool | None:
        is_short = len(row) < self._text.width and expect is not ABSENT
        if is_short or expect is PRESENT or _has_message(self.driver):
            return (
                None  # the connection may have ended: `begin` finds that before anything is written
            )
        if expect is ANY:
            self._run(self._text.upsert, row)
            return True
        if expect is ABSENT:
            with _taken():
                self._run(self._text.insert_alone, self._text.new(row))
            return True
        return self._run(self._text.update_alone, (*row[1:], row[0], expect)).rowcount == 1

    def delete_alone(self, name: str, expect: Version | Expect) -> bool | None:
        if _has_message(self.driver):
            return None
        text = self._text.delete_alone
        if expect is ANY or expect is PRESENT:
            return self._run(text, (name,)).rowcount == 1 or expect is ANY
        return self._run(text + self._text.as_version, (name, expect)).rowcount == 1

    def update(self, rows: Sequence[Row]) -> None:
        text = self._text
        self._write(text.update, [row for row in rows if len(row) == text.width])
        self._write(text.update_record, [row for row in rows if len(row) < text.width])

    def fill(self, rows: Iterable[Row]) -> None:
        self._run(self._text.fill, [[*column] for column in zip(*rows, strict=True)])

    def delete(self, names: Sequence[str]) -> None:
        self._run(self._text.delete, (list(names),))

    def is_idle(self) -> bool:
        return self.driver.info.transaction_status == 0  # TransactionStatus.IDLE

    def close(self) -> None:
        self.driver.close()

    def _write(self, text: str, rows: Sequence[Row]) -> None:
        # An array for each column, of as many rows as a statement may take.
        start = size = 0
        for end, row in enumerate(rows, 1):
            size += row[2]
            if size > _BATCH or end - start == _ROWS or end == len(rows):
                columns = [[*column] for column in zip(*rows[start:end], strict=True)]
                self._run(text, columns)
                start, size = end, 0


_DATA_OF: Final = itemgetter(1)


def _beginning(row: Row) -> bytes:
    """Return a row in the binary form of COPY, up to its data, which is its last value."""
    name, version, size, class_name, codec, created, refs, data = row
    values = (
        name.encode(),
        pack(">q", version),
        pack(">q", size),
        class_name and class_name.encode(),
        codec and codec.encode(),
        None if created is None else pack(">d", created),
        refs and refs.encode(),
    )
    fields = (_NULL if value is None else pack(">i", len(value)) + value for value in values)
    return pack(">h", len(row)) + b"".join(fields) + pack(">i", data.size)


class _Fitting:
    # The texts of values for extra columns.  Each by itself: an array of values that have several types is
    # refused.
    def __init__(self) -> None:
        from psycopg.adapt import Transformer

        self._transformer = Transformer()

    def __call__(self, column: sa.Column[Any], value: Any) -> str | None:
        from psycopg.adapt import PyFormat
        from sqlalchemy import Boolean, String

        type_ = type_of(column)
        if isinstance(value, bool) and not isinstance(type_, (Boolean, String)):
            value = int(value)
        dumped = self._transformer.get_dumper(value, PyFormat.TEXT).dump(value)
        if dumped is None:
            return None
        text = str(dumped, "utf-8")
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

    def __init__(self, dialect: Dialect) -> None:
        import psycopg

        super().__init__()
        self.errors = (psycopg.Error,)
        self._dialect = dialect
        schema = dialect.database.schema
        self._statements = Statements(dialect.engine.dialect, schema)
        if schema.fields:
            from brinery.backends.sql.columns import Fields

            self.fields = Fields(schema, dialect.engine.dialect, _Fitting())

    def new(self) -> PostgresConnection:
        import psycopg

        database, engine = self._dialect.database, self._dialect.engine
        arguments, options = engine.dialect.create_connect_args(engine.url)
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
