"""The contract of backends, in terms of connections."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice

from brinery.backend import Backend, BackendCapabilities, Missing, as_delete
from brinery.backends.read_only import refuse
from brinery.backends.sql.connection import AT_ONCE, as_asked, found_or_missing, with_large
from brinery.backends.sql.database import Database
from brinery.backends.sql.dialects import dialect_of
from brinery.backends.sql.drivers import installed
from brinery.backends.sql.extra_columns import Columns
from brinery.backends.sql.pending import Pending
from brinery.backends.sql.schema import DEFAULT_TABLE, Schema
from brinery.errors import ReadOnlyError, ReentrantWriteError, StorageError
from brinery.url import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, ClassVar, TypeVar

    from sqlalchemy import Column

    from brinery.backend import Delete, Derived, Put, Ranges, Version
    from brinery.backends.sql.connection import Connection

    T = TypeVar("T")


class _Committing(threading.local):
    # The databases to which a thread is committing.
    def __init__(self) -> None:
        self.places: set[object] = set()


class SqlBackend(Backend):
    """Keeps records in a table of a database.

    `url`
        In the form of SQLAlchemy: ``sqlite:////absolute/path``, ``sqlite:///relative/path``,
        ``postgresql+psycopg://user:password@host/database``, …
    `table_name`
        The table of records.
    `extra`
        Extra columns (`sqlalchemy.Column`), filled from `About.fields`.
    `create`
        Make the table if it is missing; else it must exist, or `MissingTableError` is raised.
    `migrate`
        Add the extra columns to a table that lacks them; else `MissingColumnsError` is raised, which
        shows the statements that add them.
    `durability`
        ``"full"``: after a call returns, a power cut does not lose what it wrote.  ``"process"``: the
        end of the process, also by a kill, does not lose it; a power cut may lose the last commits.
    `timeout`
        Seconds to wait for another writer, and for a server to accept a connection.
    `mode`
        ``"r"`` reads only: a commit is a `ReadOnlyError`, and nothing on the disk changes.
    `shared`
        ``"private"``: a new SQLite file belongs to its user alone (0600, less the umask).  ``"group"``: its
        group may read and write it, too (0660), and is trusted.
    `native`
        Use the driver directly where that is faster; else use SQLAlchemy alone.

    Every commit is one transaction.  Readers never wait, and see a commit wholly or not at all.
    The constructor looks for the table, and makes it.
    """

    capabilities: BackendCapabilities = BackendCapabilities(  # type: ignore[misc]
        atomic_batch=True,
        snapshot_reads=True,
        ordered_list=True,
        keeps_columns=True,
    )

    _committing: ClassVar[_Committing] = _Committing()

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
        mode: str = "rw",
        shared: str = "private",
        native: bool = True,
    ) -> None:
        dialect = dialect_of(Url(url).scheme)
        schema = Schema(table_name, extra)
        self.database = Database(dialect.read(url), schema, durability, timeout, mode)
        self.location = self.database.location
        self._dialect = dialect(self.database)
        self._mode, self._shared = mode, shared
        with installed():
            self._pool = self._dialect.make_pool(native=native)
        if self._pool.most == 1:
            # A database in memory has no second connection that could commit while the first one reads.
            self.capabilities = BackendCapabilities(
                atomic_batch=True, ordered_list=True, keeps_columns=True
            )
        self.columns = Columns(self._dialect, self._pool)
        try:
            writes = mode != "r"
            self._dialect.prepare(create=create and writes, shared=shared)
            if not self._dialect.has_plain_table(self._pool, create=create and writes):
                self._prepare_table(create=create and writes, migrate=migrate and writes)
        except BaseException:
            self.close()
            raise

    def _prepare_table(self, *, create: bool, migrate: bool) -> None:
        # What only some stores need is imported when it is: a process that reads one object waits for it.
        from brinery.backends.sql.tables import Tables
        from brinery.catalog.columns import read_columns, remember_columns

        tables = Tables(self._dialect)
        tables.prepare(create=create, migrate=migrate)
        own = self.database.schema.fields
        if own or tables.has_others:
            known = read_columns(self)
            if self._mode != "r" and not known.issuperset(own):
                known = remember_columns(self, own)
            self.columns.know(known)

    # -- reading

    def get(self, name: str) -> tuple[bytes, Version]:
        """Return the bytes under `name`, and their version.  Raise `Missing`."""
        found = self._read("read", lambda connection: connection.get(name), name)
        if found is None:
            raise Missing(name)
        return found

    def get_tail(self, name: str, count: int) -> tuple[bytes, int, Version]:
        """Return the last `count` bytes (or all), the full size in bytes, and the version."""
        return found_or_missing(
            name, self._read("read", lambda connection: connection.tail(name, count), name)
        )

    def get_tails(
        self, names: Iterable[str], count: int
    ) -> Iterator[tuple[str, bytes, int, Version]]:
        """Yield the name and the answer of `get_tail` for each of `names` that exists."""
        names = iter(names)
        while some := list(islice(names, AT_ONCE)):
            found = self._read("read", lambda connection: connection.tails(some, count))
            yield from as_asked(some, found, self.location)

    def get_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes, Version]]:
        """Yield name, bytes and version for each of `names` that exists."""
        return self._records(names, self.get)

    def get_record(self, name: str) -> tuple[bytes, Version] | Ranges:
        """Return the bytes under `name` and their version; open a large record, to be read in parts."""
        found = self._read("read", lambda connection: connection.get_small(name), name)
        if found is None:
            raise Missing(name)
        data, version = found
        return self.open_ranges(name) if data is None else (data, version)

    def get_records(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | Ranges, Version]]:
        """Yield records as `get_many` does; large ones opened, to be read in parts."""
        from brinery.backends.sql.ranges import with_version

        return self._records(names, lambda name: with_version(self.open_ranges(name)))

    def _records(
        self, names: Iterable[str], large: Callable[[str], tuple[T, Version]]
    ) -> Iterator[tuple[str, bytes | T, Version]]:
        names = iter(names)
        while some := list(islice(names, AT_ONCE)):
            found = self._read("read", lambda connection: connection.get_some(some))
            yield from with_large(as_asked(some, found, self.location), large)

    def open_ranges(self, name: str) -> Ranges:
        """Return the record `name`, to be read in parts in a transaction of its own.  Raise `Missing`."""
        from brinery.backends.sql.ranges import SqlRanges

        pool = self._pool
        if not self.capabilities.snapshot_reads:
            return super().open_ranges(name)
        with self._translated("read", name):
            connection = pool.lend()
            try:
                if connection.reads_parts:
                    connection.begin_reading()
                    part = found_or_missing(name, connection.part(name))
                    release = partial(pool.end, connection)
                    return SqlRanges(part, partial(self._translated, "read", name), release)
                pool.end(connection)
            except BaseException as error:
                is_lost = isinstance(error, pool.errors) and pool.is_lost(error, connection)
                pool.take_back(connection, error)
                if not is_lost:
                    raise
        # The next connection may not be lost.
        return super().open_ranges(name)

    @contextmanager
    def _translated(self, action: str, name: str) -> Iterator[None]:
        try:
            yield
        except self._pool.errors as error:
            raise self._dialect.failure(action, error, name) from error

    def get_closure(
        self, name: str, without: Sequence[str], most: int
    ) -> Sequence[tuple[str, bytes, Version]] | None:
        """Return the record `name` and all that it refers to; see `Backend`."""
        return self._read("read", lambda connection: connection.closure(name, without, most), name)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the names that start with `prefix`, in order, without those that begin with a dot."""
        return iter(self._read("list", lambda connection: connection.names(prefix)))

    def some_names(self, most: int) -> Sequence[str]:
        """Return some names that do not begin with a dot, at most `most`."""
        return self._read("list", lambda connection: connection.some_names(most))

    def count_names(self) -> int:
        """Return the number of names that do not begin with a dot."""
        return self._read("list", lambda connection: connection.count())

    def has(self, name: str) -> bool:
        """Return whether there is an object under `name`."""
        return self._read("read", lambda connection: connection.has(name), name)

    def referrers(self, name: str) -> Iterator[str]:
        """Yield the names of the records that refer to `name`, in order.

        The index of references is made if it is not there; without the right to make it, the database looks
        through all rows.
        """
        action = "look for references in"
        if self._mode != "r" and not self._read(action, lambda connection: connection.has_index()):
            with suppress(StorageError):
                self._build_index()
        return iter(self._read(action, lambda connection: connection.referrers(name)))

    def rebuild_index(self) -> None:
        """Make the index of references again, if there is one."""
        if self._read("read", lambda connection: connection.has_index()):
            self._build_index()

    def _build_index(self) -> None:
        if self._mode == "r":
            raise ReadOnlyError(self.location)

        def build(connection: Connection) -> None:
            connection.begin()
            try:
                connection.build_index()
                connection.commit()
            except BaseException:
                with suppress(*self._pool.errors):
                    connection.rollback()
                raise

        self._read("index the references of", build)

    def differences(self, derived: Sequence[Derived]) -> Iterator[tuple[str, str]]:
        """Yield the names of the records whose columns are wrong, and which of them are."""
        from brinery.backends.sql.comparison import differences

        names = [each.name for each in derived]
        return differences(
            derived, self._read("read", lambda connection: connection.described(names))
        )

    def misindexed(self) -> Iterator[str]:
        """Yield the names of the records whose references the index has not as their rows have them."""
        return iter(self._read("read", lambda connection: connection.misindexed()))

    def where(self, name: str) -> str:
        """Return the database, the table and the row, for messages."""
        return f"{self.location}, row {name!r}"

    def read_one_state(self, read: Callable[[Backend], T]) -> T:
        """Call `read` with a backend that reads in one transaction; return its answer."""
        if not self.capabilities.snapshot_reads:
            return read(self)
        from brinery.backends.sql.snapshot import View

        def in_transaction(connection: Connection) -> T:
            connection.begin_reading()
            try:
                return read(View(self, connection))
            finally:
                # Nothing was written: a failure here changes nothing, and if the connection was lost, the
                # error of the read is on its way.
                with suppress(*self._pool.errors):
                    connection.commit()

        return self._read("read", in_transaction)

    def _read(
        self,
        action: str,
        ask: Callable[[Connection], T],
        name: str | None = None,
        tries: int | None = None,
    ) -> T:
        pool = self._pool
        connection = None
        try:
            if pool.most is None:
                connection = pool.lend()
                try:
                    found = ask(connection)
                except BaseException as error:
                    pool.take_back(connection, error)
                    raise
                if connection.is_guarded:
                    pool.take_back(connection, None)
                else:
                    pool.free.append(connection)
                return found
            with pool.use() as connection:
                return ask(connection)
        except pool.errors as error:
            is_lost = connection is not None and pool.is_lost(error, connection)
            tries = (pool.tries if tries is None else tries) - 1
            if not (is_lost and tries):
                raise self._dialect.failure(action, error, name) from error
        # The server was restarted, or cut an idle connection: try again with a new one.
        return self._read(action, ask, name, tries)

    def is_open_to_others(self) -> str | None:
        """Return why other users can write to an SQLite file, or None; None for a server, which has roles."""
        return self._dialect.is_open_to_others(trusts_group=self._shared == "group")

    # -- writing

    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        """Make all puts, then all deletes, in one transaction; return the new versions by name.

        Raise `Conflict`, `StorageError` (then nothing has changed, unless the message says that this is
        not known), and `ValueTooLargeError` before anything is sent.
        """
        if self._mode == "r":
            return refuse(self.location, puts, deletes)
        pending = Pending(self._dialect.check_size, self._pool.fields)
        try:
            if puts:  # a removal has none
                pending.take(puts)
            removed = tuple(map(as_delete, deletes))
            if pending.expected or removed:
                self._commit_alone(pending, removed)
            self.columns.warn_of_unfilled(pending)
            return pending.versions()
        finally:
            pending.close()

    def _commit_alone(self, pending: Pending, removed: Sequence[Delete]) -> None:
        from brinery.backends.sql.commit import Commit

        # A signal handler or a `__del__` may run anywhere in the commit.  A second connection of the same
        # thread would wait for the first one.
        places = self._committing.places
        place: object = self.location if self._pool.most is None else id(self)
        if place in places:
            raise ReentrantWriteError(self.location)
        try:
            places.add(place)
            Commit(self._dialect, self._pool, self._read, pending, removed).make()
        finally:
            places.discard(place)

    # -- life

    def pre_fork(self) -> None:
        """Close the free connections: a child process must neither use nor close them."""
        self._pool.drop_free()

    def close(self) -> None:
        """Close the connections; a second call does nothing."""
        self._pool.close()
        self._dialect.close()
