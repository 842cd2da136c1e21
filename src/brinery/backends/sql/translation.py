"""Expressions and columns of a query, as SQLAlchemy has them, with the meaning that `brinery.query` gives.

SQL has a third truth value, for comparisons with NULL.  It counts as false where nothing negates it; so `~`
is moved to the comparisons, and a negated one also holds for NULL.
"""

from __future__ import annotations

import math
from operator import ge, gt, le, lt

from brinery.ids import name_of
from brinery.query.column import EXTRA, Aggregate, Column
from brinery.query.expression import All, Comparison, Not, Some

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final

    from sqlalchemy import Table

    from brinery.query.column import Field
    from brinery.query.expression import Expression
    from brinery.query.question import Question

_NAMES: Final = {
    "id": "name",
    "class_name": "class_name",
    "codec": "codec",
    "size": "size",
    "created": "created",
}
"""The columns of the table that have the values of columns of a query."""
_ORDERS: Final = {"<": lt, "<=": le, ">": gt, ">=": ge}
_MOST_VALUES: Final = 10_000
"""Values of one comparison: a statement has 32,766 of them in SQLite."""


class Translator:
    """Translates for one table.  What `can_answer` and `can` deny is not in it, or not to be had exactly."""

    def __init__(self, table: Table, dialect: str) -> None:
        """`dialect` is the name that SQLAlchemy has for the kind of database."""
        self._c = table.c
        self._is_server = dialect == "postgresql"
        self._is_exact = dialect in ("sqlite", "postgresql")

    # -- what the table can answer

    def can_answer(self, question: Question) -> bool:
        """Return whether the table has all that a question uses."""
        if question.is_foreign:
            return all(map(self._has, question.columns()))
        sorted_by = [*question.groups] if question.is_grouped else []
        sorted_by += [each.field for each in question.order_by]
        return (
            self._is_exact
            and all(map(self._can_give, question.wanted()))
            and all(self._is_ordinary(each) for each in sorted_by if isinstance(each, Column))
            and (question.where is None or self.can(question.where))
        )

    def _has(self, column: Column) -> bool:
        return column.kind == EXTRA or column.key[0] in _NAMES

    def _can_give(self, field: Field) -> bool:
        if not isinstance(field, Aggregate):
            return isinstance(field, Column) and self._has(field)
        column = field.column
        if column is None:
            return True
        if not (self._has(column) and self._is_ordinary(column)):
            return False
        kind = self.column(column).type
        from sqlalchemy import Boolean, Numeric

        return isinstance(kind, Numeric) or (
            not isinstance(kind, Boolean) if field.function != "sum" else _is_whole(kind)
        )

    def _is_ordinary(self, column: Column) -> bool:
        # Whether values are sorted as Python sorts them.
        from sqlalchemy import Boolean, Date, DateTime, Numeric

        kind = self.column(column).type
        return (
            isinstance(kind, (Boolean, Date, DateTime, Numeric))
            or _is_whole(kind)
            or _is_text(kind)
        )

    def can(self, where: Expression) -> bool:
        """Return whether the table answers an expression, with the meaning that it has for Python."""
        if isinstance(where, Not):
            return self.can(where.part)
        if isinstance(where, (All, Some)):
            return all(map(self.can, where.parts))
        assert isinstance(where, Comparison)
        column = where.column
        values = where.value if where.operator == "in" else (where.value,)
        if not self._is_exact or len(values) > _MOST_VALUES or not all(map(_is_bindable, values)):
            return False
        if column.kind != EXTRA and column.name == "id":
            # The order of names is not that of IDs.
            return where.operator in ("==", "in") and all(values)
        if column.kind != EXTRA:
            return column.name == "references" or self._has(column)
        kind = self.column(column).type
        if where.operator in ("startswith", "contains"):
            return _is_text(kind)
        return all(value is None or _fits(kind, value) for value in values)

    # -- translation

    def clause(self, where: Expression, *, is_negated: bool = False) -> Any:
        """Return an expression of SQLAlchemy that is true where `where` holds; if negated, where it does not.

        Where it is not true, it is false or NULL.
        """
        from sqlalchemy import and_, false, or_, true

        if isinstance(where, Not):
            return self.clause(where.part, is_negated=not is_negated)
        if isinstance(where, (All, Some)):
            join = and_ if isinstance(where, All) is not is_negated else or_
            return join(*(self.clause(part, is_negated=is_negated) for part in where.parts))
        assert isinstance(where, Comparison)
        column = self._compared(where.column)
        if where.value is None:
            return column.is_not(None) if is_negated else column.is_(None)
        if where.operator == "in" and not where.value:
            return true() if is_negated else false()
        clause = self._comparison(where, column)
        return or_(column.is_(None), ~clause) if is_negated else clause

    def _compared(self, column: Column) -> Any:
        is_references = column.name == "references" and column.kind != EXTRA
        return self._c.refs if is_references else self.column(column)

    def column(self, column: Field) -> Any:
        """Return the column of the table that has the values of one."""
        name = column.key[0]
        return self._c[name if column.kind == EXTRA else _NAMES[name]]

    def _comparison(self, where: Comparison, column: Any) -> Any:
        from sqlalchemy import func

        operator, value = where.operator, where.value
        if column is self._c.refs:
            return self._position(column, f'"{name_of(value)}"') > 0
        if column is self._c.name:
            values = map(name_of, value) if operator == "in" else name_of(value)
            return column.in_([*values]) if operator == "in" else column == values
        if operator == "in":
            return column.in_(value)
        if operator == "==":
            return column == value
        if operator == "contains":
            return self._position(column, value) > 0
        if operator == "startswith":
            return func.substr(column, 1, len(value)) == value
        return _ORDERS[operator](self._by_code_points(column), value)

    def _position(self, column: Any, text: str) -> Any:
        from sqlalchemy import func

        return func.strpos(column, text) if self._is_server else func.instr(column, text)

    def _by_code_points(self, column: Any) -> Any:
        # Texts, whatever the language of the database.
        return column.collate("C") if self._is_server and _is_text(column.type) else column

    # -- fields and orders

    def field(self, field: Field) -> Any:
        """Return what a row contains for a field."""
        from sqlalchemy import BigInteger, cast, func

        if not isinstance(field, Aggregate):
            return self.column(field)
        if field.column is None:
            return func.count()
        column = self.column(field.column)
        if field.function == "sum":
            total = func.coalesce(func.sum(column), 0)
            return cast(total, BigInteger) if _is_whole(column.type) else total
        least_or_greatest = func.min if field.function == "min" else func.max
        return least_or_greatest(self._by_code_points(column))

    def orders(self, question: Question) -> Sequence[Any]:
        """Return what to sort rows by; they have one order."""
        found = [self._order(each) for each in question.order_by]
        if question.is_grouped:
            groups = map(self.column, question.groups)
            return [*found, *(self._nulls_first(self._by_code_points(each)) for each in groups)]
        return [*found, self._c.name]

    def _order(self, each: Any) -> Any:
        field = getattr(each, "field", None)
        if field is None:
            return each  # an expression of SQLAlchemy
        made = self.field(field)
        if not isinstance(field, Aggregate):
            made = self._by_code_points(made)
        return self._nulls_first(made, is_descending=each.is_descending)

    def _nulls_first(self, made: Any, *, is_descending: bool = False) -> Any:
        if is_descending:
            return made.desc().nulls_last() if self._is_server else made.desc()
        return made.asc().nulls_first() if self._is_server else made.asc()


def _is_bindable(value: Any) -> bool:
    # Whether drivers take a value, as the one that it is.
    if isinstance(value, int):
        return -(1 << 63) <= value < 1 << 63
    if isinstance(value, float):
        return math.isfinite(value)
    if not isinstance(value, str):
        return True
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def _is_text(kind: Any) -> bool:
    from sqlalchemy import Enum, String

    return isinstance(kind, String) and not isinstance(kind, Enum)


def _is_whole(kind: Any) -> bool:
    from sqlalchemy import Integer

    return isinstance(kind, Integer)


def _fits(kind: Any, value: Any) -> bool:
    # Whether a column may hold an equal value: databases refuse others, or convert them.
    from sqlalchemy import Boolean, Date, DateTime, Numeric

    if isinstance(value, str):
        return _is_text(kind)
    if isinstance(value, bool):
        return isinstance(kind, Boolean)
    if isinstance(value, (int, float)):
        return _is_whole(kind) or isinstance(kind, Numeric)
    return isinstance(kind, (Date, DateTime, Numeric)) and isinstance(value, kind.python_type)
