"""The problems of records, and the report that lists them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from brinery.backend import Backend
from brinery.errors import (
    BrineryError,
    ForeignRecordError,
    MisplacedRecordError,
    RecordError,
    RecordVersionError,
    SealError,
    SettingsError,
    StorageError,
    TruncatedRecordError,
    TrustError,
)
from brinery.ids import Id, id_of
from brinery.operations.report import Report, by_status, counted

OK: Final = "ok"
CORRUPT: Final = "corrupt"
TRUNCATED: Final = "truncated"
ZERO_FILLED: Final = "zero-filled"
FOREIGN: Final = "foreign"
MISNAMED: Final = "misnamed"
NEWER: Final = "newer format"
UNREADABLE: Final = "unreadable"
DANGLING: Final = "dangling"
UNSEALED: Final = "unsealed"
MISINDEXED: Final = "misindexed"


@dataclass(frozen=True, slots=True)
class ExaminedRecord:
    """The problem of one record."""

    name: str
    """The name in the backend: the ID, escaped."""
    id: Id | None
    """None if the name is not that of an ID, as with the settings."""
    status: str
    """"corrupt", "truncated", "zero-filled", "foreign", "misnamed", "newer format", "unreadable",
    "unsealed", "dangling" or "misindexed"."""
    reason: str
    path: str
    """The file or URL."""
    missing: Sequence[Id] = ()
    """The IDs that it refers to and that are missing."""
    quarantined: str | None = None
    """The key in the `Quarantine`, if it was moved there."""
    is_rewritten: bool = False
    """Whether the columns and references of a "misindexed" record were written again."""

    def __str__(self) -> str:
        done = f"; moved to the quarantine: {self.quarantined}" if self.quarantined else ""
        done += "; written again" if self.is_rewritten else ""
        what = self.name if self.id is None else self.id
        return f"{what}: {self.status}: {self.reason}{done}"


@dataclass(frozen=True, slots=True)
class FsckReport(Report):
    """The result of `fsck`."""

    counts: Mapping[str, int]
    """The number of records of each status that occurs."""
    problems: Sequence[ExaminedRecord] = ()
    """All records that are not ok, sorted by ID."""
    unreferred: int = 0
    """The number of whole records that no other one refers to: roots, and records no longer needed."""
    orphans: Sequence[Id] = ()
    """The whole records that no root reaches, sorted; empty if no roots were given."""
    strays: Sequence[str] = field(default=(), repr=False)
    """Files among the records that do not count as records."""

    @property
    def is_clean(self) -> bool:
        """Return whether there are no problems; orphans and strays do not count as problems."""
        return not self.problems

    def headline(self) -> str:
        """Return how many records there are of each status, and how many stray files."""
        line = by_status(sum(self.counts.values()), self.counts)
        strays = len(self.strays)
        return line + (f"; {counted(strays, 'other file')} (strays)" if strays else "")

    def details(self) -> Iterator[str]:
        """Yield a line for each problem and each orphan."""
        yield from map(str, self.problems)
        yield from (f"{id_}: orphaned: no root reaches it" for id_ in self.orphans)


def problem_of(backend: Backend, name: str, error: BrineryError) -> ExaminedRecord:
    """Return the problem of the record `name` that an error describes."""
    id_ = id_of(name) if name[:1] != "." else None
    reason = error.reason if isinstance(error, (RecordError, TrustError)) else str(error)
    return ExaminedRecord(
        name, None if id_ is None else Id(id_), _status_of(error), reason, backend.where(name)
    )


def _status_of(error: BrineryError) -> str:
    if isinstance(error, TruncatedRecordError):
        return ZERO_FILLED if error.is_zero_filled else TRUNCATED
    if isinstance(error, SealError):
        return UNSEALED
    if isinstance(error, SettingsError) and error.is_newer:
        return NEWER
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            return status
    return CORRUPT


_STATUSES: Final[Mapping[type[BrineryError], str]] = {
    RecordVersionError: NEWER,
    MisplacedRecordError: MISNAMED,
    ForeignRecordError: FOREIGN,
    StorageError: UNREADABLE,
}
