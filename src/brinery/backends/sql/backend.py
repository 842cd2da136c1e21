"""The contract of backends, in terms of sessions."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from brinery.backend import (
    ANY,
    Backend,
    BackendCapabilities,
    Delete,
    Put,
    Version,
    as_delete,
)
from brinery.backends.sql.connection import AT_ONCE, Session, TakenError, there
from brinery.backends.sql.database import Place, sessions_of
from brinery.backends.sql.pending import Pending
from brinery.backends.sql.schema import DEFAULT_TABLE
from brinery.backends.sql.snapshot import View
from brinery.backends.sql.writes import versions_of, write, write_alone
from brinery.errors import BrineryError, StorageError

if TYPE_CHECKING:
    from sqlalchemy import Column

T = TypeVar("T")

_TRIES: Final = 12
_FIRST_WAIT: Final = 0.002  # seconds; doubled each time, and drawn at random up to that


class SqlBackend(Backend):
    """Keeps records in a table of a database.

    `url`
        As SQLAlchemy has it: ``sqlite:////absolute/path``, ``sqlite:///relative/path``,
        ``postgresql+psycopg://user:password@host/database``, …
    `table_name`
        The table; a second one, with ``_references`` behind its name, keeps the references.
    `extra`
        Further columns (`sqlalchemy.Column`), filled from `About.fields`.
    `create`
        Make the tables where they are missing.  Without it, that is a `MissingTableError`.
    `migrate`
        Add the further columns to a table that does not have them.  Without it, that is a
        `MissingColumnsError`, which shows the statements.
    `durability`
        ``"full"``: what a call has written when it returns outlives a power cut.  ``"process"``: it
        outlives the process, killed or not; the last commits may be lost in a power cut.
    `timeout`
        Seconds to wait for another writer, and for a server to answer to a connection.
    `native`
        Speak to the driver directly where that is faster; without it, through SQLAlchemy only.

    Every commit is one transaction.  Readers wait for nobody, and see commits wholly or not at all.
    The tables are looked for, and made, when the backend is.
    """

    capabilities: BackendCapabilities = BackendCapabilities(  # type: ignore[misc]
        atomic_batch=True,
        snapshot_reads=True,
        ordered_list=True,
        fork_safe=True,
        keeps_columns=True,
    )

    def __init__(
        self,
        url: str,
        table_name: str = DEFAULT_TABLE,
        *,
        extra: Sequence[Column[Any]] = (),
        create: bool = True,
        migrate: bool = False,
        durability: str = "full",
        timeout: float = 60.0,
        native: bool = True,
    ) -> None:
        self.place = Place(url, table_name, extra, durability, timeout)
        self.location = self.place.location
        self._sessions = sessions_of(self.place, native=native)
        if self._sessions.most == 1:
            # A database in memory has no second connection to commit by while one reads.
            self.capabilities = replace(type(self).capabilities, snapshot_reads=False)
        try:
            self.place.prepare(create=create, migrate=migrate)
        except BaseException:
            self.close()
            raise

    # -- reading

    def get(self, name: str) -> tuple[bytes, Version]:
        """Return what stands under `name`, and its version.  Raise `Missing`."""
        return there(name, self._read("read", lambda session: session.get(name), name))

    def get_tail(self, name: str, count: int) -> tuple[bytes, int, Version]:
        """Return the last `count` bytes (or all), the full size in bytes, and the version."""
        return there(name, self._read("read", lambda session: session.tail(name, count), name))

    def get_tails(
        self, names: Iterable[str], count: int
    ) -> Iterator[tuple[str, bytes, int, Version]]:
        """Yield the name and what `get_tail` returns for those of `names` that there are."""
        names = iter(names)
        while some := list(islice(names, AT_ONCE)):
            yield from self._read("read", lambda session: session.tails(some, count))

    def get_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes, Version]]:
        """Yield name, bytes and version for those of `names` that there are."""
        names = iter(names)
        while some := list(islice(names, AT_ONCE)):
            yield from self._read("read", lambda session: list(session.get_some(some)))

    def get_closure(
        self, name: str, without: Sequence[str], most: int
    ) -> Sequence[tuple[str, bytes, Version]] | None:
        """Return the record `name` and all that it refers to; see `Backend`."""
        return self._read("read", lambda session: session.closure(name, without, most), name)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the names that start with `prefix`, in order, without the dotted."""
        return iter(self._read("list", lambda session: session.names(prefix)))

    def referrers(self, name: str) -> Iterator[str]:
        """Yield the names of the records that refer to `name`, in order."""
        return iter(self._read("look for references in", lambda session: session.referrers(name)))

    def query(self, where: Any, order_by: Any, limit: int | None) -> Iterator[str]:
        """Yield the names of the records whose columns fit; see `SqlStore.query`."""
        from sqlalchemy.exc import SQLAlchemyError

        with self._sessions.use():  # a database in memory has one connection for all
            try:
                return iter(self.place.query(where, order_by, limit))
            except SQLAlchemyError as error:
                raise self._sessions.failure("query", error) from error

    def where(self, name: str) -> str:
        """Return the database, the table and the row, for messages."""
        return f"{self.location}, row {name!r}"

    def read_one_state(self, read: Callable[[Backend], T]) -> T:
        """Call `read` with a backend that reads in one transaction; return its answer."""
        if not self.capabilities.snapshot_reads:
            return read(self)

        def in_transaction(session: Session) -> T:
            session.begin_reading()
            try:
                return read(View(self, session))
            finally:
                # Nothing was written: a failure here changes nothing, and a lost connection is told
                # of by what failed before.
                with suppress(*self._sessions.errors):
                    session.commit()

        return self._read("read", in_transaction)

    def _read(self, action: str, ask: Callable[[Session], T], name: str | None = None) -> T:
        session = None
        try:
            try:
                with self._sessions.use() as session:
                    return ask(session)
            except self._sessions.errors as error:
                if session is None or not self._sessions.is_lost(error, session):
                    raise
            # The server was started anew, or an idle connection was cut: once more, with a new one.
            with self._sessions.use() as session:
                return ask(session)
        except self._sessions.errors as error:
            raise self._sessions.failure(action, error, name) from error

    def is_open_to_others(self) -> str | None:
        """Return in which way others can write to an SQLite file; a server has rights of its own."""
        return self.place.is_open_to_others()

    # -- writing

    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        """Make all puts, then all deletes, in one transaction; return the new versions by name.

        Raise `Conflict`, `StorageError` (then nothing has changed, unless the text says that this is
        not known), `RecordTooLargeError` before anything is sent.
        """
        with Pending(self._sessions.check_size) as pending:
            pending.take(puts)
            removed = tuple(map(as_delete, deletes))
            if pending.expected or removed:
                self._commit(pending, removed)
            return pending.versions()

    def _commit(self, pending: Pending, removed: Sequence[Delete]) -> None:
        is_optimistic = True
        lost: Exception | None = None  # what left open whether a former attempt was committed
        for attempt in range(_TRIES):
            try:
                if lost is not None and self._is_made(pending):
                    return None
                return self._attempt(pending, removed, is_optimistic=is_optimistic)
            except TakenError:
                # Who made the name may have removed it again meanwhile: then it is tried once more.
                is_optimistic = False
            except _LostError as again:
                if removed or ANY in pending.expected.values():
                    raise self._unknown(again.error) from again.error
                # A commit that was made is known by its versions, and one that is still under way keeps
                # the next from being made, as long as each write expects something.
                lost, is_optimistic = again.error, False
            except _AgainError as again:
                if attempt == _TRIES - 1:
                    failure = self._sessions.failure("commit", again.error)
                    raise (self._unknown(lost) if lost else failure) from again.error
                time.sleep(random.uniform(0, _FIRST_WAIT * 2**attempt))
            except BrineryError as error:
                if lost is None:
                    raise
                raise self._unknown(lost) from error
        if lost is not None:
            raise self._unknown(lost) from lost
        raise StorageError(
            "commit",
            "others kept creating and removing the same records: repeat the call",
            path=self.location,
        )

    def _is_made(self, pending: Pending) -> bool:
        own = pending.versions()
        return self._read("read", lambda session: versions_of(session, own)) == own

    def _unknown(self, error: Exception) -> StorageError:
        return StorageError(
            "tell whether a commit was made",
            f"the connection was lost in the middle of it ({_first_line(error)}); it is there "
            "as a whole or not at all: look, and repeat the call if need be",
            path=self.location,
        )

    def _attempt(self, pending: Pending, removed: Sequence[Delete], *, is_optimistic: bool) -> None:
        sessions = self._sessions
        session, is_committing = None, False
        try:
            with sessions.use() as session:
                try:
                    if is_optimistic and len(pending.expected) + len(removed) == 1:
                        is_committing = True
                        if write_alone(session, pending, removed):
                            return
                        is_committing = False
                    session.begin()
                    write(session, pending, removed, is_optimistic)
                    is_committing = True
                    session.commit()
                except BaseException:
                    with suppress(*sessions.errors):
                        session.rollback()
                    raise
        except sessions.errors as error:
            is_lost = session is not None and sessions.is_lost(error, session)
            if is_lost and is_committing:
                raise _LostError(error) from error
            # All that is to be written is still here, and nothing of it was committed.
            if is_lost or sessions.is_passing(error):
                raise _AgainError(error) from error
            raise sessions.failure("commit", error) from error

    # -- life

    def pre_fork(self) -> None:
        """Close the connections that are free: a child must not use them, nor close them."""
        self._sessions.drop_free()

    def close(self) -> None:
        """Close the connections; a second call does nothing."""
        self._sessions.close()
        self.place.close()


class _AgainError(Exception):
    """A transaction failed in a way that passes."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class _LostError(_AgainError):
    """The connection was lost while a transaction was being committed."""


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
