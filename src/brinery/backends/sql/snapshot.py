"""One state of a database, as a backend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from brinery.backend import Backend, Delete, Put, Version
from brinery.backends.sql.connection import AT_ONCE, Session, there


class View(Backend):
    """Reads in the transaction of one session; writes are those of the backend."""

    def __init__(self, backend: Backend, session: Session) -> None:
        self.capabilities = backend.capabilities  # type: ignore[misc]
        self.location = backend.location
        self._backend = backend
        self._session = session

    def get(self, name: str) -> tuple[bytes, Version]:
        return there(name, self._session.get(name))

    def get_tail(self, name: str, count: int) -> tuple[bytes, int, Version]:
        return there(name, self._session.tail(name, count))

    def get_tails(
        self, names: Iterable[str], count: int
    ) -> Iterator[tuple[str, bytes, int, Version]]:
        names = iter(names)
        while some := list(islice(names, AT_ONCE)):
            yield from self._session.tails(some, count)

    def get_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes, Version]]:
        names = iter(names)
        while some := list(islice(names, AT_ONCE)):
            yield from self._session.get_some(some)

    def list(self, prefix: str = "") -> Iterator[str]:
        return iter(self._session.names(prefix))

    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        return self._backend.commit(puts, deletes)

    def referrers(self, name: str) -> Iterator[str]:
        return iter(self._session.referrers(name))

    def where(self, name: str) -> str:
        return self._backend.where(name)
