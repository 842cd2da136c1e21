"""One transaction of a store: its writes, which are held back, and its changes of the identity map.

An inner transaction writes over the overlay of the outer one, and so serves as a savepoint of it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress

from brinery.backend import ABSENT, Backend, Conflict, Missing, Version
from brinery.backends.overlay import Overlay
from brinery.catalog.trash import epoch_of
from brinery.errors import BrineryError, ConflictError, NotFoundError, TransactionError
from brinery.ids import id_of, name_of
from brinery.record.info import read_metadata
from brinery.session.identity import IdentityMap
from brinery.session.savepoint import Savepoint
from brinery.typing import Any, Final

# Reading the metadata of one record takes some 20 µs.  Past this many records, all objects are in doubt.
_MOST_RECORDS: Final = 10_000


class Transaction:
    """The writes over `base` since the transaction began, until `commit` or `roll_back`."""

    def __init__(self, base: Backend, identity: IdentityMap) -> None:
        self._base = base
        self._identity = identity
        self._pid = os.getpid()
        self._is_over = False
        self._pinned: dict[str, Any] = {}
        self._epoch: Version | None = None
        self._point = Savepoint()
        self.overlay = Overlay(base)

    def begin(self) -> None:
        """Note all changes of the identity map from now on."""
        self._identity.begin_transaction(self._point)

    def commit(self) -> None:
        """Make all writes in one commit.

        Raise `ConflictError`, `StorageError`; after an error all writes are rolled back.
        """
        self._require_open()
        try:
            versions = self.overlay.publish()
        except Conflict as conflict:
            ids = [self._id_of(name) for name in conflict.names]
            self.roll_back()
            raise ConflictError(ids, self._base.location) from conflict
        except BaseException:
            # An interrupt or a failed sync may come after the commit has become visible.
            with suppress(BrineryError):
                if self.overlay.is_published():
                    self._settle(self.overlay.versions_below())
            self.roll_back()
            raise
        self._settle(versions)

    def pin(self, id: str, obj: Any) -> None:
        """Note that the object `id` is not written because its record is stored already."""
        if not self._pinned:
            self._epoch = epoch_of(self._base)
        self._pinned[id] = obj

    def collected(self) -> Mapping[str, Any]:
        """Return, after the commit, the pinned objects whose records are gone.

        A garbage collection removed them: it could not know of the writes that the transaction held back.
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
        """Undo all writes, and their changes of the identity map; a second call does nothing."""
        if self._is_over:
            return
        self._is_over = True
        lent = self._identity.roll_back(self._point, self.overlay.is_own)
        # The user's code may have changed these objects, and those that it reached from them.
        self._identity.doubt(_reached(lent, self._base))

    def abandon(self) -> None:
        """Roll back in a forked child, which cannot read the store yet."""
        if not self._is_over:
            self._is_over = True
            self._identity.roll_back(self._point, self.overlay.is_own)
            self._identity.doubt(None)

    def _require_open(self) -> None:
        if self._pid != os.getpid():
            raise TransactionError(
                "belongs to the process that began it, not to a child forked inside the block: none of its "
                "writes were made here. Fork before the transaction, or end the child inside the block",
                self._base.location,
            )
        if self._is_over:
            raise TransactionError(
                "was ended before its block, by close() or in the wrong order: none of its writes were made. "
                "End inner transactions before outer ones, and all of them before close()",
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
            # The record was written again inside the transaction, for another object.  A later save of
            # this one may only make a new record.
            return ABSENT

        self._identity.commit(committed_version)

    def close(self) -> None:
        """Drop the bytes, and release the pinned objects."""
        self._pinned = {}
        self.overlay.close()

    def _id_of(self, name: str) -> str:
        found = id_of(name)
        if found is not None:
            return found
        # An ID that is too long to be a name is only in the record, which may be gone or damaged.
        for backend in (self.overlay, self._base):
            with suppress(BrineryError):
                return read_metadata(backend, name)[0].id
        return name


def _reached(ids: Collection[str], backend: Backend) -> set[str] | None:
    # The IDs, with all that their records reach; None if the records cannot be read, or are many.  A record
    # without a living object leads to others that may have one.
    found = set(ids)
    pending = list(found)
    with suppress(BrineryError):
        while pending and len(found) <= _MOST_RECORDS:
            id_ = pending.pop()
            try:
                metadata, _ = read_metadata(backend, name_of(id_), id_)
            except NotFoundError:
                continue
            new = [each for each in metadata.references if each not in found]
            found.update(new)
            pending += new
    return None if pending else found
