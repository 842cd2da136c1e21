"""Removing the records that no root reaches, while others save.

References are read from the ends of all records, in bulk; nothing is decoded.  Then:

1.  A record that neither the roots nor young records reach is garbage, in the version that was read.
2.  The ends are read again.  Records that were written since count as roots, too.
3.  Records that are still garbage, in the same version, are moved to the trash.
4.  The ends are read a third time.  Moved records that others refer to by now are put back.
5.  The trash is deleted.

A save that refers to a record without writing it may commit at any moment.  If it commits before step 4, that
step sees it.  If it commits later, the save itself finds that the epoch of the trash has changed since it
looked for the record; it looks again, and writes the record again if it is gone.  See
`brinery.catalog.trash`, and `Saver` for the other side.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from brinery.backend import Backend, Version
from brinery.catalog.trash import Removed, Trash
from brinery.errors import InvalidArgumentError, MisplacedRecordError, NotFoundError, RecordError
from brinery.graph.reference_order import components
from brinery.ids import Id, id_of, name_of
from brinery.operations.report import Report, counted
from brinery.record.end import end_size
from brinery.record.info import read_metadata
from brinery.record.reader import parse_metadata
from brinery.record.record import Metadata
from brinery.session.progress import Progress, Show

_END: Final = 4096  # bytes read at first: enough for the metadata of most records
_BATCH: Final = 500
_MOST_BYTES: Final = 16 << 20  # of the records moved at once


@dataclass(frozen=True, slots=True)
class GcReport(Report):
    """The result of a garbage collection."""

    records: int
    """The number of records that the store had."""
    garbage: Sequence[Id]
    """The IDs that no root reaches or, unless the run was dry, the IDs that were removed; sorted."""
    size: int
    """The size of these records in bytes."""
    dry_run: bool
    put_back: Sequence[Id] = ()
    """The IDs that a save began to refer to at the last moment, or that a killed run left in the trash."""

    def headline(self) -> str:
        """Return how many records were removed, or would be."""
        count = len(self.garbage)
        done = "would be" if self.dry_run else "was" if count == 1 else "were"
        line = f"{counted(self.records, 'record')}: {count} that no root reaches {done} removed"
        return line + (f", {len(self.put_back)} put back" if self.put_back else "")


class _Outline(NamedTuple):
    version: Version
    size: int
    created: float
    references: tuple[str, ...]
    """The names of the records that it refers to."""


_Outlines = Mapping[str, _Outline]


def collect(
    backend: Backend,
    roots: Iterable[str],
    *,
    dry_run: bool = True,
    older_than: float = 3600.0,
    progress: Show | None = None,
) -> GcReport:
    """Remove the records that none of the IDs `roots` reaches; a `dry_run` only reports them.

    Records written in the last `older_than` seconds are kept, with all records that they reach.  Raise
    `NotFoundError` for a root that is missing, `RecordError` if the references of a record cannot be
    read, `StorageError`.
    """
    wanted = list(dict.fromkeys(map(name_of, roots)))
    if not wanted:
        raise InvalidArgumentError(
            "roots: expected the IDs to keep, got none: name them, or call clear() to remove everything"
        )
    if not isinstance(older_than, (int, float)) or not older_than >= 0:
        raise InvalidArgumentError(
            f"older_than: expected a number of seconds, got {older_than!r:.40}"
        )
    run = _Collection(backend, wanted, time.time() - older_than, progress)
    return run.report(dry_run=dry_run)


class _Collection:
    """One garbage collection."""

    def __init__(
        self, backend: Backend, roots: Sequence[str], oldest: float, progress: Show | None
    ) -> None:
        self._backend = backend
        self._roots = roots
        self._oldest = oldest
        self._show = progress
        self._ids: dict[str, str] = {}  # by name, if the name does not contain the ID
        self._names: dict[str, str] = {}  # one string for each name, however many refer to it

    def report(self, *, dry_run: bool) -> GcReport:
        put_back: Sequence[str] = ()
        trash = None
        if not dry_run:
            trash = Trash(self._backend)
            put_back = self._finish(trash)
        seen = self._scanned({})
        for root in self._roots:
            if root not in seen:
                raise NotFoundError(id_of(root) or root, self._backend.location)
        garbage = seen.keys() - self._live(seen, self._roots)
        if trash is not None and garbage:
            removed, again = self._remove(trash, seen, garbage)
            garbage, put_back = removed - set(again), [*put_back, *again]
        return GcReport(
            records=len(seen),
            garbage=self._sorted(garbage),
            size=sum(seen[name].size for name in garbage),
            dry_run=dry_run,
            put_back=self._sorted(put_back),
        )

    def _sorted(self, names: Iterable[str]) -> Sequence[Id]:
        ids = (self._ids.get(name, id_of(name)) for name in names)
        return tuple(sorted((Id(id_) for id_ in ids if id_ is not None), key=Id.sort_key))

    # -- the phases

    def _finish(self, trash: Trash) -> Sequence[str]:
        """Finish a run that was killed: put back records that others refer to, and delete the rest."""
        if not trash.boxes():
            return ()
        trash.next_epoch()  # if that run is still alive, this makes it give up
        seen = dict(self._scanned({}))
        present = list(seen)
        for name, data in trash.records():
            seen.setdefault(name, self._outline(name, data, len(data), None))
        back = trash.put_back(self._live(seen, present).difference(present))
        trash.clear()
        return back

    def _remove(
        self, trash: Trash, first: _Outlines, garbage: Collection[str]
    ) -> tuple[set[str], Sequence[str]]:
        """Remove garbage; return the names that were moved, and those that were put back."""
        second = self._scanned(first)
        kept = self._live(second, [*self._roots, *_written_since(first, second)])
        moved: dict[str, _Outline] = {}
        doomed = [name for name in garbage if name not in kept and second.get(name) == first[name]]
        # Move a record before the records that it refers to: then no reference dangles between two
        # batches, nor after a run was killed there.  (Only a cycle longer than a batch is torn apart.)
        graph = {name: first[name].references for name in doomed}
        ordered = [name for found in components(graph) for name in found][::-1]
        for records in self._read(ordered, first):
            moved.update((name, first[name]) for name in trash.move(records))
        if not moved:
            return set(), ()
        trash.next_epoch()
        third = self._scanned(second)
        kept = self._live({**moved, **third}, [*self._roots, *_written_since(first, third)])
        back = trash.put_back(kept & moved.keys())
        trash.clear()
        # A record that a save has written again is not put back, and does not count as removed.
        return {name for name in moved if name not in kept or name in back}, back

    def _read(self, names: Sequence[str], seen: _Outlines) -> Iterator[list[Removed]]:
        """Yield the records in batches, without those that have changed."""
        batch: list[Removed] = []
        size = 0
        for chunk in _chunks(names):
            for name, data, version in self._backend.get_many(chunk):
                if version != seen[name].version:
                    continue
                if batch and (len(batch) == _BATCH or size + len(data) > _MOST_BYTES):
                    yield batch
                    batch, size = [], 0
                batch.append(Removed(name, data, version))
                size += len(data)
        if batch:
            yield batch

    # -- reading

    def _scanned(self, known: _Outlines) -> _Outlines:
        """Return the outlines of all records; those of `known` are parsed only if they have changed."""
        names = list(self._backend.list())
        progress = Progress(self._show, len(names))
        found: dict[str, _Outline] = {}
        # A record that others refer to and that was not listed is new, or looks like a stray file.
        while names:
            following: dict[str, None] = {}
            for chunk in _chunks(names):
                for name, end, size, version in self._backend.get_tails(chunk, _END):
                    outline = known.get(name)
                    if outline is None or outline.version != version:
                        try:
                            outline = self._outline(name, end, size, version)
                        except NotFoundError:  # removed since
                            continue
                    found[name] = outline
                    following.update(dict.fromkeys(outline.references))
                progress(len(found))
            asked = set(names)
            names = [name for name in following if name not in found and name not in asked]
        progress.end()
        return found

    def _outline(self, name: str, end: bytes, size: int, version: Version) -> _Outline:
        try:
            metadata = self._metadata(name, end, size)
        except RecordError:
            # Read it again: it may have been replaced since, and if not, the error names its path.
            metadata, size = read_metadata(self._backend, name, id_of(name))
        if id_of(name) is None:
            if name_of(metadata.id) != name:
                raise MisplacedRecordError(metadata.id, id=name, path=self._backend.where(name))
            self._ids[name] = metadata.id
        references = tuple(
            self._names.setdefault(each, each) for each in map(name_of, metadata.references)
        )
        return _Outline(version, size, metadata.created, references)

    def _metadata(self, name: str, end: bytes, size: int) -> Metadata:
        id_ = id_of(name)
        if end_size(end, size, id=id_, path=None) > len(end):
            return read_metadata(self._backend, name, id_)[0]
        return parse_metadata(end, size, id=id_)

    def _live(self, seen: _Outlines, roots: Iterable[str]) -> set[str]:
        """Return the names that `roots` and young records reach, including these."""
        pending = [name for name, outline in seen.items() if outline.created > self._oldest]
        pending += roots
        live = set(pending)
        while pending:
            outline = seen.get(pending.pop())
            for name in outline.references if outline is not None else ():
                if name not in live:
                    live.add(name)
                    pending.append(name)
        return live


def _written_since(first: _Outlines, later: _Outlines) -> Iterator[str]:
    for name, outline in later.items():
        if name not in first or first[name].version != outline.version:
            yield name


def _chunks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _BATCH):
        yield names[start : start + _BATCH]
