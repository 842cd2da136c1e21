"""Rewriting a whole store in place, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from brinery.backend import Conflict, Version
from brinery.errors import BrineryError, NotFoundError, StorageError
from brinery.ids import Id
from brinery.operations.report import Report, counted
from brinery.operations.rewrite import Rewriter, Rewritten
from brinery.operations.scan import ids_in
from brinery.record.listing import damage_of
from brinery.session.identity import NOTHING
from brinery.session.progress import Progress, Show
from brinery.session.session import OpenedStore, Session, required_session

MOST_RECORDS: Final = 1_000
"""Most records of a commit."""
MOST_BYTES: Final = 16 << 20
"""Most bytes of new records that wait for a commit."""
_ATTEMPTS: Final = 10


@dataclass(frozen=True, slots=True)
class LeftRecord:
    """A record that was left as it is, and the reason."""

    id: Id
    reason: str


@dataclass(frozen=True, slots=True)
class RecodeReport(Report):
    """The result of a recoding, or of its dry run."""

    recoded: int
    """Records that were rewritten."""
    unchanged: int
    """Records that had the codec and transform already."""
    size_before: int
    """Bytes of the recoded records before the run."""
    size_after: int
    """Bytes of the recoded records after the run."""
    left: Sequence[LeftRecord] = ()
    """Records that could not be recoded."""
    uncompared: Sequence[Id] = ()
    """Recoded records that decode, but whose objects cannot be compared with the former ones."""
    is_dry_run: bool = False

    @property
    def is_whole(self) -> bool:
        """Return whether every record has the codec and transform now."""
        return not self.left

    def headline(self) -> str:
        """Return how many records were recoded and left, and their size before and after."""
        sizes = f"{self.size_before:,} bytes before, {self.size_after:,} after"
        done = "would be recoded" if self.is_dry_run else "recoded"
        line = f"{counted(self.recoded, 'record')} {done} ({sizes}), {self.unchanged} unchanged"
        return line + (f", {len(self.left)} left as they are" if self.left else "")

    def details(self) -> Iterator[str]:
        """Yield a line for each record that could not be compared or recoded."""
        yield from (f"{id_}: decoded, not compared" for id_ in self.uncompared)
        yield from (f"{found.id}: left as it is: {found.reason}" for found in self.left)


def recode(
    store: OpenedStore, *, dry_run: bool = False, progress: Show | None = None
) -> RecodeReport:
    """Rewrite the records of a store with the codec and transform that it was opened with.

    IDs and references stay the same.  Each new record is decoded and compared with the old one before it is
    committed, and it replaces only the version that was read.  Records that have the codec and transform
    already are skipped, so that a killed run can be repeated.  Records that cannot be rewritten are left and
    reported.  At the end the store remembers its new settings.  With `dry_run` nothing is written.
    `progress` is called with the number of records done and the number of all, at most ten times a second.

    Decoding runs the code that records name.  Raise `StorageError`, and `SealError` for a sealed store
    that was opened without a key.
    """
    session = required_session("store", store).outside()
    if not dry_run:
        session.check_seal()
    return _Recoder(session, dry_run).run(progress)


class _Recoder:
    def __init__(self, session: Session, is_dry_run: bool) -> None:
        self._session = session
        self._is_dry_run = is_dry_run
        self._rewriter = Rewriter(session)
        self._batch: list[Rewritten] = []
        self._waiting = 0  # bytes
        self._recoded = self._unchanged = 0
        self._size_before = self._size_after = 0
        self._uncompared: list[Id] = []
        self._left: list[LeftRecord] = []
        self._changed: list[Id] = []

    def run(self, show: Show | None) -> RecodeReport:
        """Rewrite all records; repeat that for records that another process has changed since."""
        pending = [*map(Id, ids_in(self._session))]
        progress = Progress(show, len(pending))
        for _ in range(_ATTEMPTS):
            self._changed = []
            for id_ in pending:
                self._look_at(id_)
                progress(self._recoded + self._unchanged + len(self._left))
            self._flush()
            pending = self._changed
            if not pending:
                break
        self._left += [LeftRecord(id_, "it changes too often to be rewritten") for id_ in pending]
        if not self._is_dry_run:
            with self._session.lock, self._session.call_lock, self._session.opened():
                self._session.remember()
        progress.end()
        return self._report()

    def _report(self) -> RecodeReport:
        return RecodeReport(
            recoded=self._recoded,
            unchanged=self._unchanged,
            size_before=self._size_before,
            size_after=self._size_after,
            left=tuple(sorted(self._left, key=lambda left: left.id)),
            uncompared=tuple(sorted(self._uncompared)),
            is_dry_run=self._is_dry_run,
        )

    def _look_at(self, id_: Id) -> None:
        try:
            found = self._rewriter.rewritten(id_)
        except StorageError:
            raise
        except BrineryError as error:
            is_removed = isinstance(error, NotFoundError) and error.id == id_
            why = damage_of(self._session.backend, id_) if is_removed else error
            if why is not None:
                self._left.append(LeftRecord(id_, str(why)))
            return
        if found is None:
            self._unchanged += 1
            return
        self._batch.append(found)
        self._waiting += found.size
        if len(self._batch) >= MOST_RECORDS or self._waiting >= MOST_BYTES:
            self._flush()

    def _flush(self) -> None:
        batch, self._batch, self._waiting = self._batch, [], 0
        while batch and not self._is_dry_run:
            with self._session.lock, self._session.call_lock, self._session.opened():
                try:
                    versions = self._session.commit([found.put for found in batch])
                except Conflict as conflict:
                    changed = set(conflict.names)
                    self._changed += [Id(f.id) for f in batch if f.put.name in changed]
                    batch = [found for found in batch if found.put.name not in changed]
                    continue
                for found in batch:
                    self._enter(found, versions[found.put.name])
            break
        for found in batch:
            self._recoded += 1
            self._size_before += found.old_size
            self._size_after += found.size
            if not found.is_compared:
                self._uncompared.append(Id(found.id))

    def _enter(self, found: Rewritten, version: Version) -> None:
        # A living object gets the new version of its record, so that its next save is not a conflict.
        identity = self._session.identity
        living = identity.get(found.id)
        entry = None if living is NOTHING else identity.entry(living)
        if entry is not None and entry.version == found.put.expect:
            known = found.raw_digest, found.codec
            identity.set(found.id, living, version, *known, True, entry.annotation)
