"""The names of the extra columns that a database has, for stores that are opened without them.

A small JSON object under a dotted name of the backend.  Names are only added: a column stays in its table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from brinery.backend import ABSENT, Backend, Conflict, Expect, Missing, Version
from brinery.errors import CorruptRecordError
from brinery.typing import Final

NAME: Final = ".columns.json"
FORMAT: Final = 1


def read_columns(backend: Backend) -> frozenset[str]:
    """Return the names of the extra columns.  Raise `CorruptRecordError` if their list is damaged."""
    return _read(backend)[0]


def remember_columns(backend: Backend, names: Iterable[str]) -> frozenset[str]:
    """Add `names` to the list; return the names that it has then."""
    added = frozenset(names)
    while True:
        known, version = _read(backend)
        if added <= known:
            return known
        value = {"format": FORMAT, "columns": sorted(known | added)}
        try:
            backend.put(NAME, (json.dumps(value) + "\n").encode(), version)
        except Conflict:
            continue  # another process has added columns at the same time
        return known | added


def _read(backend: Backend) -> tuple[frozenset[str], Version | Expect]:
    try:
        data, version = backend.get(NAME)
    except Missing:
        return frozenset(), ABSENT
    try:
        value = json.loads(data)
        if value["format"] > FORMAT:
            raise ValueError(f"format {value['format']}, where this brinery reads {FORMAT}")
        names = value["columns"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TypeError("the names have the wrong type")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptRecordError(
            f"is the list of the extra columns, and is damaged ({error}). Remove it; a store that is opened "
            "with extra_fields writes it again",
            id=NAME,
            path=backend.where(NAME),
        ) from error
    return frozenset(names), version
