"""What a store knows of living objects."""

from __future__ import annotations

from collections.abc import Sequence

from brinery.stores.handle import Handle
from brinery.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brinery.graph.saving.changes import Change


class LivingObjects(Handle):
    """The methods of a store that take an object, and read nothing of others."""

    def id_of(self, obj: Any) -> Any:
        """Return the ID of a living object in this store, None if it has none here.

        An object has the ID that it was saved under or loaded from last.  Numbers, strings, bytes and
        None have no ID: their identity means nothing.
        """
        self.check_open()
        return self._session.id_of(obj)

    def is_loaded(self, obj: Any) -> bool:
        """Return whether an object has its state, and does not read it when it is first used.

        That is so for all objects but those that a lazily loaded one refers to.
        """
        self.check_open()
        return not self._session.identity.is_ghost(obj)

    def changed(self, *objects: Any, deep: bool = True) -> Sequence[Change]:
        """Return what a save of `objects` would write: nothing is written.

        Each `Change` has the ID of the record (None for an object that has none yet), the object, and the
        names of the attributes that differ from those in the record.  `deep` is as for `save`.  Raise
        `EncodeError`.
        """
        from brinery.graph.saving.changes import changes

        return changes(self._session, objects, deep=deep)

    def refresh(self, obj: Any) -> None:
        """Give an object the state that its record has now; unsaved changes of it are lost.

        What it refers to is read when it is used.  Raise `InvalidArgumentError` for an object that has no
        ID in this store, is of before a rollback or `invalidate_cache`, or whose class allows no change of
        the whole state, and what `load` raises; the object has its former state then.
        """
        from brinery.graph.loading.refresh import refresh

        refresh(self._session, obj)
