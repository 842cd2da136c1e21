"""References of a save to objects that it does not look at: their records must be stored."""

from __future__ import annotations

from contextlib import suppress

from brinery.backend import ABSENT, Backend
from brinery.errors import BrineryError, DanglingReferenceError
from brinery.graph.saving.work import Work, WorkList
from brinery.record.info import read_metadata
from brinery.session.entry import Ghost


def lost_references(works: WorkList, backend: Backend) -> list[Work]:
    """Return the works of objects that are referred to, have no record any more, and can be written again.

    Raise `DanglingReferenceError` for a ghost, whose state is gone with its record.  A reference that was
    stored before is not looked at.
    """
    new = _new_references(works.referred, backend)
    works.referred.clear()
    if not new:
        return []
    found = {name for name, *_ in backend.get_tails([work.name for work in new], 0)}
    lost = [work for work in new if work.name not in found]
    for work in lost:
        if type(work.entry) is Ghost:
            referrer = work if work.found_in is None else work.found_in
            raise DanglingReferenceError(work.id, referrer.id, backend.location)
        work.entry, work.expect = None, ABSENT
    return lost


def _new_references(referred: list[Work], backend: Backend) -> list[Work]:
    former: dict[Work, set[str]] = {}
    new = []
    for work in referred:
        entry, referrer = work.entry, work.found_in
        if referrer is None:
            new.append(work)
            continue
        if type(entry) is Ghost and entry.met.referrer == referrer.id:
            continue
        if referrer not in former:
            former[referrer] = set()
            if referrer.entry is not None:
                with suppress(BrineryError):
                    metadata, _ = read_metadata(backend, referrer.name, referrer.id)
                    former[referrer].update(metadata.references)
        if work.reference not in former[referrer]:
            new.append(work)
    return new
