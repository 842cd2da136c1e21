"""The writes of one commit, taken in before the transaction begins.

While the caller makes the records it may use the database (it takes numbers there), so no lock may be held.
And a transaction that the server refuses is tried again, for which all records must still be there.  Past
`_IN_MEMORY` bytes they wait in a temporary file.  Records are not parsed: `Put.about` says what the columns
hold.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from tempfile import TemporaryFile
from typing import IO, Any, Final, NamedTuple

from brinery.backend import ABSENT, ANY, About, Expect, Put, Version
from brinery.errors import InvalidArgumentError, storage_error
from brinery.ids import name_of

_IN_MEMORY: Final = 256 << 20
_UNCHECKED: Final = 1 << 20  # bytes; every database takes a record as small


class Row(NamedTuple):
    """One write, in the order of the columns that each store has."""

    name: str
    version: int
    size: int
    about: About | None
    data: bytes


# Takes half the time of a call of the class, for each record.
_new_row: Final[Callable[[Any], Row]] = functools.partial(tuple.__new__, Row)


class Pending:
    """The writes of one commit; a context manager, because of its file."""

    def __init__(self, check_size: Callable[[str, int], None]) -> None:
        """`check_size` is called with the name and the bytes of a large record; it raises for too many."""
        self._check_size = check_size
        # A number that no other put has.  Not a counter: every writer would wait for its row.
        self._base = int.from_bytes(os.urandom(8), "big") >> 2
        self._held: dict[str, Row] = {}
        self._spooled: dict[str, int] = {}
        self._in_memory = 0
        self._file: IO[bytes] | None = None
        self.expected: dict[str, Version | Expect] = {}
        """By name, in the order of the puts."""

    def __enter__(self) -> Pending:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def take(self, puts: Iterable[Put]) -> None:
        """Take in all puts.  Raise `InvalidArgumentError` when a name is put twice."""
        for name, pieces, expect, about in puts:
            if name in self.expected:
                raise InvalidArgumentError(f"{name!r} is put twice in one commit: put it once")
            data = b"".join(pieces)
            size = len(data)
            if size > _UNCHECKED:
                self._check_size(name, size)
            if about is not None and not about.class_name.isascii():
                about = about._replace(class_name=encodable(about.class_name))
            self.expected[name] = expect
            version = self._base + len(self.expected)
            self._in_memory += size
            if self._in_memory > _IN_MEMORY:
                self._spooled[name] = self._spool(data)
                data = b""
            self._held[name] = _new_row((name, version, size, about, data))

    @property
    def is_new(self) -> bool:
        """Return whether all writes expect that their name is not taken."""
        return all(expect is ABSENT for expect in self.expected.values())

    def versions(self) -> dict[str, int]:
        """Return the new versions by name."""
        return {name: held[1] for name, held in self._held.items()}

    def named(self, *wanted: Expect) -> list[str]:
        """Return the names whose writes expect one of `wanted`; without it, those that expect a version."""
        if wanted:
            return [name for name, expect in self.expected.items() if expect in wanted]
        return [
            name
            for name, expect in self.expected.items()
            if expect is not ANY and expect is not ABSENT
        ]

    def keeps_fields(self, name: str) -> bool:
        """Return whether the extra columns of `name` must stay as they are."""
        about = self._held[name].about
        return about is not None and about.fields is None

    def leaves_unfilled(self, lacks_columns: bool) -> bool:
        """Return whether extra columns of a record are not filled; `lacks_columns` if some are not known."""
        abouts = (held.about for held in self._held.values())
        return any(
            about is not None and about.fields is not None and (lacks_columns or not about.fields)
            for about in abouts
        )

    def rows(self, names: Iterable[str]) -> Iterator[Row]:
        """Return the rows of `names`, in their order."""
        if not self._spooled:
            return map(self._held.__getitem__, names)
        return map(self._whole, names)

    def _whole(self, name: str) -> Row:
        row = self._held[name]
        offset = self._spooled.get(name)
        return row if offset is None else row._replace(data=self._unspooled(offset, row.size))

    def references(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield source and target of each reference of `names`, by their names."""
        expected = self.expected
        for name in names:
            about = self._held[name].about
            if about is not None:
                for reference in about.references:
                    # Most are records of the same commit: that takes 0.1 µs to see, and the name 0.5 to make.
                    is_name = reference in expected and "%" not in reference
                    yield name, reference if is_name else name_of(reference)

    def _spool(self, data: bytes) -> int:
        try:
            if self._file is None:
                self._file = TemporaryFile(prefix="brinery-")  # noqa: SIM115 - closed at the end
            offset = self._file.seek(0, os.SEEK_END)
            self._file.write(data)
        except OSError as error:
            raise storage_error(
                "write the records of a commit to a temporary file", error
            ) from error
        return offset

    def _unspooled(self, offset: int, size: int) -> bytes:
        assert self._file is not None
        try:
            self._file.seek(offset)
            return self._file.read(size)
        except OSError as error:
            raise storage_error(
                "read the records of a commit from a temporary file", error
            ) from error


def encodable(text: str) -> str:
    """Return the name of a class as its column has it; the record has the exact name."""
    return text.encode("utf-8", "backslashreplace").decode()
