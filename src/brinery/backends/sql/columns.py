"""The values of extra columns, in the form that a driver takes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
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
        self._nothing = (None,) * len(self.columns)

    def values(self, about: About | None, fit: Fit) -> tuple[Any, ...]:
        """Return the values for a record, in the order of the columns."""
        given = about.fields if about is not None else None
        if not given:
            return self._nothing
        found = []
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
