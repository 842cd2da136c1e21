"""One commit: tried again where that may help, and looked for where its answer was lost."""

from __future__ import annotations

import time
from contextlib import suppress

from brinery.backend import ANY, PRESENT
from brinery.backends.sql.connection import TakenError
from brinery.backends.sql.failures import is_passing
from brinery.backends.sql.writes import versions_of, write, write_alone
from brinery.errors import BrineryError, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

    from brinery.backend import Delete
    from brinery.backends.sql.connection import Connection, ConnectionPool
    from brinery.backends.sql.dialect import Dialect
    from brinery.backends.sql.pending import Pending

_TRIES: Final = 12
_FIRST_WAIT: Final = 0.002  # seconds; doubled each time, and drawn at random up to that


class Commit:
    """The writes of one commit, on their way to the database."""

    def __init__(
        self,
        dialect: Dialect,
        pool: ConnectionPool,
        read: Callable[[str, Callable[[Connection], Any]], Any],
        pending: Pending,
        removed: Sequence[Delete],
    ) -> None:
        """`read` asks a connection, and a new one after that was lost."""
        self._dialect = dialect
        self._pool = pool
        self._read = read
        self._pending = pending
        self._removed = removed

    def make(self) -> None:
        """Make it.  Raise `Conflict`, `StorageError`; see `SqlBackend.commit`."""
        pending, removed = self._pending, self._removed
        is_optimistic = True
        lost: Exception | None = None  # the error that left open whether an attempt was committed
        for attempt in range(_TRIES):
            try:
                if lost is not None and self._is_made():
                    return None
                return self._attempt(is_optimistic=is_optimistic)
            except TakenError:
                # The writer that made the name may have removed it by now: try again, with a look first.
                is_optimistic = False
            except _LostError as again:
                if removed or pending.named(ANY, PRESENT):
                    raise self._unknown(again.error) from again.error
                # If the commit was made, its versions show it.  If it is still running, the next attempt
                # cannot succeed beside it, because each write expects a version or an absence.
                lost, is_optimistic = again.error, False
            except _AgainError as again:
                if attempt == _TRIES - 1:
                    failure = self._dialect.failure("commit", again.error)
                    raise (self._unknown(lost) if lost else failure) from again.error
                from random import uniform

                time.sleep(uniform(0, _FIRST_WAIT * 2**attempt))
            except BrineryError as error:
                if lost is None:
                    raise
                raise self._unknown(lost) from error
        if lost is not None:
            raise self._unknown(lost) from lost
        raise StorageError(
            "commit",
            "other writers kept creating and removing the same records: repeat the call",
            path=self._dialect.database.location,
        )

    def _is_made(self) -> bool:
        own = self._pending.versions()
        found = self._read("read", lambda connection: versions_of(connection, own))
        return bool(found == own)

    def _unknown(self, error: Exception) -> StorageError:
        return StorageError(
            "find out whether a commit was made",
            f"the connection was lost during the commit ({_first_line(error)}); it was made wholly or "
            "not at all: look whether it was, and repeat the call if not",
            path=self._dialect.database.location,
        )

    def _attempt(self, *, is_optimistic: bool) -> None:
        pool, pending, removed = self._pool, self._pending, self._removed
        connection, is_committing = None, False
        try:
            with pool.use() as connection:
                try:
                    if is_optimistic and len(pending.expected) + len(removed) == 1:
                        is_committing = True
                        if write_alone(connection, pending, removed):
                            return
                        is_committing = False
                    connection.begin()
                    write(connection, pending, removed, is_optimistic)
                    is_committing = True
                    connection.commit()
                except BaseException:
                    with suppress(*pool.errors):
                        connection.rollback()
                    raise
        except pool.errors as error:
            is_lost = connection is not None and pool.is_lost(error, connection)
            if is_lost and is_committing:
                raise _LostError(error) from error
            # Nothing was committed, and all records are still held here.
            if is_lost or is_passing(error):
                raise _AgainError(error) from error
            raise self._dialect.failure("commit", error) from error


class _AgainError(Exception):
    """A transaction failed in a way that may not happen again."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class _LostError(_AgainError):
    """The connection was lost while a transaction was being committed."""


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
