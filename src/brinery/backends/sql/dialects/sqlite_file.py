"""The file of an SQLite database: how it is made, opened to write, and opened to read only.

A database in write-ahead mode needs a file of shared memory beside it, which SQLite makes even for a
reader.  In mode "r" nothing may be made there, and on a read-only medium or a full disk nothing can be.
If the log has no commits, the file is then read as one that does not change (``immutable=1``), and a
*guard* checks after each read that no writer has come.  If one has, the read is repeated on a new
connection, which uses the files that the writer has made.

A file is made under another name first, so that a database is never seen empty: a file of 0 bytes is one that
was cut off, or was made by another program.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress

from brinery.backends.sql.dialects.sqlite_settings import configure, configure_reader
from brinery.backends.sql.failures import code_of
from brinery.errors import StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Final

    from brinery.backends.sql.database import Database

_IS_WAL: Final = b"\x02\x02"
"""Bytes 18 and 19 of a database in write-ahead mode: https://sqlite.org/fileformat2.html."""
_APPLICATION: Final = 0x62726E65
UNWRITABLE: Final = frozenset(
    {"SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_PERM"}
)
"""Codes of errors that a file gives which can perhaps be read, and not be written."""
_TICK: Final = 0.02
"""Seconds between two changes of a file that its time tells apart on every file system that keeps ticks."""
_SHARED_MEMORY: Final = 32 << 10  # bytes, of the smallest file of shared memory


class ChangedError(sqlite3.OperationalError):
    """A writer has come while a file was read as one that does not change."""


class Guard:
    """Checks that a file stays as it is, and its log empty."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._state = _state_of(path)
        if time.time() - self._state[0] / 1e9 < _TICK:
            time.sleep(_TICK)  # a change in the same tick would not show
            self._state = _state_of(path)

    def check(self) -> None:
        """Raise `ChangedError` unless it is as it was."""
        with suppress(OSError):
            if not has_log(self._path) and _state_of(self._path) == self._state:
                return
        raise ChangedError("a writer has opened the database: read again")


class Opened:
    """A connection to a file; with a guard, one that reads it as if it did not change."""

    __slots__ = ("driver", "guard", "is_reader")

    def __init__(
        self, driver: sqlite3.Connection, is_reader: bool, guard: Guard | None = None
    ) -> None:
        self.driver, self.is_reader, self.guard = driver, is_reader, guard


class SqliteFile:
    """The file of one database, as one store uses it."""

    def __init__(self, path: str, database: Database, options: Mapping[str, Any]) -> None:
        """`options` are arguments for the driver."""
        self.path = path
        self._database = database
        self._options = {**options, "timeout": database.timeout, "check_same_thread": False}
        self._identity: tuple[int, int] | None = None
        self.may_guard = True
        """Whether connections with a guard are of use: who does not check it may not read by them."""

    # -- making

    def make(self, *, for_group: bool) -> None:
        """Make the file and its directory, also for the group or not.  Raise `OSError`, `sqlite3.Error`."""
        from brinery.backends.directory import files
        from brinery.backends.directory.pieces import link_or_copy

        access = files.GROUP if for_group else files.PRIVATE
        files.make_directories(os.path.dirname(self.path), True, access)
        new = f"{self.path}.new-{os.urandom(6).hex()}"
        try:
            os.close(files.create(new, access))
            driver = sqlite3.connect(f"{_uri_of(new)}?mode=rw", uri=True, isolation_level=None)
            try:
                configure(driver, self._database, is_new=True)
                driver.execute(f"PRAGMA application_id = {_APPLICATION}")  # writes the first page
            finally:
                driver.close()
            with suppress(FileExistsError):  # another process was faster
                link_or_copy(new, self.path, access)
        finally:
            with suppress(OSError):
                os.unlink(new)

    # -- opening

    def open(self) -> Opened:
        """Open the file: to write where that is possible, else to read.

        Raise `StorageError` if it is not the file that was opened first, and `sqlite3.Error`.
        """
        self.check("open")
        if self._database.mode == "r":
            opened = self._to_read()
        else:
            try:
                opened = Opened(self.to_write(), is_reader=False)
            except sqlite3.OperationalError as error:
                if code_of(error) not in UNWRITABLE:
                    raise
                try:
                    opened = self._to_read()
                except (sqlite3.Error, OSError):
                    raise error from None
        try:
            self.check("open")
        except BaseException:
            opened.driver.close()
            raise
        return opened

    def to_write(self) -> sqlite3.Connection:
        """Return a connection that can write.  Raise `sqlite3.Error`."""
        return self._connected("mode=rw", lambda driver: configure(driver, self._database))

    def _to_read(self) -> Opened:
        if not self.may_guard or has_log(self.path) or not _is_in_wal_mode(self.path):
            return Opened(self._connected("mode=ro", configure_reader), is_reader=True)
        guard = Guard(self.path)
        return Opened(self._connected("immutable=1", configure_reader), True, guard)

    def _connected(
        self, query: str, configure: Callable[[sqlite3.Connection], None]
    ) -> sqlite3.Connection:
        place = f"{_uri_of(self.path)}?{query}"
        driver: sqlite3.Connection = sqlite3.connect(place, uri=True, **self._options)
        try:
            configure(driver)
            driver.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        except BaseException:
            driver.close()
            raise
        return driver

    # -- the file itself

    def check(self, action: str) -> None:
        """Raise `StorageError` if the file was removed, replaced or emptied since it was opened first."""
        try:
            found = os.stat(self.path)
            if (found.st_dev, found.st_ino) == self._identity and found.st_size:
                return
        except OSError:
            found = None
        identity = None if found is None else (found.st_dev, found.st_ino)
        if self._identity is None:
            self._identity = identity
        if found is None or identity != self._identity:
            raise StorageError(
                action,
                "the database file was removed or replaced while the store was open: put it back, or open "
                "the store again",
                path=self.path,
            )
        if found.st_size == 0:
            raise StorageError(
                action,
                "the database file is empty: it was cut off, or another program made it. Restore it from a "
                "backup, or remove it if a new store is to be made",
                path=self.path,
            )

    def cause(self) -> str | None:
        """Return why nobody can write to the file or beside it, "full" for a full disk; None if unknown."""
        directory = os.path.dirname(self.path)
        for path in (self.path, directory):
            try:
                system = os.statvfs(path)
            except (OSError, AttributeError):  # there is no statvfs on Windows
                continue
            if system.f_flag & os.ST_RDONLY:
                return "the file system is mounted read-only"
            if not os.access(path, os.W_OK):
                return f"the permissions of {path} do not let you write"
            if system.f_bavail * system.f_frsize <= _SHARED_MEMORY:
                return "full"
        return None


def _uri_of(path: str) -> str:
    if os.name == "nt":
        from pathlib import Path

        return Path(path).as_uri()
    # What has a meaning in a URI of SQLite, and nothing else: the driver encodes the rest.
    return "file://" + path.replace("%", "%25").replace("?", "%3F").replace("#", "%23")


def has_log(path: str) -> bool:
    """Return whether the write-ahead log of a database has any bytes."""
    try:
        return os.stat(f"{path}-wal").st_size > 0
    except FileNotFoundError:
        return False


def _is_in_wal_mode(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(20)[18:] == _IS_WAL


def _state_of(path: str) -> tuple[int, ...]:
    found = os.stat(path)
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev
