"""The values of extra columns, in the form that a driver takes, and the names of those that a row has."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from sqlalchemy import Column, Dialect

    from brinery.backends.sql.pending import Row
    from brinery.backends.sql.schema import Schema

    Fit = Callable[[Column[Any], Any], Any]
    """Turns a value, converted by SQLAlchemy, into one that the driver takes for the column, or raises."""


class Fields:
    """The extra columns of one store.

    A value that its column cannot hold is logged, and stored as NULL: like a function that raises, it must
    not prevent an object from being saved.  None is NULL, also where SQLAlchemy would store a JSON null.
    """

    def __init__(self, schema: Schema, dialect: Dialect, fit: Fit) -> None:
        self._steps = [
            (column, column.type.dialect_impl(dialect).bind_processor(dialect))
            for column in map(schema.records.c.__getitem__, schema.fields)
        ]
        self._fit = fit
        self._marker = marker_of(schema.fields)
        self.unfilled: Row = (None,) * (1 + len(schema.fields))

    def values(self, given: Mapping[str, Any]) -> Row:
        """Return the values for a record: of the column `filled`, and of the extra columns in order."""
        found: list[Any] = [self._marker]
        for column, process in self._steps:
            value = given.get(column.name)
            if value is not None:
                try:
                    value = self._fit(column, value if process is None else process(value))
                except Exception:  # noqa: BLE001 - types of the user may raise what they like
                    _warn(column.name, value)
                    value = None
            found.append(value)
        return tuple(found)


def _warn(column: str, value: Any) -> None:
    import logging

    logging.getLogger(__name__).warning(
        "the column %r cannot hold a value of class %s: NULL is stored",
        column,
        type(value).__qualname__,
        exc_info=True,
    )


def marker_of(names: Iterable[str]) -> str:
    """Return the value of the column `filled` for a row whose columns `names` are filled."""
    import json

    return json.dumps(sorted(names))


def marked(marker: Any) -> frozenset[str]:
    """Return the names in a value of the column `filled`; none where another program wrote it."""
    import json

    try:
        names = json.loads(marker)
    except (TypeError, ValueError):
        return frozenset()
    if not isinstance(names, list):
        return frozenset()
    return frozenset(name for name in names if isinstance(name, str))
