"""What is done to all records of a store at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from brinery.stores.arguments import required_id, several
from brinery.stores.mapping import StoreMapping
from brinery.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brinery.operations.backup import BackupReport
    from brinery.operations.collect import GcReport
    from brinery.operations.dry_run import DryRunReport


class Upkeep(StoreMapping):
    """The methods of a store that check, clean, back up and seal it."""

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
