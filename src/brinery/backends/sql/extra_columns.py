"""The extra columns of one store: queries, and columns that are not filled."""

from __future__ import annotations

from contextlib import suppress

from brinery.errors import ReadOnlyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypeVar

    from brinery.backends.sql.connection import ConnectionPool
    from brinery.backends.sql.dialect import Dialect
    from brinery.backends.sql.pending import Pending
    from brinery.backends.sql.query import Query

    T = TypeVar("T")


class Filling:
    """The values for the extra columns of a record that has this version."""

    __slots__ = ("name", "others", "values", "version")

    def __init__(
        self, name: str, version: Any, values: Mapping[str, Any], others: frozenset[str]
    ) -> None:
        """`others` are further columns that are filled, and stay so."""
        self.name, self.version, self.values, self.others = name, version, values, others


class Columns:
    """The extra columns of one store."""

    def __init__(self, dialect: Dialect, pool: ConnectionPool) -> None:
        self._dialect = dialect
        self._pool = pool
        self._own = frozenset(dialect.database.schema.fields)
        self._known: frozenset[str] = frozenset()
        self._has_warned = False

    def know(self, names: Iterable[str]) -> None:
        """Take `names` for those of all extra columns of the table."""
        self._known = frozenset(names)

    def unfilled(self, *, everything: bool = False) -> Mapping[str, frozenset[str]]:
        """Return the names of the records that lack extra columns of this store, and which ones they have.

        With `everything`, return all records.
        """
        return self.query(lambda query: query.unfilled(everything=everything))

    def fill(self, fillings: Iterable[Filling]) -> None:
        """Set the columns of records that are still in their versions; the records stay as they are."""
        if self._dialect.database.mode == "r":
            raise ReadOnlyError(self._dialect.database.location)
        from brinery.backends.sql.columns import marker_of

        fields = self._pool.fields
        rows = [
            (
                each.name,
                each.version,
                marker_of(self._own | each.others),
                *fields.values(each.values)[1:],
            )
            for each in fillings
            if fields is not None
        ]
        if not rows:
            return
        try:
            with self._pool.use() as connection:
                connection.begin()
                try:
                    connection.fill(rows)
                    connection.commit()
                except BaseException:
                    with suppress(*self._pool.errors):
                        connection.rollback()
                    raise
        except self._pool.errors as error:
            raise self._dialect.failure("fill columns", error) from error

    def query(self, ask: Callable[[Query], T]) -> T:
        """Return what `ask` returns for the questions to the columns; translate the errors of SQLAlchemy."""
        from brinery.backends.sql.drivers import installed
        from brinery.backends.sql.query import Query

        with installed():
            query = Query(self._dialect, self._known)
        from sqlalchemy.exc import SQLAlchemyError

        errors: tuple[type[Exception], ...] = (SQLAlchemyError, *self._pool.errors)
        for left in reversed(range(self._pool.tries)):
            connection = None
            try:
                with self._pool.use() as connection:  # a database in memory has one for all
                    return ask(query)
            except errors as error:
                is_lost = connection is not None and self._pool.is_lost(error, connection)
                if not (is_lost and left):
                    raise self._dialect.failure("query", error) from error
        raise AssertionError("not reached: the last try returns or raises")

    def warn_of_unfilled(self, pending: Pending) -> None:
        """Log, once, that records were written without values for all extra columns."""
        if not self._known or self._has_warned:
            return
        if pending.is_unfilled or (pending.is_described and self._own < self._known):
            self._has_warned = True
            import logging

            logging.getLogger(__name__).warning(
                "records were written to %s without values for its columns %s: queries that use them raise "
                "UnfilledColumnsError until brinery.reindex(store) or `brinery reindex` has filled them",
                self._dialect.database.location,
                ", ".join(map(repr, sorted(self._known))),
            )
