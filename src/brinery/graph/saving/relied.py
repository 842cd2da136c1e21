"""The records that a save relies on and does not write, because they are stored already."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from brinery.backend import Backend, Version
from brinery.catalog.trash import NAME as EPOCH
from brinery.catalog.trash import epoch_of
from brinery.graph.saving.work import Work
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
