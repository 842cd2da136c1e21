"""Classes of every kind that some serializer encodes by itself, without asking its hook.

A serializer may know dataclasses, classes of attrs, Structs, or all subclasses of list, str or datetime.  A
codec over it has to look at each object first: else a persistable object is written in place and not as a
reference, or an object comes back as one of the base class.
"""

from __future__ import annotations

import enum
from array import array
from collections import Counter, OrderedDict, UserDict, UserList, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any, Final, NamedTuple
from uuid import UUID

from brinery.persistable import Persistable


class Kind(NamedTuple):
    """How to make two objects of a kind: one is persistable, one is not."""

    persistable: Callable[[], Any]
    plain: Callable[[], Any]


@dataclass
class Lamp:
    """A dataclass."""

    watt: int


@dataclass
class LampNode(Persistable):
    """A dataclass with a record of its own."""

    watt: int


@dataclass(slots=True)
class SlottedLamp:
    """A dataclass without `__dict__`."""

    watt: int


@dataclass(slots=True)
class SlottedLampNode(Persistable):
    """A dataclass without `__dict__`, with a record of its own."""

    watt: int


class Place(NamedTuple):
    """A named tuple."""

    x: int
    y: int


class PlaceNode(Persistable, Place):
    """A named tuple with a record of its own."""


class Level(enum.Enum):
    """An enumeration."""

    HIGH = "high"


class LevelNode(Persistable, enum.Enum):
    """An enumeration whose members have records of their own."""

    HIGH = "high"


class Rank(enum.IntEnum):
    """An enumeration of integers."""

    FIRST = 1


class RankNode(Persistable, enum.IntEnum):
    """An enumeration of integers whose members have records of their own."""

    FIRST = 1


class Word(enum.StrEnum):
    """An enumeration of strings."""

    YES = "yes"


class WordNode(Persistable, enum.StrEnum):
    """An enumeration of strings whose members have records of their own."""

    YES = "yes"


def _class(name: str, *bases: type) -> type[Any]:
    """Return a class that a pickle finds in this module."""
    made = type(name, bases, {"__module__": __name__, "__doc__": f"A subclass of {bases[-1]}."})
    globals()[name] = made
    return made


def _subclasses(base: type, *arguments: Any) -> Kind:
    name = base.__name__.capitalize()
    plain, persistable = _class(f"Own{name}", base), _class(f"{name}Node", Persistable, base)
    return Kind(lambda: persistable(*arguments), lambda: plain(*arguments))


def _of_libraries() -> Iterator[tuple[str, Kind]]:
    """Yield the kinds of libraries that are installed."""
    for name, kind in (("attrs class", _attrs_classes), ("msgspec.Struct", _structs)):
        try:
            yield name, kind()
        except ImportError:
            continue


def _attrs_classes() -> Kind:
    import attrs

    plain: Any = attrs.make_class("AttrsLamp", ["watt"])
    persistable: Any = attrs.make_class("AttrsLampNode", ["watt"], bases=(Persistable,))
    return _placed(plain, persistable)


def _structs() -> Kind:
    import msgspec

    fields = [("watt", int)]
    plain: Any = msgspec.defstruct("StructLamp", fields, weakref=True)
    persistable: Any = type(plain)(
        "StructLampNode",
        (Persistable, msgspec.Struct),
        {"__annotations__": {"watt": int}, "__module__": __name__},
        weakref=True,
    )
    return _placed(plain, persistable)


def _placed(plain: Any, persistable: Any) -> Kind:
    for cls in (plain, persistable):
        cls.__module__ = __name__
        globals()[cls.__name__] = cls
    return Kind(lambda: persistable(60), lambda: plain(60))


KINDS: Final[Mapping[str, Kind]] = {
    "dataclass": Kind(lambda: LampNode(60), lambda: Lamp(60)),
    "dataclass with slots": Kind(lambda: SlottedLampNode(60), lambda: SlottedLamp(60)),
    "named tuple": Kind(lambda: PlaceNode(1, 2), lambda: Place(1, 2)),
    "member of an Enum": Kind(lambda: LevelNode.HIGH, lambda: Level.HIGH),
    "member of an IntEnum": Kind(lambda: RankNode.FIRST, lambda: Rank.FIRST),
    "member of a StrEnum": Kind(lambda: WordNode.YES, lambda: Word.YES),
    "list": _subclasses(list, [1, 2]),
    "tuple": _subclasses(tuple, (1, 2)),
    "dict": _subclasses(dict, {"a": 1}),
    "set": _subclasses(set, [1]),
    "frozenset": _subclasses(frozenset, [1]),
    "deque": _subclasses(deque, [1, 2]),
    "OrderedDict": _subclasses(OrderedDict, {"a": 1}),
    "defaultdict": _subclasses(defaultdict, int, {"a": 1}),
    "Counter": _subclasses(Counter, {"a": 1}),
    "UserDict": _subclasses(UserDict, {"a": 1}),
    "UserList": _subclasses(UserList, [1, 2]),
    "SimpleNamespace": _subclasses(SimpleNamespace),
    "array": _subclasses(array, "i", [1, 2]),
    "int": _subclasses(int, 5),
    "float": _subclasses(float, 1.5),
    "complex": _subclasses(complex, 1.5),
    "str": _subclasses(str, "text"),
    "bytes": _subclasses(bytes, b"data"),
    "bytearray": _subclasses(bytearray, b"data"),
    "datetime": _subclasses(datetime, 2024, 2, 29, 1, 2, 3, 4, UTC),
    "date": _subclasses(date, 2024, 2, 29),
    "time": _subclasses(time, 1, 2, 3),
    "timedelta": _subclasses(timedelta, 1, 2, 3),
    "Decimal": _subclasses(Decimal, "1.50"),
    "Fraction": _subclasses(Fraction, 1, 3),
    "UUID": _subclasses(UUID, "12345678-1234-5678-1234-567812345678"),
    "IPv4Address": _subclasses(IPv4Address, "127.0.0.1"),
    **dict(_of_libraries()),
}
"""The kinds, by name; a builtin name means its subclasses."""
