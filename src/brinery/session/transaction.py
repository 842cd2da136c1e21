"""One transaction of a store: writes that are held back, and what is known of living objects.

A transaction inside another is the same thing over the overlay of the outer one, and so a savepoint of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

from brinery.backend import ABSENT, Backend, Conflict, Missing, Version
from brinery.backends.overlay import Overlay
from brinery.catalog.trash import epoch_of
from brinery.errors import BrineryError, ConflictError, NotFoundError, TransactionError
from brinery.ids import id_of, name_of
from brinery.record.info import read_metadata
from brinery.session.identity import NOTHING, IdentityMap

# Looking at one record takes some 20 µs.  Past this many, all living objects are read anew instead.
_MOST_RECORDS: Final = 10_000


class Transaction:
    """What was written over `base` since the transaction began, until `commit` or `roll_back`."""

    def __init__(self, base: Backend, identity: IdentityMap) -> None:
        self._base = base
        self._identity = identity
        self._pid = os.getpid()
        self._is_over = False
        self._pinned: dict[str, Any] = {}
        self._epoch: Version | None = None
        self.overlay = Overlay(base)
        identity.begin_transaction()

    def commit(self) -> None:
        """Make all writes in one commit.

        Raise `ConflictError`, `StorageError`; then all is rolled back.
        """
        self._require_open()
        try:
            versions = self.overlay.publish()
        except Conflict as conflict:
            ids = [self._id_of(name) for name in conflict.names]
            self.roll_back()
            raise ConflictError(ids, self._base.location) from conflict
        except BaseException:
            # An interrupt or a failed sync may come when all is visible already.
            with suppress(BrineryError):
                if self.overlay.is_published():
                    self._settle(self.overlay.versions_below())
            self.roll_back()
            raise
        self._settle(versions)

    def pin(self, id: str, obj: Any) -> None:
        """Note that the object `id` is not written because its record stands."""
        if not self._pinned:
            self._epoch = epoch_of(self._base)
        self._pinned[id] = obj

    def collected(self) -> Mapping[str, Any]:
        """Return, after the commit, the objects that were relied on and that have no record any more.

        A garbage collection removed them: it could not know of what the transaction held back.
        """
        if not self._pinned or epoch_of(self._base) == self._epoch:
            return {}
        return {id_: obj for id_, obj in self._pinned.items() if not self._is_stored(name_of(id_))}

    def _is_stored(self, name: str) -> bool:
        try:
            self._base.get_tail(name, 0)
        except Missing:
            return False
        return True

    def roll_back(self) -> None:
        """Forget all writes, and what they changed in the identity map; a second call does nothing."""
        if self._is_over:
            return
        self._is_over = True
        lent = self._identity.roll_back(self.overlay.is_own)
        # The user's code may have changed these, and what it reached from them.
        forget_reached(lent, self._base, self._identity)

    def abandon(self) -> None:
        """Roll back in a forked child, where nothing can be read yet."""
        if not self._is_over:
            self._is_over = True
            self._identity.roll_back(self.overlay.is_own)
            self._identity.forget_objects()

    def _require_open(self) -> None:
        if self._pid != os.getpid():
            raise TransactionError(
                "belongs to the process that began it, not to a child that was forked inside: nothing of it "
                "was written here. Fork before the transaction, or end the child inside the block",
                self._base.location,
            )
        if self._is_over:
            raise TransactionError(
                "was ended before its block, by close() or in another order than it was begun: nothing of "
                "it was written. End transactions in reverse order, and before close()",
                self._base.location,
            )

    def _settle(self, versions: Mapping[str, Version]) -> None:
        self._is_over = True

        def committed_version(id_: str, version: Any) -> Any:
            if not self.overlay.is_own(version):
                return version
            name = name_of(id_)
            if self.overlay.is_current(name, version):
                return versions[name]
            # Of an object whose record was written again, as another object.  No record is made by
            # saving it unless there is none.
            return ABSENT

        self._identity.commit(committed_version)

    def close(self) -> None:
        """Drop the bytes, and let go of objects."""
        self._pinned = {}
        self.overlay.close()

    def _id_of(self, name: str) -> str:
        found = id_of(name)
        # Only the record knows an ID that is too long to be a name.
        return read_metadata(self.overlay, name)[0].id if found is None else found


def forget_reached(ids: Iterable[str], backend: Backend, identity: IdentityMap) -> None:
    """Make later loads read anew the objects `ids`, and all that their records reach.

    To forget only some objects of a graph would let the next load join new objects to old ones, which in turn
    refer to what was forgotten.  Where the graph cannot be read, or is large, all objects are forgotten.
    """
    reached = None
    with suppress(BrineryError):
        reached = _reached(ids, backend, identity)
    if reached is None:
        identity.forget_objects()
        return
    for id_ in reached:
        identity.forget(id_)


def _reached(ids: Iterable[str], backend: Backend, identity: IdentityMap) -> set[str] | None:
    found = set(ids)
    pending = list(found)
    while pending:
        id_ = pending.pop()
        try:
            metadata, _ = read_metadata(backend, name_of(id_), id_)
        except NotFoundError:
            continue
        for reference in metadata.references:
            # What is reached through living objects only is alive itself.
            if reference not in found and identity.get(reference) is not NOTHING:
                found.add(reference)
                pending.append(reference)
        if len(found) > _MOST_RECORDS:
            return None
    return found
