"""References of a save to objects that it does not look at: their records must be stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from brinery.backend import ABSENT, PRESENT, Backend, Unchanged
from brinery.errors import BrineryError, DanglingReferenceError
from brinery.graph.saving.work import Work, WorkList
from brinery.persistable import Ref
from brinery.record.info import read_metadata
from brinery.record.record import Groups, flat
from brinery.reference import touch
from brinery.session.entry import Ghost


class References:
    """The references from the records that a save writes to objects that it does not look at.

    These are ghosts and those of a `Ref`, whose state is nowhere but in their records, and the objects that
    have an ID where only the roots are saved.
    """

    __slots__ = ("_backend", "_demanded", "_written", "has_lost")

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._written: list[tuple[Work, Groups]] = []
        self.has_lost = False
        """Whether a record that is written again has fewer references."""
        self._demanded: dict[str, tuple[Work, Work]] = {}

    def note(self, work: Work, groups: Groups) -> None:
        """Note the references of a record that is written."""
        self._written.append((work, groups))

    def lost(self, works: WorkList) -> list[Work]:
        """Return those of the noted targets whose records are gone and can be written again.

        Raise `DanglingReferenceError` for the others.  Only references count that the former record of the
        referrer does not have, and those to objects that were removed here.
        """
        targets = {work.reference: work for work in works.referred}
        new: list[Work] = []
        for work, groups in self._written:
            met = [targets[id_] for id_ in flat(groups) if id_ in targets]
            former = frozenset(self._former(work) if met or works.graphs else ())
            self.has_lost = self.has_lost or not former.issubset(flat(groups))
            for target in met:
                if target.reference not in former or _is_removed(target):
                    new.append(target)
                    self._demanded[target.name] = work, target
        self._written.clear()
        if not new:
            return []
        found = {name for name, *_ in self._backend.get_tails([work.name for work in new], 0)}
        lost = [work for work in new if work.name not in found]
        for work in lost:
            if type(work.entry) is Ghost or type(work.obj) is Ref:
                raise self._dangling(work.name)
            touch(work.obj)
            work.entry, work.expect = None, ABSENT
            del self._demanded[work.name]
        return lost

    def _former(self, work: Work) -> tuple[str, ...]:
        if work.entry is not None:
            with suppress(BrineryError):
                return read_metadata(self._backend, work.name, work.id)[0].references
        return ()

    def demands(self) -> Iterator[Unchanged]:
        """Yield what the commit has to expect: that the records are there, until it is made."""
        for name in self._demanded:
            yield Unchanged(name, PRESENT)

    def check(self, names: list[str]) -> None:
        """Raise `DanglingReferenceError` if one of the names of a conflict is that of a target."""
        for name in names:
            if name in self._demanded:
                raise self._dangling(name)

    def _dangling(self, name: str) -> DanglingReferenceError:
        referrer, target = self._demanded[name]
        return DanglingReferenceError(target.id, referrer.id, self._backend.location)


def _is_removed(target: Work) -> bool:
    entry = target.entry
    return type(entry) is Ghost and entry.met.generation.get(entry.id) is not entry
