"""The values of extra columns, in the form that a driver takes, and the names of those that a row has."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from brinery.backend import About

if TYPE_CHECKING:
    from sqlalchemy import Column, Dialect

    from brinery.backends.sql.schema import Schema

Fit = Callable[["Column[Any]", Any], Any]
"""Turns a value, converted by SQLAlchemy, into one that the driver takes for the column, or raises."""

_log: Final = logging.getLogger(__name__)


class Fields:
    """The extra columns of one store.

    A value that its column cannot hold is logged, and stored as NULL: like a function that raises, it must
    not prevent an object from being saved.  None is NULL, also where SQLAlchemy would store a JSON null.
    """

    def __init__(self, schema: Schema, dialect: Dialect) -> None:
        self.columns: Sequence[Column[Any]] = [schema.records.c[name] for name in schema.fields]
        self._steps = [
            (column, column.type.dialect_impl(dialect).bind_processor(dialect))
            for column in self.columns
        ]
        self._marker = marker_of(schema.fields)
        self._nothing = (None,) * (1 + len(self.columns))

    def values(self, about: About | None, fit: Fit) -> tuple[Any, ...]:
        """Return the values for a record: of the column `filled`, and of the extra columns in order."""
        given = about.fields if about is not None else None
        if not given:
            return self._nothing
        found: list[Any] = [self._marker]
        for column, process in self._steps:
            value = given.get(column.name)
            if value is not None:
                try:
                    value = fit(column, value if process is None else process(value))
                except Exception:  # noqa: BLE001 - types of the user may raise what they like
                    _log.warning(
                        "the column %r cannot hold a value of class %s: NULL is stored",
                        column.name,
                        type(value).__qualname__,
                        exc_info=True,
                    )
                    value = None
            found.append(value)
        return tuple(found)


def marker_of(names: Iterable[str]) -> str:
    """Return the value of the column `filled` for a row whose columns `names` are filled."""
    return json.dumps(sorted(names))


def marked(marker: Any) -> frozenset[str]:
    """Return the names in a value of the column `filled`; none where another program wrote it."""
    try:
        names = json.loads(marker)
    except (TypeError, ValueError):
        return frozenset()
    if not isinstance(names, list):
        return frozenset()
    return frozenset(name for name in names if isinstance(name, str))
