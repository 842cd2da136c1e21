"""Sessions on PostgreSQL, by psycopg 3.

Rows go in by ``unnest``: one statement and one round trip for hundreds of rows.  Measured for rows of
400 bytes over a unix socket: 7 µs a row, against 17 by SQLAlchemy's insertmanyvalues and 105 one by one.
Many new ones are copied (COPY in its binary form), in half that time; a row that is there ends the copy.
"""

from __future__ import annotations

import select
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from brinery.backend import ABSENT, ANY, Expect, Version
from brinery.backends.sql import failures
from brinery.backends.sql.columns import Fields, Fit
from brinery.backends.sql.connection import LARGEST_AHEAD, Session, Sessions, TakenError
from brinery.backends.sql.pending import Row
from brinery.backends.sql.schema import STANDARD
from brinery.errors import BrineryError, ValueTooLargeError

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import Column, Dialect, Engine

    from brinery.backends.sql.database import Place

# A value may have 1 GB, but a message that carries it in text form, or an array of values, is held several
# times over by server and client.
_LARGEST: Final = 256 << 20
_ELSEWHERE: Final = "keep it in a directory (file:///…), or as several smaller objects"
_BATCH: Final = 4 << 20  # bytes of one statement
_ROWS: Final = 500
_LARGE: Final = 1 << 20  # bytes; a larger record is read by itself

_MANY: Final = 100
"""New rows that are copied: 3.6 µs for a record and 2.0 for a reference, by unnest 5.9 and 5.3."""
_COPIED: Final = ("text", "int8", "int8", "text", "text", "float8", "bytea")
_TYPES: Final = ("text", "bigint", "bigint", "text", "text", "double precision", "bytea")

# Every statement goes by names, whatever these are.  To plan one anew takes as long as to carry it out: the
# one that replaces a record and its references takes 577 µs, and 354 with a plan that is kept.  Nor is one
# worth compiling: where the planner expects many rows, as without statistics, that takes 5 ms each time.
_PLANNED_ONCE: Final = (
    "SELECT set_config('plan_cache_mode', 'force_generic_plan', false), "
    "set_config('jit', 'off', false)"
)
_PLANS_CHOSEN: Final = 120000

# A server, a database or a role may be set to acknowledge commits that a power cut takes.
_SYNCHRONOUS: Final = (
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)


def engine_of(place: Place) -> Engine:
    """Return the engine of SQLAlchemy, for making tables and for queries."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    return create_engine(
        place.url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args=connect_options(place) if place.url.get_driver_name() == "psycopg" else {},
    )


def connect_options(place: Place) -> dict[str, Any]:
    """Return what goes to `psycopg.connect` beside the URL."""
    # Whatever the database has: what it lacks it refuses, and SQL_ASCII takes bytes as they are.
    options: dict[str, Any] = {"application_name": "brinery", "client_encoding": "utf8"}
    if "connect_timeout" not in place.url.query:
        options["connect_timeout"] = max(2, int(place.timeout))
    return {name: value for name, value in options.items() if name not in place.url.query}


def types_for(column: Column[Any], dialect: Dialect) -> Iterator[str]:
    """Yield the statement that makes the type of a column, where it is one of its own."""
    from sqlalchemy.dialects.postgresql import ENUM, CreateEnumType

    type_ = column.type.dialect_impl(dialect)
    if isinstance(type_, ENUM):
        made = str(CreateEnumType(type_).compile(dialect=dialect)).strip()
        # There is no CREATE TYPE IF NOT EXISTS, and another table may have it already.
        yield f"DO $$ BEGIN {made}; EXCEPTION WHEN duplicate_object THEN NULL; END $$"


def check_size(name: str, size: int) -> None:
    """Raise `ValueTooLargeError` for a record that is too large for a row."""
    if size > _LARGEST:
        raise ValueTooLargeError(name, size, _LARGEST, "PostgreSQL", _ELSEWHERE)


class PostgresSession(Session):
    """One connection."""

    def __init__(self, connection: psycopg.Connection[Any], statements: _Statements) -> None:
        self.connection = connection
        self._text = statements
        self._cursor = connection.cursor(binary=True)
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
        # Any number of them, whatever state the transaction is in; psycopg knows, and asks no server.
        if self.connection.info.transaction_status:
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
            # A table with row-level security, or a view: once more from the start, by INSERT.
            self._text.copies = False
            raise TakenError from error

    def put_alone(self, row: Row, expect: Version | Expect, targets: Sequence[str]) -> bool | None:
        if _has_spoken(self.connection):
            return None  # the first step of several may fail without a question left
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
        if _has_spoken(self.connection):
            return False
        return self._at_once((self._text.delete, ([name],)), (self._text.unlink, ([name],)))

    def _at_once(self, *statements: tuple[str, Sequence[Any]]) -> bool:
        # A transaction in one round trip; False where the driver cannot do that.  Not one statement: what
        # somebody else has just linked is seen by the next one only, after the row was waited for.
        from psycopg import Pipeline

        if not Pipeline.is_supported():
            return False
        with self.connection.pipeline():
            self._cursor.execute("BEGIN")
            for text, values in statements:
                self._cursor.execute(text, values)
            self._cursor.execute("COMMIT")
        return True

    def update(self, rows: Iterable[Row], *, with_fields: bool = True) -> None:
        self._write(self._text.update if with_fields else self._text.update_record, rows)

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
        return self.connection.info.transaction_status == 0  # TransactionStatus.IDLE

    def close(self) -> None:
        self.connection.close()

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

    def _as_text(self, column: Column[Any], value: Any) -> str | None:
        # By itself, not in an array with others: what is fine one by one may be of several types.
        from psycopg.adapt import PyFormat, Transformer
        from sqlalchemy import Boolean, String

        type_ = _type_of(column)
        if isinstance(value, bool) and not isinstance(type_, (Boolean, String)):
            value = int(value)
        if self._transformer is None:
            self._transformer = Transformer(self.connection)
        dumped = self._transformer.get_dumper(value, PyFormat.TEXT).dump(value)
        if dumped is None:
            return None
        text = str(dumped, self.connection.info.encoding)
        longest = getattr(type_, "length", None)
        if isinstance(value, str) and longest is not None and len(text) > longest:
            raise ValueError(f"{len(text)} characters, and the column has room for {longest}")
        return text


def _has_spoken(connection: psycopg.Connection[Any]) -> bool:
    """Tell whether the server has sent something unasked: that the connection has ended, as a rule."""
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


class _Statements:
    """The text of the statements of one store, and the values that go into them."""

    def __init__(self, place: Place) -> None:
        dialect, schema = place.engine.dialect, place.schema
        quote = dialect.identifier_preparer.quote
        records, references = quote(schema.records.name), quote(schema.references.name)
        self._fields = Fields(schema, dialect)
        columns = STANDARD
        casts = {column: column for column in columns}
        for column in self._fields.columns:
            # Already quoted, with a % twice, as psycopg reads it.
            casts[quote(column.name)] = quote(column.name) + _cast_of(column, dialect)
        self.width = len(casts)
        self.is_plain = not self._fields.columns
        self.copies = True
        """Whether the server copies into these tables, as far as is known."""
        # Without values psycopg reads no %% either.
        self.copy, self.copy_references = (
            f"COPY {table} ({', '.join(some)}) FROM STDIN (FORMAT BINARY)".replace("%%", "%")
            for table, some in ((records, columns), (references, ("source", "target")))
        )
        arrays = ", ".join(
            f"%b::{type_}[]" for type_ in (*_TYPES, *("text" for _ in self._fields.columns))
        )
        listed, taken = ", ".join(casts), ", ".join(f"new.{cast}" for cast in casts.values())
        settings = [f"{column} = new.{cast}" for column, cast in casts.items()][1:]
        given = f"unnest({arrays}) AS new ({listed})"
        self.get = f"SELECT data, version FROM {records} WHERE name = %b"
        self.get_some = (
            f"WITH wanted AS (SELECT %b::text[] AS names, %b::bigint AS most) "
            f"SELECT name, version, CASE WHEN size <= wanted.most THEN data END "
            f"FROM wanted, {records} WHERE name = ANY(wanted.names)"
        )
        # OFFSET 0: without statistics the planner would rather join whole tables.
        self.closure = (
            'WITH RECURSIVE reached (name) AS (SELECT %b::text COLLATE "C" UNION '
            "SELECT target FROM reached, LATERAL ("
            f"SELECT target FROM {references} WHERE source = reached.name "
            "AND target <> ALL(%b::text[]) OFFSET 0) AS next) "
            "SELECT stored.* FROM reached, LATERAL ("
            "SELECT name, CASE WHEN size <= %b::bigint THEN data END, version "
            f"FROM {records} WHERE name = reached.name OFFSET 0) AS stored LIMIT %b::bigint"
        )
        end = (
            "substring(data FROM greatest(1, size - %b::bigint + 1)::integer "
            f"FOR %b::bigint::integer), size, version FROM {records} WHERE name"
        )
        self.tail = f"SELECT {end} = %b"
        self.tails = f"SELECT name, {end} = ANY(%b::text[])"
        self.names = f"SELECT name FROM {records} ORDER BY name".replace("%%", "%")
        self.names_from = f"SELECT name FROM {records} WHERE name >= %b AND name < %b ORDER BY name"
        self.versions = (
            f"SELECT name, version FROM {records} WHERE name = ANY(%b::text[]) "
            "ORDER BY name FOR UPDATE"
        )
        self.insert = f"INSERT INTO {records} ({listed}) SELECT {taken} FROM {given}"
        self.update, self.update_record = (
            f"UPDATE {records} AS old SET {', '.join(some)} FROM {given} WHERE old.name = new.name"
            for some in (settings, settings[: len(columns) - 1])
        )
        # One statement, one round trip: a transaction of its own takes three.
        linked = (
            f"linked AS (INSERT INTO {references} (source, target) SELECT put.name, target "
            "FROM put, unnest(%b::text[]) AS target ON CONFLICT DO NOTHING) "
            "SELECT count(*) FROM put"
        )
        self.insert_alone = f"WITH put AS ({self.insert} RETURNING name), {linked}"
        self.update_alone = (
            f"WITH put AS ({self.update} AND old.version = %b RETURNING old.name), "
            f"unlinked AS (DELETE FROM {references} USING put "
            f"WHERE source = put.name AND target <> ALL(%b::text[])), {linked}"
        )
        replaced = ", ".join(f"{column} = excluded.{column}" for column in [*casts][1:])
        self.upsert = f"{self.insert} ON CONFLICT (name) DO UPDATE SET {replaced}"
        self.delete = f"DELETE FROM {records} WHERE name = ANY(%b::text[])"
        self.link = (
            f"INSERT INTO {references} (source, target) "
            "SELECT source, target FROM unnest(%b::text[], %b::text[]) AS new (source, target) "
            "ON CONFLICT DO NOTHING"
        )
        self.unlink = f"DELETE FROM {references} WHERE source = ANY(%b::text[])"
        self.referrers = f"SELECT source FROM {references} WHERE target = %b ORDER BY source"

    def values(self, row: Row, fit: Fit) -> tuple[Any, ...]:
        """Return the values of a row, in the order of the columns."""
        name, version, size, about, data = row
        fields = self._fields.values(about, fit)
        if about is None:
            return name, version, size, None, None, None, data, *fields
        return name, version, size, about.class_name, about.codec, about.created, data, *fields


def _cast_of(column: Column[Any], dialect: Dialect) -> str:
    """Return what makes a value of the column's type out of its text."""
    from sqlalchemy import Enum, Integer, String

    type_ = _type_of(column)
    if isinstance(type_, String) and not isinstance(type_, Enum):
        return ""  # the cast to VARCHAR(n) would cut a text off
    name = str(column.type.compile(dialect)).partition(" COLLATE")[0]
    return f"::numeric::{name}" if isinstance(type_, Integer) else f"::{name}"


def _type_of(column: Column[Any]) -> Any:
    return getattr(column.type, "impl_instance", column.type)


class PostgresSessions(Sessions):
    """Connections to one PostgreSQL database."""

    def __init__(self, place: Place) -> None:
        import psycopg

        super().__init__()
        self.errors = (psycopg.Error,)
        self._place = place
        self._statements = _Statements(place)

    def new(self) -> PostgresSession:
        """Open a connection."""
        import psycopg

        place = self._place
        arguments, options = place.engine.dialect.create_connect_args(place.url)
        connection = psycopg.connect(
            *arguments, **{**options, **connect_options(place)}, autocommit=True
        )
        try:
            if place.durability != "full":
                connection.execute("SET synchronous_commit = off")
            else:
                connection.execute(_SYNCHRONOUS)
            if connection.info.server_version >= _PLANS_CHOSEN:
                connection.execute(_PLANNED_ONCE)
            return PostgresSession(connection, self._statements)
        except BaseException:
            connection.close()
            raise

    def check_size(self, name: str, size: int) -> None:
        """Raise `ValueTooLargeError` for a record that is too large for a row."""
        check_size(name, size)

    def failure(self, action: str, error: Exception, name: str | None = None) -> BrineryError:
        """Return the error of brinery that stands for one of psycopg."""
        return failures.failure(self._place, action, error, name)

    def is_passing(self, error: Exception) -> bool:
        """Tell whether the server gave up a transaction for the sake of another one."""
        return failures.code_of(error) in failures.PASSING

    def is_lost(self, error: Exception, session: Session) -> bool:
        """Tell whether the connection is gone."""
        assert isinstance(session, PostgresSession)
        return session.connection.closed
