"""Classes and functions for probes, in a module because both processes find them by their names."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Plain:
    """An object with any attributes."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def get(self, name: str) -> Any:
        """Return an attribute."""
        return getattr(self, name)


class Slots:
    """An object without `__dict__`; `unset` is never set."""

    __slots__ = ("held", "other", "unset")

    def __init__(self, held: Any, other: Any = None) -> None:
        self.held = held
        self.other = other


class SlotsAndMore(Slots):
    """An object with slots of its base class, and with attributes."""


class Private:
    """An object with an attribute whose name is mangled."""

    def __init__(self, held: Any) -> None:
        self.__held = held


@dataclass
class Record:
    """A dataclass."""

    held: Any
    other: Any = None


@dataclass(slots=True)
class SlottedRecord:
    """A dataclass without `__dict__`."""

    held: Any
    other: Any = None


@dataclass(frozen=True)
class FrozenRecord:
    """A dataclass whose instances cannot be changed."""

    held: Any
    other: Any = None


@dataclass
class Doubling:
    """A dataclass that changes its field when it is made; a copy must not be made so."""

    number: int
    made: list[int] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.number *= 2
        self.made.append(self.number)


class Two(NamedTuple):
    """A named tuple."""

    held: Any
    other: Any = None


class Key:
    """Equal to, and hashed as, any other of the same label."""

    def __init__(self, label: str, held: Any = None) -> None:
        self.label = label
        self.held = held

    def __eq__(self, other: object) -> bool:
        return type(other) is Key and self.label == other.label

    def __hash__(self) -> int:
        return hash(self.label)


class Reduced:
    """Made by its constructor, from the arguments that its `__reduce__` gives."""

    def __init__(self, held: Any) -> None:
        self.held = held
        self.length = len(held)

    def __reduce__(self) -> Any:
        return Reduced, (self.held,)


class Stateful:
    """Keeps a state of its own form, and restores what that leaves out."""

    def __init__(self, held: Any) -> None:
        self.held = held
        self.length = len(held)

    def __getstate__(self) -> Any:
        return (self.held,)

    def __setstate__(self, state: Any) -> None:
        (self.held,) = state
        self.length = len(self.held)


class NewArguments:
    """Made by a `__new__` that takes a keyword argument."""

    held: Any

    def __new__(cls, *, held: Any) -> NewArguments:
        """Make an object whose attribute is there before its state."""
        made = super().__new__(cls)
        made.held = held
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (), {"held": self.held}


class Forwarding:
    """Looks up missing attributes in what it holds, as proxies do; it fails while it is empty."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __getattr__(self, name: str) -> Any:
        return getattr(self.held, name)


class Strict:
    """A class whose constructor needs arguments, and counts its calls."""

    calls = 0

    def __init__(self, held: Any, *, other: Any) -> None:
        Strict.calls += 1
        self.held = held
        self.other = other


class Outer:
    """A class that holds another."""

    class Inner(Plain):
        """A class inside of another."""


class Box(Generic[T]):
    """A generic class."""

    def __init__(self, held: T) -> None:
        self.held = held


class Words(list[Any]):
    """A list with attributes."""


class Table(dict[Any, Any]):
    """A dict with attributes."""


class Marked(set[Any]):
    """A set with attributes."""


class Pack(tuple[Any, ...]):
    """A tuple with attributes."""


class Text(str):
    """A string with attributes."""


class Number(int):
    """An integer with attributes."""


class Failed(Exception):
    """An error whose constructor takes other arguments than it passes on."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class Colour(enum.Enum):
    """An enumeration with an alias."""

    RED = "red"
    CRIMSON = "red"  # noqa: PIE796 - an alias is what is tried
    BLUE = "blue"


class Right(enum.Flag):
    """Flags, which combine."""

    READ = 1
    WRITE = 2


def add(one: Any, other: Any = 1) -> Any:
    """Return a sum."""
    return one + other


def counter(start: int) -> tuple[Callable[[], int], Callable[[], int]]:
    """Return two closures over one variable: one reads it, one increases it."""

    def get() -> int:
        return start

    def increase() -> int:
        nonlocal start
        start += 1
        return start

    return get, increase


def with_attributes(obj: Any, **attributes: Any) -> Any:
    """Set attributes of an object, and return it."""
    for name, value in attributes.items():
        object.__setattr__(obj, name, value)
    return obj
