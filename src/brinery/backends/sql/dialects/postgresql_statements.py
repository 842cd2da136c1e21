"""The statements for PostgreSQL: their text, and the values that go into them."""

from __future__ import annotations

from brinery.backends.sql.pending import of_width
from brinery.backends.sql.schema import DATA, FILLED, STANDARD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    import sqlalchemy as sa

    from brinery.backends.sql.pending import Row
    from brinery.backends.sql.schema import Schema

_TYPES: Final = ("text", "bigint", "bigint", "text", "text", "double precision", "text", "bytea")
LARGE_READ: Final = 1 << 22
"""Bytes; a larger record is read in parts of that size, of which server and driver hold copies."""


class Statements:
    """The text of the statements of one store."""

    def __init__(self, dialect: sa.Dialect, schema: Schema) -> None:
        # `quote` doubles each %, as psycopg reads it.
        quote = dialect.identifier_preparer.quote
        records = quote(schema.table_name)
        self.is_plain = not schema.fields
        # By column, the cast of a value that is given as text.
        extra = {FILLED: "::text"}
        for name in schema.fields:
            extra[quote(name)] = f"::text{_cast_of(schema.records.c[name], dialect)}"
        self._extra = extra
        self._set_reads(records)
        self._set_references(records)
        self._set_copies(records)
        self._set_writes(records)

    def _set_reads(self, records: str) -> None:
        self.get = (
            f"SELECT CASE WHEN size <= {LARGE_READ} THEN data END, version FROM {records} "
            "WHERE name = %b"
        )
        self.part = f"SELECT substring(data FROM %b FOR %b) FROM {records} WHERE name = %b"
        self.size = f"SELECT length(data), version FROM {records} WHERE name = %b"
        self.get_some = (
            "WITH wanted AS (SELECT %b::text[] AS names, %b::bigint AS most) "
            "SELECT name, CASE WHEN size <= wanted.most THEN data END, version "
            f"FROM wanted, {records} WHERE name = ANY(wanted.names)"
        )
        self.has = f"SELECT 1 FROM {records} WHERE name = %b"
        end = (
            "substring(data FROM greatest(1, size - %b::bigint + 1)::integer "
            f"FOR %b::bigint::integer), size, version FROM {records} WHERE name"
        )
        self.tail = f"SELECT {end} = %b"
        self.tails = f"SELECT name, {end} = ANY(%b::text[])"
        # A point, and the character after it.
        listed = f"FROM {records} WHERE (name < '.' OR name >= '/')"
        self.names = f"SELECT name {listed} ORDER BY name".replace("%%", "%")
        self.names_from = f"SELECT name {listed} AND name >= %b AND name < %b ORDER BY name"
        self.some_names = f"SELECT name {listed} LIMIT %b"
        self.count = f"SELECT count(*) {listed}".replace("%%", "%")
        some = f"FROM {records} WHERE name = ANY(%b::text[])"
        self.versions = f"SELECT name, version {some} ORDER BY name FOR UPDATE"
        self.described = f"SELECT {', '.join(STANDARD[:DATA])} {some}"

    def _set_references(self, records: str) -> None:
        # Splits the JSON array as text, which fails for no text that another program may have stored.
        targets = """string_to_array(left(substr(refs, 3), -2), '","')"""
        # OFFSET 0: without statistics the planner would rather join whole tables.
        self.closure = (
            'WITH RECURSIVE reached (name) AS (SELECT %b::text COLLATE "C" UNION '
            "SELECT target FROM reached, LATERAL ("
            f'SELECT target COLLATE "C" AS target FROM {records}, unnest({targets}) AS target '
            "WHERE name = reached.name AND target <> ALL(%b::text[]) OFFSET 0) AS next) "
            "SELECT stored.* FROM reached, LATERAL ("
            "SELECT name, CASE WHEN size <= %b::bigint THEN data END, version "
            f"FROM {records} WHERE name = reached.name OFFSET 0) AS stored LIMIT %b::bigint"
        )
        self.referrers = (
            f"SELECT name FROM {records} WHERE {targets} @> ARRAY[%b::text] ORDER BY name"
        )
        name = "'" + records.replace("'", "''") + "'"
        self.has_index = (
            "SELECT EXISTS (SELECT FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
            f"JOIN pg_am ON pg_am.oid = relam WHERE indrelid = to_regclass({name}) AND indisvalid "
            "AND amname = 'gin' AND strpos(pg_get_indexdef(indexrelid), 'string_to_array(') > 0)"
        ).replace("%%", "%")
        self.lock = f"LOCK TABLE {records} IN SHARE ROW EXCLUSIVE MODE".replace("%%", "%")
        self.make_index = f"CREATE INDEX ON {records} USING gin (({targets}))".replace("%%", "%")

    def _set_copies(self, records: str) -> None:
        self.copies = True
        """Whether the server copies into this table, as far as is known."""
        columns = ", ".join(STANDARD)
        self.copy = f"COPY {records} ({columns}) FROM STDIN (FORMAT BINARY)".replace("%%", "%")

    def _set_writes(self, records: str) -> None:
        extra = self._extra
        columns = (*STANDARD, *extra)
        self.width = len(columns)
        # Without extra columns, a new row has no value for `filled`.
        self.new_width = len(STANDARD) if self.is_plain else self.width
        # One row: its values.
        casts = (*(f"::{type_}" for type_ in _TYPES), *extra.values())
        values = [f"%b{cast}" for cast in casts]
        self.insert_alone, insert_whole = (
            f"INSERT INTO {records} ({', '.join(columns[:width])}) "
            f"VALUES ({', '.join(values[:width])})"
            for width in (self.new_width, self.width)
        )
        pairs = zip(columns[1:], values[1:], strict=True)
        settings = ", ".join(f"{column} = {value}" for column, value in pairs)
        self.update_alone = f"UPDATE {records} SET {settings} WHERE name = %b AND version = %b"
        replaced = ", ".join(f"{column} = excluded.{column}" for column in columns[1:])
        self.upsert = f"{insert_whole} ON CONFLICT (name) DO UPDATE SET {replaced}"
        self.delete_alone = f"DELETE FROM {records} WHERE name = %b"
        self.as_version = " AND version = %b"
        # Many rows: an array for each column.
        types = *_TYPES, *("text" for _ in extra)
        taken = [f"new.{column}" for column in STANDARD]
        taken += [f"new.{column}{cast}" for column, cast in extra.items()]
        given_new, given = (
            f"unnest({', '.join(f'%b::{type_}[]' for type_ in types[:width])}) "
            f"AS new ({', '.join(columns[:width])})"
            for width in (self.new_width, self.width)
        )
        self.insert = (
            f"INSERT INTO {records} ({', '.join(columns[: self.new_width])}) "
            f"SELECT {', '.join(taken[: self.new_width])} FROM {given_new}"
        )
        pairs = zip(columns[1:], taken[1:], strict=True)
        settings = ", ".join(f"{column} = {value}" for column, value in pairs)
        self.update = (
            f"UPDATE {records} AS old SET {settings} FROM {given} WHERE old.name = new.name"
        )
        own = ", ".join(f"{column} = new.{column}" for column in STANDARD[1:])
        given = ", ".join(f"%b::{type_}[]" for type_ in _TYPES)
        self.update_record = (
            f"UPDATE {records} AS old SET {own} FROM unnest({given}) AS new ({', '.join(STANDARD)}) "
            "WHERE old.name = new.name"
        )
        named = "".join(f", {column}" for column in extra)
        filled = ", ".join(f"{column} = new.{column}{cast}" for column, cast in extra.items())
        self.fill = (
            f"UPDATE {records} AS old SET {filled} "
            f"FROM unnest(%b::text[], %b::bigint[]{', %b::text[]' * len(extra)}) "
            f"AS new (name, version{named}) WHERE old.name = new.name AND old.version = new.version"
        )
        self.delete = f"DELETE FROM {records} WHERE name = ANY(%b::text[])"

    def new(self, row: Row) -> Row:
        """Return a row with the values that the statements for new rows take."""
        return of_width(row, self.new_width)


def _cast_of(column: sa.Column[Any], dialect: sa.Dialect) -> str:
    """Return the cast from text to the type of a column."""
    from sqlalchemy import Enum, Integer, String

    type_ = type_of(column)
    if isinstance(type_, String) and not isinstance(type_, Enum):
        return ""  # a cast to VARCHAR(n) would cut the text off
    name = str(column.type.compile(dialect)).partition(" COLLATE")[0]
    return f"::numeric::{name}" if isinstance(type_, Integer) else f"::{name}"


def type_of(column: sa.Column[Any]) -> Any:
    """Return the type of a column, without the decorator that a user may have put around it."""
    return getattr(column.type, "impl_instance", column.type)
