"""The rows of a store: the ends of its records, read in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter

from brinery.backend import Backend
from brinery.errors import RecordError
from brinery.ids import name_of, names_begin
from brinery.query.column import EXTRA
from brinery.query.evaluation import Row
from brinery.query.expression import Comparison, Expression, conjuncts
from brinery.record.info import read_each
from brinery.record.seal import Seals
from brinery.typing import Any

Extra = Callable[[Sequence[str]], Mapping[str, tuple[Any, Mapping[str, Any]]]]
"""Returns, by name, a version of the record and its values in columns of `extra_fields`."""
_NO_VALUES: Mapping[str, Any] = {}


def names_for(backend: Backend, where: Expression | None) -> list[str]:
    """Return, in order, names among which all records are for which `where` can hold."""
    for part in _on_ids(where):
        if part.operator in ("==", "in") and part.value is not None:
            wanted = part.value if part.operator == "in" else (part.value,)
            return sorted({name_of(id_) for id_ in wanted if id_})
    return sorted(backend.list(beginning_of(where)))


def beginning_of(where: Expression | None) -> str:
    """Return a text with which the names of all records begin for which `where` can hold."""
    parts = (part for part in _on_ids(where) if part.operator == "startswith")
    return max((names_begin(part.value) for part in parts), key=len, default="")


def _on_ids(where: Expression | None) -> Iterator[Comparison]:
    for part in conjuncts(where):
        if isinstance(part, Comparison) and part.column.name == "id" and part.column.kind != EXTRA:
            yield part


def read_rows(
    backend: Backend, names: Iterable[str], seals: Seals | None, extra: Extra | None
) -> Iterator[Row]:
    """Yield the rows of those names that are there, in order.

    Raise `RecordError` for a damaged record, `StorageError`; with `seals`, also `SealError`.
    """
    wanted = [*names]
    found: list[Row] = []
    while wanted:
        before = {} if extra is None else extra(wanted)
        for name, metadata, size in read_each(backend, wanted, seals):
            if isinstance(metadata, RecordError):
                raise metadata
            found.append(Row(name, metadata, size, before.get(name, (None, _NO_VALUES))[1]))
        if extra is None:
            break
        # What was written between the two reads is read again: a row is of one version.
        after = extra(wanted)
        wanted = [name for name in wanted if before.get(name) != after.get(name)]
        changed = {*wanted}
        found = [row for row in found if row.name not in changed]
    found.sort(key=itemgetter(0))
    yield from found
