"""One run of fsck: every record read whole, its digests checked, and its references followed.

The references are taken from the metadata.  No payload is decoded, and no class is imported.  Only the name
of a good record is kept, so that each takes some 100 bytes of memory.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from brinery.backend import Backend, Conflict, Derived, Missing, Put, Version
from brinery.catalog.quarantine import Quarantine
from brinery.catalog.settings import NAME as SETTINGS
from brinery.catalog.settings import read_settings
from brinery.errors import (
    MisplacedRecordError,
    NotFoundError,
    RecordError,
    SealError,
    SettingsError,
    StorageError,
    refusal_of,
)
from brinery.ids import Id, id_of, name_of
from brinery.operations.status import (
    CORRUPT,
    DANGLING,
    FOREIGN,
    MISINDEXED,
    MISNAMED,
    OK,
    TRUNCATED,
    ZERO_FILLED,
    ExaminedRecord,
    FsckReport,
    problem_of,
)
from brinery.record.reader import parse, parse_metadata
from brinery.record.record import Record, about_of
from brinery.record.seal import Seals
from brinery.session.progress import Progress, Show

_MOVED: Final = frozenset({CORRUPT, TRUNCATED, ZERO_FILLED, FOREIGN, MISNAMED})
_BATCH: Final = 500


def checked(
    name: str,
    data: bytes,
    version: Version = None,
    *,
    path: str | None = None,
    seals: Seals | None = None,
) -> Record:
    """Return the record under `name`; raise `RecordError` if it is damaged or belongs to another name.

    With `seals`, raise `SealError` if none of their keys has sealed it.
    """
    id_ = id_of(name)
    try:
        record = parse(data, version, id=id_, path=path, seals=seals)
    except SealError as error:
        if error.id is not None:
            raise
        # The ID of a record whose seal is wrong is not read: the name has to do.
        raise refusal_of(error, name, None, path) from error
    if id_ is None and name_of(record.metadata.id) != name:
        raise MisplacedRecordError(record.metadata.id, id=name, path=path)
    return record


def read_each(
    backend: Backend, names: Sequence[str]
) -> Iterator[tuple[str, bytes | StorageError | RecordError, Version]]:
    """Yield name, bytes and version of those of `names` that exist; the error instead if reading fails.

    That is a `RecordError` if the end of a large record shows that reading the rest would be in vain.
    """
    pending = dict.fromkeys(names)
    try:
        for name, data, version in backend.get_many(names):
            del pending[name]
            yield name, data, version
    except (StorageError, RecordError):
        # A record that cannot be read ends the bulk read: read the rest one by one.
        for name in pending:
            try:
                yield name, *backend.get(name)
            except (StorageError, RecordError) as error:
                yield name, error, None
            except Missing:
                continue


class Examination:
    """One run over a store."""

    def __init__(
        self,
        backend: Backend,
        roots: Iterable[str] | None,
        progress: Show | None,
        seals: Seals | None = None,
    ) -> None:
        self._backend = backend
        self._roots = None if roots is None else list(dict.fromkeys(map(name_of, roots)))
        self._show = progress
        self._seals = seals
        self._names: set[str] = set()
        self._good: set[str] = set()
        self._problems: dict[str, ExaminedRecord] = {}
        self._referred: set[str] = set()
        self._graph: dict[str, tuple[str, ...]] = {}
        # Whole records, and the names that they refer to and that were not listed.
        self._suspects: dict[str, list[str]] = {}
        self._ids: dict[str, str] = {}  # by name, if the name does not contain the ID
        # Whole records that are still to be compared with what the engine keeps beside them.
        self._read: list[Derived] = []
        self._misindexed: dict[str, str] = {}  # by name, what is wrong
        self._is_index_wrong = False

    def report(self, *, repair: bool) -> FsckReport:
        """Examine everything, and repair if asked to."""
        self._examine_settings()
        names = list(self._backend.list())
        self._names.update(names)
        strays = [stray for stray in self._backend.strays() if not self._is_problem(stray)]
        progress = Progress(self._show, len(names))
        for start in range(0, len(names), _BATCH):
            for name, data, version in read_each(self._backend, names[start : start + _BATCH]):
                self._examine(name, data, version)
                progress(len(self._good) + len(self._problems))
            self._compare()
        self._follow_suspects()
        self._look_again()
        self._compare_again()
        progress.end()
        orphans = self._orphans()
        counts = Counter(problem.status for problem in self._problems.values())
        if self._good:
            counts = Counter({OK: len(self._good), **counts})
        if repair:
            self._repair()
        return FsckReport(
            counts=dict(counts),
            problems=tuple(sorted(self._problems.values(), key=_by_id)),
            unreferred=len(self._good - self._referred),
            orphans=orphans,
            strays=tuple(sorted(strays)),
        )

    def _examine_settings(self) -> None:
        try:
            read_settings(self._backend)
        except (SettingsError, StorageError) as error:
            self._problems[SETTINGS] = problem_of(self._backend, SETTINGS, error)

    def _is_problem(self, stray: str) -> bool:
        # For example a directory with the name of a record, where no new record could be stored.
        name = stray.rpartition("/")[2]
        if Id(id_of(name) or "").number is None:
            return False
        try:
            self._backend.get_tail(name, 0)
        except Missing:
            pass
        except StorageError as error:
            self._problems[name] = problem_of(self._backend, name, error)
            return True
        return False

    def _examine(
        self, name: str, data: bytes | StorageError | RecordError, version: Version
    ) -> None:
        if not isinstance(data, bytes):
            self._problems[name] = problem_of(self._backend, name, data)
            return
        try:
            metadata = self._checked(name, data, version).metadata
        except (RecordError, SealError) as error:
            self._problems[name] = problem_of(self._backend, name, error)
            try:
                # The records that it refers to are still needed.
                metadata = parse_metadata(data, len(data))
            except RecordError:
                return
        else:
            self._good.add(name)
            if self._backend.capabilities.keeps_columns:
                about = about_of(metadata, None)
                self._read.append(Derived(name, version, len(data), about))
            if id_of(name) is None:
                self._ids[name] = metadata.id
        references = [name_of(reference) for reference in metadata.references]
        self._referred.update(reference for reference in references if reference != name)
        if self._roots is not None:
            self._graph[name] = tuple(references)
        if name in self._good and not self._names.issuperset(references):
            self._suspects[name] = [
                reference
                for reference in metadata.references
                if name_of(reference) not in self._names
            ]

    def _checked(self, name: str, data: bytes, version: Version) -> Record:
        try:
            return checked(name, data, version, seals=self._seals)
        except SealError:
            checked(name, data)  # raises for damage first: a damaged record is moved, sealed or not
            raise

    def _follow_suspects(self) -> None:
        """Find the missing records; others were not listed because they are new, or look like strays."""
        while self._suspects:
            suspects, self._suspects = self._suspects, {}
            wanted = {name_of(each): each for found in suspects.values() for each in found}
            unknown = [name for name in wanted if name not in self._names]
            self._names.update(unknown)
            there = set()
            for name, data, version in read_each(self._backend, unknown):
                there.add(name)
                self._examine(name, data, version)
            self._names.difference_update(set(unknown) - there)
            for name, references in suspects.items():
                missing = [each for each in references if name_of(each) not in self._names]
                if missing:
                    self._report_missing(name, missing)

    def _report_missing(self, name: str, missing: Sequence[str]) -> None:
        self._good.discard(name)
        shown = ", ".join(map(repr, map(str, missing[:5])))
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        are, them = ("is", "it") if len(missing) == 1 else ("are", "them")
        self._problems[name] = ExaminedRecord(
            name,
            self._id_of(name),
            DANGLING,
            f"refers to {shown}{more}, which {are} missing. Restore {them} from a backup, or save this "
            f"object again without {them}",
            self._backend.where(name),
            missing=tuple(map(Id, missing)),
        )

    def _look_again(self) -> None:
        """Examine the problems once more: the records may have been replaced or removed since."""
        for name in list(self._problems):
            if name == SETTINGS:
                continue
            del self._problems[name]
            for _, data, version in read_each(self._backend, [name]):
                self._examine(name, data, version)
                missing = [each for each in self._suspects.pop(name, ()) if self._is_missing(each)]
                if missing:
                    self._report_missing(name, missing)

    def _is_missing(self, id: str) -> bool:
        try:
            self._backend.get_tail(name_of(id), 0)
        except Missing:
            return True
        except StorageError:
            pass
        return False

    # -- columns and references

    def _compare(self) -> None:
        read, self._read = self._read, []
        for start in range(0, len(read), _BATCH):
            self._misindexed.update(self._backend.differences(read[start : start + _BATCH]))

    def _compare_again(self) -> None:
        """Compare again what differs: it may have been written since."""
        self._compare()
        names = [*self._misindexed]
        self._misindexed = {}
        for name, data, version in read_each(self._backend, names):
            if isinstance(data, bytes) and (derived := self._derived(name, data, version)):
                self._read.append(derived)
        self._compare()
        for name, what in self._misindexed.items():
            if name not in self._problems:
                reason = f"its row has not what the record says: {what}"
                self._enter_misindexed(name, reason)
        for name in self._backend.misindexed():
            self._is_index_wrong = True
            if name not in self._problems:
                reason = "the index of references has not what its row says"
                self._enter_misindexed(name, reason)

    def _enter_misindexed(self, name: str, reason: str) -> None:
        self._good.discard(name)
        where = self._backend.where(name)
        self._problems[name] = ExaminedRecord(name, self._id_of(name), MISINDEXED, reason, where)

    def _derived(self, name: str, data: bytes, version: Version) -> Derived | None:
        try:
            about = about_of(checked(name, data).metadata, None)
        except RecordError:
            return None
        return Derived(name, version, len(data), about)

    def _write_again(self, name: str) -> None:
        for _, data, version in read_each(self._backend, [name]):
            if isinstance(data, bytes) and (derived := self._derived(name, data, version)):
                with suppress(Conflict):  # then it was written since
                    self._backend.commit([Put(name, (data,), version, derived.about)])

    def _orphans(self) -> Sequence[Id]:
        if self._roots is None:
            return ()
        for root in self._roots:
            if root not in self._names:
                raise NotFoundError(id_of(root) or root, self._backend.location)
        reached, pending = set(self._roots), list(self._roots)
        while pending:
            for name in self._graph.get(pending.pop(), ()):
                if name not in reached:
                    reached.add(name)
                    pending.append(name)
        whole = (name for name in self._graph if name in self._good and name not in reached)
        return tuple(sorted((self._id_of(name) for name in whole), key=Id.sort_key))

    def _id_of(self, name: str) -> Id:
        found = self._ids.get(name, id_of(name))
        return Id(name if found is None else found)

    def _repair(self) -> None:
        for name in self._misindexed:
            self._write_again(name)
        if self._is_index_wrong:
            self._backend.rebuild_index()
        for name, problem in self._problems.items():
            if problem.status == MISINDEXED:
                self._problems[name] = dataclasses.replace(problem, is_rewritten=True)
        quarantine = Quarantine(self._backend)
        for name, problem in self._problems.items():
            if problem.status not in _MOVED:
                continue
            for _, found, version in read_each(self._backend, [name]):
                data = found
                if isinstance(found, RecordError):
                    data, version = self._backend.get_as_is(name)
                if isinstance(data, bytes) and self._is_damaged(name, data):
                    moved = quarantine.move(name, data, version, problem.status, problem.reason)
                    key = moved.key if moved is not None else None
                    self._problems[name] = dataclasses.replace(problem, quarantined=key)

    def _is_damaged(self, name: str, data: bytes) -> bool:
        try:
            if name == SETTINGS:
                read_settings(self._backend)
            else:
                checked(name, data)
        except (RecordError, SettingsError):
            return True
        return False


def _by_id(problem: ExaminedRecord) -> Any:
    return Id.sort_key(Id(problem.name) if problem.id is None else problem.id)
