"""Queries that are answered by one pass over the ends of records, on every engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from brinery.errors import InvalidArgumentError
from brinery.query.answer import answer as answer_from
from brinery.query.evaluation import Row
from brinery.query.expression import Expression
from brinery.query.question import Question
from brinery.query.rows import Extra, names_for, read_rows
from brinery.session.session import Session
from brinery.typing import Any, Final

_AT_ONCE: Final = 1000
"""Records whose ends are read together."""


def answer(session: Session, question: Question) -> Iterable[Sequence[Any]]:
    """Return the values of the fields of a question.  Raise what `Store.query` raises."""
    refuse_foreign(question)
    with session.lock, session.call_lock, session.opened():
        names = names_for(session.backend, question.where)
    return answer_from(question, rows_of(session, names))


def refuse_foreign(question: Question) -> None:
    """Raise `InvalidArgumentError` for parts of a question that only a database could answer."""
    if question.is_foreign:
        is_own = question.where is None or isinstance(question.where, Expression)
        what, given = ("order_by", question.order_by) if is_own else ("where", question.where)
        raise InvalidArgumentError(
            f"{what}: expected expressions on store.columns, such as store.columns.size > 1000, got "
            f"{given!r:.80}; those of SQLAlchemy are for a SqlStore, and for what its table has: not notes "
            "and tags, nor writes of an open transaction"
        )


def rows_of(session: Session, names: Sequence[str], extra: Extra | None = None) -> Iterator[Row]:
    """Yield the rows of names, which are in order; the locks are held for a batch at a time."""
    for at in range(0, len(names), _AT_ONCE):
        with session.lock, session.call_lock, session.opened():
            some = names[at : at + _AT_ONCE]
            found = [*read_rows(session.backend, some, session.gate.seals, extra)]
        yield from found
