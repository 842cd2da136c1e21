"""Restoring a backup: all of it is verified first, and then written in one commit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from brinery.backend import ABSENT, ANY, Backend, Conflict, Put
from brinery.backends.opening import opened, options_of
from brinery.catalog.sequence import put_after
from brinery.catalog.settings import Settings, put_of, read_settings
from brinery.errors import BackupError, RecordError, SealError
from brinery.operations.backup_manifest import BackupManifest, read_manifest
from brinery.operations.examination import checked
from brinery.operations.fingerprint import (
    Fingerprints,
    batches,
    fingerprint_of,
    fingerprints_of,
    last_number,
    set_digest,
)
from brinery.operations.report import Report, counted
from brinery.record.record import Record, about_of
from brinery.record.seal import Seals
from brinery.session.progress import Progress, Show
from brinery.session.session import session_of
from brinery.trust.gate import check_identity
from brinery.trust.policy import Trust


@dataclass(frozen=True, slots=True)
class RestoreReport(Report):
    """The result of a restore."""

    restored: int
    """Records that were written."""
    overwritten: int
    """Records among these that replaced others."""
    size: int
    """Bytes of the records that were written."""

    def headline(self) -> str:
        """Return how many records were restored."""
        line = f"{counted(self.restored, 'record')} restored ({self.size:,} bytes)"
        return line + (f", {self.overwritten} of them over others" if self.overwritten else "")


def restore(
    source: Any, target: Any, *, overwrite: bool = False, progress: Show | None = None
) -> RestoreReport:
    """Restore the backup `source` to the empty place `target`; both are URLs, paths or stores.

    Every byte is checked first.  Seals are checked, too, if `source` or `target` is a store that was opened
    with a key.  Then records, settings and counter are written in one commit; with the counter, no number is
    given out twice.  With `overwrite` the target may have records: those under the same IDs are replaced, the
    others stay.  `progress` is called with the number of records checked or written and twice the number
    of all, at most ten times a second.

    Raise a `RecordError` that names a damaged record, `SealError` for a record that is not sealed,
    `BackupError` if `source` is not a finished backup, has lost a record or has been changed, or if
    `target` cannot take it, `StorageError`; after an error nothing is restored.
    """
    origin, session = session_of(source), session_of(target)
    with opened(source) as backup, opened(target) as backend:
        seals = None if origin is None else origin.gate.seals
        restoring = _Restoring(backup, backend, overwrite, seals, progress)
        if session is not None:
            restoring.check_for(session.gate.trust)
        report = restoring.report()
        if session is not None:
            session.sequence.reach(restoring.last)
            session.gate.adopt(restoring.identity)
            with session.lock, session.call_lock, session.opened():
                session.identity.forget_objects()
    return report


@dataclass(frozen=True, slots=True)
class _Content:
    manifest: BackupManifest | None
    fingerprints: Fingerprints
    settings: Settings | None
    last: int


def _content(view: Backend) -> _Content:
    fingerprints = fingerprints_of(view)
    return _Content(
        read_manifest(view)[0], fingerprints, read_settings(view), last_number(view, fingerprints)
    )


class _Restoring:
    def __init__(
        self,
        backup: Backend,
        target: Backend,
        overwrite: bool,
        seals: Seals | None,
        show: Show | None,
    ) -> None:
        self._backup = backup
        self._target = target
        self._overwrite = overwrite
        self._seals = seals
        self._content = backup.read_one_state(_content)
        self._progress = Progress(show, 2 * len(self._content.fingerprints))
        self._done = 0
        self.last = max(self._content.last, last_number(target, target.list()))
        """The highest number that either place has given out."""
        self.identity = self._content.settings.identity if self._content.settings else None

    def check_for(self, trust: Trust) -> None:
        """Check seals with the keys in `trust` of the target, unless the backup was opened with keys."""
        check_identity(trust, self.identity, self._backup.location)
        if not trust.secrets or self._seals is not None:
            return
        if self.identity is None:
            raise SealError(
                "expected sealed records, because the target was opened with a key; nothing in this backup "
                "is sealed. If you know where its records are from, restore it to a store opened without a "
                "key, and seal them there with reseal(unsealed=True)",
                path=self._backup.location,
            )
        self._seals = Seals(trust.secrets, bytes.fromhex(self.identity))

    def report(self) -> RestoreReport:
        self._check_manifest()
        present = set(self._target.list())
        self._check_target(present)
        self._verify()
        fingerprints = self._content.fingerprints
        try:
            self._target.commit(self._puts(present))
        except Conflict as conflict:
            reason = "another process writes to it. Restore to a place that nobody uses"
            raise BackupError("restore to", reason, self._target.location) from conflict
        self._progress.end()
        size = sum(fingerprint.size for fingerprint in fingerprints.values())
        return RestoreReport(len(fingerprints), len(present & fingerprints.keys()), size)

    def _check_manifest(self) -> None:
        manifest = self._content.manifest
        if manifest is None:
            reason = "it is not a backup. brinery.copy takes records from any store"
        elif not manifest.is_finished:
            reason = "it is not finished. Run the backup again; brinery.copy takes its records"
        else:
            return
        raise BackupError("restore", reason, self._backup.location)

    def _check_target(self, present: set[str]) -> None:
        where = self._target.location
        if read_manifest(self._target)[0] is not None:
            raise BackupError("restore to", "it is a backup. Choose another place", where)
        if present and not self._overwrite:
            raise BackupError(
                "restore to",
                "it is not empty. Choose an empty place, or restore with overwrite=True (--overwrite) to "
                "replace the records that have the same IDs",
                where,
            )
        own = read_settings(self._target)
        if present and own is not None and own.identity not in (None, self.identity):
            raise BackupError(
                "restore to",
                "its records are sealed as those of another store. Choose an empty place",
                where,
            )

    def _verify(self) -> None:
        damaged: dict[str, RecordError] = {}
        for name, data in self._read():
            try:
                self._check(name, data)
            except RecordError as error:
                damaged[name] = error
        if damaged:
            first = damaged[min(damaged)]
            others = f" So are {len(damaged) - 1} others." if len(damaged) > 1 else ""
            advice = f"{first}.{others} Nothing was restored; brinery fsck lists the damage"
            first.args = (advice, *first.args[1:])
            raise first
        manifest = self._content.manifest
        if manifest is not None and manifest.digest != set_digest(self._content.fingerprints):
            raise BackupError(
                "restore",
                f"expected the {manifest.records} records that it had when it was finished, got "
                f"{len(self._content.fingerprints)}, or other ones: some were lost or changed since. Run the "
                "backup again; brinery.copy takes its records",
                self._backup.location,
            )

    def _check(self, name: str, data: bytes) -> Record:
        return checked(name, data, path=self._backup.where(name), seals=self._seals)

    def _read(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of all records of the backup; raise `BackupError` if one has changed."""
        fingerprints = self._content.fingerprints
        for batch in batches(fingerprints, fingerprints):
            left = set(batch)
            for name, data, _ in self._backup.get_many(batch):
                if fingerprint_of(data) == fingerprints[name]:
                    left.discard(name)
                yield name, data
                self._done += 1
                self._progress(self._done)
            if left:
                reason = "it is being changed. Try again when nobody writes to it"
                raise BackupError("restore", reason, self._backup.location)

    def _puts(self, present: set[str]) -> Iterator[Put]:
        expect = ANY if self._overwrite else ABSENT
        for name, data in self._read():
            yield Put(name, (data,), expect, about_of(self._check(name, data).metadata, {}))
        yield from self._about()

    def _about(self) -> Sequence[Put]:
        settings = self._content.settings
        puts = list(put_after(self._target, self.last))
        if settings is not None:
            own = settings._replace(options=options_of(self._target))
            puts += put_of(self._target, own)
        return puts
