"""Errors of the medium below a store: file system, database or server."""

from __future__ import annotations

import errno as _errno
import time
from collections.abc import Sequence

from brinery.errors.root import BrineryError, derived
from brinery.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import KW_ONLY


_ADVICE = {
    _errno.ENOSPC: "the disk is full: free some space and repeat the call",
    _errno.EDQUOT: "the disk quota is used up: free some space and repeat the call",
    _errno.EACCES: "check the permissions and the owner of the directory and its files",
    _errno.EPERM: "check the permissions and the owner of the directory and its files",
    _errno.EROFS: "the file system is mounted read-only: open the store elsewhere",
    _errno.EMFILE: "this process has too many open files: close some, or raise `ulimit -n`",
    _errno.ENFILE: "the system has too many open files: close some",
    _errno.ENAMETOOLONG: "the path of the directory is too long: use a shorter one",
    _errno.EIO: "the device reports a failure: check it, and restore from a backup",
    _errno.ENOTDIR: "a directory of the path is a file: name another directory",
    _errno.EFBIG: "the file system or `ulimit -f` does not take a file of that size",
}


_OF_A_PLACE = {
    "open": "open {}",
    "make the database": "make the database {}",
    "use as a store": "use {} as a store",
}
"""Actions whose object is the place itself."""


def _tried(error: StorageError) -> str:
    if error.id is None and error.path is not None and error.action in _OF_A_PLACE:
        return _OF_A_PLACE[error.action].format(error.path)
    of = "" if error.id is None else f" {str(error.id)!r}"
    return f"{error.action}{of}" + (f" in {error.path}" if error.path else "")


class StorageError(BrineryError):
    """The medium below a store (file system, database, server) failed.

    `action` says what was tried ("write", "read", …); `errno` is the operating system's number,
    or None.  The store holds what it held before the call.
    """

    message: str = derived("cannot {tried}: {reason}")
    tried: str = derived(lambda error: _tried(error))
    action: str
    reason: str
    _: KW_ONLY
    id: str | None = None
    path: str | None = None
    errno: int | None = None


class ReadOnlyError(StorageError):
    """A store that was opened with ``mode="r"`` was asked to write."""

    action: str = derived("write")
    reason: str = derived(
        "it was opened with mode='r', for reading only; to write, open it without that mode"
    )
    path: str


class StorageFullError(StorageError):
    """There is no room left to write."""


class ValueTooLargeError(StorageError):
    """A record is larger than an engine keeps."""

    action: str = derived("save")
    reason: str = derived("the record has {size} bytes, and {engine} keeps up to {limit}: {advice}")
    id: str
    size: int
    limit: int
    engine: str
    advice: str


class MissingTableError(StorageError):
    """There is no store in this place, and it was opened so that none is made."""

    action: str = derived("open")
    reason: str = derived(
        "there is no store: expected a table {table!r}; check the URL (for SQLite, the path of "
        "the file) and the name of the table"
    )
    table: str
    _: KW_ONLY
    path: str


class MissingColumnsError(StorageError):
    """A table lacks columns of `extra_fields`; `statements` would add them."""

    action: str = derived("open")
    reason: str = derived(
        "the table has no column {columns}: open it once with migrate=True, or run: {script}"
    )
    script: str = derived(lambda error: "; ".join(error.statements))
    columns: Sequence[str]
    statements: Sequence[str]
    _: KW_ONLY
    path: str


class UnfilledColumnsError(StorageError):
    """Columns of `extra_fields` that a query uses are not filled in `count` records.

    They were written by a store without these `extra_fields`, came as bytes, or are older than the column.
    """

    action: str = derived("query")
    reason: str = derived(
        "the values of {columns} are not those of the objects in some records ({count} in all): fill them "
        "with brinery.reindex(store) or the command `brinery reindex`, or leave these records out with "
        "unfilled='omit'"
    )
    count: int
    columns: Sequence[str]
    _: KW_ONLY
    path: str


class LockedError(StorageError):
    """Another writer held the lock of a store for longer than this one waited.

    `seconds` is how long it waited.  `pid`, `host` and `since` (seconds since the epoch) say who took the
    lock last, and are None where that is not known.  The lock ends with its process, however that ends.
    """

    action: str = derived("write")
    reason: str = derived(
        "another writer has held the lock for the {seconds:g} seconds that this one waited; wait until it "
        "has finished, or stop it: [it is process {pid} on {host}, and took the lock at {taken_at}|"
        "find it with `fuser`]"
    )
    path: str
    seconds: float
    pid: int | None = None
    host: str | None = None
    since: float | None = None

    @property
    def taken_at(self) -> str | None:
        """When the lock was taken, in local time."""
        if self.since is None:
            return None
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))


class StoreBusyError(LockedError):
    """A ghost was used while another thread called the store, or was in a transaction of it, for too long."""

    reason: str = derived(
        "{id!r} was not read yet, and another thread has been in a call or a transaction of the store for "
        "the {seconds:g} seconds that this one waited. If that thread waits for this one, let it use the "
        "object before"
    )


class ReentrantWriteError(LockedError):
    """A call interrupted a write of its own thread to the same store, and could only have waited for itself.

    It came from a signal handler or a `__del__`, which run between two steps of the write.
    """

    reason: str = derived(
        "this thread is in the middle of a write there, which this call interrupts: it comes from a signal "
        "handler or a __del__. Note there what is to be done, and do it when the write has returned"
    )
    seconds: float = 0.0


def storage_error(
    action: str, cause: OSError, *, id: str | None = None, path: str | None = None
) -> StorageError:
    """Return the error of brinery for an error of the operating system."""
    number = cause.errno
    reason = (cause.strerror or str(cause)) if number else str(cause)
    if number in _ADVICE:
        reason = f"{reason}; {_ADVICE[number]}"
    is_full = number in (_errno.ENOSPC, _errno.EDQUOT)
    return (StorageFullError if is_full else StorageError)(
        action, reason, id=id, path=path, errno=number
    )
