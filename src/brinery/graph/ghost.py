"""Ghosts: objects of the right class, without state, that fill themselves on their first use.

The class of a ghost is a subclass of the real one, whose hooks for attributes wake it.  Waking fills the
object and then sets its class: nothing is left of the ghost, and no thread ever sees a part of the object.
The classes are made by `type.__new__`, which runs none of the user's code.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from contextlib import suppress
from types import FunctionType

from brinery.evolution.placeholder import Placeholder
from brinery.reference import GHOST_OF, attributes_of, set_class
from brinery.typing import Any, Final

Wake = Callable[[Any], bool]
"""Fills a ghost; returns whether this thread is filling it already, and so sees it as it is."""

_make: Final = object.__new__
_MRO: Final[Any] = type.mro
_EQ: Final[Any] = type.__eq__
_HASH: Final[Any] = type.__hash__


def ghost_class(cls: type, wake: Wake) -> type | None:
    """Return the class of the ghosts of `cls`, which call `wake`; None if there can be none.

    So it is where objects are made otherwise than by ``object.__new__``, or C code reads them past any hook
    (lists, numbers, …), or they hash by value: a dict with such a key would use it while it is loaded.
    """
    if not _may_wait(cls):
        return None

    # What a ghost does while its own thread fills it.
    own: Any = cls

    def __getattribute__(self: Any, name: str) -> Any:
        if name == "__class__":
            return cls
        return own.__getattribute__(self, name) if wake(self) else getattr(self, name)

    def __setattr__(self: Any, name: str, value: Any) -> None:
        own.__setattr__(self, name, value) if wake(self) else setattr(self, name, value)

    def __delattr__(self: Any, name: str) -> None:
        own.__delattr__(self, name) if wake(self) else delattr(self, name)

    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        wake(self)
        return own.__reduce_ex__(self, protocol)

    body: dict[str, Any] = {
        "__slots__": (),
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        "__getattribute__": __getattribute__,
        "__setattr__": __setattr__,
        "__delattr__": __delattr__,
        "__reduce_ex__": __reduce_ex__,
        GHOST_OF: cls,
    }
    body |= {name: _waking(cls, name, wake) for name in _implicit(cls).difference(body)}
    if hasattr(cls, "__del__"):
        body["__del__"] = _not_finalized
    try:
        bases = (_quiet_base(cls), cls) if _is_hooked(cls) else (cls,)
        found = type.__new__(type(cls), cls.__name__, bases, body)
        trial: Any = _make(found)
        set_class(trial, cls)
        set_class(trial, found)  # so that no `__del__` of the user's sees it
    except TypeError:  # laid out otherwise
        return None
    return found


def _is_hooked(cls: type) -> bool:
    return any("__init_subclass__" in vars(base) for base in cls.__mro__[:-1])


def _quiet_base(cls: type) -> type:
    """Return a base to come before a class with ``__init_subclass__``, whose own does nothing.

    It has to be laid out as the class: it adds the same to the same base.  Raise `TypeError` if it cannot.
    """
    adds = cls
    while adds.__base__ is not None and _size(adds) == _size(adds.__base__):
        adds = adds.__base__
    base = adds.__base__
    if base is None or _is_hooked(base):
        raise TypeError(cls)
    hook: Any = _do_nothing
    return type.__new__(type, "Quiet", (base,), {"__init_subclass__": classmethod(hook)})


def _size(cls: type) -> tuple[int, int, int]:
    return cls.__basicsize__, cls.__dictoffset__, cls.__weakrefoffset__


def _do_nothing(cls: type, **_: Any) -> None:
    """Do nothing about a subclass."""


def _implicit(cls: type) -> set[str]:
    """Return the names of the special methods of a class, which operators call past attributes."""
    names = set()
    for base in cls.__mro__[:-1]:
        for name, value in vars(base).items():
            if type(value) is FunctionType and name[:2] == "__" and name[-2:] == "__":
                names.add(name)
    return names - _NOT_OF_OBJECTS


def _waking(cls: type, name: str, wake: Wake) -> Any:
    # The method may use the object past its hooks: by `object.__setattr__`, say.
    def method(self: Any, *args: Any, **options: Any) -> Any:
        owner = cls if wake(self) else type(self)
        return getattr(owner, name)(self, *args, **options)

    method.__name__ = name
    return method


_NOT_OF_OBJECTS: Final = frozenset(
    {
        "__new__",
        "__init_subclass__",
        "__class_getitem__",
        "__set_name__",
        "__subclasshook__",
        "__del__",
    }
)


def _not_finalized(self: Any) -> None:
    """Do nothing: an object that nobody has used has nothing to clean up."""


def _may_wait(cls: Any) -> bool:
    return (
        cls.__new__ is _make
        and type(cls).mro is _MRO
        and type(cls).__eq__ is _EQ
        and type(cls).__hash__ is _HASH
        and cls.__reduce_ex__ is object.__reduce_ex__
        and cls.__reduce__ is object.__reduce__
        and cls not in copyreg.dispatch_table
        and type(cls) not in copyreg.dispatch_table
        and not hasattr(cls, "__getnewargs_ex__")
        and not hasattr(cls, "__getnewargs__")
        and cls.__weakrefoffset__ != 0
        and "__class__" not in {name for base in cls.__mro__[:-1] for name in vars(base)}
        and (cls.__hash__ is None or cls.__hash__ is object.__hash__)
        and not issubclass(cls, Placeholder)
    )


State = tuple[dict[str, Any], list[tuple[Any, Any]]]
"""The attributes of an object, and its slots with their values."""


def state_of(obj: Any) -> State:
    """Return the state of an object that ``object.__new__`` has made."""
    slots = []
    for slot in slots_of(type(obj)):
        with suppress(AttributeError):
            slots.append((slot, slot.__get__(obj)))
    return dict(attributes_of(obj) or ()), slots


def set_state(obj: Any, state: State) -> None:
    """Give an object a state that `state_of` has returned."""
    empty(obj)
    if state[0]:
        object.__getattribute__(obj, "__dict__").update(state[0])
    for slot, value in state[1]:
        slot.__set__(obj, value)


def empty(obj: Any) -> None:
    """Take all state from an object that ``object.__new__`` has made."""
    for slot in slots_of(type(obj)):
        with suppress(AttributeError):
            slot.__delete__(obj)
    (attributes_of(obj) or {}).clear()


def slots_of(cls: type) -> list[Any]:
    """Return the descriptors of the slots of a class and its bases."""
    bases = cls.__mro__[:-1]
    return [value for base in bases for value in vars(base).values() if type(value) is _Slot]


class _WithSlot:
    __slots__ = ("slot",)


_Slot: Final[Any] = type(vars(_WithSlot)["slot"])
