"""Connections to a database, and the pool that keeps them: what the backend asks of both."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from operator import itemgetter

from brinery.backend import Missing
from brinery.backends.sql.schema import DATA
from brinery.errors import ReentrantWriteError, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import Any, Final, TypeVar

    from brinery.backend import Expect, Version
    from brinery.backends.sql.pending import Fields, Row
    from brinery.backends.sql.ranges import Part

    T = TypeVar("T")
    Named = TypeVar("Named", bound=tuple[Any, ...])

AT_ONCE: Final = 500
"""Names in one statement."""

LARGEST_AHEAD: Final = 1 << 16
"""Bytes of a record that is read although it may not be needed."""


class TakenError(Exception):
    """A row that must be new exists."""


class Connection(ABC):
    """One connection to a database, with the tables of one store.

    Outside `begin` and `commit` each call is a transaction of its own.  All methods raise the errors of
    the driver.
    """

    is_guarded: bool = False
    """Whether its reads have to be checked at the end of each use."""

    reads_parts: bool = False
    """Whether it has the method `part`."""

    @abstractmethod
    def get(self, name: str) -> tuple[bytes, int] | None:
        """Return data and version of one record."""

    @abstractmethod
    def get_some(self, names: Sequence[str]) -> Sequence[tuple[str, Any, int]]:
        """Return name, data and version of those records of `names` that exist.

        The data of large ones is None: the caller reads these one by one.
        """

    def get_small(self, name: str) -> tuple[Any, int] | None:
        """Answer as `get` does, with None in place of the data of a record that is better read in parts."""
        return self.get(name)

    def part(self, name: str) -> Part | None:
        """Return a record that can be read in parts until the end of the open transaction."""
        raise NotImplementedError

    def closure(
        self, name: str, without: Sequence[str], most: int
    ) -> Sequence[tuple[str, bytes, int]] | None:
        """Answer `Backend.get_closure` by one statement; None where there is no such statement."""
        return None

    def has(self, name: str) -> bool:
        """Return whether a record exists."""
        return self.tail(name, 0) is not None

    @abstractmethod
    def tail(self, name: str, count: int) -> tuple[bytes, int, int] | None:
        """Return the last `count` bytes, the size and the version of one record."""

    def tails(self, names: Sequence[str], count: int) -> Sequence[tuple[str, bytes, int, int]]:
        """Return name, last bytes, size and version of those records of `names` that exist."""
        found = ((name, self.tail(name, count)) for name in names)
        return [(name, *tail) for name, tail in found if tail is not None]

    @abstractmethod
    def names(self, prefix: str) -> Sequence[str]:
        """Return the names that start with `prefix`, sorted, without those that begin with a dot."""

    @abstractmethod
    def some_names(self, most: int) -> Sequence[str]:
        """Return at most `most` of the names that do not begin with a dot, some if there are any."""

    @abstractmethod
    def count(self) -> int:
        """Return the number of names that do not begin with a dot."""

    # -- references

    @abstractmethod
    def referrers(self, name: str) -> Sequence[str]:
        """Return the names of the records that refer to `name`, sorted, by the index if there is one."""

    def has_index(self) -> bool:
        """Return whether there is an index of references, or cannot be one."""
        return True

    def build_index(self) -> None:  # noqa: B027 - without an index there is nothing to do
        """Make the index of references, in the open transaction; where it exists, make it again.

        From its end on, the database itself keeps the index, whatever program writes.
        """

    def misindexed(self) -> Sequence[str]:
        """Return the names of records whose references the index has not as the column `refs` has them."""
        return ()

    @abstractmethod
    def described(self, names: Sequence[str]) -> Sequence[tuple[Any, ...]]:
        """Return the columns of `STANDARD` before `data`, as they are, of those records that exist."""

    # -- transactions

    @abstractmethod
    def begin(self) -> None:
        """Begin a transaction that writes."""

    @abstractmethod
    def begin_reading(self) -> None:
        """Begin a transaction whose reads all see one state."""

    @abstractmethod
    def commit(self) -> None:
        """End the transaction, and make its writes visible."""

    @abstractmethod
    def rollback(self) -> None:
        """End the transaction, and undo its writes."""

    # -- writing

    @abstractmethod
    def versions(self, names: Sequence[str]) -> Sequence[tuple[str, int]]:
        """Return name and version of the records that exist.

        No other writer changes these until the end of the transaction.
        """

    @abstractmethod
    def insert(self, rows: Sequence[Row]) -> None:
        """Add new records, ordered by name.  Raise `TakenError` where one exists."""

    @abstractmethod
    def update(self, rows: Sequence[Row]) -> None:
        """Set existing records, ordered by name, whose versions were read in this transaction."""

    def put_large(self, row: Row, *, is_new: bool) -> None:
        """Add or set a record whose data is `Large`."""
        row = (*row[:DATA], row[DATA].joined(), *row[DATA + 1 :])
        if is_new:
            self.insert([row])
        else:
            self.update([row])

    @abstractmethod
    def fill(self, rows: Iterable[Row]) -> None:
        """Set the extra columns of records that have still a version.

        The rows are name, version, and the values for the column `filled` and the extra columns.
        """

    def put_alone(self, row: Row, expect: Version | Expect) -> bool | None:
        """Write one record in a transaction of its own, in fewer steps than usual.

        Return whether it was as expected; None where the database has no shorter way.  Raise `TakenError`
        for a new record that exists.
        """
        return None

    def delete_alone(self, name: str, expect: Version | Expect) -> bool | None:
        """Remove one record in a transaction of its own, in fewer steps than usual; return as `put_alone`."""
        return None

    @abstractmethod
    def delete(self, names: Sequence[str]) -> None:
        """Remove records."""

    @abstractmethod
    def is_idle(self) -> bool:
        """Return whether no statement is running, and no transaction is open."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""


class ConnectionPool(ABC):
    """Makes connections, keeps those that are free, and knows the errors of its driver."""

    errors: tuple[type[Exception], ...]
    """The errors that the driver raises."""

    tries: int = 2
    """How often a read is tried: again on a new connection, after one that was lost."""

    fields: Fields | None = None
    """The extra columns; None where there are none."""

    most: int | None = None
    """How many connections there may be; one, where a database lives in its connection."""

    def __init__(self) -> None:
        # Not SQLAlchemy's pool: that takes 5 µs for each use, as long as reading a record.
        self.free: list[Connection] = []
        """Connections that nobody uses."""
        self._inherited: list[Connection] = []
        self._pid = os.getpid()
        self._only = threading.RLock()
        self._is_lent = False  # where there is one connection

    @abstractmethod
    def new(self) -> Connection:
        """Open a connection."""

    def is_lost(self, error: Exception, connection: Connection) -> bool:
        """Return whether the connection has ended."""
        return False

    def use(self) -> AbstractContextManager[Connection]:
        """Lend a connection; after an error it is used again only if it is not lost."""
        return _Lent(self) if self.most is None else self._use_alone()

    @contextmanager
    def _use_alone(self) -> Iterator[Connection]:
        if self._pid != os.getpid():
            self._forget_inherited()
        with self._only:
            if self._is_lent:  # to this thread, which a signal handler has interrupted
                raise ReentrantWriteError("the database in memory")
            try:
                self._is_lent = True
                with _Lent(self) as connection:
                    yield connection
            finally:
                self._is_lent = False

    def lend(self) -> Connection:
        """Return a free connection; the caller gives it back by `take_back`."""
        if self._pid != os.getpid():
            self._forget_inherited()
        try:
            return self.free.pop()
        except IndexError:
            return self.new()

    def take_back(self, connection: Connection, error: BaseException | None) -> None:
        """Keep a connection for the next use, if it can be used after `error`."""
        if error is None:
            self.free.append(connection)
        elif isinstance(error, self.errors) and self.is_lost(error, connection):
            # The others of the pool are as old and go to the same server: they are lost, too.
            self.drop_free()
            with suppress(Exception):
                connection.close()
        else:
            self.end(connection)

    def end(self, connection: Connection) -> None:
        """Keep a connection after the end of its transaction, which may be open."""
        # Ctrl-C comes anywhere: in the middle of a statement, whose answer the next statement would get,
        # or before the end of a transaction, which the next statement would be part of.
        with suppress(*self.errors):
            if not connection.is_idle():
                connection.rollback()
            if connection.is_idle():
                self.free.append(connection)
                return
        with suppress(Exception):
            connection.close()

    def drop_free(self) -> None:
        """Close the free connections, except one that a database lives in."""
        if self.most is None:
            self._close_free()

    def _close_free(self) -> None:
        while self.free:
            with suppress(*self.errors):
                self.free.pop().close()

    def _forget_inherited(self) -> None:
        # In a child process.  The connections are the parent's: closing them here would end those of the
        # parent (the server sees the goodbye), or drop its locks (SQLite).  A list holds them, because they
        # would also be closed when the last reference goes.
        self._inherited += self.free
        self.free, self._only, self._pid = [], threading.RLock(), os.getpid()
        self._is_lent = False

    def close(self) -> None:
        """Close all connections."""
        self._close_free()


class _Lent:
    """A context with a connection.  A class: a generator takes four times as long, for each read."""

    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    def __enter__(self) -> Connection:
        self._connection = self._pool.lend()
        return self._connection

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None and not self._connection.is_guarded:
            self._pool.free.append(self._connection)
        else:
            self._pool.take_back(self._connection, error)


def found_or_missing(name: str, found: T | None) -> T:
    """Return `found`.  Raise `Missing` where it is None."""
    if found is None:
        raise Missing(name)
    return found


def as_asked(
    names: Sequence[str], rows: Sequence[Named], location: str | None = None
) -> Sequence[Named]:
    """Return the rows, which begin with a name.  Raise `StorageError` for a name that is not among `names`.

    An index that is damaged leads to rows of other names than those that it was asked for.
    """
    found = set(map(itemgetter(0), rows))
    if len(found) == len(rows) and found.issubset(names):
        return rows
    wanted = set(names)
    for row in rows:
        if row[0] not in wanted:
            missing = [name for name in names if name not in found]
            raise _misled(row[0], missing, location)
    return rows


def with_large(
    rows: Sequence[tuple[str, Any, int]], large: Callable[[str], tuple[T, Version]]
) -> Iterator[tuple[str, bytes | T, Version]]:
    """Yield name, data and version of records; `large` gets those whose data is missing, one by one."""
    for row in rows:
        if row[1] is not None:
            yield row
            continue
        try:
            found = large(row[0])
        except Missing:
            continue
        yield row[0], *found


def _misled(found: object, wanted: Sequence[str], location: str | None) -> StorageError:
    return StorageError(
        "read",
        f"the index of the names leads to a row with the name {found!r:.80}: the database is damaged. "
        "Restore it from a backup, or look for what is whole with brinery fsck",
        id=wanted[0] if wanted else None,
        path=location,
    )
