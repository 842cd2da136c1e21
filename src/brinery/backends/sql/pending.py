"""The writes of one commit, taken in before the transaction begins.

While the caller makes the records it may use the database (it takes numbers there), so no lock may be held.
And a transaction that the server refuses is tried again, for which all records must still be there.  They
wait as the rows that statements take; past `_IN_MEMORY` bytes in a temporary file, written in batches while
the caller makes the next ones.  Records are not parsed: `Put.about` says what the columns hold.
"""

from __future__ import annotations

import os
from itertools import count
from operator import itemgetter

from brinery.backend import ABSENT, ANY, Stream, joined
from brinery.backends.sql.schema import REFS
from brinery.errors import InvalidArgumentError, storage_error
from brinery.ids import are_names, joined_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import IO, Any, Final, Protocol

    from brinery.backend import Data, Expect, Put, Version
    from brinery.codec import Buffer

    Row = tuple[Any, ...]
    """The values of a row: the columns of `STANDARD`, then `filled` and the extra columns.  Without
    the latter, those stay as they are, and are NULL in a new row."""

    class Fields(Protocol):
        """The extra columns of a store."""

        unfilled: Row
        """The values for `filled` and the extra columns of a record without values for them."""

        def values(self, given: Mapping[str, Any]) -> Row:
            """Return the values for `filled` and the extra columns, as statements take them."""


_IN_MEMORY: Final = 2 << 20
_COPIED_IN_MEMORY: Final = 16 << 20
"""Bytes of all large records that are copied in memory."""
_PER_ROW: Final = 400
"""Bytes that a row takes in memory beside its data."""
LARGE: Final = 1 << 20
"""Bytes; a larger record is not joined, and is written by itself.  Every database takes a smaller one."""
_CHUNK: Final = 1 << 20
_ids_of: Final = itemgetter(1)


class Large:
    """The data of a large record: pieces in memory, or a part of the temporary file."""

    __slots__ = ("_file", "_offset", "_pieces", "size")

    def __init__(self, pieces: Data, size: int) -> None:
        self.size = size
        self._pieces: Data | None = pieces
        self._file: IO[bytes] | None = None
        self._offset = 0

    def copy_to(self, file: IO[bytes] | None) -> None:
        """Let go of the caller's buffers: copy them to the end of `file`, or in memory."""
        assert self._pieces is not None
        if file is None:
            self._pieces = (joined(self._pieces),)
            return
        try:
            self._offset = file.seek(0, os.SEEK_END)
            for piece in self._pieces:
                file.write(piece)
        except OSError as error:
            raise storage_error("write a record of a commit to a temporary file", error) from error
        self._file, self._pieces = file, None

    def pieces(self) -> Iterator[Buffer]:
        """Yield the data in pieces."""
        if self._pieces is not None:
            yield from self._pieces
            return
        assert self._file is not None
        for start in range(0, self.size, _CHUNK):
            yield _read(self._file, self._offset + start, min(_CHUNK, self.size - start))

    def joined(self) -> bytes:
        """Return the data."""
        return b"".join(self.pieces())


class Pending:
    """The writes of one commit; closed at its end, because of its file."""

    is_unfilled = False
    """Whether a record has no values for the extra columns."""
    is_described = False
    """Whether a record has values for the extra columns, or lacks them."""
    _file: IO[bytes] | None = None
    _base = 0
    _copied = 0

    def __init__(
        self,
        check_size: Callable[[str, int], None],
        fields: Fields | None,
    ) -> None:
        """`check_size` is called with the name and the bytes of a large record; it raises for too many.

        `fields` are the extra columns, None for a store without them.
        """
        self._check_size = check_size
        self._fields = fields
        self._unfilled = (None,) if fields is None else fields.unfilled
        self._rows: list[Row] = []
        self._references: list[tuple[int, Sequence[str]]] = []  # of which of these rows, and IDs
        self._full: list[list[Row] | tuple[int, int]] = []  # rows, or where they are in the file
        self.expected: dict[str, Version | Expect] = {}
        """By name, in the order of the puts."""
        self.large: list[Row] = []
        """The rows whose data is `Large`."""

    def close(self) -> None:
        """Drop the temporary file."""
        if self._file is not None:
            self._file.close()

    def take(self, puts: Iterable[Put]) -> None:
        """Take in all puts.  Raise `InvalidArgumentError` when a name is put twice."""
        # A number that no other put has.  Not a counter: every writer would wait for its row.
        self._base = version = int.from_bytes(os.urandom(8), "big") >> 2
        expected, held = self.expected, 0
        # Between two puts of a generator the caller's code may change buffers that it has given.
        may_change = not isinstance(puts, (list, tuple))
        # Rows that are new need no values for columns that have none.
        is_plain, is_unfilled = self._fields is None, False
        refs: str | None
        for name, pieces, expect, about in puts:
            if name in expected:
                raise InvalidArgumentError(f"{name!r} is put twice in one commit: put it once")
            expected[name] = expect
            version += 1
            if isinstance(pieces, Stream):
                size = pieces.size
                data: Any = b"" if size > LARGE else joined(pieces)
            elif len(pieces) == 1 and type(pieces[0]) is bytes:
                data = pieces[0]
                size = len(data)
            else:
                size = sum(map(_size_of, pieces))
                data = b"".join(pieces) if size <= LARGE else None
            rows = self._rows
            if size > LARGE:
                self._check_size(name, size)
                data, rows = self._large(pieces, size, may_change), self.large
            else:
                held += size + _PER_ROW
            if about is None:
                row: Row = (name, version, size, None, None, None, None, data, *self._unfilled)
            else:
                class_name, codec, created, references, fields = about
                if not class_name.isascii():
                    class_name = encodable(class_name)
                refs = None
                if references and size <= LARGE:
                    # As if all IDs were names: `_complete` asks that once for many rows.
                    refs = '["' + '","'.join(references) + '"]'
                    self._references.append((len(rows), references))
                elif references:
                    refs = joined_names(references)
                row = (name, version, size, class_name, codec, created, refs, data)
                if is_plain and expect is ABSENT and fields is not None:
                    is_unfilled = True
                elif fields is not None:
                    row = self._described(row, fields)
            rows.append(row)
            if held > _IN_MEMORY:
                self._spool()
                held = 0
        if self._references:
            self._complete()
        self.is_described |= is_unfilled
        self.is_unfilled |= is_unfilled

    def _complete(self) -> None:
        # Where a row refers to IDs that are not names, set their names.
        noted, self._references = self._references, []
        if not are_names(set().union(*map(_ids_of, noted))):
            for at, ids in noted:
                row = self._rows[at]
                self._rows[at] = (*row[:REFS], joined_names(ids), *row[REFS + 1 :])

    def _large(self, pieces: Data, size: int, may_change: bool) -> Large:
        large = Large(pieces, size)
        if may_change:
            self._copied += size
            large.copy_to(None if self._copied <= _COPIED_IN_MEMORY else self._opened_file())
        return large

    def _described(self, row: Row, fields: Mapping[str, Any]) -> Row:
        self.is_described = True
        if fields and self._fields is not None:
            return row + self._fields.values(fields)
        self.is_unfilled |= not fields
        return row + self._unfilled

    @property
    def is_new(self) -> bool:
        """Return whether all writes expect that their name is not taken."""
        return [*self.expected.values()].count(ABSENT) == len(self.expected)

    @property
    def only(self) -> Row | None:
        """Return the row of the only write, if it is not large."""
        return self._rows[0] if len(self.expected) == 1 == len(self._rows) else None

    def versions(self) -> dict[str, int]:
        """Return the new versions by name."""
        first = self._base + 1
        return dict(zip(self.expected, count(first)))

    def named(self, *wanted: Expect) -> list[str]:
        """Return the names whose writes expect one of `wanted`; without it, those that expect a version."""
        if wanted:
            return [name for name, expect in self.expected.items() if expect in wanted]
        return [
            name
            for name, expect in self.expected.items()
            if expect is not ANY and expect is not ABSENT
        ]

    def batches(self) -> Iterator[list[Row]]:
        """Yield the rows that are not large, in batches, each ordered by name."""
        for batch in self._full:
            if isinstance(batch, list):
                yield batch
            else:
                import marshal

                assert self._file is not None
                yield marshal.loads(_read(self._file, *batch))
        if self._rows:
            self._rows.sort(key=itemgetter(0))
            yield self._rows

    def _spool(self) -> None:
        import marshal

        self._complete()
        rows, self._rows = self._rows, []
        rows.sort(key=itemgetter(0))
        try:
            # Version 2 looks for no object that occurs twice, which takes longer than to write it.
            written = marshal.dumps(rows, 2)
        except ValueError:
            self._full.append(rows)  # a value of an extra column that only the driver knows
            return
        try:
            file = self._opened_file()
            self._full.append((file.seek(0, os.SEEK_END), len(written)))
            file.write(written)
        except OSError as error:
            raise storage_error(
                "write the records of a commit to a temporary file", error
            ) from error

    def _opened_file(self) -> IO[bytes]:
        if self._file is None:
            from tempfile import TemporaryFile

            self._file = TemporaryFile(prefix="brinery-")  # noqa: SIM115 - closed at the end
        return self._file


def _read(file: IO[bytes], offset: int, size: int) -> bytes:
    try:
        file.seek(offset)
        return file.read(size)
    except OSError as error:
        raise storage_error("read the records of a commit from a temporary file", error) from error


def _size_of(piece: Buffer) -> int:
    return len(piece) if type(piece) is bytes else memoryview(piece).nbytes


def of_width(row: Row, width: int) -> Row:
    """Return a row with `width` values: without the last ones, or with NULL for those that it lacks."""
    return row if len(row) == width else (row + (None,) * (width - len(row)))[:width]


def encodable(text: str) -> str:
    """Return the name of a class as its column has it; the record has the exact name."""
    return text.encode("utf-8", "backslashreplace").decode()
