"""One call of `store.query`, checked."""

from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Iterable, Iterator, Sequence
from itertools import starmap

from brinery.errors import InvalidArgumentError
from brinery.query.column import EXTRA, SEVERAL, Aggregate, Column, Columns, Field, Order
from brinery.query.expression import Expression
from brinery.typing import Any, Final, NamedTuple

_ID: Final = Columns().id


class Question(NamedTuple):
    """What is asked."""

    where: Any = None
    """An `Expression`, None for all records, or an expression of SQLAlchemy."""
    fields: Sequence[Field] = (_ID,)
    order_by: Sequence[Any] = ()
    """An `Order` each, or an expression of SQLAlchemy.  What is equal by them is sorted by name."""
    limit: int | None = None
    omits_unfilled: bool = False
    """Whether to leave out records with unfilled columns, in place of an error."""

    @property
    def is_foreign(self) -> bool:
        """Return whether a part is not of this package: an expression of SQLAlchemy, or a mistake."""
        where_is_own = self.where is None or isinstance(self.where, Expression)
        return not (where_is_own and all(isinstance(each, Order) for each in self.order_by))

    @property
    def is_grouped(self) -> bool:
        """Return whether rows are of groups: one for all records, if no field is a column."""
        return any(isinstance(each, Aggregate) for each in self.wanted())

    @property
    def groups(self) -> Sequence[Column]:
        """Return the columns whose values make a group."""
        return [each for each in self.fields if isinstance(each, Column)]

    def wanted(self) -> list[Field]:
        """Return the fields, and then those others that rows are sorted by."""
        found = {each.key: each for each in self.fields}
        orders = (each.field for each in self.order_by if isinstance(each, Order))
        return [*self.fields, *(each for each in orders if each.key not in found)]

    def columns(self) -> Iterator[Column]:
        """Yield all columns that are used."""
        if isinstance(self.where, Expression):
            yield from self.where.columns()
        for field in self.wanted():
            column = field.column if isinstance(field, Aggregate) else field
            if isinstance(column, Column):
                yield column

    def extra(self) -> frozenset[str]:
        """Return the names of the columns of `extra_fields` that are used."""
        return frozenset(column.name for column in self.columns() if column.kind == EXTRA)

    def rows(self, values: Iterable[Sequence[Any]]) -> list[Any]:
        """Return the values as named tuples."""
        return [*starmap(_row_of(tuple(field.label for field in self.fields)), values)]


def question_of(
    columns: Columns, where: Any, fields: Any, order_by: Any, limit: int | None
) -> Question:
    """Return what the arguments of `store.query` ask.  Raise `InvalidArgumentError`."""
    if limit is not None and (type(limit) is not int or limit < 0):
        raise InvalidArgumentError(f"limit: expected an integer >= 0, got {limit!r:.60}")
    asked = (_ID,) if fields is None else tuple(_field(columns, each) for each in _each(fields))
    if not asked:
        raise InvalidArgumentError("fields: expected a column or several, got none")
    orders = () if order_by is None else tuple(_order(columns, each) for each in _each(order_by))
    question = Question(where, asked, orders, limit)
    if question.is_grouped:
        _check_groups(question)
    return question


def _each(given: Any) -> Iterable[Any]:
    return given if isinstance(given, (list, tuple)) else (given,)


def _field(columns: Columns, given: Any) -> Field:
    found = columns.field(given)
    if found is None:
        raise InvalidArgumentError(
            f"fields: expected columns of store.columns, their names, or aggregates, got {given!r:.60}"
        )
    return found


def _order(columns: Columns, given: Any) -> Any:
    field = given.field if isinstance(given, Order) else columns.field(given)
    if field is not None and field.kind == SEVERAL:
        raise InvalidArgumentError(
            f"order_by: expected a column with one value, got {field!r}: one of the tags is tags['name']"
        )
    return given if field is None or isinstance(given, Order) else Order(field)


def _check_groups(question: Question) -> None:
    groups = {column.key for column in question.groups}
    for column in question.groups:
        if column.kind == SEVERAL:
            raise InvalidArgumentError(
                f"fields: expected columns with one value beside an aggregate, got {column!r}"
            )
    for each in question.order_by:
        is_known = isinstance(each, Order) and isinstance(each.field, Column)
        if is_known and each.field.key not in groups:
            raise InvalidArgumentError(
                f"order_by: expected aggregates, or columns that are in fields, got {each.field!r}"
            )


@functools.lru_cache(maxsize=128)
def _row_of(labels: tuple[str, ...]) -> Any:
    return namedtuple("Row", labels, rename=True)
