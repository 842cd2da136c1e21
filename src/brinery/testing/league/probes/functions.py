"""Probes of functions and classes, by name and by value."""

from __future__ import annotations

import enum
import functools
import json
import math
import operator
import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from brinery.testing.league.objects import Colour, Outer, Plain, add, counter
from brinery.testing.league.probe import BY_USE, BY_VALUE, Probe

_IN_MAIN: Final = """
class Point:
    count = 1
    def __init__(self, x): self.x = x
    def double(self): return 2 * self.x
def twice(x): return double(x)
def double(x): return 2 * x
"""


def _main(name: str) -> Any:
    names = sys.modules["__main__"].__dict__
    exec(_IN_MAIN, names)
    return names[name]


def _factorial() -> Any:
    def factorial(n: int) -> int:
        return n * factorial(n - 1) if n else 1

    return factorial


def _options() -> Any:
    def options(a: Any, b: Any = [1], *, c: Any = 2) -> Any:  # noqa: B006 - the default is what is tried
        return a, b, c

    options.mark = "set"  # type: ignore[attr-defined]
    return options


def _shared_with_a_function() -> Any:
    held = [1]

    def get() -> Any:
        return held

    return [held, get]


def _generator_function() -> Any:
    def squares(n: int) -> Iterator[int]:
        for each in range(n):
            yield each * each

    return squares


def _generator() -> Any:
    generator = (n * n for n in range(4))
    next(generator)
    return generator


def _class() -> Any:
    class Base:
        limit = 3

        def __init__(self, value: Any) -> None:
            self.value = value

        def capped(self) -> Any:
            return min(self.value, type(self).limit)

    class Local(Base):
        @property
        def half(self) -> Any:
            return self.value / 2

        @classmethod
        def make(cls, value: Any) -> Any:
            return cls(value)

        @staticmethod
        def one() -> int:
            return 1

        def capped(self) -> Any:
            return super().capped() + 1

    return Local


def _use_class(obj: Any) -> Any:
    first, second, cls = obj
    kinds = type(first) is type(second) is cls
    return kinds, first.capped(), second.half, cls.make(9).capped(), cls.one()


def _instances() -> Any:
    cls = _class()
    return [cls(2), cls(5), cls]


def _local_dataclass() -> Any:
    @dataclass
    class Local:
        number: int
        items: list[int]

    return [Local(1, [2]), Local]


def _local_enum() -> Any:
    class Local(enum.Enum):
        ONE = 1
        TWO = 2

    return [Local.ONE, Local.TWO, Local]


def _local_tuple() -> Any:
    class Local(NamedTuple):
        one: int
        two: list[int]

        def double(self) -> int:
            return 2 * self.one

    return Local(1, [2])


def _changing_class() -> Any:
    class Local:
        made: list[Any] = []  # noqa: RUF012 - shared by all

    first = Local()
    Local.made.append(first)
    return [first, Local.made]


def _weak() -> Any:
    held = Plain(a=1)
    return [held, weakref.ref(held)]


def _lock() -> Any:
    lock = threading.Lock()
    lock.acquire()
    return [lock]


def _partial() -> Any:
    made = functools.partial(add, 1, other=[2])
    vars(made)  # which makes the dict
    return made


_NAMED: Final = {
    "a function by its name": Probe(lambda: [add, json.dumps]),
    "builtin functions": Probe(lambda: [len, math.sin, print]),
    "classes by their names": Probe(lambda: [int, OrderedDict, Plain, Outer.Inner, Colour]),
    "types without a name": Probe(lambda: [type(None), type(...), type(add), type(len)]),
    "generic types": Probe(lambda: [list[int], dict[str, list[int]]], None, BY_USE),
    "modules": Probe(lambda: [math, json]),
    "methods of objects": Probe(
        lambda: [Plain(a=1).get, [1].append], lambda obj: (obj[0]("a"), obj[1].__self__)
    ),
    "methods of classes": Probe(lambda: [dict.fromkeys, str.upper], lambda obj: obj[1]("a")),
    "partial": Probe(_partial, lambda obj: obj.keywords),
    "getters of operator": Probe(
        lambda: [operator.itemgetter(1, 2), operator.attrgetter("a.b")], lambda obj: obj[0]("abc")
    ),
}
_BY_VALUE: Final = {
    "a lambda": Probe(lambda: lambda x: x + 1, lambda obj: obj(20)),
    "a function with defaults and attributes": Probe(_options, lambda obj: (obj(0), obj.mark)),
    "closures over one variable": Probe(
        lambda: list(counter(3)), lambda obj: (obj[0](), obj[1](), obj[0]())
    ),
    "a closure and what it captured": Probe(
        _shared_with_a_function, lambda obj: obj[0] is obj[1]()
    ),
    "a function that calls itself": Probe(_factorial, lambda obj: obj(5)),
    "a generator function": Probe(_generator_function, lambda obj: list(obj(4))),
    "a class made in a function": Probe(_instances, _use_class),
    "a dataclass made in a function": Probe(
        _local_dataclass, lambda obj: (obj[1](1, [2]) == obj[0], type(obj[0]) is obj[1])
    ),
    "an enumeration made in a function": Probe(
        _local_enum, lambda obj: (obj[2](1) is obj[0], obj[2]["TWO"] is obj[1])
    ),
    "a named tuple made in a function": Probe(
        _local_tuple, lambda obj: (obj.two, obj._fields, obj.double())
    ),
    "a class that holds its instances": Probe(
        _changing_class, lambda obj: (obj[1][0] is obj[0], type(obj[0]).made is obj[1])
    ),
    "an instance of a class of __main__": Probe(
        lambda: _main("Point")(21), lambda obj: (obj.double(), type(obj).count)
    ),
    "a function of __main__ that calls another": Probe(lambda: _main("twice"), lambda obj: obj(21)),
}
_LIVING: Final = {
    "a generator that has begun": Probe(_generator, list, BY_USE),
    "a weak reference": Probe(_weak, lambda obj: obj[1]() is obj[0], BY_USE),
    "a lock that is held": Probe(_lock, lambda obj: obj[0].locked(), BY_USE),
    "a local variable of a thread": Probe(threading.local, None, BY_USE),
}

PROBES: Final = {
    **_NAMED,
    **{name: probe._replace(judge=BY_VALUE) for name, probe in _BY_VALUE.items()},
    **_LIVING,
}
"""Functions and classes that both processes import, those that only the writer has, and what is alive."""
