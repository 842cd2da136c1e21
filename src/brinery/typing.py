"""The names of `typing` that the sources use, without its import, which takes as long as a hundred loads.

Nothing evaluates the annotations, so most of these names need no meaning while a program runs.  The stub
beside this module gives the real ones to type checkers.  `NamedTuple` makes named tuples, the form of small
values.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False


class _Generic:
    """The base of generic classes and of protocols."""

    __slots__ = ()

    def __class_getitem__(cls, arguments):
        return cls


class _Name:
    """A name that only type checkers read, with arguments or without; also a base of classes."""

    __slots__ = ()

    def __getitem__(self, arguments):
        return self

    def __or__(self, other):
        return self

    __ror__ = __or__

    def __call__(self, *arguments, **options):
        return self

    def __mro_entries__(self, bases):
        return (_Generic,)


Any = ClassVar = Final = Generic = IO = Literal = NoReturn = Protocol = Self = TypeVar = _Name()


def overload(function):
    """Return a signature of a function, for type checkers."""
    return function


def dataclass_transform(**options):
    """Return a decorator that says that a class makes constructors from annotations."""
    return overload


class _NamedTupleType(type):
    def __new__(cls, name, bases, namespace):
        fields = namespace["__annotations__"]
        defaults = [namespace.pop(field) for field in fields if field in namespace]
        made = namedtuple(name, fields, defaults=defaults, module=namespace["__module__"])
        for key, value in namespace.items():
            if key not in ("__annotations__", "__module__"):
                setattr(made, key, value)
        return made


class _NamedTuple:
    def __mro_entries__(self, bases):
        return (_BASE,)


NamedTuple = _NamedTuple()
_BASE = type.__new__(_NamedTupleType, "NamedTuple", (), {})
