"""What is done to all records of a store at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from brinery.stores.arguments import one_of, required_id, several
from brinery.stores.mapping import StoreMapping
from brinery.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brinery.operations.backup import BackupReport
    from brinery.operations.collect import GcReport
    from brinery.operations.dry_run import DryRunReport
    from brinery.query.column import Columns
    from brinery.query.question import Question


class Upkeep(StoreMapping):
    """The methods of a store that query, check, clean, back up and seal it."""

    # -- queries

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
        from brinery.stores.querying import answer

        return answer(self._session, question)

    # -- upkeep

    def check(self, progress: Callable[[int, int], Any] | None = None) -> DryRunReport:
        """Try to decode every record, and report which would load, be upgraded or fail.

        Nothing is changed and no object is kept; constructors and upgrades do run.  `progress` is called
        with the number of records checked and the number of all, at most ten times a second.
        """
        from brinery.operations.dry_run import Checker

        with self._session.lock, self._session.call_lock, self._session.opened():
            return Checker(self._session).check(self.list(), progress)

    def gc(
        self,
        roots: Iterable[str],
        *,
        dry_run: bool = True,
        older_than: float = 3600.0,
        progress: Callable[[int, int], Any] | None = None,
    ) -> GcReport:
        """Remove the records that none of the IDs `roots` reaches; a `dry_run` only reports them.

        Nothing is decoded.  Records written in the last `older_than` seconds are kept, with all records
        that they reach.  Others may save at the same time: records that a save refers to stay.  Raise
        `NotFoundError` for a root that is missing, `RecordError` if the references of a record cannot be
        read, `StorageError`.
        """
        from brinery.operations.collect import collect

        wanted = [required_id(root) for root in several("roots", roots)]
        with self._session.lock, self._session.call_lock, self._session.opened():
            backend, identity = self._session.backend, self._session.identity
            report = collect(
                backend, wanted, dry_run=dry_run, older_than=older_than, progress=progress
            )
            if not dry_run:
                identity.forget_each(report.garbage)
            return report

    def backup(
        self,
        target: Any,
        *,
        prune: bool = False,
        progress: Callable[[int, int], Any] | None = None,
    ) -> BackupReport:
        """Bring the backup `target`, a URL, path or store, to the state that this store has now.

        A backup is the state of one moment, even while others save; `restore` brings it back.  Only records
        that changed since the last backup are copied.  Records that were removed from the store stay in the
        backup, unless `prune` is true.  Raise `BackupError`, `RecordError` for a damaged record,
        `StorageError`; after an error the former backup is as it was.
        """
        from brinery.operations.backup import back_up

        # Without the lock, so that other threads need not wait for the end.
        return back_up(self._session, target, prune=prune, progress=progress)

    def reseal(self, *, unsealed: bool = False) -> int:
        """Seal every record with the first key; return how many were written.

        Records sealed by any of the keys are accepted.  With `unsealed`, records without a seal are
        accepted, too: the caller vouches for them.  Nothing is decoded.  Call it after a change of keys.
        Raise `TrustError`, `RecordError`, `StorageError`; records written before the error stay written.
        """
        from brinery.operations.reseal import reseal

        with self._session.lock, self._session.call_lock, self._session.opened():
            return reseal(self._session, unsealed=unsealed)
