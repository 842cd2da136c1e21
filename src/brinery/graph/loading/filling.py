"""Ghosts while a load fills them: whole objects afterwards, or ghosts as before."""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Mapping, Sequence

from brinery.errors import StaleReferenceError
from brinery.graph.ghost import empty
from brinery.graph.loading.ghosts import Ghosts
from brinery.reference import set_class
from brinery.session.entry import Ghost
from brinery.typing import Any, Final, Self

_make: Final = object.__new__


class Filling:
    """A context in which a load fills ghosts; their classes are set by `end`, after their states.

    A ghost whose entry is that of a ghost is filled from nothing the next time.  One with another entry has
    its whole state, and only its class is to be set.  So an interrupt may come at any time.
    """

    def __init__(self, ghosts: Ghosts, objects: Mapping[str, Any]) -> None:
        """Prepare to fill `objects`, by ID, which are among `ghosts`."""
        self._ghosts = ghosts
        self._objects = objects
        self._entries = [ghosts.identity.entry(obj) for obj in objects.values()]
        self._classes: dict[str, type] = {}
        self.keys: frozenset[int] = frozenset(map(id, objects.values()))
        """The `id()` of the ghosts, until this ends."""
        ghosts.fillings.add(self)  # as long as it lives

    def __enter__(self) -> Self:
        return self

    def make(self, id_: str, constructor: Callable[..., Any], args: Sequence[Any]) -> Any:
        """Return the ghost `id_`, without state, for the object that ``constructor(*args)`` makes.

        Raise `StaleReferenceError` if that object differs in more than its state.
        """
        is_new = constructor is _NEW and len(args) == 1
        if not is_new and not (constructor is _RECONSTRUCT and args[1:] == (object, None)):
            raise self._stale(id_, "has another class now, whose objects are made otherwise")
        return self.bare(id_, args[0])

    def bare(self, id_: str, cls: Any) -> Any:
        """Return the ghost `id_`, without state, for an object of a class.

        Raise `StaleReferenceError` if it cannot become one.
        """
        obj = self._objects[id_]
        kind = type(obj)
        found = self._ghosts.class_of(cls)
        if found is not kind:
            try:
                if found is None:
                    raise TypeError
                set_class(_make(kind), found)
            except TypeError:
                name = f"{cls.__module__}.{cls.__qualname__}"
                raise self._stale(id_, f"is a {name} now") from None
        self._classes[id_] = cls
        empty(obj)
        return obj

    def _stale(self, id_: str, reason: str) -> StaleReferenceError:
        entry = self._ghosts.identity.entry(self._objects[id_])
        referrer = entry.met.referrer if type(entry) is Ghost else id_
        return StaleReferenceError(id_, referrer, reason)

    def end(self) -> None:
        """Make whole objects of the ghosts, whose states are complete."""
        objects = self._objects
        for id_, cls in self._classes.items():
            set_class(objects[id_], cls)

    def __exit__(self, *_: object) -> None:
        self.keys = frozenset()
        ghosts = self._ghosts
        for obj, entry in zip(self._objects.values(), self._entries, strict=True):
            if ghosts.is_ghost_class(type(obj)) and type(entry) is Ghost:
                ghosts.identity.put_back(entry)


_NEW: Final = copyreg.__newobj__  # type: ignore[attr-defined]
_RECONSTRUCT: Final = copyreg._reconstructor  # type: ignore[attr-defined]
