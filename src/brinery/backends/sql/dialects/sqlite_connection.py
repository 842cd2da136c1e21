"""Connections to SQLite, by the driver of the standard library.

Measured against SQLAlchemy Core on the same connection: reading a record takes 4 µs instead of
17, adding one to a batch 3 µs instead of 11.
"""

from __future__ import annotations

import sqlite3
from itertools import chain

from brinery.backend import ABSENT, ANY, PRESENT
from brinery.backends.sql.connection import (
    LARGEST_AHEAD,
    Connection,
    TakenError,
)
from brinery.backends.sql.dialects.sqlite_statements import Statements, of_names
from brinery.backends.sql.schema import DATA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, TypeVar

    from brinery.backend import Expect, Version
    from brinery.backends.sql.dialects.sqlite_file import Guard, SqliteFile
    from brinery.backends.sql.pending import Row
    from brinery.backends.sql.ranges import Part

    T = TypeVar("T")

_LAST = "\U0010ffff"


class SqliteConnection(Connection):
    """One connection of `sqlite3`."""

    reads_parts = True

    def __init__(
        self, driver: sqlite3.Connection, statements: Statements, file: SqliteFile | None = None
    ) -> None:
        """`file` is that of the database, None for a database without one."""
        self.driver = driver
        self._text = statements
        self._file = file

    def get_small(self, name: str) -> tuple[Any, int] | None:
        found: tuple[Any, int] | None
        found = self.driver.execute(self._text.get, (name,)).fetchone()
        if found is None:
            self._check_file("read")
        return found

    def get(self, name: str) -> tuple[bytes, int] | None:
        found = self.get_small(name)
        if found is None or found[0] is not None:
            return found
        large = self._in_one_state(lambda: self._end_of(name))
        return None if large is None else (large[0], large[2])

    def part(self, name: str) -> Part | None:
        found = self.driver.execute(self._text.get_large, (name,)).fetchone()
        if found is None:
            return None
        row, version, kind = found
        if kind != "blob":
            return (lambda start, count: b""), 0, version  # of another program: not a record
        blob = self.driver.blobopen(self._text.table, "data", row, readonly=True)

        def read(start: int, count: int) -> bytes:
            blob.seek(start)
            return blob.read(count)

        return read, len(blob), version

    def _end_of(self, name: str, count: int | None = None) -> tuple[bytes, int, int] | None:
        part = self.part(name)
        if part is None:
            return None
        read, size, version = part
        count = size if count is None else min(count, size)
        return read(size - count, count), size, version

    def _in_one_state(self, read: Callable[[], T]) -> T:
        if self.driver.in_transaction:
            return read()
        self.driver.execute("BEGIN")
        try:
            return read()
        finally:
            self.driver.execute("ROLLBACK")

    def get_some(self, names: Sequence[str]) -> Sequence[tuple[str, Any, int]]:
        return self._of(self._text.get_some, names)

    def _of(self, text: str, names: Sequence[str], values: Sequence[Any] = ()) -> list[Any]:
        run = self.driver.execute
        found: list[Any] = []
        for statement, some in of_names(text, names):
            found += run(statement, (*values, *some) if values else some)
        return found

    def closure(
        self, name: str, without: Sequence[str], most: int
    ) -> Sequence[tuple[str, bytes, int]] | None:
        statement, values = self._text.closure(name, without, most + 1, LARGEST_AHEAD)
        found = self.driver.execute(statement, values).fetchall()
        is_whole = len(found) <= most and all(type(data) is bytes for _, data, _ in found)
        return found if is_whole else None

    def has(self, name: str) -> bool:
        if self.driver.execute(self._text.has, (name,)).fetchone() is not None:
            return True
        self._check_file("read")
        return False

    def tail(self, name: str, count: int) -> tuple[bytes, int, int] | None:
        found = self.driver.execute(self._text.tail, (count, count, name)).fetchone()
        if found is None:
            # Each save asks for an entry of the store itself, and looks at the file before it writes.
            if name[:1] != ".":
                self._check_file("read")
            return None
        if found[0] is None:
            return self._in_one_state(lambda: self._end_of(name, count))
        return found[0], _size(found[1]), found[2]

    def tails(self, names: Sequence[str], count: int) -> Sequence[tuple[str, bytes, int, int]]:
        # Without a count, the caller asks only which records exist: their bytes are not needed.
        values = (count, count) if count else ()
        rows = self._of(self._text.tails if count else self._text.sizes, names, values)
        found = []
        for name, end, size, version in rows:
            if end is not None:
                found.append((name, end, _size(size), version))
            elif (large := self.tail(name, count)) is not None:
                found.append((name, *large))
        return found

    def names(self, prefix: str) -> Sequence[str]:
        self._check_file("list")
        # Without a prefix, up to the point, and from the character after it; a slash is in no name.
        spans = [(prefix, prefix + _LAST)] if prefix else [("\0", "."), ("/", _LAST)]
        found: list[str] = []
        for span in spans:
            found += chain.from_iterable(self.driver.execute(self._text.names, span))
        return found if prefix[:1] != "." else []

    def some_names(self, most: int) -> Sequence[str]:
        return [name for (name,) in self.driver.execute(self._text.some_names, (most,))]

    def count(self) -> int:
        (count,) = self.driver.execute(self._text.count).fetchone()
        return int(count)

    def referrers(self, name: str) -> Sequence[str]:
        text = self._text.referrers if self.has_index() else self._text.scan
        return [*chain.from_iterable(self.driver.execute(text, (name,)))]

    def has_index(self) -> bool:
        (has_index,) = self.driver.execute(self._text.has_index, (self._text.table,)).fetchone()
        return bool(has_index)

    def build_index(self) -> None:
        made = () if self.has_index() else self._text.make_index
        for statement in (*made, *self._text.rebuild_index):
            self.driver.execute(statement)

    def misindexed(self) -> Sequence[str]:
        if not self.has_index():
            return ()
        return [*chain.from_iterable(self.driver.execute(self._text.misindexed))]

    def described(self, names: Sequence[str]) -> Sequence[tuple[Any, ...]]:
        return self._of(self._text.described, names)

    def begin(self) -> None:
        self._check_file("write")
        self.driver.execute("BEGIN IMMEDIATE")

    def _check_file(self, action: str) -> None:
        # SQLite keeps using a file that was removed, and reads an emptied one as a new database.  What is
        # read from them is what was there; but what is missing may not be missing, and a write is lost.
        if self._file is not None:
            self._file.check(action)

    def begin_reading(self) -> None:
        self.driver.execute("BEGIN")

    def commit(self) -> None:
        self.driver.execute("COMMIT")

    def rollback(self) -> None:
        if self.driver.in_transaction:
            self.driver.execute("ROLLBACK")

    def versions(self, names: Sequence[str]) -> Sequence[tuple[str, int]]:
        return self._of(self._text.versions, names)

    def insert(self, rows: Sequence[Row]) -> None:
        self._add(self._text.insertions(rows))

    def _add(self, statements: Iterable[tuple[str, Sequence[Any]]]) -> None:
        run = self.driver.execute
        try:
            for statement, values in statements:
                run(statement, values)
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
                raise
            raise TakenError from error

    def update(self, rows: Sequence[Row]) -> None:
        text, run = self._text, self.driver.executemany
        whole = [row for row in rows if len(row) == text.width]
        run(text.update, [row[1:] + row[:1] for row in whole])
        if len(whole) < len(rows):
            own = [row for row in rows if len(row) < text.width]
            run(text.update_record, [row[1:] + row[:1] for row in own])

    def put_large(self, row: Row, *, is_new: bool) -> None:
        # The row first, with room for the data, which then goes into it piece by piece.
        text, large = self._text, row[DATA]
        row = (*row[:DATA], large.size, *row[DATA + 1 :])
        if is_new:
            self._add([(text.insert_large, text.new(row))])
        else:
            statement = text.update_large if len(row) == text.width else text.update_record_large
            self.driver.execute(statement, row[1:] + row[:1])
        (number,) = self.driver.execute(text.rowid, row[:1]).fetchone()
        with self.driver.blobopen(text.table, "data", number) as blob:
            for piece in large.pieces():
                blob.write(piece)

    def put_alone(self, row: Row, expect: Version | Expect) -> bool | None:
        text = self._text
        run = self.driver.execute
        if expect is ABSENT:
            self._check_file("write")
            self._add([(text.insert, text.new(row))])
            return True
        if len(row) < text.width or expect is PRESENT:
            return None
        self._check_file("write")
        if expect is ANY:
            run(text.upsert, row)
            return True
        values = (*row[1:], row[0], expect)
        return run(text.update + text.as_version, values).rowcount == 1

    def delete_alone(self, name: str, expect: Version | Expect) -> bool | None:
        self._check_file("write")
        text, run = self._text, self.driver.execute
        if expect is ANY or expect is PRESENT:
            return run(text.delete, (name,)).rowcount == 1 or expect is ANY
        return run(text.delete + text.as_version, (name, expect)).rowcount == 1

    def fill(self, rows: Iterable[Row]) -> None:
        self.driver.executemany(self._text.fill, (row[2:] + row[:2] for row in rows))

    def delete(self, names: Sequence[str]) -> None:
        self.driver.executemany(self._text.delete, ((name,) for name in names))

    def is_idle(self) -> bool:
        return not self.driver.in_transaction

    def close(self) -> None:
        self.driver.close()


class SqliteReader(SqliteConnection):
    """A connection that reads only; `begin` makes it one that writes, where that has become possible."""

    def __init__(
        self,
        driver: sqlite3.Connection,
        statements: Statements,
        file: SqliteFile,
        guard: Guard | None,
    ) -> None:
        super().__init__(driver, statements, file)
        self._opener = file
        self.is_guarded = guard is not None
        self.reads_parts = guard is None
        self._guard = guard
        self._is_writer = False

    def get(self, name: str) -> tuple[bytes, int] | None:
        return self._guarded(super().get, name)

    def get_small(self, name: str) -> tuple[Any, int] | None:
        return self._guarded(super().get_small, name)

    def get_some(self, names: Sequence[str]) -> Sequence[tuple[str, Any, int]]:
        return self._guarded(super().get_some, names)

    def closure(
        self, name: str, without: Sequence[str], most: int
    ) -> Sequence[tuple[str, bytes, int]] | None:
        return self._guarded(super().closure, name, without, most)

    def tail(self, name: str, count: int) -> tuple[bytes, int, int] | None:
        return self._guarded(super().tail, name, count)

    def tails(self, names: Sequence[str], count: int) -> Sequence[tuple[str, bytes, int, int]]:
        return self._guarded(super().tails, names, count)

    def names(self, prefix: str) -> Sequence[str]:
        return self._guarded(super().names, prefix)

    def referrers(self, name: str) -> Sequence[str]:
        return self._guarded(super().referrers, name)

    def versions(self, names: Sequence[str]) -> Sequence[tuple[str, int]]:
        return self._guarded(super().versions, names)

    def _guarded(self, read: Callable[..., T], *arguments: Any) -> T:
        # A page that changes while it is read may give any answer or error: this one counts.
        try:
            return read(*arguments)
        finally:
            self.check_guard()

    def check_guard(self) -> None:
        """Raise `ChangedError` if what was read may have changed while it was read."""
        if self._guard is not None:
            self._guard.check()

    def begin(self) -> None:
        self._become_writer()
        super().begin()

    def put_alone(self, row: Row, expect: Version | Expect) -> bool | None:
        return None  # by way of `begin`

    def delete_alone(self, name: str, expect: Version | Expect) -> bool | None:
        return None

    def _become_writer(self) -> None:
        if self.driver.in_transaction or self._is_writer:
            return
        writer = self._opener.to_write()  # raises the error that says why not
        self.driver.close()
        self.driver, self._guard, self._is_writer = writer, None, True
        self.is_guarded, self.reads_parts = False, True


def _size(value: Any) -> int:
    return value if type(value) is int else -1
