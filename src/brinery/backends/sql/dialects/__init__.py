"""The kinds of database: each *dialect* is a class that a name in a URL chooses.

A dialect has up to three files.  `sqlite` and `postgresql` open databases and use their drivers directly:
`…_connection` says what a connection does, `…_statements` in which words.  `generic` serves every other
database through SQLAlchemy, and these two where the driver is not to be used directly.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from brinery.backends.sql.dialect import Dialect

_SQLITE: Final = ("brinery.backends.sql.dialects.sqlite", "SqliteDialect")
_POSTGRESQL: Final = ("brinery.backends.sql.dialects.postgresql", "PostgresDialect")
_GENERIC: Final = ("brinery.backends.sql.dialects.generic", "GenericDialect")
_DIALECTS: Final = {
    "sqlite": _SQLITE,
    # Meant as SQLite by those who write them: the message says how its URLs look.
    "sqlite3": _SQLITE,
    "file": _SQLITE,
    "postgresql": _POSTGRESQL,
    "postgres": _POSTGRESQL,
}


def dialect_of(scheme: str) -> type[Dialect]:
    """Return the dialect for the scheme of a URL (``dialect`` or ``dialect+driver``), imported now."""
    module, name = _DIALECTS.get(scheme.partition("+")[0], _GENERIC)
    found: type[Dialect] = getattr(import_module(module), name)
    return found
