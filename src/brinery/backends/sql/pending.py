"""The writes of one commit, taken in before the transaction begins.

What makes the records may use the database meanwhile (it takes numbers there), so that no lock may be
held; and a transaction that the server refuses is tried again, which needs all of it once more.  Past
`_IN_MEMORY` bytes they wait in a temporary file.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO, Any, Final, NamedTuple

from brinery.backend import ABSENT, ANY, About, Expect, Put, Version
from brinery.errors import BrineryError, InvalidArgumentError, storage_error
from brinery.ids import name_of
from brinery.record.reader import parse_metadata
from brinery.record.record import about_of, has_magic

_IN_MEMORY: Final = 256 << 20
_UNCHECKED: Final = 1 << 20  # bytes: no engine refuses as few


class Row(NamedTuple):
    """One write, as the engines take it."""

    name: str
    version: int
    size: int
    about: About | None
    data: bytes


# In half the time that a call of the class takes: for each record.
_new_row: Final[Callable[[Any], Row]] = functools.partial(tuple.__new__, Row)


class Pending:
    """The writes of one commit; a context manager, because of its file."""

    def __init__(self, check_size: Callable[[str, int], None]) -> None:
        """`check_size` is called with each name and its bytes, and raises where they are too many."""
        self._check_size = check_size
        # A number that no put has had: a counter would be a row that every writer waits for.
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
            # What the store has set aside under a name of its own is no object of it.
            if about is None and name[0] != "." and has_magic(data):
                about = _about(data)
            if about is not None and not about.class_name.isascii():
                about = about._replace(class_name=_encodable(about.class_name))
            self.expected[name] = expect
            version = self._base + len(self.expected)
            self._in_memory += size
            if self._in_memory > _IN_MEMORY:
                self._spooled[name] = self._spool(data)
                data = b""
            self._held[name] = _new_row((name, version, size, about, data))

    @property
    def is_new(self) -> bool:
        """Tell whether each of them is expected to be new."""
        return all(expect is ABSENT for expect in self.expected.values())

    def versions(self) -> dict[str, int]:
        """Return the new versions by name."""
        return {name: held[1] for name, held in self._held.items()}

    def named(self, *wanted: Expect) -> list[str]:
        """Return the names that are expected so; without `wanted`, those that expect a version."""
        if wanted:
            return [name for name, expect in self.expected.items() if expect in wanted]
        return [
            name
            for name, expect in self.expected.items()
            if expect is not ANY and expect is not ABSENT
        ]

    def keeps_fields(self, name: str) -> bool:
        """Tell whether further columns of `name` are to stay as they are."""
        about = self._held[name].about
        return about is not None and about.fields is None

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
                    # Most are records of the same commit: 0.1 µs to see, and 0.5 to make the name.
                    is_name = reference in expected and "%" not in reference
                    yield name, reference if is_name else name_of(reference)

    def _spool(self, data: bytes) -> int:
        try:
            if self._file is None:
                self._file = TemporaryFile(prefix="brinery-")  # noqa: SIM115 - closed at the end
            offset = self._file.seek(0, os.SEEK_END)
            self._file.write(data)
        except OSError as error:
            raise storage_error("set aside for a commit in a temporary file", error) from error
        return offset

    def _unspooled(self, offset: int, size: int) -> bytes:
        assert self._file is not None
        try:
            self._file.seek(offset)
            return self._file.read(size)
        except OSError as error:
            raise storage_error("read back what was set aside for a commit", error) from error


def _about(data: bytes) -> About | None:
    with suppress(BrineryError):  # damaged: it is kept as it is, and found out when it is read
        return about_of(parse_metadata(data, len(data)), {})
    return None


def _encodable(text: str) -> str:
    # The column is there to be looked for; the record has the name as it is.
    return text.encode("utf-8", "backslashreplace").decode()
