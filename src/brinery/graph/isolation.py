"""One record by itself: decoded without those that it refers to, and encoded without them.

The saver and the loader get an identity map in which the object at hand is not known, and every other one
is alive.  A `Stub` stands for it, which has an ID and nothing else.  Code that looks at one while the
record is decoded or encoded would decide by what is not there: then a `StubAccessError` ends the attempt, and
the record has to be decoded in its graph, `GraphIdentityMap` what it refers to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from brinery.codec import Codec
from brinery.errors import EncodeError
from brinery.graph.saver import Saver
from brinery.ids import Id
from brinery.persistable import Persistable
from brinery.session.identity import NOTHING, IdentityMap


class StubAccessError(BaseException):
    """Code of the user's has looked at an object that is not there.

    Not an `Exception`: that code must not catch it.
    """


class _Switch:
    def __init__(self) -> None:
        self.is_on = True


class Stub(Persistable):
    """Stands for the object of another record.  It may be put anywhere, and used for nothing."""

    __slots__ = ("__weakref__", "id", "switch")

    switch: _Switch
    id: str

    def __init__(self, id: str, switch: _Switch) -> None:
        object.__setattr__(self, "id", id)
        object.__setattr__(self, "switch", switch)

    def __getattribute__(self, name: str) -> Any:
        if _switch_of(self).is_on:
            raise StubAccessError
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise StubAccessError

    def __eq__(self, other: object) -> bool:
        if _switch_of(self).is_on:
            raise StubAccessError
        return self is other

    # Neither the place in a dict nor the order of a set says anything of the object itself.
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        if _switch_of(self).is_on:
            raise StubAccessError
        return f"<{_id_of(self)}>"

    def _touched(self, *_: Any) -> NoReturn:
        raise StubAccessError

    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __call__ = _touched
    __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = __index__ = _touched


_switch_of = Stub.__dict__["switch"].__get__
_id_of = Stub.__dict__["id"].__get__


class IsolatedIdentityMap(IdentityMap):
    """Knows every object but one, by its ID alone."""

    def __init__(self, own: str) -> None:
        super().__init__()
        self.own = own
        self._switch = _Switch()
        self._met: dict[str, Stub] = {}

    def get(self, id: str) -> Any:
        """Return what stands for the object `id`; `NOTHING` for the one at hand."""
        if id == self.own:
            return NOTHING
        found = self._met.get(id)
        if found is None:
            # An `Id`, as a save has it: a pickle tells that from a string.
            found = self._met[id] = Stub(Id(id), self._switch)
        return found

    def entry(self, obj: Any) -> None:
        """Return None: nothing is entered here."""

    def set(
        self,
        id_: str,
        obj: Any,
        version: Any,
        digest: bytes,
        codec: Codec,
        is_loaded: bool = False,
    ) -> None:
        """Do nothing: the object at hand stays unknown, so that it can be decoded again."""

    def id_of(self, obj: Any) -> str | None:
        """Return the ID of an object of another record; None for any other."""
        return _id_of(obj) if type(obj) is Stub else None

    @contextmanager
    def visible(self) -> Iterator[None]:
        """Let what stands for other objects be looked at: they are to be compared with themselves."""
        self._switch.is_on = False
        try:
            yield
        finally:
            self._switch.is_on = True


class GraphIdentityMap(IsolatedIdentityMap):
    """Knows every object of a graph that was loaded, but for the one at hand."""

    def __init__(self, own: str, graph: IdentityMap) -> None:
        super().__init__(own)
        self._graph = graph

    def get(self, id: str) -> Any:
        """Return the object `id`; `NOTHING` for the one at hand."""
        return NOTHING if id == self.own else self._graph.get(id)

    def id_of(self, obj: Any) -> str | None:
        """Return the ID of an object of another record; None for any other."""
        entry = self._graph.entry(obj)
        return None if entry is None or entry.id == self.own else entry.id


class IsolatedSaver(Saver):
    """Saves one object; those that it refers to have their records already.

    `around` is the identity map that it was made with.
    """

    around: IsolatedIdentityMap

    def external(self, obj: Any) -> str | None:
        """Return the ID that stands for `obj`, None to write it in place."""
        if obj is self.root:
            return None
        found = self.around.id_of(obj)
        if found is None and self.is_external_type(type(obj)):
            raise EncodeError(
                f"it holds a persistable {type(obj).__name__} that has no record yet",
                advice="Load and save it instead",
            )
        if found is None:
            return None
        # A plain string, as payloads have it: an `Id` would be one more class that they name.
        reference = str.__str__(found)
        self._references[reference] = None
        return reference
