"""Decoding and encoding one record by itself, without the records that it refers to.

The saver and the loader get an identity map that does not know the record's own object and takes every
other object for alive.  Each of those is a `Stub`, which has an ID and nothing else.  Code that inspects
a stub while the record is decoded or encoded would go wrong, because the object is not there: a
`StubAccessError` then ends the attempt.  Such a record has to be decoded in its graph, with a
`GraphIdentityMap`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from brinery.errors import EncodeError
from brinery.graph.saving.encoder import Encoder
from brinery.graph.saving.saver import Saver
from brinery.ids import Id
from brinery.persistable import Persistable, Ref
from brinery.reference import REF
from brinery.session.identity import NOTHING, IdentityMap
from brinery.session.options import SaveOptions
from brinery.session.session import Session
from brinery.typing import Any, NoReturn


class StubAccessError(BaseException):
    """The user's code has inspected a stub.

    Not an `Exception`: that code must not catch it.
    """


class _Switch:
    def __init__(self) -> None:
        self.is_on = True


class Stub(Persistable):
    """Replaces the object of another record: it may be referred to, but any use of it raises."""

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

    # Allowed: a place in a dict or the order of a set reveals nothing about the object.
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
    """Has a `Stub` for every ID but one, that of the record's own object."""

    def __init__(self, own: str) -> None:
        super().__init__()
        self.own = own
        self._switch = _Switch()
        self.classes: dict[str, str] = {}
        """The class names of other objects, by ID, as the record has them."""
        self._met: dict[str, Stub] = {}

    def get(self, id: str) -> Any:
        """Return the stub of the object `id`; `NOTHING` for the record's own object."""
        if id == self.own:
            return NOTHING
        found = self._met.get(id)
        if found is None:
            # An `Id`, as in a save: a pickle distinguishes it from a plain string.
            found = self._met[id] = Stub(Id(id), self._switch)
        return found

    def entry(self, obj: Any) -> None:
        """Return None: nothing is entered here."""

    def enter(self, entries: Iterable[Any], **_: Any) -> None:
        """Do nothing: the record's own object stays unknown, so that it can be decoded again."""

    def id_of(self, obj: Any) -> str | None:
        """Return the ID of an object of another record; None for any other."""
        return _id_of(obj) if type(obj) is Stub else None

    @contextmanager
    def visible(self) -> Iterator[None]:
        """Let stubs be inspected inside the context, in order to compare them with themselves."""
        self._switch.is_on = False
        try:
            yield
        finally:
            self._switch.is_on = True


class GraphIdentityMap(IsolatedIdentityMap):
    """Has every object of a loaded graph except the record's own object."""

    def __init__(self, own: str, graph: IdentityMap) -> None:
        super().__init__(own)
        self._graph = graph

    def get(self, id: str) -> Any:
        """Return the object `id`; `NOTHING` for the record's own object."""
        return NOTHING if id == self.own else self._graph.get(id)

    def id_of(self, obj: Any) -> str | None:
        """Return the ID of an object of another record; None for any other."""
        entry = self._graph.entry(obj)
        return None if entry is None or entry.id == self.own else entry.id


class IsolatedEncoder(Encoder):
    """Encodes one object; the objects that it refers to have records already.

    `around` is the identity map of the isolated record.
    """

    around: IsolatedIdentityMap

    def external(self, obj: Any) -> str | None:
        """Return the ID to write in place of `obj`; None to write the object itself."""
        if obj is self.root:
            return None
        found = self.around.id_of(obj)
        if type(obj) is Ref:
            found = REF + str(obj.id_in(self.session))
        if found is None and self.is_external_type(type(obj)):
            raise EncodeError(
                f"it holds a persistable {type(obj).__name__} that has no record yet",
                advice="Load the object and save it instead",
            )
        if found is None:
            return None
        # A plain string, as in every payload: an `Id` would add its class to the names in the payload.
        reference = str.__str__(found)
        self.met(reference)
        return reference


class _ClassNames(dict[str, str]):
    # Those that the record has; it may have others when it is encoded again.
    def __missing__(self, id: str) -> str:
        return ""


class IsolatedSaver(Saver):
    """Saves one object in the place of its record; `around` is the identity map of that."""

    encoder: IsolatedEncoder
    encoder_class = IsolatedEncoder

    def __init__(self, session: Session, options: SaveOptions, around: IsolatedIdentityMap) -> None:
        super().__init__(session, options)
        self.encoder.around = around
        self.encoder.classes = _ClassNames(around.classes)
