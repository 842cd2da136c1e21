"""Records in a table of a database, by SQLAlchemy: SQLite, PostgreSQL, and what else it speaks.

`backend.py` is the contract in terms of a `Session`: one connection, and what is asked of it.  There
are three of these: `_core.py` says it in SQLAlchemy Core and serves every dialect; `_sqlite.py` and
`_postgresql.py` say it to the driver itself, because there it is several times faster.
"""

from brinery.backends.sql.backend import SqlBackend

__all__ = ["SqlBackend"]
