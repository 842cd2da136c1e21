"""How each connection to SQLite is set up.

Settings and their reasons (https://sqlite.org/pragma.html):

journal_mode = WAL     readers and the writer do not wait for each other; one fsync a commit
synchronous = FULL     NORMAL loses acknowledged commits in a power cut
page_size = 4096       of a new file: a commit of one small record flushes 9 KB, with larger pages 17
cache_size = 2 MB      further pages come from the cache of the system: copying one takes less time than new
                       memory for one, and a transaction of 50,000 records takes 35 MB less
BEGIN IMMEDIATE        a transaction that reads first and writes later would fail, not wait
"""

from __future__ import annotations

import os
import sqlite3
import time

from brinery.backends.sql import failures
from brinery.errors import StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from brinery.backends.sql.database import Database

_PAGE: Final = 4096  # bytes
_CACHE: Final = 2 << 10  # KiB
_MEMORY: Final = (None, "", ":memory:")


def is_in_memory(path: str | None) -> bool:
    """Return whether the path in a URL stands for a database in memory."""
    return path in _MEMORY


def is_uri(path: str | None) -> bool:
    """Return whether a path is a URI of SQLite, with options of its own."""
    return path is not None and path.startswith("file:")


def configure_reader(connection: sqlite3.Connection) -> None:
    """Set up a new connection that only reads."""
    connection.isolation_level = None
    for pragma in (f"cache_size = -{_CACHE}", "temp_store = MEMORY", "query_only = ON"):
        connection.execute(f"PRAGMA {pragma}")


def configure(connection: sqlite3.Connection, database: Database, *, is_new: bool = False) -> None:
    """Set up a new connection; with `is_new`, one to a file that is not in its place yet.

    Raise `StorageError` where the file system lacks what SQLite needs.
    """
    connection.isolation_level = None  # transactions are begun here, not by the driver
    full = database.durability == "full"
    for pragma in (
        f"page_size = {_PAGE}",
        f"synchronous = {'FULL' if full else 'NORMAL'}",
        f"cache_size = -{_CACHE}",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")
    if is_new:
        connection.execute("PRAGMA journal_mode = MEMORY")
    if is_new or is_in_memory(database.url.database):
        return
    if full and hasattr(os, "fchmod"):
        connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone stops at the drive's cache
    (mode,) = _patiently(
        lambda: connection.execute("PRAGMA journal_mode = WAL").fetchone(), database.timeout
    )
    if mode == "memory":
        raise StorageError(
            "open",
            "each connection would have a database of its own: write sqlite:// for one in memory",
            path=database.location,
        )
    if (
        mode != "wal" and "immutable" not in database.url.query
    ):  # then nobody writes, and reading is safe
        raise StorageError(
            "open",
            f"SQLite could not switch to its write-ahead log: expected the mode 'wal', got {mode!r}; the "
            "file system may not allow shared memory; use a local disk",
            path=database.location,
        )


def _patiently(call: Callable[[], Any], timeout: float) -> Any:
    # Unlike statements, the switch to WAL does not wait for a lock.
    until = time.monotonic() + timeout
    while True:
        try:
            return call()
        except sqlite3.OperationalError as error:
            if failures.code_of(error) != "SQLITE_BUSY" or time.monotonic() > until:
                raise
            time.sleep(0.01)
