"""Which objects get a record of their own, and references that are followed when they are called."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from weakref import WeakSet

from brinery.errors import InvalidArgumentError
from brinery.ids import as_id
from brinery.reference import is_ghost_class
from brinery.typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

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

    @property
    def id(self) -> str:
        """Return the ID of the object in the store."""


class KnownObjects(Protocol):
    """The living objects of one store."""

    def entry(self, obj: Any) -> KnownObject | None:
        """Return what the store knows about an object; None if the object has no ID in it."""


class OpenedSession(Protocol):
    """The part of a session that tells the ID of an object, and loads the object of an ID."""

    @property
    def identity(self) -> KnownObjects:
        """Return the living objects of the store."""

    def id_of(self, obj: Any) -> Any:
        """Return the ID of a living object, None if it has none."""

    def load_again(self, id: str) -> Any:
        """Return the object `id`, as a load of the store without options does."""

    def is_read(self, id: str) -> bool:
        """Return whether the object `id` is in memory, with its state."""


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
        session = session_with(obj)
        return None if session is None else session.id_of(obj)


def session_with(obj: Any) -> OpenedSession | None:
    """Return the session that read or wrote the record of an object last; None if none knows it."""
    known = [
        (entry.turn, session)
        for session in living(PersistentId.sessions)
        if (entry := session.identity.entry(obj)) is not None
    ]
    return max(known, key=operator.itemgetter(0))[1] if known else None


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
    if cls is Ref:
        return True
    return bool(registered) and any(base in registered for base in mro)


class Ref(Generic[T]):
    """A reference to a persistable object that a load of the referrer does not follow.

    ``ref()`` returns the object; the first call loads it, and the `Ref` keeps it from then on.  In a store
    the object has a record of its own, to which that with the `Ref` refers as to any other.

    Two are equal if they lead to one ID in one store, or to one object that has no ID.  Only with an ID is
    there a hash.  A copy of a `Ref` is the `Ref`; a deep copy, or a pickle outside of stores, has the object.
    """

    __slots__ = ("__weakref__", "_obj", "_waiting")

    _obj: Any
    _waiting: tuple[OpenedSession, str] | None
    """The store and the ID of an object that was not asked for yet."""

    def __init__(self, obj: T) -> None:
        """Refer to an object in memory.  Raise `InvalidArgumentError` if it gets no record of its own."""
        if type(obj) is Ref or not is_persistable_type(type(obj)):
            raise InvalidArgumentError(
                f"Ref: expected an object with a record of its own, got a {type(obj).__name__}: derive its "
                "class from Persistable, or give the class to Persistable.register"
            )
        self._obj = obj
        self._waiting = None

    def __call__(self) -> T:
        """Return the object; raise what a load of it raises."""
        waiting = self._waiting
        if waiting is not None:
            session, id_ = waiting
            self._obj = session.load_again(id_)
            self._waiting = None  # last: another thread sees the object, or waits for it
        found: T = self._obj
        return found

    @property
    def id(self) -> Any:
        """The ID of the object; None if it has none in an opened store.  Nothing is read."""
        return self._place()[1]

    @property
    def is_loaded(self) -> bool:
        """Whether a call reads nothing, because the object is in memory."""
        waiting = self._waiting
        if waiting is not None:
            return waiting[0].is_read(waiting[1])
        return not is_ghost_class(type(self._obj))

    def waits_in(self, session: OpenedSession) -> str | None:
        """Return the ID of an object in a store that was not asked for yet; else None."""
        waiting = self._waiting
        if waiting is None or waiting[0].identity is not session.identity:
            return None
        return waiting[1]

    def id_in(self, session: OpenedSession) -> str | None:
        """Return the ID of the object in a store; None if it has none there."""
        entry = session.identity.entry(self._obj)
        return self.waits_in(session) if entry is None else str.__str__(entry.id)

    def _place(self) -> tuple[OpenedSession | None, Any]:
        waiting = self._waiting
        if waiting is not None:
            return waiting[0], as_id(waiting[1])
        session = session_with(self._obj)
        return session, None if session is None else session.id_of(self._obj)

    def __eq__(self, other: object) -> bool:
        if type(other) is not Ref:
            return NotImplemented
        place = self._place()
        return place == other._place() and (place[0] is not None or self._obj is other._obj)

    def __hash__(self) -> int:
        id_ = self.id
        if id_ is None:
            raise TypeError("a Ref to an object that has no ID has no hash: save the object first")
        return hash(id_)

    def __copy__(self) -> Ref[T]:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Ref, (self(),)

    def __repr__(self) -> str:
        id_ = self.id
        what = f"a {type(self._obj).__name__} without an ID" if id_ is None else repr(str(id_))
        return f"<Ref to {what}>"


def ref_to(session: OpenedSession, id: str) -> Ref[Any]:
    """Return a reference to the object `id` of a store, which is loaded when it is asked for."""
    ref: Ref[Any] = Ref.__new__(Ref)
    ref._obj = None
    ref._waiting = session, id
    return ref
