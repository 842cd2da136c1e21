"""Copying records from one store to another, as bytes.

The ends of the records list their references, so the order is known before anything is written: a record
comes after those that it refers to, and a cycle is written at once.  Records are then read in batches,
checked by their digests, compared with those of the target, and committed.  The IDs and references of all
records are in memory.  The records themselves are not, except for one batch, or for one commit if the
backend holds commits in memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from brinery.backend import ABSENT, About, Conflict, Expect, Put, Version
from brinery.catalog.settings import read_settings, write_settings
from brinery.errors import (
    ConflictError,
    CopyConflictError,
    InvalidArgumentError,
    NotFoundError,
    RecordError,
    SealError,
)
from brinery.graph.reference_order import components
from brinery.ids import Id, id_of, name_of
from brinery.operations.report import Report, counted
from brinery.operations.reseal import Resealer
from brinery.operations.scan import Outline, Scan, stamp_of
from brinery.record.info import read_metadata
from brinery.record.record import about_of
from brinery.session.progress import Progress, Show
from brinery.session.session import OpenedStore, Session, required_session

MOST_RECORDS: Final = 1_000
"""Most records of a batch, except for a longer cycle."""
MOST_BYTES: Final = 16 << 20
"""Most bytes of records in memory at once, except for a single larger record."""
_ATTEMPTS: Final = 10


@dataclass(frozen=True, slots=True)
class DamagedRecord:
    """A record that was left out because it cannot be used, and the reason."""

    id: Id
    reason: str


@dataclass(frozen=True, slots=True)
class CopyReport(Report):
    """The result of a copy."""

    copied: int
    """Records that were written, including those overwritten."""
    skipped: int
    """Records that the target had already, byte for byte."""
    size: int
    """Bytes of the records that were written."""
    overwritten: int = 0
    """Records that replaced others in the target."""
    left_in_target: Sequence[Id] = ()
    """The IDs under which the target has another record, which was left there."""
    damaged: Sequence[DamagedRecord] = ()
    """Records of the source that were left out."""
    dangling: Sequence[Id] = ()
    """The IDs that records of the source refer to and that are missing in the source."""
    foreign: Sequence[str] = ()
    """Names in the source that are not records."""

    @property
    def is_whole(self) -> bool:
        """Return whether no record was damaged or missing."""
        return not (self.damaged or self.dangling)

    def headline(self) -> str:
        """Return how many records were copied, overwritten and skipped."""
        line = f"{counted(self.copied, 'record')} copied ({self.size:,} bytes)"
        if self.overwritten:
            line += f", {self.overwritten} of them over others"
        return line + (f", {self.skipped} were there already" if self.skipped else "")

    def details(self) -> Iterator[str]:
        """Yield a line for each record that was not copied."""
        yield from (f"{id_}: kept, the target has another record" for id_ in self.left_in_target)
        yield from (f"{found.id}: left out: {found.reason}" for found in self.damaged)
        yield from (f"{id_}: is referred to, but missing" for id_ in self.dangling)
        yield from (f"{name}: left out, not a record" for name in self.foreign)


def copy(
    source: OpenedStore,
    target: OpenedStore,
    ids: Iterable[str] | None = None,
    *,
    overwrite: bool = False,
    skip_existing: bool = False,
    keep_going: bool = False,
    progress: Show | None = None,
) -> CopyReport:
    """Copy all records of `source`, or `ids` and all that they reach, to `target`.

    Records are copied as bytes, checked by their digests; nothing is decoded.  IDs stay the same.  Records
    that the target has already are skipped, so that a copy can be repeated.  If the target has another
    record under an ID, raise `CopyConflictError` before anything is written; `overwrite` replaces that
    record, `skip_existing` keeps it.  `progress` is called with the number of records done and the number
    of all, at most ten times a second.

    If both stores were opened with keys, seals are checked with those of the source, and the copies are
    sealed again for the target.  Raise `SealError`, before anything is written, if the target would refuse
    the copies.

    If a record is damaged or missing, raise `RecordError` or `DanglingReferenceError`; the target then has
    the records copied so far, and all records that these refer to.  With `keep_going`, leave damaged and
    unsealed records out, and report them.  Raise `NotFoundError` if one of `ids` is missing, `StorageError`.
    """
    if overwrite and skip_existing:
        raise InvalidArgumentError("expected overwrite or skip_existing, got both: give only one")
    if isinstance(ids, str):
        raise InvalidArgumentError(f"ids: expected a list, got {ids!r:.60}")
    old, new = required_session("source", source), required_session("target", target)
    wanted = None if ids is None else list(ids)
    options = _CopyOptions(wanted, overwrite, skip_existing, keep_going)
    return _Copier(old.outside(), new.outside(), options).run(progress)


class _ChangedError(Exception):
    """A record of the source has changed since the copy was planned; `id` is its ID."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.id = id


class _Item(NamedTuple):
    id: str
    outline: Outline


class _Attempt:
    """The result of one attempt at a batch; it is added to the total once the batch is committed."""

    def __init__(self) -> None:
        self.copied: list[_Item] = []
        self.overwritten = 0
        self.skipped: list[str] = []
        self.differing: list[str] = []
        self.left: list[str] = []
        self.damaged: dict[str, RecordError | SealError] = {}


class _CopyOptions(NamedTuple):
    ids: Sequence[str] | None
    """None for all records."""
    overwrite: bool
    skip_existing: bool
    keep_going: bool


class _Copier:
    def __init__(self, source: Session, target: Session, options: _CopyOptions) -> None:
        self._source = source
        self._target = target
        self._options = options
        # Records that this run has written: by name a hash of the version, to see whether it is still there.
        self._own: dict[str, int] = {}
        self._size = self._overwritten = 0
        self._resealer = Resealer(source, target)

    def run(self, show: Show | None) -> CopyReport:
        """Copy; if the source changes during that, plan again with its present records."""
        changed = ""
        for _ in range(_ATTEMPTS):
            try:
                return self._copy(self._scan(), show)
            except _ChangedError as error:
                changed = error.id
        raise ConflictError([changed], self._source.backend.location)

    def _scan(self) -> Scan:
        scan = Scan(self._source.backend, self._resealer.seals_of_source())
        found = (
            scan.everything() if self._options.ids is None else scan.reachable(self._options.ids)
        )
        if not self._options.keep_going:
            for error in (*found.damaged.values(), *found.dangling()):
                raise error
        return found

    def _copy(self, scan: Scan, show: Show | None) -> CopyReport:
        total = _Attempt()
        total.damaged.update(scan.damaged)
        if scan.found:
            self._resealer.check()
        present = self._present(scan)
        differing = [id_ for id_, is_same in present.items() if not is_same]
        if differing and not (self._options.overwrite or self._options.skip_existing):
            raise CopyConflictError(differing, self._target.backend.location)
        if scan.found:
            self._prepare(scan)
        progress = Progress(show, len(scan.found))
        for batch in _batches(scan):
            self._commit(batch, present, total)
            progress(len(total.copied) + len(total.skipped) + len(total.left))
        progress.end()
        return self._report(scan, total)

    def _report(self, scan: Scan, total: _Attempt) -> CopyReport:
        return CopyReport(
            copied=len(self._own),
            skipped=sum(name_of(id_) not in self._own for id_ in total.skipped),
            size=self._size,
            overwritten=self._overwritten,
            left_in_target=tuple(sorted(map(Id, total.left))),
            damaged=tuple(
                DamagedRecord(Id(id_), str(error)) for id_, error in sorted(total.damaged.items())
            ),
            dangling=tuple(sorted(Id(str(error.id)) for error in scan.dangling())),
            foreign=tuple(sorted(scan.foreign)),
        )

    # -- before the first batch

    def _present(self, scan: Scan) -> dict[str, bool]:
        # Return the IDs that the target has, and whether their records seem to be the same.
        backend = self._target.backend
        names = set(backend.list()) if self._options.ids is None else None
        found = {}
        for id_, outline in scan.found.items():
            name = name_of(id_)
            if names is not None and name not in names:
                continue
            try:
                metadata, size = read_metadata(backend, name, id_)
                is_same = (stamp_of(metadata), size) == (outline.stamp, outline.size)
            except NotFoundError:
                continue
            except RecordError:
                is_same = False
            found[id_] = is_same or self._is_own(name, backend.get_tail(name, 0)[2])
        return found

    def _is_own(self, name: str, version: Version) -> bool:
        return self._own.get(name) == hash(version)

    def _prepare(self, scan: Scan) -> None:
        # Raise the counter before any record is written: after a killed copy, no number may be used twice.
        target, source = self._target, self._source
        numbers = (Id(id_).number or 0 for id_ in scan.found)
        target.sequence.reach(max(source.sequence.last(), *numbers))
        settings = read_settings(source.backend)
        if settings is not None:
            own = target.remembers
            settings = settings._replace(options=own)
            write_settings(target.backend, settings, overwrite=False)
        self._resealer.begin()

    # -- a batch

    def _commit(
        self, batch: Sequence[Sequence[_Item]], present: Collection[str], total: _Attempt
    ) -> None:
        conflict: Sequence[str] = ()
        for number in range(_ATTEMPTS):
            attempt = _Attempt()
            # After a conflict with another process, compare with all records that may be there by now.
            puts = self._puts(batch, present if not number else None, attempt)
            try:
                versions = self._target.commit(puts)
            except Conflict as error:
                conflict = error.names
                continue
            self._count(attempt, total)
            self._own.update((name, hash(version)) for name, version in versions.items())
            return
        ids = [id_of(name) or name for name in conflict]
        raise CopyConflictError(ids, self._target.backend.location)

    def _count(self, attempt: _Attempt, total: _Attempt) -> None:
        total.copied += attempt.copied
        total.skipped += attempt.skipped
        total.left += attempt.left
        total.damaged.update(attempt.damaged)
        self._overwritten += attempt.overwritten
        self._size += sum(item.outline.size for item in attempt.copied)

    def _puts(
        self,
        batch: Sequence[Sequence[_Item]],
        present: Collection[str] | None,
        attempt: _Attempt,
    ) -> Iterator[Put]:
        for piece in batch:
            names = [name_of(item.id) for item in piece]
            asked = [name_of(i.id) for i in piece if present is None or i.id in present]
            there = {
                name: (data, version)
                for name, data, version in self._target.backend.get_many(asked)
            }
            read = {name: data for name, data, _ in self._source.backend.get_many(names)}
            for item, name in zip(piece, names, strict=True):
                data = read.get(name)
                if data is None:
                    raise _ChangedError(item.id)  # removed
                fitting = self._fitting(item, name, data, attempt)
                if fitting is None:
                    continue
                data, about = fitting
                expect: Version | Expect | None = ABSENT
                if name in there:
                    expect = self._over(item.id, data, there[name], attempt)
                if expect is not None:
                    attempt.copied.append(item)
                    yield Put(name, (data,), expect, about)
            if attempt.differing:
                raise CopyConflictError(attempt.differing, self._target.backend.location)

    def _over(
        self, id_: str, data: bytes, present: tuple[bytes, Version], attempt: _Attempt
    ) -> Version | None:
        # Return the version to replace; None if the record of the target stays.
        held, version = present
        if held == data:
            attempt.skipped.append(id_)
        elif self._options.overwrite or self._is_own(name_of(id_), version):
            attempt.overwritten += 1
            return version
        elif self._options.skip_existing:
            attempt.left.append(id_)
        else:
            attempt.differing.append(id_)
        return None

    def _fitting(
        self, item: _Item, name: str, data: bytes, attempt: _Attempt
    ) -> tuple[bytes, About] | None:
        # Return the record as it is to be written to the target; None if it cannot be used.
        where = self._source.backend.where(name)
        try:
            metadata, fitting = self._resealer.resealed(data, item.id, where)
        except (RecordError, SealError) as error:
            if not self._options.keep_going:
                raise
            attempt.damaged[item.id] = error
            return None
        if stamp_of(metadata) != item.outline.stamp:
            raise _ChangedError(item.id)
        return fitting, about_of(metadata, {})


def _batches(scan: Scan) -> Iterator[list[list[_Item]]]:
    """Yield the batches to commit, each in the pieces in which it is read.

    Within a batch a record comes before those that it refers to, as in a save; see
    `brinery.backends.directory.commit`.
    """
    pending: list[_Item] = []
    size = 0
    for component in components({id_: outline.references for id_, outline in scan.found.items()}):
        items = [_Item(id_, scan.found[id_]) for id_ in component]
        weight = sum(item.outline.size for item in items)
        if pending and (len(pending) + len(items) > MOST_RECORDS or size + weight > MOST_BYTES):
            yield [pending[::-1]]
            pending, size = [], 0
        if len(items) > MOST_RECORDS or weight > MOST_BYTES:
            yield list(_pieces(items))
        else:
            pending += items
            size += weight
    if pending:
        yield [pending[::-1]]


def _pieces(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    piece: list[_Item] = []
    size = 0
    for item in items:
        if piece and (len(piece) == MOST_RECORDS or size + item.outline.size > MOST_BYTES):
            yield piece
            piece, size = [], 0
        piece.append(item)
        size += item.outline.size
    yield piece
