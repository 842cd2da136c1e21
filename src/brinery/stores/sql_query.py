"""Queries of a store in a database: by SQL where its table has the answer, else by a pass over ends."""

from __future__ import annotations

from brinery.backends.overlay import Overlay
from brinery.ids import escaped
from brinery.query.answer import answer as answer_from
from brinery.query.column import EXTRA, Column
from brinery.query.rows import beginning_of
from brinery.record.listing import ids_of
from brinery.stores.querying import refuse_foreign, rows_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from brinery.backend import Put
    from brinery.backends.sql import SqlBackend
    from brinery.query.question import Question
    from brinery.session.session import Session


def answer(session: Session, sql: SqlBackend, question: Question) -> Iterable[Sequence[Any]]:
    """Return the values of the fields of a question.  Raise what `Store.query` raises."""
    with session.lock, session.call_lock, session.opened():
        backend = session.backend
        held = backend.written() if isinstance(backend, Overlay) else {}
        written = {name: put for name, put in held.items() if not name.startswith(".")}
        if not written:
            rows = sql.columns.query(
                lambda query: query.rows(question) if query.can_answer(question) else None
            )
            if rows is not None:
                return _with_ids(session, question, rows)
        refuse_foreign(question)
        values = _Values(sql, question, written)
        names = sql.columns.query(lambda query: query.names(question.where))
        begin = beginning_of(question.where)
        names = [name for name in names if name.startswith(begin)] if begin else names
        if lacking := values.check(omits_unfilled=question.omits_unfilled):
            names = [name for name in names if name not in lacking]
        if written:
            names = sorted({*names, *(written.keys() - lacking)})
    extra = values.of if question.extra() else None
    return answer_from(question, rows_of(session, names, extra))


def _with_ids(
    session: Session, question: Question, rows: Sequence[Sequence[Any]]
) -> Iterable[Sequence[Any]]:
    # Puts IDs in the place of names.
    places = {at for at, field in enumerate(question.fields) if _is_id(field)}
    if not places:
        return rows
    (first, *_) = places
    backend = session.backend
    ids = {name: ids_of(backend, [name]) for name in escaped([row[first] for row in rows])}
    if not ids:
        return rows
    return [
        [ids.get(each, (each,))[0] if at in places else each for at, each in enumerate(row)]
        for row in rows
        if ids.get(
            row[first], True
        )  # the record alone has the ID of a hashed name, and may be gone
    ]


def _is_id(field: Any) -> bool:
    return isinstance(field, Column) and field.name == "id" and field.kind != EXTRA


class _Values:
    """The values of the extra columns that a question uses, as the open transactions leave them."""

    def __init__(
        self, sql: SqlBackend, question: Question, written: Mapping[str, Put | None]
    ) -> None:
        self._sql = sql
        self._used = question.extra()
        self._columns = sorted(self._used)
        self._deleted = {name for name, put in written.items() if put is None}
        fields = {name: put.about.fields for name, put in written.items() if put and put.about}
        self._written = {name: each for name, each in fields.items() if each is not None}

    def check(self, *, omits_unfilled: bool) -> set[str]:
        """Return the names of the records that lack values, or raise `UnfilledColumnsError` for them."""
        if not self._used:
            return set()
        found = self._sql.columns.query(lambda query: query.lacking(self._used))
        lacking = {name: found[name] for name in found if name not in self._deleted}
        for name, values in self._written.items():
            lacking.pop(name, None)
            if not values:
                lacking[name] = frozenset()
        if lacking and not omits_unfilled:
            filled, count = lacking.values(), len(lacking)
            raise self._sql.columns.query(
                lambda query: query.unfilled_error(self._used, filled, count)
            )
        return {*lacking}

    def of(self, names: Sequence[str]) -> Mapping[str, tuple[Any, Mapping[str, Any]]]:
        """Return, by name, a version and the values of records."""
        below = [name for name in names if name not in self._written]
        found: dict[str, tuple[Any, Mapping[str, Any]]] = {}
        found |= self._sql.columns.query(lambda query: query.values(below, self._columns))
        found |= {name: (None, self._written[name]) for name in names if name in self._written}
        return found
