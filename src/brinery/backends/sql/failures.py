"""Errors of drivers as errors of brinery: what failed, why, and what to do."""

from __future__ import annotations

import re

from brinery.errors import StorageError, StorageFullError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from brinery.backends.sql.database import Database
    from brinery.errors import BrineryError

# By the primary code of SQLite (https://sqlite.org/rescode.html) or the class of SQLSTATE
# (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_ADVICE: Final = {
    "SQLITE_BUSY": "another process is writing and did not end in time: wait for it, or open the store "
    "with a longer timeout",
    "SQLITE_LOCKED": "another connection is writing: repeat the call",
    "SQLITE_READONLY": "the database is read-only: check the permissions of the file and of its directory",
    "SQLITE_CANTOPEN": "check that the path is a file, and the permissions of it and of its directory",
    "SQLITE_NOTADB": "the file is not an SQLite database: name another file",
    "SQLITE_CORRUPT": "the database file is damaged: restore it from a backup, or save what is left with "
    "the command .recover of sqlite3",
    "SQLITE_IOERR": "the device or the file system reports a failure: check it",
    "SQLITE_PERM": "check the permissions of the file and of its directory",
    "28P01": "check user and password",
    "28000": "check the user, and what pg_hba.conf of the server allows",
    "3D000": "the server has no such database: create it, or name another in the URL",
    "22P05": "the encoding of the database lacks a character: use a database of ENCODING 'UTF8'",
    "25006": "the server or the transaction is read-only: connect to the primary server",
    "42501": "the user lacks the right: have it granted",
    "53300": "the server has too many connections: close some, or raise max_connections",
    "57P03": "the server is starting or stopping: try again in a moment",
    "42P01": "the table of the store was removed: restore it from a backup",
    "57014": "the statement took longer than the server allows (statement_timeout), or was cancelled: repeat "
    "the call, or raise that time",
}
# Errors without a code, because no connection was made: a pattern of the text, and the advice.
_BY_TEXT: Final = (
    (r"password|authentication", _ADVICE["28P01"]),
    (r"pg_hba\.conf", _ADVICE["28000"]),
    (r"connection option|bad value for|invalid sslmode", "check the options in the URL"),
    (r'database ".*" does not exist', _ADVICE["3D000"]),
    (r'role ".*" does not exist', "check the user, in the options of the URL as well"),
    (r"too many (connections|clients)|slots are reserved", _ADVICE["53300"]),
    (r"starting up|shutting down", _ADVICE["57P03"]),
    (r"no such table", _ADVICE["42P01"]),
    (
        r"no such column|has no column",
        "the columns of the table have changed: open the store again",
    ),
)
_DATA: Final = "22"  # classes of SQLSTATE
_CONSTRAINT: Final = ("23", "SQLITE_CONSTRAINT")
_DEMAND: Final = "a constraint that was added to the table forbids it; those of brinery never do"
_FIELDS: Final = "a value of extra_fields does not fit its column: return one that does, or None"
_FULL: Final = frozenset({"SQLITE_FULL", "53100"})
_PASSING: Final = frozenset({"40001", "40P01", "55P03", "1213", "1205"})
"""Serialization failure, deadlock, lock not available; in SQLSTATE, and as MySQL numbers them."""


def code_of(error: BaseException) -> str:
    """Return the code of a driver's error, empty where it has none."""
    cause: Any = getattr(error, "orig", None) or error
    name = getattr(cause, "sqlite_errorname", None)
    if name:
        return "_".join(name.split("_")[:2])  # SQLITE_IOERR_WRITE is a kind of SQLITE_IOERR
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if state:
        return str(state)
    first = cause.args[0] if cause.args else ""
    return str(first) if isinstance(first, int) else ""


def is_passing(error: BaseException) -> bool:
    """Return whether the same transaction may succeed when it is tried again."""
    return code_of(error) in _PASSING


def failure(
    database: Database,
    action: str,
    error: BaseException,
    name: str | None,
    *,
    has_server: bool,
) -> BrineryError:
    """Return the error of brinery for an error of a driver or of SQLAlchemy.

    `name` is the record that was being read or written, if it was one.
    """
    cause: Any = getattr(error, "orig", None) or error
    code = code_of(error)
    reason = " ".join(str(cause).split()) or type(cause).__name__
    if database.url.password:
        reason = reason.replace(str(database.url.password), "***")
    if code in _FULL:
        return StorageFullError(
            action,
            f"{reason}; the disk is full: free some space and repeat the call",
            id=name,
            path=database.location,
        )
    advice = _ADVICE.get(code) or _advice_for(code, reason, bool(database.schema.fields))
    if advice is None and has_server and re.search("connect|timeout", reason.lower()):
        advice = "check that the server is running, and host and port in the URL"
    return StorageError(
        action, f"{reason}; {advice}" if advice else reason, id=name, path=database.location
    )


def _advice_for(code: str, reason: str, has_fields: bool) -> str | None:
    if code.startswith(_DATA) and has_fields:
        return _FIELDS
    if code.startswith(_CONSTRAINT):
        return _DEMAND
    text = reason.lower()
    return next((advice for pattern, advice in _BY_TEXT if re.search(pattern, text)), None)
