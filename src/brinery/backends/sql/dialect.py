"""What differs between kinds of database, behind one interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager

from brinery.backends.sql import failures
from brinery.backends.sql.drivers import installed
from brinery.errors import UrlError
from brinery.url import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, ClassVar

    from sqlalchemy import URL, Column, Connection, Engine

    from brinery.backends.sql.connection import ConnectionPool
    from brinery.backends.sql.database import Database, FileUrl
    from brinery.errors import BrineryError


class Dialect(ABC):
    """One kind of database, opened for one store.

    The class reads URLs.  An instance makes SQLAlchemy's engine, which serves the tables and queries, and
    the pool of connections, which serves records.  Both are made, and libraries imported, on use.
    """

    add_column: str = "ADD COLUMN"
    """How ALTER TABLE adds a column."""

    one_state: str | None = None
    """The isolation level in which all reads of a transaction see one state; None for the default one."""

    has_server: ClassVar[bool] = True
    """Whether a server may be down, or host and port wrong."""

    url_hint: ClassVar[str] = ""
    """Added to the message about a URL that SQLAlchemy refuses."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._engine: Engine | None = None

    # -- the URL

    @classmethod
    def read(cls, url: str) -> URL | FileUrl:
        """Return a URL with its driver and an absolute path.

        Raise `UrlError`, `DriverNotInstalledError`.
        """
        with installed():
            return cls._read(url)

    @classmethod
    def _read(cls, url: str) -> URL:
        from sqlalchemy import make_url

        parsed = Url(url)
        masked = parsed.without_secrets()
        cls.check_url(parsed)
        with cls._url_errors(masked):
            made = make_url(url)
        complete = cls.complete(made)
        with cls._url_errors(masked):
            complete.get_dialect()
        return complete

    @classmethod
    def check_url(cls, url: Url) -> None:
        """Raise `UrlError` for a password with characters that had to be encoded.

        The rest of such a password would be taken for the host, the database or an option, and drivers
        show these in their messages.
        """
        options = [pair.partition("=")[0] for pair in url.query.split("&")]
        is_torn = any("@" in name or "%40" in name for name in options)
        is_torn |= ":" in url.netloc and "@" in url.path
        if is_torn or "@" in url.netloc.rpartition("@")[0]:
            user = url.netloc.partition(":")[0]
            raise UrlError(
                f"{url.scheme}://{user}:***",
                "write / ? # and @ in a user, password or database as %2F, %3F, %23 and %40",
            )

    @classmethod
    def complete(cls, url: URL) -> URL:
        """Return the URL with the parts that it leaves to the dialect."""
        return url

    @classmethod
    @contextmanager
    def _url_errors(cls, masked: str) -> Iterator[None]:
        from sqlalchemy.exc import ArgumentError

        try:
            yield
        except (ArgumentError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise UrlError(masked, f"SQLAlchemy refuses it: {reason}{cls.url_hint}") from None

    # -- the database

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine.  Raise `DriverNotInstalledError`, `UrlError`."""
        if self._engine is None:
            with installed(), self._url_errors(self.database.location):
                self._engine = self.make_engine()
        return self._engine

    @property
    def url(self) -> URL:
        """The URL of the database, as SQLAlchemy has it."""
        from sqlalchemy import make_url

        return make_url(self.database.url.render_as_string(hide_password=False))

    @abstractmethod
    def make_engine(self) -> Engine:
        """Return SQLAlchemy's engine.  No connection is opened."""

    @abstractmethod
    def make_pool(self, *, native: bool) -> ConnectionPool:
        """Return the pool of connections: of the driver where `native` and known, else of SQLAlchemy."""

    def prepare(self, *, create: bool, shared: str) -> None:  # noqa: B027 - a server needs nothing
        """Make what must exist before the first connection; ``shared="group"`` for the group as well.

        Raise `MissingTableError`, `StorageError`.
        """

    def is_open_to_others(self, *, trusts_group: bool) -> str | None:
        """Return why other users can write to the database, as far as files show it, or None."""
        return None

    def check_size(self, name: str, size: int) -> None:  # noqa: B027 - most have no limit
        """Raise `ValueTooLargeError` for a record of more bytes than a row can hold."""

    def has_plain_table(self, pool: ConnectionPool, *, create: bool) -> bool:
        """Return whether a connection of `pool` finds the table of a store without extra columns.

        With `create`, a missing table is made.  False also where all of that is left to SQLAlchemy.
        """
        return False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Lend a connection of the engine, whose reads all see one state."""
        options = {"isolation_level": self.one_state} if self.one_state else {}
        with self.engine.connect().execution_options(**options) as connection:
            yield connection
            connection.rollback()

    # -- the tables

    def types_of(self, column: Column[Any]) -> Iterable[str]:
        """Return the statements that make the type of a new column, where it needs a type of its own."""
        return ()

    def tables_made(self, connection: Connection) -> None:  # noqa: B027
        """Set up the tables, in the transaction that has just made them."""

    # -- failures

    def failure(self, action: str, error: BaseException, name: str | None = None) -> BrineryError:
        """Return the error of brinery for an error of a driver or of SQLAlchemy."""
        return failures.failure(self.database, action, error, name, has_server=self.has_server)

    def close(self) -> None:
        """Release what the engine holds: for a database in memory, the connection that it lives in."""
        if self._engine is not None:
            self._engine.dispose()
