"""Probes of sharing: one object in two places is one object again, and two equal ones stay two."""

from __future__ import annotations

import functools
from collections import ChainMap, OrderedDict, UserDict, UserList, defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Final

from brinery.testing.kinds import KINDS
from brinery.testing.league.objects import (
    FrozenRecord,
    Key,
    NewArguments,
    Plain,
    Record,
    Reduced,
    Slots,
    SlottedRecord,
    Stateful,
    Table,
    Two,
    Words,
    add,
    with_attributes,
)
from brinery.testing.league.probe import Probe

_OF_LIBRARIES: Final = ("attrs class", "msgspec.Struct")
_HOLDERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "a list": lambda held: [held],
    "a tuple": lambda held: (held,),
    "a dict": lambda held: {"held": held},
    "a deque": lambda held: deque([held]),
    "an OrderedDict": lambda held: OrderedDict(held=held),
    "a defaultdict": lambda held: defaultdict(list, held=held),
    "a ChainMap": lambda held: ChainMap({"held": held}),
    "a UserDict": lambda held: UserDict({"held": held}),
    "a UserList": lambda held: UserList([held]),
    "a SimpleNamespace": lambda held: SimpleNamespace(held=held),
    "a partial": lambda held: with_attributes(functools.partial(add, held, other=held), held=held),
    "an error": lambda held: with_attributes(ValueError(held), held=held),
    "an attribute": lambda held: Plain(held=held),
    "a slot": Slots,
    "a dataclass": Record,
    "a dataclass with slots": SlottedRecord,
    "a frozen dataclass": FrozenRecord,
    "a named tuple": Two,
    "a subclass of list": lambda held: with_attributes(Words([held]), held=held),
    "a subclass of dict": lambda held: with_attributes(Table(held=held), held=held),
    "an argument of __reduce__": Reduced,
    "a state of __getstate__": Stateful,
    "an argument of __getnewargs_ex__": lambda held: NewArguments(held=held),
    **{f"an {name}": type(KINDS[name].plain()) for name in _OF_LIBRARIES if name in KINDS},
}


def _beside(hold: Callable[[Any], Any]) -> Probe:
    def build() -> Any:
        shared = [1]
        return [shared, hold(shared), hold(shared)]

    return Probe(build)


def _twice(make: Callable[[], Any]) -> Probe:
    def build() -> Any:
        shared = make()
        return {"one": shared, "two": [shared, {"three": shared}]}

    return Probe(build)


def _as_key_and_element() -> Any:
    shared = Key("a", [1])
    return [shared, {shared: 1}, {shared}, frozenset({shared}), shared.held]


def _with_its_dict(obj: Any) -> Any:
    return [obj, vars(obj)]


def _as_key_and_value() -> Any:
    shared = (1, "a")
    return {shared: shared}


PROBES: Final = {
    **{f"shared: a list, by {name}": _beside(hold) for name, hold in _HOLDERS.items()},
    "shared: an empty list": _twice(list),
    "shared: a dict": _twice(lambda: {"a": 1}),
    "shared: a set": _twice(lambda: {1, 2}),
    "shared: a tuple": _twice(lambda: (1, [2])),
    "shared: a bytearray": _twice(lambda: bytearray(b"abc")),
    "shared: a date with time": _twice(lambda: datetime(2024, 1, 2)),
    "shared: a decimal": _twice(lambda: Decimal("1.5")),
    "shared: an instance": _twice(lambda: Plain(a=1)),
    "shared: a dataclass": _twice(lambda: Record(1)),
    "shared: an instance with slots": _twice(lambda: Slots(1)),
    "shared: a subclass of list": _twice(lambda: Words([1])),
    "shared: as key, in sets, and what it holds": Probe(_as_key_and_element),
    "shared: a tuple as key and value": Probe(_as_key_and_value),
    "shared: the attributes of an instance": Probe(lambda: _with_its_dict(Plain(a=1))),
    "equal, not shared": Probe(lambda: [[1], [1], {"a": 1}, {"a": 1}, Record(1), Record(1)]),
}
"""One object in several places."""
