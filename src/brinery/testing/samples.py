"""Classes and objects for the contract of codecs; here because pickles name classes by their module.

The classes cover the ways in which Python objects describe themselves to `copyreg` and `pickle`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

from brinery.persistable import Persistable

# -- persistable classes


class Node(Persistable):
    """A persistable object with a label and any attributes; equal only to itself."""

    def __init__(self, label: str = "", **attributes: Any) -> None:
        self.label = label
        self.__dict__.update(attributes)


class SlottedNode(Persistable):
    """Without `__dict__`, and without weak references."""

    __slots__ = ("_SlottedNode__private", "label", "peer", "unset")

    def __init__(self, label: str = "", peer: Any = None) -> None:
        self.label = label
        self.peer = peer
        self.__private = [label]  # type: ignore[misc] # the slot's name is mangled


class MixedNode(SlottedNode):
    """With slots and `__dict__`."""

    def __init__(self, label: str = "", peer: Any = None, **attributes: Any) -> None:
        super().__init__(label, peer)
        self.__dict__.update(attributes)


class ListNode(Persistable, list[Any]):
    """A list with a label."""

    label: str = ""


class DictNode(Persistable, dict[Any, Any]):
    """A dict with a label."""

    label: str = ""


class SetNode(Persistable, set[Any]):
    """A set with a label."""

    label: str = ""


class TupleNode(Persistable, tuple[Any, ...]):
    """A tuple with a label."""

    label: str = ""


class StrNode(Persistable, str):
    """A string that may refer to something."""

    peer: Any = None


class IntNode(Persistable, int):
    """An integer that may refer to something."""

    peer: Any = None


class Failure(Persistable, ValueError):
    """An exception."""


class Colour(Persistable, Enum):
    """Objects of which there is one each, in any process."""

    RED = "red"
    BLUE = "blue"


class Pair(NamedTuple):
    """A named tuple, not persistable."""

    left: Any
    right: Any


class PairNode(Persistable, Pair):
    """A named tuple."""


@dataclass(frozen=True)
class FrozenNode(Persistable):
    """Frozen, with a value hash."""

    label: str
    peers: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class FrozenSlots(Persistable):
    """Frozen, without `__dict__`."""

    label: str
    peer: Any = None
    numbers: list[int] = field(default_factory=list, hash=False)


class ReducedNode(Persistable):
    """Made by its constructor, from the arguments that its `__reduce__` gives."""

    def __init__(self, label: str, parts: list[Any]) -> None:
        self.label = label
        self.parts = parts

    def __reduce__(self) -> Any:
        return ReducedNode, (self.label, self.parts)


class StatefulNode(Persistable):
    """Restores what it does not store."""

    def __init__(self, label: str, peer: Any = None) -> None:
        self.label = label
        self.peer = peer
        self.length = len(label)

    def __getstate__(self) -> Any:
        return (self.label, self.peer)

    def __setstate__(self, state: Any) -> None:
        self.label, self.peer = state
        self.length = len(self.label)


class NewArgsNode(Persistable):
    """Made by a `__new__` that takes keyword arguments."""

    label: str

    def __new__(cls, *, label: str) -> NewArgsNode:
        """Make an object whose label is there before its state."""
        made = super().__new__(cls)
        made.label = label
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (), {"label": self.label}


class Key(Persistable):
    """Equal to, and hashed as, whatever key has the same label."""

    def __init__(self, label: Any, **attributes: Any) -> None:
        self.label = label
        self.__dict__.update(attributes)

    def __eq__(self, other: object) -> bool:
        return type(other) is Key and self.label == other.label

    def __hash__(self) -> int:
        return hash(self.label)


@Persistable.register
class Foreign:
    """A class that knows nothing of brinery, made persistable from outside."""

    def __init__(self, label: str = "", peer: Any = None) -> None:
        self.label = label
        self.peer = peer


# -- classes of which nothing is persistable


class Plain:
    """An object with any attributes."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Slotted:
    """An object without `__dict__`."""

    __slots__ = ("one", "two")

    def __init__(self, one: Any = None) -> None:
        self.one = one


class Words(list[str]):
    """A list with a label, not persistable."""

    label: str = ""


class Table(dict[str, Any]):
    """A dict with a label, not persistable."""

    label: str = ""


class Size(int):
    """An integer of a class of its own."""


class Name(str):
    """A string of a class of its own."""


class Unencodable:
    """An object that nobody can describe."""

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("this object refuses to be described")

    def __getstate__(self) -> NoReturn:
        raise TypeError("this object refuses to be described")


sprung: list[str] = []
"""What `spring` was called with."""


def spring(text: str) -> str:
    """Note that code was run by reading a payload."""
    sprung.append(text)
    return text


def mark(path: str) -> str:
    """Write a file, to show that code was run by reading a payload."""
    Path(path).write_text("code was run")
    return path


class Trap:
    """An object whose pickle calls `spring` when it is read."""

    def __reduce__(self) -> Any:
        return spring, ("the trap",)


# -- objects

Make = Callable[[], Any]

BASIC: Mapping[str, Make] = {
    "None": lambda: None,
    "booleans": lambda: [True, False],
    "integers": lambda: [0, 1, -1, 255, 2**31, 2**53, -(2**53)],
    "floats": lambda: [0.0, 1.5, -2.25, 1e300, 5e-324],
    "text": lambda: ["", "text", "Grüße", "日本語", "\U0001f600", "line\nline\0"],
    "lists": lambda: [[], [1, [2, [3]]]],
    "dicts": lambda: {"a": {}, "b": {"c": [1, "two", None]}, "": 0},
}
"""Data that every codec keeps."""

DATA: Mapping[str, Make] = {
    "large integers": lambda: [2**63, 2**64 - 1, -(2**63), 2**64, -(2**64), 10**100],
    "special floats": lambda: [float("inf"), float("-inf"), float("nan"), -0.0],
    "complex": lambda: [1j, complex("nan-0j")],
    "surrogates": lambda: ["\ud800", {"\udfff": 1}],
    "bytes": lambda: [b"", b"\0\xff" * 50],
    "bytearray": lambda: bytearray(b"abc"),
    "tuples": lambda: [(), (1,), (1, (2, [3])), ([],)],
    "sets": lambda: [set(), {1, "a", (2, 3)}, {*"abcdefgh"}],
    "frozensets": lambda: [frozenset(), frozenset({frozenset({1}), "x"})],
    "colliding sets": lambda: [{8, 0, 16, 24}, {*range(0, 256, 8)}],
    "keys": lambda: {1: "int", None: "None", True and 2.5: "float", (1, 2): "tuple", b"b": "bytes"},
    "keys that look alike": lambda: {"1": "str", 1: "int", "None": "str", None: "None"},
    "dates": lambda: [date(2024, 2, 29), date.min, date.max],
    "times": lambda: [time(1, 2, 3, 4), time(6, tzinfo=UTC)],
    "folded times": lambda: [time(5, fold=1), datetime(2024, 1, 2, 3, fold=1)],
    "datetimes": lambda: [
        datetime(2024, 1, 2, 3, 4, 5, 6),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=-3, minutes=-30), "name")),
    ],
    "timedeltas": lambda: [timedelta(), timedelta(-1, 2, 3), timedelta.max],
    "decimals": lambda: [Decimal("1.10"), Decimal("-0"), Decimal("NaN"), Decimal("1E+400")],
    "fractions": lambda: [Fraction(1, 3), Fraction(-(10**40), 7)],
    "UUIDs": lambda: [UUID(int=0), UUID("12345678-1234-5678-1234-567812345678")],
    "ellipsis": lambda: [..., NotImplemented],
    "ranges": lambda: [range(3), range(10, 0, -3)],
    "much of it": lambda: {str(i): [i, i / 7, str(i) * 3] for i in range(2_000)},
}
"""Data that a codec keeps exactly, or refuses."""


def _labelled(obj: Any, label: str) -> Any:
    obj.label = label
    return obj


def _exception() -> Failure:
    failure = Failure("reason", 2)
    failure.detail = [1]  # type: ignore[attr-defined]
    return failure


def _text() -> StrNode:
    text = StrNode("text")
    text.peer = [1]
    return text


INSTANCES: Mapping[str, Make] = {
    "attributes": lambda: Plain(a=1, b=[2], c=Plain()),
    "slots": lambda: Slotted([1]),
    "a named tuple": lambda: Pair(1, [2]),
    "a persistable object": lambda: Node("a", part=[1, "x"], empty=None),
    "a persistable object with slots": lambda: SlottedNode("a", [1]),
    "a persistable object with slots and attributes": lambda: MixedNode("a", [1], extra={"x": 2}),
    "a persistable list": lambda: _labelled(ListNode([1, [2]]), "a"),
    "a persistable dict": lambda: _labelled(DictNode({"a": 1, (2, 3): [4]}), "a"),
    "a persistable set": lambda: _labelled(SetNode({1, "two", (3,)}), "a"),
    "a persistable tuple": lambda: _labelled(TupleNode((1, [2])), "a"),
    "a persistable string": _text,
    "a persistable integer": lambda: IntNode(2**70),
    "a persistable exception": _exception,
    "a persistable named tuple": lambda: PairNode(1, [2]),
    "a persistable member of an enumeration": lambda: [Colour.RED, Colour.RED, Colour.BLUE],
    "a frozen dataclass": lambda: FrozenNode("a", (1, (2,))),
    "a frozen dataclass with slots": lambda: FrozenSlots("a", [1], [2]),
    "an object with __reduce__": lambda: ReducedNode("a", [1]),
    "an object with __getstate__": lambda: StatefulNode("four", [1]),
    "an object with __getnewargs_ex__": lambda: NewArgsNode(label="a"),
    "an object hashed by value": lambda: {Key("a", part=[1]): Key("b")},
    "an object of a registered class": lambda: Foreign("a", [1]),
}
"""Objects of importable classes."""

SLOTTED = frozenset(
    {
        "slots",
        "a persistable object with slots",
        "a persistable object with slots and attributes",
    }
)
"""Those of `INSTANCES` that pickle protocols 0 and 1 do not take."""


def counter(start: int) -> tuple[Callable[[], int], Callable[[], int]]:
    """Return two closures that share one captured variable: one reads it, one increases it."""

    def get() -> int:
        return start

    def increase() -> int:
        nonlocal start
        start += 1
        return start

    return get, increase


def getter(obj: Any) -> Callable[[], Any]:
    """Return a lambda that captures `obj`, and returns it."""
    return lambda: obj


def local_class() -> type[Any]:
    """Return a class that cannot be imported."""

    class Local:
        limit = 3

        def __init__(self, value: Any) -> None:
            self.value = value

        def capped(self) -> Any:
            return min(self.value, type(self).limit)

    return Local
