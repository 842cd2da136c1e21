"""Backups: the state of a store at one moment, copied to another place and updated there incrementally.

Records are copied as bytes.  Two records with the same size and tail are the same: the tail has a nonce, and
the digests of all other bytes.  So unchanged records need not be read.

1.  A backup that was never finished is filled in batches, each durable by itself.  The source may change
    during that.  The manifest of the backup says that it is not finished.
2.  The ends of all records of the source are read in one state.  Records that differ from the backup are
    committed to it at once, with settings, counter and manifest.  If a record has changed since its end was
    read, the commit is undone, and the step is repeated.
3.  If the source keeps changing, the records that still differ are read in one state as well, and held back
    until the commit.

So a finished backup is one state of the source at any time, even if an update of it is killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from brinery.backend import ABSENT, Backend, Conflict, Expect, Put, Version
from brinery.backends.opening import opened, options_of
from brinery.backends.overlay import Overlay
from brinery.catalog.sequence import put_after
from brinery.catalog.settings import Settings, put_of, read_settings
from brinery.errors import BackupError
from brinery.ids import id_of
from brinery.operations.backup_manifest import NAME, BackupManifest, read_manifest
from brinery.operations.examination import checked
from brinery.operations.fingerprint import (
    Fingerprint,
    Fingerprints,
    batches,
    fingerprint_of,
    fingerprints_of,
    last_number,
    set_digest,
)
from brinery.operations.report import Report, counted
from brinery.record.end import end_size
from brinery.record.format import TAIL_SIZE
from brinery.record.record import about_of
from brinery.record.seal import Seals
from brinery.session.progress import Progress, Show
from brinery.session.session import Session, session_of

T = TypeVar("T")

_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class BackupReport(Report):
    """The result of a backup."""

    copied: int
    """Records that were written."""
    unchanged: int
    """Records that the backup had already, byte for byte."""
    pruned: int
    """Records that were removed from the backup, because the store no longer has them."""
    size: int
    """Bytes of the records that were written."""
    kept: int = 0
    """Records kept in the backup although the store no longer has them."""

    def headline(self) -> str:
        """Return how many records were copied, unchanged, pruned and kept."""
        line = f"{counted(self.copied, 'record')} copied ({self.size:,} bytes), {self.unchanged} unchanged"
        if self.pruned:
            line += f", {self.pruned} pruned"
        return line + (f", {self.kept} kept that the store has no longer" if self.kept else "")


def back_up(
    session: Session, target: Any, *, prune: bool = False, progress: Show | None = None
) -> BackupReport:
    """Bring the backup `target`, a URL, path, store or backend, to the present state of a store.

    With `prune`, records that the store no longer has are removed from the backup.  If the store was opened
    with a key, the seals of records are checked.  Raise `BackupError`, `RecordError` for a damaged record of
    the store, `StorageError`.
    """
    session.check_open()
    session_of(target)
    source, gate = session.base, session.gate
    with opened(target) as backend:
        if backend is source:
            reason = "it is the store itself: choose another place"
            raise BackupError("back up to", reason, source.location)
        return _Backup(source, backend, prune, lambda: gate.seals, progress).report()


class _ChangedError(Exception):
    """The source has changed since it was read."""


@dataclass(frozen=True, slots=True)
class _State:
    fingerprints: Fingerprints
    settings: Settings | None
    last: int
    """The highest number that the store has given out."""


def _state_of(view: Backend) -> _State:
    fingerprints = fingerprints_of(view)
    return _State(fingerprints, read_settings(view), last_number(view, fingerprints))


class _Backup:
    """One backup."""

    def __init__(
        self,
        source: Backend,
        target: Backend,
        prune: bool,
        seals: Callable[[], Seals | None],
        show: Show | None,
    ) -> None:
        self._source = source
        self._target = target
        self._prune = prune
        self._seals = seals
        self._show = show
        self._held: dict[str, Fingerprint] = {}  # the records of the target
        self._copied: dict[str, int] = {}  # sizes by name
        self._manifest: BackupManifest | None = None
        self._version: Version | Expect = ABSENT  # of the manifest

    def report(self) -> BackupReport:
        self._manifest, self._version = read_manifest(self._target)
        self._held = fingerprints_of(self._target)
        self._check_target()
        is_whole = self._manifest is not None and self._manifest.is_finished
        if not (is_whole and self._target.capabilities.atomic_batch):
            self._begin()
            self._fill()
        try:
            for _ in range(_ATTEMPTS):
                try:
                    return self._finish(self._one_state(lambda view, state: state))
                except _ChangedError:
                    continue
            return self._finish_held_back()
        except _ChangedError:
            reason = "it changes faster than it can be read: try again when it is less busy"
            raise BackupError("back up", reason, self._source.location) from None

    def _check_target(self) -> None:
        where = self._target.location
        if self._manifest is None and self._held:
            raise BackupError(
                "back up to",
                "expected a backup or an empty place, got records that do not belong to a backup and that "
                "it would replace: choose an empty place",
                where,
            )
        own, others = read_settings(self._source), read_settings(self._target)
        if own and others and own.identity and others.identity not in (None, own.identity):
            raise BackupError(
                "back up to",
                "it is the backup of another store, whose seals are bound to another identity: choose "
                "another place for this store",
                where,
            )

    # -- filling

    def _begin(self) -> None:
        time_ = self._manifest.time if self._manifest else None
        self._manifest = BackupManifest(is_finished=False, time=time_)
        with self._alone():
            versions = self._target.commit([self._manifest.put(self._version)])
        self._version = versions[NAME]

    def _fill(self) -> None:
        """Copy the records that differ, in whatever state each is when it is read."""
        fingerprints = fingerprints_of(self._source)
        progress = Progress(self._show, len(fingerprints))
        names = self._differing(fingerprints)
        done = len(fingerprints) - len(names)
        for batch in batches(names, fingerprints):
            found = [(name, data) for name, data, _ in self._source.get_many(batch)]
            self._target.commit([self._put(name, data) for name, data in found])
            self._count((name, fingerprint_of(data)) for name, data in found)
            done += len(batch)
            progress(done)

    def _put(self, name: str, data: bytes) -> Put:
        record = checked(name, data, path=self._source.where(name), seals=self._seals())
        return Put(name, (data,), about=about_of(record.metadata, {}))

    def _differing(self, fingerprints: Fingerprints) -> Sequence[str]:
        return [
            name
            for name, fingerprint in fingerprints.items()
            if self._held.get(name) != fingerprint
        ]

    def _count(self, written: Iterable[tuple[str, Fingerprint]]) -> None:
        for name, fingerprint in written:
            self._held[name] = fingerprint
            self._copied[name] = fingerprint.size

    # -- finishing

    def _one_state(self, read: Callable[[Backend, _State], T]) -> T:
        """Call `read` with one state of the source; raise `_ChangedError` if the source has changed."""

        def look(view: Backend) -> T:
            state = _state_of(view)
            self._require_gone(view, state)
            answer = read(view, state)
            # An engine may not promise one state; if nothing has changed since, it was one all the same.
            if (
                not self._source.capabilities.snapshot_reads
                and fingerprints_of(view) != state.fingerprints
            ):
                raise _ChangedError
            return answer

        return self._source.read_one_state(look)

    def _require_gone(self, view: Backend, state: _State) -> None:
        """Raise `RecordError` if a record of the backup is damaged in the source, and so not listed there."""
        unlisted = [name for name in self._held if name not in state.fingerprints]
        for name, end, size, _ in view.get_tails(unlisted, TAIL_SIZE):
            end_size(end, size, id=id_of(name), path=self._source.where(name))
            raise _ChangedError  # it was saved since the listing

    def _finish(self, state: _State) -> BackupReport:
        names = self._differing(state.fingerprints)
        puts = self._seen(self._source, names, state.fingerprints)
        return self._publish(state, names, puts, self._target)

    def _finish_held_back(self) -> BackupReport:
        overlay = Overlay(self._target)

        def read(view: Backend, state: _State) -> tuple[_State, Sequence[str]]:
            nonlocal overlay
            overlay.close()
            overlay = Overlay(self._target)  # the engine may call `read` again
            names = self._differing(state.fingerprints)
            for batch in batches(names, state.fingerprints):
                overlay.commit(self._seen(view, batch, state.fingerprints))
            return state, names

        try:
            state, names = self._one_state(read)
            return self._publish(state, names, (), overlay)
        finally:
            overlay.close()

    def _seen(
        self, view: Backend, names: Sequence[str], fingerprints: Fingerprints
    ) -> Iterator[Put]:
        """Yield puts of the records; raise `_ChangedError` if one no longer has its fingerprint."""
        for batch in batches(names, fingerprints):
            left = set(batch)
            for name, data, _ in view.get_many(batch):
                put = self._put(name, data)
                if fingerprint_of(data) != fingerprints[name]:
                    raise _ChangedError
                left.discard(name)
                yield put
            if left:
                raise _ChangedError

    def _publish(
        self, state: _State, names: Sequence[str], puts: Iterable[Put], target: Backend
    ) -> BackupReport:
        """Commit the last records with settings, counter and manifest, which finish the backup."""
        fingerprints = state.fingerprints
        gone = [name for name in self._held if name not in fingerprints]
        was_never_finished = self._manifest is None or self._manifest.time is None
        if not (self._prune or was_never_finished):
            # Records that were made and removed during this run were never in a finished backup.
            kept = [name for name in gone if name not in self._copied]
        else:
            kept = []
        doomed = sorted(set(gone).difference(kept))
        whole = {**fingerprints, **{name: self._held[name] for name in kept}}
        manifest = BackupManifest(True, time.time(), len(whole), set_digest(whole))
        progress = Progress(self._show, len(fingerprints))

        def all_puts() -> Iterator[Put]:
            done = len(fingerprints) - len(names)
            for put in puts:
                yield put
                done += 1
                progress(done)
            yield from self._about(state)
            yield manifest.put(self._version)

        with self._alone():
            target.commit(all_puts(), doomed)
            if isinstance(target, Overlay):
                target.publish()
        self._count((name, fingerprints[name]) for name in names)
        progress.end()
        copied = {name: size for name, size in self._copied.items() if name in fingerprints}
        return BackupReport(
            copied=len(copied),
            unchanged=len(fingerprints) - len(copied),
            pruned=sum(name not in self._copied for name in doomed),
            size=sum(copied.values()),
            kept=len(kept),
        )

    def _about(self, state: _State) -> Iterator[Put]:
        """Yield the puts of settings and counter."""
        if state.settings is not None:
            own = state.settings._replace(options=options_of(self._target))
            yield from put_of(self._target, own)
        yield from put_after(self._target, max(state.last, last_number(self._target, self._held)))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Raise `BackupError` if another process writes to the target."""
        try:
            yield
        except Conflict as conflict:
            reason = "another backup is at work there: try again when it has finished"
            raise BackupError("back up to", reason, self._target.location) from conflict
