"""Queries on the records of a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from brinery.errors import InvalidArgumentError
from brinery.stores.arguments import one_of
from brinery.stores.upkeep import Upkeep
from brinery.typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from brinery.query.column import Columns
    from brinery.query.evaluation import Row
    from brinery.query.question import Question
    from brinery.query.rows import Extra
    from brinery.session.session import Session

_AT_ONCE: Final = 1000
"""Records whose ends are read together."""


class Querying(Upkeep):
    """The methods of a store that ask what records say of objects, and decode nothing."""

    @property
    def columns(self) -> Columns:
        """Return the columns for queries."""
        from brinery.query.column import Columns

        return Columns()

    def query(
        self,
        where: Any = None,
        *,
        fields: Any = None,
        order_by: Any = None,
        limit: int | None = None,
        unfilled: str = "error",
    ) -> list[Any]:
        """Return the IDs of the objects that fit, or rows of values, decoding nothing.

        `where` is an expression on `columns`: ``(store.columns.size > 1000) & (store.columns.tags["run"] ==
        7)``.  `fields` are a column or several, by their names as well: then the answer is a list of named
        tuples.  With aggregates among them, such as ``store.columns.count()``, there is one row for each
        group of equal values in the other fields.  `order_by` are columns or aggregates, or several;
        ``column.desc()`` sorts the largest first.  Without it, rows are sorted by the names of their
        records, and groups by their values.

        A database answers by SQL where it has all columns.  Else the ends of the records are read.
        In a `SqlStore`, `where` and `order_by` may be expressions of SQLAlchemy, if the table has all other
        columns of the query.  If a query uses columns of `extra_fields` that are not filled for all objects,
        it raises `UnfilledColumnsError`; with ``unfilled="omit"``, the objects without them are left out.

        Raise `InvalidArgumentError`, `StorageError`; where ends are read also `RecordError` for a damaged
        record and, if the store was opened with a key, `SealError`.
        """
        from brinery.query.question import question_of

        omits = one_of("unfilled", unfilled, ("error", "omit")) == "omit"
        question = question_of(self.columns, where, fields, order_by, limit)
        found = self._answer(question._replace(omits_unfilled=omits))
        return [id_ for (id_,) in found] if fields is None else question.rows(found)

    def count(self, where: Any = None, *, unfilled: str = "error") -> int:
        """Return the number of objects that fit; the arguments are those of `query`, and so are errors."""
        (row,) = self.query(where, fields=self.columns.count(), unfilled=unfilled)
        return int(row[0])

    def _answer(self, question: Question) -> Iterable[Sequence[Any]]:
        from brinery.query.answer import answer
        from brinery.query.rows import names_for

        refuse_foreign(question)
        with self._session.lock, self._session.call_lock, self._session.opened():
            names = names_for(self._session.backend, question.where)
        return answer(question, rows_of(self._session, names))


def refuse_foreign(question: Question) -> None:
    """Raise `InvalidArgumentError` for parts of a question that only a database could answer."""
    from brinery.query.expression import Expression

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
    from brinery.query.rows import read_rows

    for at in range(0, len(names), _AT_ONCE):
        with session.lock, session.call_lock, session.opened():
            some = names[at : at + _AT_ONCE]
            found = [*read_rows(session.backend, some, session.gate.seals, extra)]
        yield from found
