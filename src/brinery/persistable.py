"""Which objects get a record of their own."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from weakref import WeakSet

from brinery.errors import InvalidArgumentError
from brinery.typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

T = TypeVar("T")

# Codecs write these types natively, and never ask for an ID.
_NATIVE = frozenset(
    {
        type(None),
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        bytearray,
        tuple,
        list,
        dict,
        set,
        frozenset,
    }
    | {object, type, type(lambda: None), type(len)}
)


class KnownObject(Protocol):
    """What a store knows about a living object."""

    turn: int
    """The number, of `PersistentId.turns`, of the call that entered the object in the store last."""


class KnownObjects(Protocol):
    """The living objects of one store."""

    def entry(self, obj: Any) -> KnownObject | None:
        """Return what the store knows about an object; None if the object has no ID in it."""


class OpenedSession(Protocol):
    """The part of a session that tells the ID of an object."""

    @property
    def identity(self) -> KnownObjects:
        """Return the living objects of the store."""

    def id_of(self, obj: Any) -> Any:
        """Return the ID of a living object, None if it has none."""


class PersistentId:
    """The attribute that looks up an object's ID; an attribute of the object itself or of its class wins.

    The ID is that in the opened store which read or wrote the record of the object last.  It is None if no
    opened store knows the object, and on the class.
    """

    # One set and one counter for the process, because an object does not know its stores.  A session is in
    # the set until it dies; that of a closed store knows no objects.
    sessions: ClassVar[WeakSet[OpenedSession]] = WeakSet()
    turns: ClassVar[Iterator[int]] = itertools.count()
    """Gives each call that enters objects a number, and so tells which store entered an object last."""

    def __get__(self, obj: Any, cls: type | None = None) -> Any:
        """Return the ID of `obj`."""
        if obj is None:
            if "persistent_id" in _annotations_of(cls):
                raise AttributeError(f"{cls} has a field of this name, without a default")
            return None
        known = [
            (entry.turn, session)
            for session in living(self.sessions)
            if (entry := session.identity.entry(obj)) is not None
        ]
        return max(known, key=operator.itemgetter(0))[1].id_of(obj) if known else None


def _annotations_of(cls: Any) -> Any:
    # A library that makes fields from annotations asks for the attribute, to know the default.
    try:
        return cls.__annotations__
    except Exception:  # noqa: BLE001 - of names that are not defined yet
        return ()


def living(objects: WeakSet[T]) -> list[T]:
    """Return the members of a set that other threads change at any time."""
    while True:
        try:
            return [*objects]
        except RuntimeError:  # another thread has added one during the iteration
            continue


class Persistable:
    """Mix-in of classes whose objects have records of their own.

    An object of such a class that is reached from another object is saved once, under its own ID,
    and an external reference takes its place.  The mix-in has no state, no metaclass and no
    slots, so it goes with any other base: ``class Jobs(Persistable, list)``.

    `persistent_id` is the ID of the object in the store that read or wrote its record last; None if
    no opened store knows the object.  It is looked up: the object has no such attribute of its own.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        persistent_id: Any
        _registered: ClassVar[WeakSet[type]]
    else:  # without annotations, from which other libraries would make fields
        persistent_id = PersistentId()
        # One table for the process, as with abstract base classes.
        _registered = WeakSet()

    @staticmethod
    def register(cls: type[T]) -> type[T]:
        """Make the objects of `cls` and its subclasses persistable without touching the class.

        Return `cls`, so that it serves as a decorator.  Raise `InvalidArgumentError` for the
        builtin types that codecs write natively (list, dict, str, …): subclass those.
        """
        if not isinstance(cls, type):
            raise InvalidArgumentError(f"Persistable.register: expected a class, got {cls!r}")
        if cls in _NATIVE or issubclass(cls, type):
            raise InvalidArgumentError(
                f"objects of type {cls.__name__} cannot be made persistable, because codecs write "
                "them natively. Use a class of your own that holds one, or a subclass where Python "
                "allows it: class MyList(Persistable, list)"
            )
        Persistable._registered.add(cls)
        return cls


def is_persistable_type(cls: type) -> bool:
    """Return whether objects of exactly the type `cls` get records of their own.

    Only the method resolution order counts, not `__instancecheck__` or `__class__`.
    """
    mro = type.__dict__["__mro__"].__get__(cls)
    if Persistable in mro:
        return True
    registered = Persistable._registered
    return bool(registered) and any(base in registered for base in mro)
