"""Enumerations whose members are pickled in the form that they ask for, whatever the Python.

By value is the form of all Pythons but 3.11.0 to 3.11.4: these write the names of members, and combine flags
by `operator.or_`.  A class may ask for either on any Python.
"""

from __future__ import annotations

import enum
import operator
import sys
from typing import Any, Final

from brinery import Persistable

IS_BY_NAME: Final = (3, 11, 0) <= sys.version_info[:3] < (3, 11, 5)
"""Whether this Python writes the names of members by itself."""


def by_value(member: Any, proto: object) -> tuple[Any, ...]:
    """Reduce a member as Pythons before 3.11 and from 3.11.5 on do."""
    return type(member), (member._value_,)


def by_name(member: Any, proto: object) -> tuple[Any, ...]:
    """Reduce a member as Python 3.11.2 does."""
    return getattr, (type(member), member._name_)


def combined(member: Any, proto: object) -> tuple[Any, ...]:
    """Reduce flags as Python 3.11.2 does."""
    cls, value = type(member), member._value_
    known = value & cls._flag_mask_
    if known and (unknown := value & ~known):
        return operator.or_, (cls(known), unknown)
    if not known:
        return cls, (value,)
    lowest = known & -known
    if rest := known & ~lowest:
        return operator.or_, (cls(rest), cls(lowest))
    return getattr, (cls, member._name_)


def by_global_name(member: Any, proto: object) -> Any:
    """Reduce a member as Python 3.11.2 does where its class was made of the constants of a module."""
    return member._name_


class Colour(enum.Enum):
    """By value."""

    RED = 1
    BLUE = 2
    __reduce_ex__ = by_value


class NamedColour(enum.Enum):
    """By name."""

    RED = 1
    BLUE = 2
    __reduce_ex__ = by_name

    @classmethod
    def darkest(cls) -> NamedColour:
        """Return a member."""
        return cls.BLUE


class Rights(enum.Flag):
    """By value."""

    READ = 1
    WRITE = 2
    RUN = 4
    __reduce_ex__ = by_value


class NamedRights(enum.Flag):
    """By name, and combined."""

    READ = 1
    WRITE = 2
    RUN = 4
    __reduce_ex__ = combined


class Mode(enum.IntFlag, boundary=enum.KEEP):
    """By value, with bits that have no name."""

    READ = 1
    WRITE = 2
    __reduce_ex__ = by_value


class NamedMode(enum.IntFlag, boundary=enum.KEEP):
    """By name, and combined, with bits that have no name."""

    READ = 1
    WRITE = 2
    __reduce_ex__ = combined


class Grant(Persistable, enum.Flag):
    """In records of their own, by value."""

    READ = 1
    WRITE = 2
    __reduce_ex__ = by_value


class NamedGrant(Persistable, enum.Flag):
    """In records of their own, by name."""

    READ = 1
    WRITE = 2
    __reduce_ex__ = combined


class Family(enum.IntEnum):
    """By value, with members that are constants of the module."""

    INET = 2
    __reduce_ex__ = by_value


class NamedFamily(enum.IntEnum):
    """As constants of the module."""

    UNIX = 1
    __reduce_ex__ = by_global_name


INET, UNIX = Family.INET, NamedFamily.UNIX


class Outer:
    """Holds enumerations."""

    class Colour(enum.Enum):
        """By value."""

        RED = 1
        __reduce_ex__ = by_value

    class NamedColour(enum.Enum):
        """By name."""

        RED = 1
        __reduce_ex__ = by_name

    class NamedRights(enum.Flag):
        """By name, and combined."""

        READ = 1
        WRITE = 2
        __reduce_ex__ = combined
