"""Which objects get a record of their own."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar
from weakref import WeakSet

from brinery.errors import InvalidArgumentError

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


class Persistable:
    """Mix-in of classes whose objects have records of their own.

    An object of such a class that is reached from another object is saved once, under its own ID,
    and an external reference takes its place.  The mix-in has no state, no metaclass and no
    slots, so it goes with any other base: ``class Jobs(Persistable, list)``.

    `persistent_id` is set by a store as a courtesy, where the object has room for it; the store
    itself uses its own table.
    """

    __slots__ = ()

    persistent_id: ClassVar[Any] = None
    # One table for the process, as with abstract base classes.
    _registered: ClassVar[WeakSet[type]] = WeakSet()

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
