"""Questions to the columns of the records: which records fit, and which have unfilled columns.

A row says in its column `filled` which extra columns its writer filled.  A store opened without them, a
copy, a restore and a record that is put back leave them unfilled; so do rows that are older than a column.
What such a row has in them is not of its record, so no query may use it.
"""

from __future__ import annotations

from brinery.backends.sql.columns import marked, marker_of
from brinery.backends.sql.schema import FILLED
from brinery.errors import InvalidArgumentError, UnfilledColumnsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from sqlalchemy import Connection

    from brinery.backends.sql.dialect import Dialect


class Query:
    """Asks the columns of one store."""

    def __init__(self, dialect: Dialect, columns: Collection[str]) -> None:
        """`columns` are the names of all extra columns of the table, as the database remembers them."""
        self._dialect = dialect
        self._table = dialect.database.schema.records
        self._own = frozenset(dialect.database.schema.fields)
        self._columns = self._own.union(columns)
        # Settings and the counter have no class.
        self._is_object = self._table.c.class_name.is_not(None)

    def names(
        self, where: Any, order_by: Any, limit: int | None, *, omits_unfilled: bool
    ) -> list[str]:
        """Return the names of the records whose columns fit.

        Raise `InvalidArgumentError` for arguments that are not expressions, `UnfilledColumnsError` for
        columns that records lack, unless those are omitted, and the errors of SQLAlchemy.
        """
        from sqlalchemy import select
        from sqlalchemy.exc import ArgumentError, CompileError

        if limit is not None and (not isinstance(limit, int) or limit < 0):
            raise InvalidArgumentError(f"limit: expected an integer >= 0, got {limit!r:.60}")
        wanted = select(self._table.c.name).where(self._is_object)
        several = order_by if isinstance(order_by, (list, tuple)) else [order_by]
        try:
            if where is not None:
                wanted = wanted.where(where)
            if order_by is not None:
                wanted = wanted.order_by(*several)
            wanted = wanted.order_by(self._table.c.name)
            if limit is not None:
                wanted = wanted.limit(limit)
            used = self._used_in(where, *several)
            with self._dialect.reading() as connection:
                if used and (lacking := self._lacking(connection, used)):
                    if not omits_unfilled:
                        raise self._unfilled(used, lacking)
                    wanted = wanted.where(self._is_marked(lacking))
                return [name for (name,) in connection.execute(wanted)]
        except (ArgumentError, CompileError, TypeError, ValueError, OverflowError) as error:
            raise InvalidArgumentError(
                "where and order_by: expected expressions of SQLAlchemy, such as "
                f"store.columns.size > 1000: {error}"
            ) from error

    def unfilled(self, *, everything: bool = False) -> dict[str, frozenset[str]]:
        """Return the names of the records that lack extra columns of this store, and which ones they have.

        With `everything`, return all records.
        """
        from sqlalchemy import select

        table = self._table.c
        wanted = select(table.name, table[FILLED]).where(self._is_object).order_by(table.name)
        with self._dialect.reading() as connection:
            found = {name: marked(marker) for name, marker in connection.execute(wanted)}
        return {name: filled for name, filled in found.items() if everything or self._own - filled}

    def _used_in(self, *expressions: Any) -> frozenset[str]:
        """Return the extra columns that expressions use; all of them for a text, which does not say."""
        from sqlalchemy import TextClause
        from sqlalchemy.sql import visitors
        from sqlalchemy.sql.elements import ClauseElement, ColumnClause

        used = set()
        for expression in expressions:
            if isinstance(expression, str):
                return self._columns
            parts = visitors.iterate(expression) if isinstance(expression, ClauseElement) else ()
            for part in parts:
                if isinstance(part, TextClause) or getattr(part, "is_literal", False):
                    return self._columns
                if isinstance(part, ColumnClause):
                    used.add(part.name)
        return self._columns & used

    def _lacking(self, connection: Connection, used: frozenset[str]) -> dict[str | None, int]:
        """Return how many records lack one of the columns `used`, by what they have in `filled`."""
        from sqlalchemy import exists, func, select

        filled, own = self._table.c[FILLED], marker_of(self._own)
        # Three looks into the index: nearly always, this store has filled the columns of all records.
        others = (filled.is_(None), filled < own, filled > own)
        looks = [exists().where(self._is_object, other) for other in others]
        if used <= self._own and not any(connection.execute(select(*looks)).one()):
            return {}
        counts = select(filled, func.count()).where(self._is_object).group_by(filled)
        return {
            marker: count
            for marker, count in connection.execute(counts)
            if not used <= marked(marker)
        }

    def _unfilled(
        self, used: frozenset[str], lacking: Mapping[str | None, int]
    ) -> UnfilledColumnsError:
        columns = used.difference(frozenset.intersection(*map(marked, lacking)))
        path = self._dialect.database.location
        return UnfilledColumnsError(sum(lacking.values()), sorted(columns), path=path)

    def _is_marked(self, lacking: Collection[str | None]) -> Any:
        filled = self._table.c[FILLED]
        return filled.is_not(None) & filled.not_in([each for each in lacking if each is not None])
