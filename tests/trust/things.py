"""Classes and functions that tests of the trust policy admit and refuse."""

from __future__ import annotations

import enum
import os  # noqa: F401 - what the module imports must not be reachable through it
from dataclasses import dataclass
from subprocess import Popen  # noqa: F401
from typing import Any

from brinery import Persistable

calls: list[Any] = []


class Task(Persistable):
    """A persistable thing."""

    def __init__(self, name: str, *after: Any) -> None:
        self.name = name
        self.after = list(after)


class Plain:
    """A thing that is kept in place."""

    def __init__(self, value: Any = None) -> None:
        self.value = value

    class Inner:
        """A class in a class."""

    def method(self) -> Any:
        """Return the value."""
        return self.value


class Colour(enum.Enum):
    """An enumeration."""

    RED = 1


RED = Colour.RED


class Rights(enum.Flag):
    """Flags."""

    READ = 1
    WRITE = 2


class Modes(enum.IntFlag):
    """Flags that are numbers."""

    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class Point:
    """Hashes by value."""

    x: Any
    y: Any


class Numbers(list[Any]):
    """A list of one's own."""


def rebuild(value: Any) -> Plain:
    """Make a Plain."""
    calls.append(value)
    return Plain(value)


class Noting(Plain):
    """Notes that it was called."""

    def __init__(self, value: Any = None) -> None:
        calls.append(value)


class Called(Plain):
    """Can be called."""

    def __call__(self, *args: Any) -> None:
        """Note that it was called."""
        calls.append(args)


class Rebuilt(Plain):
    """Is reduced to the call of a function."""

    def __reduce__(self) -> Any:
        return rebuild, (self.value,)
