"""References of a save to objects that were not read: their records must be stored."""

from __future__ import annotations

from brinery.backend import Backend
from brinery.errors import DanglingReferenceError
from brinery.graph.saving.work import Work, WorkList
from brinery.session.entry import Ghost


def check_references(works: WorkList, backend: Backend) -> None:
    """Raise `DanglingReferenceError` if a new reference leads to a ghost whose record is gone.

    A reference that was stored before is not looked at.
    """
    new = {work.name: work for work in works.ghosts if _is_new(work)}
    if not new:
        return
    found = {name for name, *_ in backend.get_tails([*new], 0)}
    for name, work in new.items():
        if name not in found:
            referrer = work if work.found_in is None else work.found_in
            raise DanglingReferenceError(work.id, referrer.id, backend.location)


def _is_new(work: Work) -> bool:
    # Whether the reference is another one than that from which the ghost was made.
    entry, referrer = work.entry, work.found_in
    return type(entry) is not Ghost or referrer is None or entry.met.referrer != referrer.id
