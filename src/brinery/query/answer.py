"""The answer to a question from one pass over rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from brinery.errors import InvalidArgumentError
from brinery.query.column import Aggregate, Column
from brinery.query.evaluation import Row, condition, is_number, rank, reader
from brinery.query.question import Question
from brinery.typing import Any

Values = Sequence[Any]


def answer(question: Question, rows: Iterable[Row]) -> Iterable[Values]:
    """Return the values of the fields of a question; `rows` come in the order of their names.

    At most as many values are held as the answer has, and one for each group.
    """
    if question.where is not None:
        rows = filter(condition(question.where), rows)
    if question.is_grouped:
        return _of_groups(question, rows)
    readers = [reader(column) for column in question.groups]
    if not question.order_by:
        return [[read(row) for read in readers] for row in islice(rows, question.limit)]
    key = _key(question, {column.key: _sorted_by(column) for column in question.columns()})
    pairs = ((key(row), [read(row) for read in readers]) for row in rows)
    return [values for _, values in _first(pairs, question.limit)]


def _first(pairs: Iterable[tuple[Any, Values]], limit: int | None) -> Iterable[tuple[Any, Values]]:
    # What has equal keys stays in its order.
    if limit is None:
        return sorted(pairs, key=lambda pair: pair[0])
    from heapq import nsmallest

    return nsmallest(limit, pairs, key=lambda pair: pair[0])


def _sorted_by(column: Column) -> Callable[[Any], Any]:
    if column.key == ("id", None, False):
        return lambda row: row.name
    read = reader(column)
    return lambda row: rank(read(row))


def _key(question: Question, readers: Mapping[Any, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    parts = [(readers[each.field.key], each.is_descending) for each in question.order_by]

    def key(row: Any) -> tuple[Any, ...]:
        return tuple(
            _Reversed(read(row)) if is_descending else read(row) for read, is_descending in parts
        )

    return key


class _Reversed:
    """A value that is less than those that it is greater than."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Reversed) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and bool(other.value == self.value)

    def __hash__(self) -> int:
        return hash(self.value)


# -- groups


class _Count:
    __slots__ = ("result",)

    def __init__(self) -> None:
        self.result: Any = 0

    def add(self, value: Any) -> None:
        self.result += 1


class _Sum(_Count):
    __slots__ = ()

    def add(self, value: Any) -> None:
        if is_number(value):
            self.result += value


class _Least(_Count):
    __slots__ = ("_rank",)
    is_greatest = False

    def __init__(self) -> None:
        self.result = None
        self._rank: Any = None

    def add(self, value: Any) -> None:
        if value is None:
            return
        found = rank(value)
        if self._rank is None or (self._rank < found if self.is_greatest else found < self._rank):
            self.result, self._rank = value, found


class _Greatest(_Least):
    __slots__ = ()
    is_greatest = True


_FUNCTIONS = {"count": _Count, "sum": _Sum, "min": _Least, "max": _Greatest}


def _of_groups(question: Question, rows: Iterable[Row]) -> Iterable[Values]:
    wanted = question.wanted()
    groups = [reader(column) for column in question.groups]
    aggregates = [each for each in wanted if isinstance(each, Aggregate)]
    reads = [_read(each.column) for each in aggregates]
    found: dict[Any, tuple[list[Any], list[_Count]]] = {}
    for row in rows:
        values = [read(row) for read in groups]
        key = tuple(map(rank, values))
        try:
            state = found.get(key)
        except TypeError as error:
            raise InvalidArgumentError(
                f"fields: cannot group by {values!r:.60}: {error}"
            ) from error
        if state is None:
            state = found[key] = values, [_FUNCTIONS[each.function]() for each in aggregates]
        for total, read in zip(state[1], reads, strict=True):
            total.add(read(row))
    if not groups and not found:
        found[()] = [], [_FUNCTIONS[each.function]() for each in aggregates]
    made = (_in_place(wanted, *found[key]) for key in sorted(found))
    if not question.order_by:
        return [values[: len(question.fields)] for values in islice(made, question.limit)]
    places = {each.key: _ranked(at) for at, each in enumerate(wanted)}
    key_of = _key(question, places)
    pairs = ((key_of(values), values[: len(question.fields)]) for values in made)
    return [values for _, values in _first(pairs, question.limit)]


def _read(column: Column | None) -> Callable[[Row], Any]:
    return (lambda row: None) if column is None else reader(column)


def _ranked(at: int) -> Callable[[Any], Any]:
    return lambda values: rank(values[at])


def _in_place(wanted: Iterable[Any], values: Iterable[Any], totals: Iterable[_Count]) -> list[Any]:
    columns: Iterator[Any] = iter(values)
    results = iter(totals)
    return [
        next(results).result if isinstance(each, Aggregate) else next(columns) for each in wanted
    ]
