"""What the state of one object consists of, without other objects that are stored elsewhere."""

from __future__ import annotations

import copyreg
import operator
import sys
from array import array
from collections import deque
from contextlib import suppress
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from types import BuiltinFunctionType, FunctionType, ModuleType, NoneType
from uuid import UUID
from weakref import getweakrefcount
from zoneinfo import ZoneInfo

from brinery.graph.ghost import slots_of
from brinery.persistable import Ref, is_persistable_type
from brinery.reference import attributes_of, class_of
from brinery.session.entry import Held
from brinery.session.session import Session
from brinery.typing import Any, Final

_ATOMS: Final = frozenset(
    {NoneType, bool, int, float, complex, str, bytes, type(...), range, Decimal, UUID}
    | {date, timedelta, timezone, ZoneInfo}
    | {PosixPath, PurePosixPath, PureWindowsPath, WindowsPath}
)
"""Types of values that never change, and refer to nothing that does."""
_CONTAINERS: Final = frozenset({list, dict, tuple, set, frozenset, deque})
_MAY_BE_CONSTANT: Final = frozenset({tuple, frozenset})
_FLAT: Final = frozenset({bytearray, array})
_WITH_ZONE: Final = frozenset({datetime, time})
_PLAIN: Final[Any] = object


def has_plain_state(cls: Any) -> bool:
    """Return whether the record of an object follows from its attributes, which none of its own code sets."""
    return (
        cls.__reduce_ex__ is _PLAIN.__reduce_ex__
        and cls.__reduce__ is _PLAIN.__reduce__
        and cls.__getstate__ is _PLAIN.__getstate__
        and cls.__new__ is _PLAIN.__new__
        and cls.__getattribute__ is _PLAIN.__getattribute__
        and cls.__setattr__ is _PLAIN.__setattr__
        and cls.__delattr__ is _PLAIN.__delattr__
        and cls not in copyreg.dispatch_table
        and not any(hasattr(cls, name) for name in _HOOKS)
    )


_HOOKS: Final = ("__getnewargs_ex__", "__getnewargs__", "__del__")


class _Kinds(dict[type, int]):
    """What the values of a type are to an object that refers to them."""

    def __missing__(self, cls: type) -> int:
        if cls in _ATOMS or issubclass(cls, (type, FunctionType)) or _is_scalar(cls):
            kind = VALUE
        elif is_persistable_type(cls) and cls is not Ref:
            kind = RECORD
        else:
            kind = PART
        self[cls] = kind
        return kind


VALUE: Final = 0
RECORD: Final = 1
PART: Final = 2


def _is_scalar(cls: type) -> bool:
    if cls.__module__ != "numpy":
        return False
    numpy: Any = sys.modules["numpy"]
    return issubclass(cls, numpy.generic) and not issubclass(cls, numpy.void)


class Parts:
    """The parts of one object, all that it refers to, and how often."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._found: dict[int, list[Any]] = {}
        """By `id()`: each part, how many references to it are in the others, and its number."""
        self._kinds = _Kinds()
        self.size = 0
        """How many references the parts have."""
        self.is_known = True
        """Whether all parts are of types whose state is known."""
        self.is_alone = True
        """Whether nobody else was found to refer to a part."""
        self.is_comparable = True
        """Whether a `Snapshot` of them shows any change."""
        self.kinds: list[int] = []
        """Of all that the parts refer to, in order; the other lists have what is of each kind."""
        self.types: list[type] = []
        """Of the object and its parts."""
        self.values: list[Any] = []
        self.records: list[Any] = []
        self.numbers: list[int] = []

    def walk(self, obj: Any) -> None:
        """Find the parts of an object, until one is not known."""
        kinds = self._kinds
        self.types.append(class_of(obj))
        wave = [obj]
        while wave and self.is_known:
            following: list[Any] = []
            for each in wave:
                members = self._members(each)
                self.size += len(members)
                found = [kinds[type(member)] for member in members]
                self.kinds += found
                if PART not in found:
                    self._take_leaves(members, found)
                else:
                    for member, kind in zip(members, found, strict=True):
                        if kind != PART:
                            self._take_leaves([member], [kind])
                        elif self._is_new(member):
                            following.append(member)
            wave = following
            self.is_known = self.is_known and all(map(_is_known, wave))

    def _take_leaves(self, members: list[Any], kinds: list[int]) -> None:
        if RECORD not in kinds:
            self.values += members
        elif VALUE not in kinds:
            self.records += members
        else:
            for member, kind in zip(members, kinds, strict=True):
                (self.records if kind == RECORD else self.values).append(member)

    def look_for_others(self) -> bool:
        """Return whether nobody else refers to a part, and set `is_alone`.

        The lists of this object refer to none.
        """
        found = self._found.values()
        self.is_alone = all(
            _others(part) == _NO_OTHERS and not getweakrefcount(part[0]) for part in found
        )
        return self.is_alone

    def _members(self, value: Any) -> list[Any]:
        """Return what a value refers to, once for each reference."""
        cls = type(value)
        if cls is dict:
            # The collector does not see the attributes in the dict of an object in CPython 3.13.
            return [*value, *value.values()]
        if cls in _CONTAINERS:
            if cls is deque:  # it has a length at most, too
                self.is_comparable = False
            return [*value]
        if cls in _FLAT or is_plain_array(value):
            self.is_comparable = False
            return []
        attributes = attributes_of(value)
        found = [] if attributes is None else [attributes]
        for slot in slots_of(cls):
            with suppress(AttributeError):
                found.append(slot.__get__(value))
                self.is_comparable = False
        return found

    def _is_new(self, value: Any) -> bool:
        found = self._found.get(id(value))
        if found is not None:
            found[1] += 1
            self.numbers.append(found[2])
            return False
        if self._is_constant(value):
            self.values.append(value)
            return False
        number = len(self._found)
        self.types.append(type(value))
        self._found[id(value)] = [value, 1, number]
        self.numbers.append(number)
        return True

    def _is_constant(self, value: Any) -> bool:
        cls = type(value)
        if (
            cls in _MAY_BE_CONSTANT
        ):  # perhaps of the code of the program, which refers to it as well
            return _ATOMS.issuperset(map(type, value))
        if cls in _WITH_ZONE:
            return value.tzinfo is None or type(value.tzinfo) in _ATOMS
        if isinstance(value, Enum):
            return type(value._value_) in _ATOMS and vars(cls).get("__reduce_ex__") in _OF_ENUM
        if cls is BuiltinFunctionType:
            return value.__self__ is None or type(value.__self__) is ModuleType
        # The objects of others may be in memory at any time, by another way.
        return cls is Ref and value.waits_in(self._session) is None


_OF_ENUM: Final = (None, vars(Enum)["__reduce_ex__"])


def _is_known(value: Any) -> bool:
    cls = type(value)
    return cls in _CONTAINERS or cls in _FLAT or is_plain_array(value) or bool(has_plain_state(cls))


def is_plain_array(value: Any) -> bool:
    """Return whether a value is an array of numpy that alone has its memory."""
    numpy: Any = sys.modules.get("numpy")
    return (
        numpy is not None
        and type(value) is numpy.ndarray
        and value.base is None
        and not value.dtype.hasobject
        and value.dtype.names is None
    )


def _others(part: list[Any]) -> int:
    others: int = sys.getrefcount(part[0]) - part[1]
    return others


_NO_OTHERS: Final = _others([object(), 0])


class Snapshot:
    """What a large object consisted of; to compare takes a hundredth of encoding it.

    It keeps no other object alive that has a record.
    """

    __slots__ = ("_entries", "_kinds", "_numbers", "_types", "_values")

    def __init__(self, parts: Parts, session: Session) -> None:
        """Take what `parts` has walked through."""
        entry = session.identity.entry
        self._kinds = parts.kinds
        self._types = parts.types
        self._values = parts.values
        self._numbers = parts.numbers
        self._entries: list[Any] = [*map(entry, parts.records)]

    @classmethod
    def of(cls, parts: Parts, session: Session) -> Snapshot | None:
        """Return a snapshot, None if it would not show any change."""
        if not parts.is_comparable:
            return None
        found = cls(parts, session)
        return None if {None, Held} & {type(each) for each in found._entries} else found

    def is_of(self, parts: Parts) -> bool:
        """Return whether parts that were walked through now are the same."""
        return (
            parts.is_known
            and parts.is_comparable
            and len(parts.records) == len(self._entries)
            and len(parts.values) == len(self._values)
            and parts.kinds == self._kinds
            and parts.types == self._types
            and parts.numbers == self._numbers
            and all(map(operator.is_, parts.values, self._values))
            and all(map(operator.is_, parts.records, (each() for each in self._entries)))
        )
