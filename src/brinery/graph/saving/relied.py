"""The records that a save relies on and does not write: they have to be stored at its end.

These are the records of objects that have not changed, and those of objects to which the save refers and at
which it does not look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from brinery.backend import ABSENT, PRESENT, Backend, Unchanged, Version
from brinery.catalog.trash import NAME as EPOCH
from brinery.catalog.trash import epoch_of
from brinery.errors import BrineryError, DanglingReferenceError
from brinery.graph.saving.work import Work, WorkList
from brinery.persistable import Ref
from brinery.record.info import read_metadata
from brinery.record.record import Groups, flat
from brinery.reference import touch
from brinery.session.entry import Ghost
from brinery.typing import Any


class ReliedOn:
    """The works of a save whose objects have not changed."""

    def __init__(self, backend: Backend, pin: Callable[[Any, Any], None] | None) -> None:
        """`pin` takes the ID and the object of each record that a transaction needs at its end, too."""
        self._backend = backend
        self._pin = pin
        self._noted: list[Work] = []
        self.found: list[Work] = []
        """Those whose records are there."""
        self.epoch: Version | None = None
        """That of the store before the records were looked for."""

    def note(self, work: Work) -> None:
        """Note that a record is stored already and not written."""
        if self._pin is not None:
            self._pin(work.id, work.obj)
        self._noted.append(work)

    @property
    def is_empty(self) -> bool:
        """Return whether all that was noted was looked for."""
        return not self._noted

    def gone(self) -> list[Work]:
        """Look for all noted records at once; return the works of those that are gone, marked as such."""
        # One by one would take a round trip for each.
        noted, self._noted = self._noted, []
        if not noted:
            return []
        names = [work.name for work in noted]
        if not self.found:
            names.insert(0, EPOCH)
        there = self._look_for(noted, names)
        if not self.found:
            self.epoch = there.get(EPOCH)
        self.found += [work for work in noted if not work.is_gone]
        return [work for work in noted if work.is_gone]

    def collected(self) -> list[Work] | None:
        """Return the works whose records were removed since; None if there was no garbage collection."""
        if not self.found or (epoch := epoch_of(self._backend)) == self.epoch:
            return None
        self.epoch = epoch
        self._look_for(self.found, [work.name for work in self.found])
        return [work for work in self.found if work.is_gone]

    def _look_for(self, works: Sequence[Work], names: Sequence[str]) -> dict[str, Version]:
        found = {name: version for name, _, _, version in self._backend.get_tails(names, 0)}
        for work in works:
            work.is_gone = work.name not in found
        return found


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
