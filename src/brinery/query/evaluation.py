"""Expressions and columns, evaluated by Python for one record: what SQL has to agree with.

None, truth values, numbers and texts are of different kinds: a value equals none of another kind, is neither
less nor greater, and kinds are sorted in this order.  Texts compare by code points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, ge, gt, le, lt

from brinery.query.column import ANY, EXTRA, Column
from brinery.query.expression import All, Comparison, Expression, Not, Some
from brinery.record.record import Metadata
from brinery.typing import Any, Final, NamedTuple


class Row(NamedTuple):
    """What is known of one record."""

    name: str
    metadata: Metadata
    size: int
    """Bytes of the record."""
    values: Mapping[str, Any]
    """The values of columns of `extra_fields`."""


Reader = Callable[[Row], Any]
"""Takes one value out of a row."""

_ORDERS: Final = {"<": lt, "<=": le, ">": gt, ">=": ge}
_NONE, _TRUTH, _NUMBER, _TEXT, _OTHER = range(5)


def rank(value: Any) -> tuple[Any, ...]:
    """Return what values of all kinds can be sorted and grouped by."""
    kind = _kind_of(value)
    if kind == _OTHER:
        return kind, type(value).__qualname__, value
    return (kind,) if value is None else (kind, value)


def _kind_of(value: Any) -> int:
    if value is None:
        return _NONE
    if isinstance(value, bool):
        return _TRUTH
    if isinstance(value, (int, float)):
        return _NUMBER
    return _TEXT if isinstance(value, str) else _OTHER


def is_number(value: Any) -> bool:
    """Return whether a value counts in a sum: a number, also one of another type, such as Decimal."""
    kind = _kind_of(value)
    return kind == _NUMBER or (kind == _OTHER and hasattr(value, "__float__"))


def reader(column: Column) -> Reader:
    """Return a function that takes the value of a column out of a row."""
    name, tag = column.name, column.tag
    if column.kind == EXTRA:
        return lambda row: row.values.get(name)
    if tag is not None:
        return lambda row: (row.metadata.more.get("tags") or {}).get(tag)
    return _READERS[name]


def _class_name(row: Row) -> str:
    # As the column of a database has it, which takes no half of a surrogate pair.
    name = row.metadata.class_name
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()


def _references(row: Row) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.metadata.references))


_READERS: Final[Mapping[str, Reader]] = {
    "id": attrgetter("metadata.id"),
    "class_name": _class_name,
    "codec": attrgetter("metadata.codec"),
    "size": attrgetter("size"),
    "created": attrgetter("metadata.created"),
    "note": lambda row: row.metadata.more.get("note"),
    "tags": lambda row: dict(row.metadata.more.get("tags") or {}),
    "user": lambda row: row.metadata.kind.writer.get("user"),
    "host": lambda row: row.metadata.kind.writer.get("host"),
    "program": lambda row: row.metadata.kind.writer.get("program"),
    "references": _references,
}


def condition(where: Expression) -> Callable[[Row], bool]:
    """Return a function that tells whether an expression holds for a row."""
    if isinstance(where, Not):
        holds = condition(where.part)
        return lambda row: not holds(row)
    if isinstance(where, (All, Some)):
        parts = [condition(part) for part in where.parts]
        if isinstance(where, All):
            return lambda row: all(part(row) for part in parts)
        return lambda row: any(part(row) for part in parts)
    assert isinstance(where, Comparison)
    return _comparison(where)


def _comparison(where: Comparison) -> Callable[[Row], bool]:
    read, test = reader(where.column), _test(where.operator, where.value)
    if where.column.kind in (ANY, EXTRA) or where.value is None:
        return lambda row: test(read(row))
    # All values are of one kind, or None.
    operator, wanted = where.operator, where.value
    if operator == "==":
        return lambda row: bool(read(row) == wanted)
    if operator in _ORDERS:
        compare = _ORDERS[operator]
        return lambda row: (value := read(row)) is not None and compare(value, wanted)
    return lambda row: test(read(row))


def _test(operator: str, wanted: Any) -> Callable[[Any], bool]:
    if operator == "in":
        return _is_among(wanted)
    if operator == "startswith":
        return lambda value: isinstance(value, str) and value.startswith(wanted)
    if operator == "contains":
        return lambda value: isinstance(value, (str, tuple, dict)) and wanted in value
    if operator == "==":
        return lambda value: _are_equal(value, wanted)
    compare = _ORDERS[operator]
    return lambda value: _are_ordered(value, wanted, compare)


def _is_among(wanted: Sequence[Any]) -> Callable[[Any], bool]:
    try:
        ranks = frozenset(map(rank, wanted))
    except TypeError:  # unhashable
        return lambda value: any(_are_equal(value, each) for each in wanted)
    if any(kind == _OTHER for kind, *_ in ranks):
        return lambda value: any(_are_equal(value, each) for each in wanted)
    return lambda value: _kind_of(value) != _OTHER and rank(value) in ranks


def _are_equal(value: Any, wanted: Any) -> bool:
    kinds = {_kind_of(value), _kind_of(wanted)}
    if value is None or wanted is None:
        return value is wanted
    # The user's types, such as Decimal, say themselves what they equal.
    return (len(kinds) == 1 or _OTHER in kinds) and bool(value == wanted)


def _are_ordered(value: Any, wanted: Any, compare: Callable[[Any, Any], Any]) -> bool:
    kinds = {_kind_of(value), _kind_of(wanted)}
    if value is None or not (len(kinds) == 1 or _OTHER in kinds):
        return False
    try:
        return bool(compare(value, wanted))
    except TypeError:
        return False
