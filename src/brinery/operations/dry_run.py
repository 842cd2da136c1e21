"""A dry run over a whole store: which records would load, be upgraded, or fail.

Each graph is loaded as `Store.load` would do, apart from the living objects of the store, and dropped.  The
result counts for every record of the graph, so that each record is decoded only once.  Records that refer to
a record that fails are not tried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from brinery.errors import (
    BrineryError,
    CodecNotInstalledError,
    MissingClassError,
    TransformNotInstalledError,
    TrustError,
    UnknownCodecError,
    UnknownTransformError,
)
from brinery.graph.loading.loader import Loader
from brinery.graph.loading.outcome import RENAMED, UPGRADED
from brinery.ids import Id, name_of
from brinery.operations.report import Report, by_status
from brinery.record.info import read_info
from brinery.record.listing import damage_of
from brinery.session.cache import Caches
from brinery.session.identity import IdentityMap
from brinery.session.progress import Progress, Show
from brinery.session.session import Session
from brinery.typing import Any, Final


@dataclass(frozen=True, slots=True)
class CheckedRecord:
    """The result of a dry run for one record."""

    id: Id
    status: str
    """"loads", "upgraded", "renamed", or "refused" (see `TrustError`), "missing class", "missing codec",
    "missing transform", "fails"."""
    reason: str = ""
    """Why it fails; empty if it loads."""

    @property
    def is_loadable(self) -> bool:
        """Return whether `load` would return the object."""
        return self.status in _LOADABLE


_LOADABLE: Final = frozenset({"loads", "upgraded", "renamed"})


@dataclass(frozen=True, slots=True)
class DryRunReport(Report):
    """The result of a dry run for a store: a `CheckedRecord` for each record, sorted by ID."""

    records: Sequence[CheckedRecord]

    @property
    def is_good(self) -> bool:
        """Return whether every record would load."""
        return all(checked.is_loadable for checked in self.records)

    @property
    def failures(self) -> Sequence[CheckedRecord]:
        """Return the records that would not load."""
        return tuple(checked for checked in self.records if not checked.is_loadable)

    @property
    def counts(self) -> Mapping[str, int]:
        """Return the number of records of each status that occurs."""
        return dict(Counter(checked.status for checked in self.records))

    def headline(self) -> str:
        """Return how many records there are of each status."""
        return by_status(len(self.records), self.counts)

    def details(self) -> Iterator[str]:
        """Yield a line for each record that would not load."""
        return (f"{checked.id}: {checked.status}: {checked.reason}" for checked in self.failures)


class Checker:
    """One dry run."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._found: dict[str, CheckedRecord] = {}
        self._referrers: dict[str, list[str]] = {}

    def check(self, ids: Sequence[str], show: Show | None) -> DryRunReport:
        """Return a report on the records `ids`."""
        progress = Progress(show, len(ids))
        for id_ in map(Id, ids):
            progress(len(self._found))
            while id_ not in self._found:
                self._try(id_)
        progress.end()
        return DryRunReport(tuple(self._found[id_] for id_ in ids))

    def _try(self, id_: Id) -> None:
        if (damage := damage_of(self._session.backend, id_)) is not None:
            self._enter(CheckedRecord(id_, "fails", str(damage)))
            return
        loader = Loader(self._session.beside(IdentityMap(), Caches()))
        try:
            loader.load([id_], keeps_fetched=True)
        except BrineryError as error:
            self._enter_failure(id_, error, loader)
        except Exception as error:  # noqa: BLE001 - one record must not end the run
            self._enter(CheckedRecord(id_, "fails", f"{type(error).__name__}: {error}"))
        else:
            for name in loader.fetched:
                self._enter(CheckedRecord(Id(name), _status(loader.evolved.get(name, ()))))

    def _enter_failure(self, id_: Id, error: BrineryError, loader: Loader) -> None:
        self._note_references(id_, loader)
        status = "fails"
        if isinstance(error, TrustError):
            status = "refused"
        elif isinstance(error, MissingClassError):
            status = "missing class"
        elif isinstance(error, (CodecNotInstalledError, UnknownCodecError)):
            status = "missing codec"
        elif isinstance(error, (TransformNotInstalledError, UnknownTransformError)):
            status = "missing transform"
        # The record that fails need not be the one that was loaded.
        culprit = Id(error.id) if error.id is not None else id_
        culprit = Id(getattr(error, "referrer", culprit))
        self._enter(CheckedRecord(culprit, status, str(error)))
        pending = [str(culprit)]
        while pending:
            failed = pending.pop()
            for referrer in self._referrers.get(failed, ()):
                if referrer not in self._found:
                    reason = f"it refers to {failed!r}, which fails"
                    self._enter(CheckedRecord(Id(referrer), "fails", reason))
                    pending.append(referrer)
        if id_ not in self._found:
            self._enter(
                CheckedRecord(id_, "fails", f"it needs {str(culprit)!r}, which fails: {error}")
            )

    def _note_references(self, id_: Id, loader: Loader) -> None:
        # If reading failed, the loader has no records: walk the metadata instead.
        references = {
            name: tuple(read.record.metadata.references) for name, read in loader.fetched.items()
        }
        pending = [] if references else [str(id_)]
        while pending:
            name = pending.pop()
            if name in references:
                continue
            try:
                info = read_info(self._session.backend, name_of(name), name)
                references[name] = tuple(map(str, info.references))
            except BrineryError:  # this record fails itself: now, or when its turn comes
                references[name] = ()
            pending += references[name]
        for name, targets in references.items():
            for target in targets:
                self._referrers.setdefault(target, []).append(name)

    def _enter(self, checked: CheckedRecord) -> None:
        self._found.setdefault(str(checked.id), checked)


def _status(met: Any) -> str:
    if UPGRADED in met:
        return "upgraded"
    return "renamed" if RENAMED in met else "loads"
