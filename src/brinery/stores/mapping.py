"""A store as a mapping from IDs to objects."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, ItemsView, Iterable, Iterator, MutableMapping, ValuesView

from brinery.errors import InvalidArgumentError, NotFoundError
from brinery.ids import name_of
from brinery.stores.arguments import required_id, several
from brinery.stores.living import LivingObjects
from brinery.typing import Any, Final

_REQUIRED: Final = object()


class StoreMapping(LivingObjects, MutableMapping[str, Any]):
    """The methods of a mapping; of several processes that take one object, one gets it."""

    @abstractmethod
    def load(self, id: str, *, missing: str = "error") -> Any:
        """Return the object `id`."""

    @abstractmethod
    def list(self, cls: type | str | None = None, *, prefix: str | None = None) -> list[str]:
        """Return the IDs of all objects."""

    @abstractmethod
    def replace(self, id: str, obj: Any) -> Any:
        """Save an object under an ID, whatever is there."""

    @abstractmethod
    def remove(self, id: str) -> None:
        """Delete the record `id`."""

    def __getitem__(self, id: str) -> Any:
        return self.load(id)

    def __setitem__(self, id: str, obj: Any) -> None:
        self.replace(id, obj)

    def __delitem__(self, id: str) -> None:
        self.remove(id)

    def __contains__(self, id: object) -> bool:
        if not isinstance(id, str):
            return False
        with self._session.lock, self._session.call_lock, self._session.opened():
            return self._session.backend.has(name_of(id))

    def __iter__(self) -> Iterator[str]:
        from brinery.operations.scan import ids_one_by_one

        return ids_one_by_one(self._session)

    def __len__(self) -> int:
        with self._session.lock, self._session.call_lock, self._session.opened():
            return self._session.backend.count_names()

    def remove_many(self, ids: Iterable[str]) -> None:
        """Delete several records in one commit.

        Raise `NotFoundError` for one that is not there; then none is deleted.
        """
        from brinery.graph.claim import remove

        remove(self._session, [required_id(id_) for id_ in several("ids", ids)])

    def iterate(
        self,
        ids: Iterable[str] | None = None,
        *,
        prefix: str | None = None,
        cls: type | str | None = None,
        lazy: bool | None = None,
        progress: Callable[[int, int], Any] | None = None,
    ) -> Iterator[tuple[str, Any]]:
        """Yield pairs of ID and object: those of `ids`, or all, in the order of IDs.

        `prefix` and `cls` choose as `list` does, and `lazy` is as for `load`.  Records are read a few hundred
        at a time, and no object is kept once the next one is asked for.  Objects that are removed meanwhile
        are left out.  `progress` is called with the number of objects done and the number of all, at most ten
        times a second.  Raise what `load` raises.
        """
        from brinery.graph.loading.iterate import iterate
        from brinery.session.progress import Progress

        if ids is not None and (prefix is not None or cls is not None):
            raise InvalidArgumentError("iterate: expected ids, or prefix and cls, got both")
        wanted = self.list(cls, prefix=prefix) if ids is None else several("ids", ids)
        session = self._session
        is_lazy = session.is_lazy if lazy is None else lazy
        names = [*map(required_id, wanted)]
        shown = Progress(progress, len(names))
        return iterate(session, names, shown, lazy=is_lazy)

    def items(self) -> ItemsView[str, Any]:
        """Return a view of the pairs of ID and object, which are loaded as `iterate` does."""
        return _Items(self)

    def values(self) -> ValuesView[Any]:
        """Return a view of the objects, which are loaded as `iterate` does."""
        return _Values(self)

    def setdefault(self, id: str, default: Any = None) -> Any:
        """Return the object `id`; where there is none, save `default` under the ID, and return that."""
        from brinery.graph.claim import set_default

        return set_default(self._session, required_id(id), default)

    def pop(self, id: str, default: Any = _REQUIRED) -> Any:
        """Remove the object `id` and return it; of several processes that do, one gets the object.

        Where there is none, return `default`, or raise `NotFoundError`.
        """
        from brinery.graph.claim import take

        try:
            return take(self._session, required_id(id))
        except NotFoundError as error:
            if default is _REQUIRED or error.id != id:
                raise
            return default

    def popitem(self) -> tuple[str, Any]:
        """Remove some object; return its ID and the object.  Raise `KeyError` if there is none."""
        from brinery.graph.claim import take_any

        return take_any(self._session)

    def clear(self) -> None:
        """Remove all objects in one commit; none is loaded.

        Raise `RecordError`, with nothing removed, for a damaged record under an ID of your own choosing: its
        file may also be that of another program.  `remove` removes it.
        """
        from brinery.operations.scan import require_records

        with self._session.lock, self._session.call_lock, self._session.opened():
            require_records(self._session.backend)
            self._session.commit((), list(self._session.backend.list()))
            self._session.identity.clear()

    # A store equals only itself: comparing contents would load everything.
    __eq__ = object.__eq__
    __hash__ = object.__hash__


class _Items(ItemsView[str, Any]):
    _mapping: StoreMapping

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return self._mapping.iterate()


class _Values(ValuesView[Any]):
    _mapping: StoreMapping

    def __iter__(self) -> Iterator[Any]:
        return (obj for _, obj in self._mapping.iterate())
