"""One state of a database, as a backend."""

from __future__ import annotations

from itertools import islice

from brinery.backend import Backend
from brinery.backends.sql.connection import AT_ONCE, as_asked, found_or_missing, with_large
from brinery.backends.sql.ranges import SqlRanges, with_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TypeVar

    from brinery.backend import Delete, Put, Ranges, Version
    from brinery.backends.sql.connection import Connection

    T = TypeVar("T")


class View(Backend):
    """Reads in the open transaction of one connection; writes through the backend."""

    def __init__(self, backend: Backend, connection: Connection) -> None:
        self.capabilities = backend.capabilities  # type: ignore[misc]
        self.location = backend.location
        self._backend = backend
        self._connection = connection

    def get(self, name: str) -> tuple[bytes, Version]:
        return found_or_missing(name, self._connection.get(name))

    def has(self, name: str) -> bool:
        return self._connection.has(name)

    def get_tail(self, name: str, count: int) -> tuple[bytes, int, Version]:
        return found_or_missing(name, self._connection.tail(name, count))

    def get_tails(
        self, names: Iterable[str], count: int
    ) -> Iterator[tuple[str, bytes, int, Version]]:
        names = iter(names)
        while some := list(islice(names, AT_ONCE)):
            yield from as_asked(some, self._connection.tails(some, count), self.location)

    def get_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes, Version]]:
        return self._records(names, self.get)

    def get_records(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | Ranges, Version]]:
        return self._records(names, lambda name: with_version(self.open_ranges(name)))

    def _records(
        self, names: Iterable[str], large: Callable[[str], tuple[T, Version]]
    ) -> Iterator[tuple[str, bytes | T, Version]]:
        names = iter(names)
        while some := list(islice(names, AT_ONCE)):
            found = as_asked(some, self._connection.get_some(some), self.location)
            yield from with_large(found, large)

    def open_ranges(self, name: str) -> Ranges:
        if not self._connection.reads_parts:
            return super().open_ranges(name)
        return SqlRanges(found_or_missing(name, self._connection.part(name)))

    def list(self, prefix: str = "") -> Iterator[str]:
        return iter(self._connection.names(prefix))

    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        return self._backend.commit(puts, deletes)

    def referrers(self, name: str) -> Iterator[str]:
        return iter(self._connection.referrers(name))

    def where(self, name: str) -> str:
        return self._backend.where(name)
