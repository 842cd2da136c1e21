"""The statements for SQLite.

One statement for many rows saves a call from Python into SQLite for each row: adding a record takes 2.6 µs
one by one and 1.6 with 32 in a statement (SQLite 3.40); reading a record in a transaction 2.5 and 1.3.

The index of references is a table of pairs, target and source.  Triggers of the table of records keep it, so
that it is in step with every commit of every program from the end of the transaction that makes it.
"""

from __future__ import annotations

from itertools import chain
from operator import itemgetter

from brinery.backends.sql.pending import LARGE, of_width
from brinery.backends.sql.schema import DATA, FILLED, STANDARD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Final

    from brinery.backends.sql.pending import Row
    from brinery.backends.sql.schema import Schema

_MOST_VALUES: Final = 999
"""Parameters that every SQLite takes: https://sqlite.org/limits.html, before 3.32."""
_ROWS: Final = 32
LARGE_READ: Final = 1 << 22
"""Bytes; a larger value is read as a blob: a column has a copy in SQLite beside the one that Python gets."""
_LISTS: Final = (8, 32, 128, 500)
"""Lengths of lists of names: with a text for every length, SQLite would compile many more statements."""


class Statements:
    """The text of the statements of one store."""

    def __init__(self, schema: Schema) -> None:
        self.table = schema.table_name
        self._records = records = quoted(schema.table_name)
        extra = [FILLED, *map(quoted, schema.fields)]
        self._set_reads(records)
        self._set_references(records)
        columns = [*STANDARD, *extra]
        self.width = len(columns)
        # Without extra columns, `filled` is not named: a value that is NULL takes as long as another.
        new = columns if schema.fields else [*STANDARD]
        self.new_width = len(new)
        self.insert, self.insert_large, insert_whole = (
            f"INSERT INTO {records} ({', '.join(some)}) VALUES {_marks(some, data)}"
            for some, data in ((new, "?"), (new, "zeroblob(?)"), (columns, "?"))
        )
        self.rows = min(_ROWS, _MOST_VALUES // len(new))
        self.insert_rows = self.insert + f", {_marks(new, '?')}" * (self.rows - 1)
        self.update, self.update_large, self.update_record, self.update_record_large = (
            f"UPDATE {records} SET {_settings(some, data)} WHERE name = ?"
            for some in (columns[1:], STANDARD[1:])
            for data in ("?", "zeroblob(?)")
        )
        replaced = ", ".join(f"{column} = excluded.{column}" for column in columns[1:])
        self.upsert = f"{insert_whole} ON CONFLICT (name) DO UPDATE SET {replaced}"
        filled = ", ".join(f"{column} = ?" for column in extra)
        self.fill = f"UPDATE {records} SET {filled} WHERE name = ? AND version = ?"
        self.delete = f"DELETE FROM {records} WHERE name = ?"
        self.as_version = " AND version = ?"

    def _set_reads(self, records: str) -> None:
        # CAST: other programs may store values of any type; a text is then bytes that are not a record.
        self.get = (
            f"SELECT CASE WHEN size <= {LARGE_READ} THEN CAST(data AS BLOB) END, version "
            f"FROM {records} WHERE name = ?"
        )
        self.get_large = f"SELECT rowid, version, typeof(data) FROM {records} WHERE name = ?"
        small = f"CASE WHEN size <= {LARGE} THEN CAST(data AS BLOB) END"
        self.get_some = f"SELECT name, {small}, version FROM {records}"
        self.has = f"SELECT 1 FROM {records} WHERE name = ?"
        end = "CAST(substr(data, max(1, size - ? + 1), ?) AS BLOB)"
        end = f"CASE WHEN size <= {LARGE_READ} THEN {end} END, size, version FROM {records}"
        self.tail = f"SELECT {end} WHERE name = ?"
        self.tails = f"SELECT name, {end}"
        self.sizes = f"SELECT name, x'', size, version FROM {records}"
        # Blobs, which other programs may have stored, are greater than all texts; numbers are smaller.
        before = f"SELECT name FROM {records} WHERE name >= ? AND name < ?"
        self.names = f"{before} ORDER BY name"
        listed = f"FROM {records} WHERE name > '' AND (name < '.' OR name >= '/')"
        self.some_names = f"SELECT name {listed} AND typeof(name) = 'text' LIMIT ?"
        # All are counted by pages, and the few that are not listed one by one.
        counted = f"(SELECT count(*) FROM {records}"
        self.count = (
            f"SELECT {counted}) - {counted} WHERE name >= '.' AND name < '/') "
            f"- {counted} WHERE name <= '') - {counted} WHERE name >= x'')"
        )
        self.versions = f"SELECT name, version FROM {records}"
        self.described = f"SELECT {', '.join(STANDARD[:DATA])} FROM {records}"
        self.rowid = f"SELECT rowid FROM {records} WHERE name = ?"

    def _set_references(self, records: str) -> None:
        self._closure = (
            "WITH RECURSIVE reached (name) AS (SELECT ? UNION "
            f"SELECT target.value FROM reached CROSS JOIN {records} AS stored ON stored.name = reached.name, "
            f"{_targets_of('stored')}",
            f" LIMIT ?) SELECT stored.name, CASE WHEN size <= ? THEN data END, version "
            f"FROM reached CROSS JOIN {records} AS stored ON stored.name = reached.name",
        )
        index = quoted(f"{self.table}_references")
        self.has_index = (
            "SELECT count(*) = 3 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? AND "
            f"name IN ({', '.join(_text(self.table + '_references_' + end) for end in _TRIGGERS)})"
        )
        self.referrers = f"SELECT source FROM {index} WHERE target = ? ORDER BY source"
        self.scan = (
            f"SELECT DISTINCT name FROM {records} AS stored, {_targets_of('stored')} "
            "WHERE target.value = ? ORDER BY name"
        )
        self.misindexed = (
            f"SELECT source FROM {index} AS pair WHERE NOT EXISTS (SELECT 1 FROM {records} AS stored, "
            f"{_targets_of('stored')} WHERE stored.name = pair.source AND target.value = pair.target) "
            f"UNION SELECT name FROM {records} AS stored, {_targets_of('stored')} WHERE NOT EXISTS "
            f"(SELECT 1 FROM {index} AS pair WHERE source = stored.name AND pair.target = target.value)"
        )
        self.rebuild_index = (
            f"DELETE FROM {index}",
            f"INSERT INTO {index} SELECT DISTINCT target.value, name "
            f"FROM {records} AS stored, {_targets_of('stored')}",
        )
        remove = (
            f"DELETE FROM {index} WHERE source = OLD.name "
            f"AND target IN (SELECT target.value FROM {_targets_of('OLD')})"
        )
        add = (
            f"INSERT OR IGNORE INTO {index} SELECT target.value, NEW.name FROM {_targets_of('NEW')}"
        )
        name = {end: quoted(f"{self.table}_references_{end}") for end in _TRIGGERS}
        self.make_index = (
            f"CREATE TABLE {index} (target TEXT NOT NULL, source TEXT NOT NULL, "
            "PRIMARY KEY (target, source)) WITHOUT ROWID",
            f"CREATE TRIGGER {name['insert']} AFTER INSERT ON {records} "
            f"WHEN NEW.refs IS NOT NULL BEGIN {add}; END",
            f"CREATE TRIGGER {name['delete']} AFTER DELETE ON {records} "
            f"WHEN OLD.refs IS NOT NULL BEGIN {remove}; END",
            f"CREATE TRIGGER {name['update']} AFTER UPDATE OF name, refs ON {records} "
            f"WHEN OLD.refs IS NOT NEW.refs OR OLD.name IS NOT NEW.name BEGIN {remove}; {add}; END",
        )

    def closure(
        self, name: str, without: Sequence[str], most: int, largest: int
    ) -> tuple[str, Sequence[Any]]:
        """Return the statement that follows references from `name`, `most` names at most, and its values."""
        some = without[: _LISTS[0]]
        left_out = ""
        if some:
            some = [*some, *[some[-1]] * (_LISTS[0] - len(some))]
            left_out = f" WHERE target.value NOT IN ({', '.join('?' * len(some))})"
        return left_out.join(self._closure), (name, *some, most, largest)

    def new(self, row: Row) -> Row:
        """Return a row with the values that the statements for new rows take."""
        return of_width(row, self.new_width)

    def insertions(self, rows: Sequence[Row]) -> Iterator[tuple[str, Sequence[Any]]]:
        """Yield the statements that add rows, and their values."""
        if {*map(len, rows)} != {self.new_width}:
            rows = [*map(self.new, rows)]
        step = self.rows
        whole = len(rows) // step * step
        for at in range(0, whole, step):
            some = rows[at : at + step]
            # SQLite copies the values of a statement: do not collect more.
            if sum(map(_size_of, some)) > LARGE:
                yield from ((self.insert, row) for row in some)
            else:
                yield self.insert_rows, [*chain.from_iterable(some)]
        yield from ((self.insert, row) for row in rows[whole:])


_size_of: Final = itemgetter(2)
_TRIGGERS: Final = ("insert", "delete", "update")


def _marks(columns: Sequence[str], data: str) -> str:
    return f"({', '.join(data if column == 'data' else '?' for column in columns)})"


def _settings(columns: Sequence[str], data: str) -> str:
    return ", ".join(f"{each} = {data if each == 'data' else '?'}" for each in columns)


def _targets_of(row: str) -> str:
    # Without an error where another program has put something else into the column.
    return f"json_each(CASE WHEN json_valid({row}.refs) THEN {row}.refs END) AS target"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """Return a name as statements have it."""
    return '"' + name.replace('"', '""') + '"'


def of_names(text: str, names: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the statements that ask `text` for the rows of `names`, and their values."""
    if len(names) < _LISTS[0]:
        yield from ((f"{text} WHERE name = ?", (name,)) for name in names)
        return
    for at in range(0, len(names), _LISTS[-1]):
        some = [*names[at : at + _LISTS[-1]]]
        length = next(length for length in _LISTS if length >= len(some))
        # Fill up with one name: a name that occurs twice counts once.
        some += [some[-1]] * (length - len(some))
        yield f"{text} WHERE name IN ({', '.join('?' * length)})", some
