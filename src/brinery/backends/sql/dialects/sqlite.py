"""Where an SQLite database is, and how it is opened.

Settings, each with its reason (https://sqlite.org/pragma.html):

journal_mode = WAL     readers and the writer do not wait for each other; one fsync a commit
synchronous = FULL     NORMAL loses acknowledged commits in a power cut
page_size = 8192       of a new file: records of some KB keep out of overflow pages
cache_size = 64 MB     the index of names stays in memory
BEGIN IMMEDIATE        a transaction that reads first and writes then would fail, not wait
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from brinery.backends.permissions import Openness
from brinery.backends.sql import failures
from brinery.backends.sql.dialects.network_drives import network_of
from brinery.errors import (
    MissingTableError,
    StorageError,
    UrlError,
    ValueTooLargeError,
    storage_error,
)

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

    from brinery.backends.sql.database import Place

_PAGE: Final = 8192  # bytes
_CACHE: Final = 64 << 10  # KiB
_DRIVER_OPTIONS: Final = frozenset(
    {"timeout", "detect_types", "isolation_level", "check_same_thread", "cached_statements"}
)
MEMORY: Final = (None, "", ":memory:")
"""Paths of databases in memory."""
# https://sqlite.org/limits.html: the row as a whole; what stands beside the record is far below 1 MB.
_LARGEST: Final = 1_000_000_000 - (1 << 20)
_ELSEWHERE: Final = "keep it in a directory (file:///…), or as several smaller objects"


def absolute(url: URL) -> URL:
    """Return the URL with an absolute path, so that it stays the same place after a chdir.

    Raise `UrlError` for options that the driver would pass over.
    """
    unknown = set() if "uri" in url.query else {*url.query} - _DRIVER_OPTIONS
    if unknown:
        raise UrlError(
            url.render_as_string(),
            f"neither the store nor sqlite3 has an option {', '.join(map(repr, sorted(unknown)))}",
        )
    path = url.database
    if path in MEMORY or is_uri(path):
        return url
    return url.set(database=os.path.abspath(os.path.expanduser(path)))


def is_uri(path: str | None) -> bool:
    """Tell whether a path is a URI of SQLite, with options of its own."""
    return path is not None and path.startswith("file:")


def prepare(place: Place, *, create: bool) -> None:
    """Make the directory of the file.  Raise `MissingTableError`, `StorageError`."""
    path = place.url.database
    if path in MEMORY or is_uri(path):
        return
    directory = os.path.dirname(path)
    if not os.path.exists(path):
        if not create:
            raise MissingTableError(place.schema.records.name, path=place.location)
        try:
            os.makedirs(directory, exist_ok=True)
        except OSError as error:
            raise storage_error("make the directory", error, path=directory) from error
    network = network_of(directory)
    if network is not None:
        raise StorageError(
            "open",
            f"{directory} is on a network file system ({network}), where SQLite's write-ahead log "
            "loses data; use a local disk, a directory store (file:///…) or PostgreSQL",
            path=place.location,
        )


def openness(url: URL) -> Openness | None:
    """Return what tells whether others can write to a database; None for one in memory.

    Whoever can make a file in its directory can plant a log, which SQLite writes into the database.
    """
    path = url.database
    if path in MEMORY or is_uri(path):
        return None
    real = os.path.realpath(path)  # as SQLite follows links, and has its log where they lead
    directories = dict.fromkeys((os.path.dirname(real), os.path.dirname(path)))
    return Openness([*directories], lambda: (real, f"{real}-wal", f"{real}-shm"))


def engine_of(place: Place) -> Engine:
    """Return the engine of SQLAlchemy, whose connections have the same settings."""
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import NullPool, StaticPool

    is_in_memory = place.url.database in MEMORY
    engine = create_engine(
        place.url,
        poolclass=StaticPool if is_in_memory else NullPool,
        pool_reset_on_return=None,  # nobody leaves a transaction open here
        connect_args={"timeout": place.timeout, "check_same_thread": False},
        hide_parameters=True,
    )
    event.listen(engine, "connect", lambda connection, _: configure(connection, place))
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Any) -> None:
    how = "BEGIN IMMEDIATE" if connection.info.get("brinery_writes") else "BEGIN"
    connection.exec_driver_sql(how)


def configure(connection: sqlite3.Connection, place: Place) -> None:
    """Set a new connection up.  Raise `StorageError` where the file system cannot do what is needed."""
    connection.isolation_level = None  # transactions are begun here, not by the driver
    full = place.durability == "full"
    for pragma in (
        f"page_size = {_PAGE}",
        f"synchronous = {'FULL' if full else 'NORMAL'}",
        f"cache_size = -{_CACHE}",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")
    if place.url.database in MEMORY:
        return
    if full and hasattr(os, "fchmod"):
        connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone stops at the drive's cache
    (mode,) = _patiently(
        lambda: connection.execute("PRAGMA journal_mode = WAL").fetchone(), place.timeout
    )
    if mode == "memory":
        raise StorageError(
            "open",
            "each connection would have a database of its own: one in memory is sqlite://",
            path=place.location,
        )
    if mode != "wal" and "immutable" not in place.url.query:  # then nobody writes, and all may read
        raise StorageError(
            "open",
            f"SQLite could not switch to its write-ahead log (it answers {mode!r}): the file system "
            "may not allow shared memory; use a local disk",
            path=place.location,
        )


def _patiently(call: Callable[[], Any], timeout: float) -> Any:
    # The switch to WAL does not wait for a lock as statements do.
    until = time.monotonic() + timeout
    while True:
        try:
            return call()
        except sqlite3.OperationalError as error:
            if failures.code_of(error) != "SQLITE_BUSY" or time.monotonic() > until:
                raise
            time.sleep(0.01)


def check_size(name: str, size: int) -> None:
    """Raise `ValueTooLargeError` for a record that is too large for a row."""
    if size > _LARGEST:
        raise ValueTooLargeError(name, size, _LARGEST, "SQLite", _ELSEWHERE)
