"""Placeholders of objects whose class cannot be imported, or whose codec is not installed.

For each missing global there is a class of its own, a `Placeholder`, made when a record asks for it.
It records all that a pickle does with a class and its objects, and repeats it when it is
pickled: as ``named(module, qualname)`` (see `brinery.reference`) for the global, and the same constructor,
arguments, items and state.  The placeholder of a whole record keeps that record besides, so that it is
written back as it was.
"""

from __future__ import annotations

import copyreg
import functools
import operator
from collections.abc import Sequence

from brinery.persistable import Persistable
from brinery.reference import named
from brinery.typing import Any, Final, NoReturn

_NOTHING: Final = object()
_set = object.__setattr__


class PlaceholderType(type):
    """The type of the classes that replace missing ones."""

    missing: str = ""
    """`module:qualname` of what cannot be imported."""
    version: int = 1
    """The version of that class whose states the record has; see `brinery.evolution.upgrades`."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make the placeholder of the result of a call of the missing class or function."""
        if len(args) == 2 and is_placeholder(args[0]):
            # It may have been a function that sets the state, whose result is thrown away.
            _set(args[0], "_is_exact", False)
        return _made(cls, "call", args, kwargs)

    def __or__(cls, other: Any) -> Any:
        """Make the placeholder of flags, one of which is missing."""
        return _combined(cls, other) if cls.missing else super().__or__(other)

    def __ror__(cls, other: Any) -> Any:
        """Make the placeholder of flags, one of which is missing."""
        return _combined(other, cls) if cls.missing else super().__ror__(other)

    def __repr__(cls) -> str:
        return f"<missing {cls.missing}>" if cls.missing else super().__repr__()


def reduce_missing(cls: PlaceholderType) -> tuple[Any, ...]:
    """Return the reduction of the class itself: to the name of what is missing."""
    if "missing" not in cls.__dict__:
        raise TypeError(
            f"the class {cls.__qualname__} was made without its base {cls.missing}, and cannot be "
            "written again before that class can be imported"
        )
    return named, tuple(cls.missing.split(":", 1))


class Placeholder(metaclass=PlaceholderType):
    """Takes the place of an object whose class, or codec, is missing here.

    It shows the stored state, is equal to itself alone, and is never an instance of the missing class.  Its
    attributes cannot be set.
    """

    __slots__ = (
        "__weakref__",
        "_added",
        "_appended",
        "_args",
        "_base",
        "_entered",
        "_is_exact",
        "_kwargs",
        "_made_by",
        "_record",
        "_state",
    )

    _made_by: str
    _args: tuple[Any, ...]
    _kwargs: dict[str, Any]
    _base: Any
    _state: Any
    _appended: list[Any]
    _entered: list[tuple[Any, Any]]
    _added: list[Any]
    _is_exact: bool
    _record: Any

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make a placeholder; records do."""
        return _made(cls, "new", args, kwargs)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"{self!r} is a placeholder: it takes no attributes")

    def __getattr__(self, name: str) -> Any:
        # Called for attributes that are missing.  An object that was made by `object.__new__`, past this
        # class, has none of its own: nobody knows how to make it again.
        if name not in Placeholder.__slots__ or name.startswith("__"):
            raise AttributeError(f"{self!r} is a placeholder: it has no attribute {name!r}")
        _begin(self, "unknown", (), {})
        _set(self, "_is_exact", False)
        return object.__getattribute__(self, name)

    def __or__(self, other: Any) -> Any:
        return _combined(self, other)

    def __ror__(self, other: Any) -> Any:
        return _combined(other, self)

    def __repr__(self) -> str:
        if self.is_opaque:
            return f"<placeholder of {self.class_name}, not decoded: {self._record.reason}>"
        state = "" if self._state is _NOTHING else f", state {self._state!r:.200}"
        return f"<placeholder of {self.class_name}{state}>"

    # -- what it shows

    @property
    def class_name(self) -> str:
        """Return `module:qualname` of the class."""
        if self._record is not None:
            return str(self._record.class_name)
        return type(self).missing

    @property
    def args(self) -> tuple[Any, ...]:
        """Return the arguments that the constructor was given."""
        return self._args

    @property
    def kwargs(self) -> dict[str, Any]:
        """Return the keyword arguments that the constructor was given."""
        return self._kwargs

    @property
    def state(self) -> Any:
        """Return the state: for most classes a dict of attributes; None if there is none."""
        return None if self._state is _NOTHING else self._state

    @property
    def appended(self) -> Sequence[Any]:
        """Return the items of a list."""
        return self._appended

    @property
    def entered(self) -> Sequence[tuple[Any, Any]]:
        """Return the items of a dict, in pairs."""
        return self._entered

    @property
    def references(self) -> Sequence[str]:
        """Return the IDs that the record refers to; empty for an object inside a record."""
        return () if self._record is None else tuple(self._record.references)

    @property
    def payload(self) -> bytes | None:
        """Return the payload of the record; None for an object inside a record."""
        return None if self._record is None else bytes(self._record.payload)

    @property
    def is_opaque(self) -> bool:
        """Return whether nothing of the record could be decoded."""
        return self._made_by == "record"

    # -- what a pickle does with it

    def __setstate__(self, state: Any) -> None:
        if self._state is not _NOTHING or state is None:
            _set(self, "_is_exact", False)
        _set(self, "_state", state)

    def append(self, item: Any) -> None:
        """Take an item, as a list would."""
        self._appended.append(item)

    def extend(self, items: Any) -> None:
        """Take several items, as a list would."""
        self._appended.extend(items)

    def add(self, item: Any) -> None:
        """Take an item, as a set would."""
        _set(self, "_is_exact", False)
        self._added.append(item)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._entered.append((key, value))

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self.is_opaque:
            raise TypeError(
                f"{self!r} can only be written back as the record that it is: install the codec "
                "before it is written again or to another store"
            )
        if not self._is_exact:
            raise TypeError(
                f"{self!r} was made in a way that cannot be written again without its class: provide "
                f"{type(self).missing} before changing the object that contains it"
            )
        cls, args = type(self), self._args
        made: tuple[Any, ...]
        if self._made_by == "call":
            made = (cls, args)
        elif self._made_by == "name":
            made = (getattr, (cls, *args))
        elif self._made_by == "combination":
            made = (operator.or_, args)
        elif self._made_by == "reconstruct":
            made = (copyreg._reconstructor, (cls, self._base, *args))  # type: ignore[attr-defined]
        elif self._kwargs and protocol < 4:
            # Protocols below 4 have no opcode for it, and would name the constructor of this class.
            made = (functools.partial(copyreg.__newobj_ex__, cls, args, self._kwargs), ())  # type: ignore[attr-defined]
        elif self._kwargs:
            made = (copyreg.__newobj_ex__, (cls, args, self._kwargs))  # type: ignore[attr-defined]
        else:
            made = (copyreg.__newobj__, (cls, *args))  # type: ignore[attr-defined]
        return (
            *made,
            self.state,
            iter(self._appended) if self._appended else None,
            iter(self._entered) if self._entered else None,
        )


def _made(cls: Any, by: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    obj = object.__new__(cls)
    _begin(obj, by, args, kwargs)
    return obj


def _begin(obj: Any, by: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    _set(obj, "_made_by", by)
    _set(obj, "_args", args)
    _set(obj, "_kwargs", kwargs)
    _set(obj, "_base", None)
    _set(obj, "_state", _NOTHING)
    _set(obj, "_appended", [])
    _set(obj, "_entered", [])
    _set(obj, "_added", [])
    _set(obj, "_is_exact", by != "call" or not kwargs)
    _set(obj, "_record", None)


def missing_class(
    module: str, qualname: str, missing_classes: dict[Any, Any], version: int = 1
) -> PlaceholderType:
    """Return the placeholder class of a global; `missing_classes` has one for each global and version."""
    key = (PlaceholderType, module, qualname, version)
    found: PlaceholderType | None = missing_classes.get(key)
    if found is None:
        found = missing_classes[key] = _class(module, qualname, (Placeholder,), version)
    return found


def _class(module: str, qualname: str, bases: tuple[type, ...], version: int) -> PlaceholderType:
    names = {
        "__slots__": (),
        "__module__": module,
        "__qualname__": qualname,
        "missing": f"{module}:{qualname}",
        "version": version,
    }
    return PlaceholderType(qualname.rpartition(".")[2], bases, names)


def as_root(obj: Any) -> Any:
    """Return a placeholder as that of an object in a record of its own, for what the constructor gave.

    Where that is a missing name, it is the name of a member of an enumeration.
    """
    if type(obj) is PlaceholderType:
        obj = _made(_class_around(obj), "name", (obj.__name__,), {})
    if is_placeholder(obj):
        with_record_of_its_own(obj)
    return obj


def _combined(left: Any, right: Any) -> Any:
    # Flags whose class is missing are combined by `operator.or_`, where they are pickled by name.
    first = left if is_stand_in(left) else right
    cls = _class_around(first) if isinstance(first, PlaceholderType) else type(first)
    return _made(cls, "combination", (left, right), {})


def _class_around(missing: PlaceholderType) -> PlaceholderType:
    # The class that stands for that of a missing member.
    module, _, qualname = missing.missing.partition(":")
    outer = qualname.rpartition(".")[0] or qualname
    return _class(module, outer, (Placeholder,), missing.version)


def is_stand_in(found: Any) -> bool:
    """Tell whether an object or a class stands for what is missing."""
    return type(found) is PlaceholderType or is_placeholder(found)


def with_record_of_its_own(obj: Any) -> None:
    """Make a placeholder that of an object with a record of its own."""
    cls = type(obj)
    if issubclass(cls, Persistable) or not cls.missing:
        return
    module, _, qualname = cls.missing.partition(":")
    # Of the same layout, so that the object can change its class.
    _set(obj, "__class__", _class(module, qualname, (cls, Persistable), cls.version))


def is_placeholder(obj: Any) -> bool:
    """Return whether an object is a placeholder."""
    return issubclass(type(obj), Placeholder)


def opaque(class_name: str, missing_classes: dict[Any, Any]) -> Any:
    """Return the placeholder of a record that cannot be decoded."""
    module, _, qualname = class_name.partition(":")
    obj = _made(missing_class(module, qualname or "?", missing_classes), "record", (), {})
    with_record_of_its_own(obj)
    return obj


def set_record(obj: Any, record: Any) -> None:
    """Give a placeholder the record that it was loaded from."""
    _set(obj, "_record", record)


def record_of(obj: Any) -> Any:
    """Return the record that a placeholder was loaded from, None if it has none."""
    return obj._record if issubclass(type(obj), Placeholder) else None


def reconstruct(cls: Any, base: Any, state: Any) -> Any:
    """Do the work of `copyreg._reconstructor`, also for missing classes."""
    if not isinstance(cls, PlaceholderType):
        return copyreg._reconstructor(cls, base, state)  # type: ignore[attr-defined]
    obj = _made(cls, "reconstruct", (state,), {})
    _set(obj, "_base", base)
    return obj
