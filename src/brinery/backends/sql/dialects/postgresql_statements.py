"""The statements for PostgreSQL: their text, and the values that go into them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from brinery.backends.sql.columns import Fields, Fit
from brinery.backends.sql.pending import Row
from brinery.backends.sql.schema import FILLED, STANDARD, Schema

if TYPE_CHECKING:
    import sqlalchemy as sa

_TYPES: Final = ("text", "bigint", "bigint", "text", "text", "double precision", "bytea")


class Statements:
    """The text of the statements of one store, and the values that go into them."""

    def __init__(self, dialect: sa.Dialect, schema: Schema) -> None:
        quote = dialect.identifier_preparer.quote
        records, references = quote(schema.records.name), quote(schema.references.name)
        self._fields = Fields(schema, dialect)
        # By column, the value of the row `new` that is written into it.
        self._casts = {column: f"new.{column}" for column in STANDARD}
        self.is_plain = not self._fields.columns
        if not self.is_plain:
            self._casts[FILLED] = f"new.{FILLED}"
        for column in self._fields.columns:
            # `quote` doubles each %, as psycopg reads it.
            name = quote(column.name)
            self._casts[name] = f"new.{name}{_cast_of(column, dialect)}"
        self.width = len(self._casts)
        self._set_reads(records, references)
        self._set_copies(records, references)
        self._set_writes(records, references)

    def _set_reads(self, records: str, references: str) -> None:
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
        # A statement without values: psycopg leaves each % as it is.
        self.names = f"SELECT name FROM {records} ORDER BY name".replace("%%", "%")
        self.names_from = f"SELECT name FROM {records} WHERE name >= %b AND name < %b ORDER BY name"
        # A point, and the character after it.
        listed = f"FROM {records} WHERE name < '.' OR name >= '/'"
        self.some_names = f"SELECT name {listed} LIMIT %b"
        self.count = f"SELECT count(*) {listed}".replace("%%", "%")
        self.versions = (
            f"SELECT name, version FROM {records} WHERE name = ANY(%b::text[]) "
            "ORDER BY name FOR UPDATE"
        )
        self.referrers = f"SELECT source FROM {references} WHERE target = %b ORDER BY source"

    def _set_copies(self, records: str, references: str) -> None:
        self.copies = True
        """Whether the server copies into these tables, as far as is known."""
        self.copy, self.copy_references = (
            f"COPY {table} ({', '.join(some)}) FROM STDIN (FORMAT BINARY)".replace("%%", "%")
            for table, some in ((records, STANDARD), (references, ("source", "target")))
        )

    def _set_writes(self, records: str, references: str) -> None:
        extra = [*self._casts][len(STANDARD) :]
        types = *_TYPES, *("text" for _ in extra)
        listed, taken = ", ".join(self._casts), ", ".join(self._casts.values())
        given = f"unnest({', '.join(f'%b::{type_}[]' for type_ in types)}) AS new ({listed})"
        settings = [f"{column} = {value}" for column, value in self._casts.items()][1:]
        # A store that does not know the columns leaves them stale, and says so.
        unfilled = [f"{FILLED} = NULL"] if self.is_plain else []
        self.insert = f"INSERT INTO {records} ({listed}) SELECT {taken} FROM {given}"
        self.update, self.update_record = (
            f"UPDATE {records} AS old SET {', '.join(some)} FROM {given} WHERE old.name = new.name"
            for some in (settings + unfilled, settings[: len(STANDARD) - 1])
        )
        filled = "".join(f", {column}" for column in extra)
        some = f"unnest(%b::text[], %b::bigint[]{', %b::text[]' * len(extra)})"
        self.fill = (
            f"UPDATE {records} AS old SET {', '.join(settings[len(STANDARD) - 1 :])} "
            f"FROM {some} AS new (name, version{filled}) "
            "WHERE old.name = new.name AND old.version = new.version"
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
        replaced = [f"{column} = excluded.{column}" for column in [*self._casts][1:]]
        self.upsert = (
            f"{self.insert} ON CONFLICT (name) DO UPDATE SET {', '.join(replaced + unfilled)}"
        )
        self.delete = f"DELETE FROM {records} WHERE name = ANY(%b::text[])"
        self.link = (
            f"INSERT INTO {references} (source, target) "
            "SELECT source, target FROM unnest(%b::text[], %b::text[]) AS new (source, target) "
            "ON CONFLICT DO NOTHING"
        )
        self.unlink = f"DELETE FROM {references} WHERE source = ANY(%b::text[])"

    def values(self, row: Row, fit: Fit) -> tuple[Any, ...]:
        """Return the values of a row, in the order of the columns."""
        name, version, size, about, data = row
        fields = () if self.is_plain else self._fields.values(about, fit)
        if about is None:
            return name, version, size, None, None, None, data, *fields
        return name, version, size, about.class_name, about.codec, about.created, data, *fields

    def filling(self, row: Row, marker: str, fit: Fit) -> tuple[Any, ...]:
        """Return the values of a row for the statement `fill`; `marker` is that of the column `filled`."""
        _, *values = self._fields.values(row.about, fit)
        return row.name, row.version, marker, *values


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
