"""Why a commit was refused: records that are there, gone, or of another version than the save expected."""

from __future__ import annotations

from collections.abc import Sequence

from brinery.backend import ABSENT, Backend, Missing
from brinery.errors import (
    BrineryError,
    ConflictError,
    ForeignRecordError,
    IdTakenError,
    MisplacedRecordError,
    NotFoundError,
)
from brinery.graph.saving.work import Work
from brinery.record.annotation import NO_ANNOTATION, annotation_in
from brinery.record.format import TAIL_SIZE, has_magic
from brinery.record.info import read_metadata
from brinery.session.entry import Entry
from brinery.session.identity import IdentityMap


class NumberTakenError(Exception):
    """IDs that the factory has just made are in the store already; `ids` are these."""

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(ids)
        self.ids = ids


class RecordsGoneError(NumberTakenError):
    """Records of this save were removed by another process, or written by a save inside this one."""


class CommitConflict:
    """A refused commit to `backend` of objects that `identity` knows; `has_inner` as in `Saver`."""

    def __init__(self, backend: Backend, identity: IdentityMap, *, has_inner: bool) -> None:
        self._backend = backend
        self._identity = identity
        self._has_inner = has_inner

    def error(self, found: Sequence[Work]) -> Exception:
        """Return the error for the objects whose records were not as expected."""
        if self._has_inner and any(map(self._is_from_inside, found)):
            return RecordsGoneError([work.id for work in found])
        location = self._backend.location
        for work in found:
            if work.chosen:
                return self._taken(work)
        known = [work for work in found if work.entry or work.is_demanded]
        gone = [
            work
            for work in known
            if work.entry and not work.is_demanded and self._was_collected(work, work.entry)
        ]
        stale = [work.id for work in known if work not in gone]
        if stale:
            return ConflictError(stale, location)
        if gone:
            return RecordsGoneError([work.id for work in gone])
        return NumberTakenError([work.id for work in found])

    def _taken(self, work: Work) -> Exception:
        try:
            read_metadata(self._backend, work.name, work.id)
        except MisplacedRecordError as other:
            return other  # to the file system the name of another ID is the same one
        except BrineryError:
            pass
        return IdTakenError(work.id, self._backend.location)

    def _is_from_inside(self, work: Work) -> bool:
        # Whether a save inside this one has written a record after this one had encoded the object.
        entry = self._identity.entry(work.obj)
        return (
            entry is not None
            and entry.id == work.id
            and not work.is_demanded
            and entry.version != work.expect
        )

    def _was_collected(self, work: Work, entry: Entry) -> bool:
        """Return whether a record is gone, or was put back unchanged under another version.

        A garbage collection that removes a record and then finds that it is needed puts it back.  The
        version that the next attempt has to expect is entered in `entry`.
        """
        try:
            version = self._backend.get_tail(work.name, 0)[2]
            metadata, _ = read_metadata(self._backend, work.name, work.id)
        except (Missing, NotFoundError):
            entry.version = ABSENT
            return True
        except BrineryError:
            return False
        former = entry.annotation or NO_ANNOTATION
        if metadata.raw_digest != entry.digest or not annotation_in(metadata.more).is_same(former):
            return False
        entry.version = version
        return True


def check_is_record(backend: Backend, work: Work) -> None:
    """Raise `ForeignRecordError` if `overwrite` would replace a file that does not end as a record does."""
    try:
        end, size, _ = backend.get_tail(work.name, TAIL_SIZE)
    except Missing:
        return
    if not has_magic(end):
        raise ForeignRecordError(
            f"({size} bytes) is damaged or not a record of brinery, and is not overwritten: "
            "remove it first",
            id=work.id,
            path=backend.where(work.name),
        )
