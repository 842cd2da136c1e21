"""Every database that SQLAlchemy knows and no other dialect serves."""

from __future__ import annotations

from brinery.backends.sql.dialect import Dialect
from brinery.backends.sql.dialects.generic_connection import GenericPool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from sqlalchemy import Engine

    from brinery.backends.sql.connection import ConnectionPool
    from brinery.backends.sql.database import Database

# The isolation level in which all reads of a transaction see one state, where it is not the default.
_ONE_STATE: Final = {
    "mysql": "REPEATABLE READ",
    "mariadb": "REPEATABLE READ",
    "oracle": "SERIALIZABLE",
}
_ADD: Final = frozenset({"mssql", "oracle"})


class GenericDialect(Dialect):
    """A database that is used through SQLAlchemy alone."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        if self.engine.dialect.name in _ADD:
            self.add_column = "ADD"
        self.one_state = _ONE_STATE.get(self.engine.dialect.name)

    def make_engine(self) -> Engine:
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        # The engine pools nothing: `GenericPool` keeps each connection that it takes out.
        return create_engine(self.url, poolclass=NullPool, hide_parameters=True)

    def make_pool(self, *, native: bool) -> ConnectionPool:
        return GenericPool(self.engine, self.database.schema, self.one_state)
