"""Classes written by value: the functions that payloads name.

A class that cannot be imported (one of ``__main__``, say) is written into each record that needs it, through
the record's own memo.  So whatever the class shares with the rest of the record (a list, a variable of an
enclosing function, the globals of its module) stays shared.  The payload calls ``make_class(key, ...)``,
which makes the class without its attributes, and then `fill_class`, which sets them: so a class may refer to
itself.

`key` says which class it is: module, qualified name, a digest of the content, and a number among equal
classes that were alive together.  A reader (`brinery_codecs._pickle.by_value.reader`) takes
the class with this key that the process has, and leaves that as it is.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Mapping, Sequence

from brinery.typing import Any

Key = tuple[str, str, str, int]
"""Module, qualified name, digest, number.  The module ``__main__`` is written as an empty string."""

MAIN = "__main__"


def make_class(
    key: Key,
    metaclass: type,
    bases: tuple[Any, ...],
    namespace: Mapping[str, Any],
    members: Mapping[str, Any] | None = None,
) -> Any:
    """Return a class without its attributes.

    `namespace` has what must be known when a class is made, `__slots__` for example.  `members` are the
    names and values of an enumeration, aliases included.
    """
    module, qualname, _, _ = key
    name = qualname.rpartition(".")[2]
    if members is not None:
        return _enumeration(key, metaclass, bases, namespace, members)
    body = {"__module__": module or MAIN, "__qualname__": qualname, **namespace}
    if not _has_hook(bases):
        return types.new_class(
            name, bases, {"metaclass": metaclass}, lambda made: made.update(body)
        )
    # `__init_subclass__` may register the class with one that is alive, or want arguments that nobody has
    # any more.  While the class is made, one that does nothing comes first.
    quiet = type("Quiet", (metaclass,), {"mro": _mro_without_hook})
    cls = types.new_class(name, bases, {"metaclass": quiet}, lambda made: made.update(body))
    type.__setattr__(cls, "__class__", metaclass)
    type.__setattr__(cls, "__bases__", cls.__bases__)  # which makes Python find its order again
    return cls


def _has_hook(bases: tuple[Any, ...]) -> bool:
    for base in types.resolve_bases(bases):
        for cls in base.__mro__:
            hook = vars(cls).get("__init_subclass__")
            if hook is not None:
                function = getattr(hook, "__func__", None)
                return type(function) is types.FunctionType and cls.__module__ != "typing"
    return False


class _NoHook:
    def __init_subclass__(cls, **arguments: Any) -> None:
        """Do nothing."""


def _mro_without_hook(cls: type) -> list[type]:
    first, *others = type.mro(cls)
    return [first, _NoHook, *others]


def _enumeration(
    key: Key,
    metaclass: Any,
    bases: tuple[Any, ...],
    namespace: Mapping[str, Any],
    members: Mapping[str, Any],
) -> Any:
    module, qualname, _, _ = key
    name = qualname.rpartition(".")[2]
    keywords = dict(namespace)
    body = metaclass.__prepare__(name, bases, **keywords)
    body["__module__"], body["__qualname__"] = module or MAIN, qualname
    for member, value in members.items():
        # A function is a member only if it is marked as one.
        body[member] = enum.member(value)
    return metaclass.__new__(metaclass, name, bases, body, **keywords)


def fill_class(
    cls: Any, state: tuple[Mapping[str, Any], Sequence[type], Mapping[str, Any]]
) -> None:
    """Set the attributes of a class: its own, the subclasses registered with an ABC, those of its members."""
    attributes, registered, of_members = state
    for name, value in attributes.items():
        # Not `setattr`: a metaclass may have its own, which expects a complete class.
        type.__setattr__(cls, name, value)
    for subclass in registered:
        cls.register(subclass)
    for name, state_of_member in of_members.items():
        cls[name].__dict__.update(state_of_member)


def make_type_variable(kind: type, name: str, module: str, options: dict[str, Any]) -> Any:
    """Return a `TypeVar`, `ParamSpec` or `TypeVarTuple`."""
    constraints = options.pop("constraints", ())
    made = kind(name, *constraints, **options)
    made.__module__ = module or MAIN
    return made


def make_new_type(name: str, qualname: str, module: str, supertype: Any) -> Any:
    """Return a `typing.NewType`."""
    make: Any = typing.NewType  # type checkers want its name in the source
    made = make(name, supertype)
    made.__qualname__, made.__module__ = qualname, module or MAIN
    return made
