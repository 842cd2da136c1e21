"""Questions to the columns of the records: which records fit, and which have unfilled columns.

A row says in its column `filled` which extra columns its writer filled.  A store opened without them, a
copy, a restore and a record that is put back leave them unfilled; so do rows that are older than a column.
What such a row has in them is not of its record, so no query may use it.
"""

from __future__ import annotations

from brinery.backends.sql.columns import marked, marker_of
from brinery.backends.sql.connection import AT_ONCE
from brinery.backends.sql.schema import FILLED
from brinery.backends.sql.translation import Translator
from brinery.errors import InvalidArgumentError, UnfilledColumnsError
from brinery.query.expression import Expression, conjuncts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from typing import Any

    from sqlalchemy import Connection

    from brinery.backends.sql.dialect import Dialect
    from brinery.query.question import Question


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
        self._translator = Translator(self._table, dialect.engine.dialect.name)

    def can_answer(self, question: Question) -> bool:
        """Return whether columns of the table answer a question."""
        return self._translator.can_answer(question)

    def rows(self, question: Question) -> Sequence[Sequence[Any]]:
        """Return the values of the fields of a question that `can_answer` accepts; names for IDs.

        Raise `InvalidArgumentError` for arguments that are not expressions, `UnfilledColumnsError` for
        columns that records lack, unless those are omitted, and the errors of SQLAlchemy.
        """
        from sqlalchemy import select
        from sqlalchemy.exc import ArgumentError, CompileError

        translator, where = self._translator, question.where
        try:
            if isinstance(where, Expression):
                where = translator.clause(where)
            fields = [translator.field(each) for each in question.fields]
            orders = translator.orders(question)
            wanted = select(*fields).where(self._is_object).order_by(*orders)
            if where is not None:
                wanted = wanted.where(where)
            if question.is_grouped:
                wanted = wanted.group_by(*map(translator.column, question.groups))
            if question.limit is not None:
                wanted = wanted.limit(question.limit)
            used = self._used_in(where, *fields, *orders)
            with self._dialect.reading() as connection:
                if used and (lacking := self._lacking(connection, used)):
                    if not question.omits_unfilled:
                        raise self.unfilled_error(used, map(marked, lacking), sum(lacking.values()))
                    wanted = wanted.where(self._is_marked(lacking))
                return [*map(tuple, connection.execute(wanted))]
        except (ArgumentError, CompileError, TypeError, ValueError, OverflowError) as error:
            raise InvalidArgumentError(
                "where and order_by: expected expressions on store.columns, such as "
                f"store.columns.size > 1000, or those of SQLAlchemy: {error}"
            ) from error

    def names(self, where: Expression | None) -> list[str]:
        """Return names among which all records are for which `where` can hold, in order."""
        from sqlalchemy import select

        wanted = select(self._table.c.name).where(self._is_object).order_by(self._table.c.name)
        for part in filter(self._translator.can, conjuncts(where)):
            wanted = wanted.where(self._translator.clause(part))
        with self._dialect.reading() as connection:
            return [name for (name,) in connection.execute(wanted)]

    def values(
        self, names: Sequence[str], columns: Sequence[str]
    ) -> dict[str, tuple[Any, dict[str, Any]]]:
        """Return the version and the values in extra columns of those of `names` that are there."""
        from sqlalchemy import select

        table = self._table.c
        wanted = select(table.name, table.version, *(table[each] for each in columns))
        found = {}
        with self._dialect.reading() as connection:
            for at in range(0, len(names), AT_ONCE):
                some = wanted.where(table.name.in_(names[at : at + AT_ONCE]))
                for name, version, *values in connection.execute(some):
                    found[name] = version, dict(zip(columns, values, strict=True))
        return found

    def lacking(self, used: frozenset[str]) -> dict[str, frozenset[str]]:
        """Return the names of the records that lack one of the columns `used`, and which ones they have."""
        with self._dialect.reading() as connection:
            is_whole = not self._lacking(connection, used)
        if is_whole:
            return {}
        found = self.unfilled(everything=True)
        return {name: filled for name, filled in found.items() if not used <= filled}

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

    def unfilled_error(
        self, used: frozenset[str], filled: Iterable[frozenset[str]], count: int
    ) -> UnfilledColumnsError:
        """Return the error for `count` records that lack some of the columns, and have those in `filled`."""
        columns = used.difference(frozenset.intersection(*filled))
        path = self._dialect.database.location
        return UnfilledColumnsError(count, sorted(columns), path=path)

    def _is_marked(self, lacking: Collection[str | None]) -> Any:
        filled = self._table.c[FILLED]
        return filled.is_not(None) & filled.not_in([each for each in lacking if each is not None])
