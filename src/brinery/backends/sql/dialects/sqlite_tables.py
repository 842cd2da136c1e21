"""The table of a store in SQLite, found and made without SQLAlchemy, whose import takes longer than all else.

A table with extra columns is left to `tables`.
"""

from __future__ import annotations

from brinery.backends.sql.dialects.sqlite_statements import quoted
from brinery.backends.sql.schema import FILLED, STANDARD

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from typing import Final

# As SQLAlchemy makes it of `Schema.records`.
_COLUMNS: Final = (
    "name VARCHAR(255) NOT NULL, version BIGINT NOT NULL, size BIGINT NOT NULL, class_name TEXT, "
    f"codec TEXT, created FLOAT, refs TEXT, {FILLED} TEXT, data BLOB NOT NULL, PRIMARY KEY (name)"
)


def has_plain_table(driver: sqlite3.Connection, name: str, *, create: bool) -> bool:
    """Return whether the table `name` has the columns of a store, and no others.

    With `create`, make it if it is missing.  Raise `sqlite3.Error`.
    """
    found = _columns_of(driver, name)
    if not found and create:
        # One statement is one transaction, and another process may be faster.
        driver.execute(f"CREATE TABLE IF NOT EXISTS {quoted(name)} ({_COLUMNS})")
        found = _columns_of(driver, name)
    return found == {*STANDARD, FILLED}


def _columns_of(driver: sqlite3.Connection, name: str) -> set[str]:
    return {row[1] for row in driver.execute(f"PRAGMA table_info({quoted(name)})")}
