"""What the backend asks of a connection, and of what makes connections."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Final, TypeVar

from brinery.backend import Expect, Missing, Version
from brinery.backends.sql.pending import Row
from brinery.errors import BrineryError

T = TypeVar("T")

AT_ONCE: Final = 500
"""Names in one statement."""

LARGEST_AHEAD: Final = 1 << 16
"""Bytes of a record that is read before it is known to be needed."""


class TakenError(Exception):
    """A row that was to be new is there already."""


class Session(ABC):
    """One connection to a database, with the tables of one store.

    Outside `begin` and `commit` each call is a transaction of its own.  All raise the errors of the
    driver.
    """

    @abstractmethod
    def get(self, name: str) -> tuple[bytes, int] | None:
        """Return data and version of one record."""

    @abstractmethod
    def get_some(self, names: Sequence[str]) -> Iterator[tuple[str, bytes, int]]:
        """Yield name, data and version of those that there are."""

    def closure(
        self, name: str, without: Sequence[str], most: int
    ) -> Sequence[tuple[str, bytes, int]] | None:
        """Return what `Backend.get_closure` does, by one statement."""
        return None

    @abstractmethod
    def tail(self, name: str, count: int) -> tuple[bytes, int, int] | None:
        """Return the last `count` bytes, the size and the version of one record."""

    def tails(self, names: Sequence[str], count: int) -> Sequence[tuple[str, bytes, int, int]]:
        """Return name, last bytes, size and version of those that there are."""
        found = ((name, self.tail(name, count)) for name in names)
        return [(name, *tail) for name, tail in found if tail is not None]

    @abstractmethod
    def names(self, prefix: str) -> Sequence[str]:
        """Return the names that start with `prefix`, sorted, without the dotted."""

    @abstractmethod
    def referrers(self, name: str) -> Sequence[str]:
        """Return the names of the records that refer to `name`, sorted."""

    @abstractmethod
    def begin(self) -> None:
        """Begin a transaction that writes."""

    @abstractmethod
    def begin_reading(self) -> None:
        """Begin a transaction whose reads all see one state."""

    @abstractmethod
    def commit(self) -> None:
        """End the transaction; what it wrote is there."""

    @abstractmethod
    def rollback(self) -> None:
        """End the transaction as if it had never been."""

    @abstractmethod
    def versions(self, names: Sequence[str]) -> dict[str, int]:
        """Return the versions of those that there are; nobody else changes these until the end."""

    @abstractmethod
    def insert(self, rows: Iterable[Row]) -> None:
        """Add new records, ordered by name.  Raise `TakenError` where one is there."""

    @abstractmethod
    def update(self, rows: Iterable[Row], *, with_fields: bool = True) -> None:
        """Set records that are there, ordered by name, and that `versions` has told of in this transaction.

        Without `with_fields`, the further columns stay as they are.
        """

    def put_alone(self, row: Row, expect: Version | Expect, targets: Sequence[str]) -> bool | None:
        """Write one record and its references in a transaction of its own, in fewer steps than many.

        Return whether what stands there was as expected; None where the engine has no such way.  Raise
        `TakenError` for a new one that is there.
        """
        return None

    def delete_alone(self, name: str) -> bool:
        """Remove one record and its references in a transaction of its own, in fewer steps than many.

        Return False where the engine has no such way.
        """
        return False

    @abstractmethod
    def unlink(self, sources: Sequence[str]) -> None:
        """Remove the references of records."""

    @abstractmethod
    def link(self, references: Iterable[tuple[str, str]], *, are_new: bool = False) -> None:
        """Add references, as pairs of source and target; some may be there.

        `are_new` says that none should be: where one is, `TakenError` may be raised.
        """

    @abstractmethod
    def delete(self, names: Sequence[str]) -> None:
        """Remove records; their references are removed by `unlink`."""

    @abstractmethod
    def is_idle(self) -> bool:
        """Tell whether no statement is under way, and no transaction open."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection."""


class Sessions(ABC):
    """Makes sessions, keeps those that are free, and knows the errors of its driver."""

    errors: tuple[type[Exception], ...]
    """What the driver raises."""

    most: int | None = None
    """How many sessions there may be; one, where a database lives in its connection."""

    def __init__(self) -> None:
        # A pool of one's own: SQLAlchemy's takes 5 µs for each use, as long as reading a record.
        self._free: list[Session] = []
        self._abandoned: list[Session] = []
        self._pid = os.getpid()
        self._only = threading.RLock()

    @abstractmethod
    def new(self) -> Session:
        """Open a connection."""

    @abstractmethod
    def failure(self, action: str, error: Exception, name: str | None = None) -> BrineryError:
        """Return the error of brinery that stands for an error of the driver."""

    def is_passing(self, error: Exception) -> bool:
        """Tell whether the same transaction may succeed when it is tried again."""
        return False

    def is_lost(self, error: Exception, session: Session) -> bool:
        """Tell whether the connection is gone."""
        return False

    def check_size(self, name: str, size: int) -> None:  # noqa: B027 - most have no limit
        """Raise where a record is larger than the engine takes."""

    def use(self) -> AbstractContextManager[Session]:
        """Lend a session; one that fails is not used again where its connection is lost."""
        return _Lent(self) if self.most is None else self._use_alone()

    @contextmanager
    def _use_alone(self) -> Iterator[Session]:
        if self._pid != os.getpid():
            self._abandon()
        with self._only, _Lent(self) as session:
            yield session

    def lend(self) -> Session:
        """Return a session that nobody uses; it is given back by `take_back`."""
        if self._pid != os.getpid():
            self._abandon()
        try:
            return self._free.pop()
        except IndexError:
            return self.new()

    def take_back(self, session: Session, error: BaseException | None) -> None:
        """Keep a session for the next use, if it can be used after `error`."""
        if error is None:
            self._free.append(session)
        elif isinstance(error, self.errors) and self.is_lost(error, session):
            # The others of the pool were open as long as this one, and as far away.
            self.drop_free()
            with suppress(Exception):
                session.close()
        else:
            self._keep_if_idle(session)

    def _keep_if_idle(self, session: Session) -> None:
        # Ctrl-C comes anywhere: in the middle of a statement, whose answer the next one would be given,
        # or before the end of a transaction, which the next one would be part of.
        with suppress(*self.errors):
            if not session.is_idle():
                session.rollback()
            if session.is_idle():
                self._free.append(session)
                return
        with suppress(Exception):
            session.close()

    def drop_free(self) -> None:
        """Close the sessions that nobody uses at the moment, but not one that is the database."""
        if self.most is None:
            self._close_free()

    def _close_free(self) -> None:
        while self._free:
            with suppress(*self.errors):
                self._free.pop().close()

    def _abandon(self) -> None:
        # In a child process.  The connections are the parent's: closing them would end those of the
        # parent (a server sees the farewell), or its locks (SQLite).
        self._abandoned += self._free
        self._free, self._only, self._pid = [], threading.RLock(), os.getpid()

    def close(self) -> None:
        """Let go of all connections."""
        self._close_free()


class _Lent:
    """A context with a session.  A class: a generator takes four times as long, for each read."""

    __slots__ = ("_session", "_sessions")

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def __enter__(self) -> Session:
        self._session = self._sessions.lend()
        return self._session

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._sessions.take_back(self._session, error)


def there(name: str, found: T | None) -> T:
    """Return what was found under a name.  Raise `Missing` where that is nothing."""
    if found is None:
        raise Missing(name)
    return found
