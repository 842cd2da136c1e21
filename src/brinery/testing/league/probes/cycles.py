"""Probes of cycles, through containers and fields, and of depth."""

from __future__ import annotations

from collections import OrderedDict, UserList, defaultdict, deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

from brinery.testing.league.objects import (
    FrozenRecord,
    Key,
    Plain,
    Record,
    Slots,
    SlottedRecord,
    Stateful,
    Table,
    Two,
    Words,
    with_attributes,
)
from brinery.testing.league.probe import BY_USE, Probe
from brinery.verify.depth import has_depth_of, linked, nested


def _appended(make: Callable[[], Any]) -> Probe:
    def build() -> Any:
        made = make()
        made.append(made)
        return made

    return Probe(build)


def _mapped(make: Callable[[], Any]) -> Probe:
    def build() -> Any:
        made = make()
        made["self"] = made
        return made

    return Probe(build)


def _attributed(make: Callable[[], Any]) -> Probe:
    return Probe(lambda: (made := make(), with_attributes(made, held=made))[1])


def _through(hold: Callable[[Any], Any]) -> Probe:
    def build() -> Any:
        outer: list[Any] = []
        outer.append(hold(outer))
        return outer

    return Probe(build)


def _through_a_set() -> Any:
    element = Plain(a=1)
    element.held = {element}  # type: ignore[attr-defined]
    return element


def _through_a_key() -> Any:
    key = Key("a")
    key.held = {key: [key]}
    return key


def _parent_and_children() -> Any:
    parent = Record("parent", [])
    parent.other += [Record(f"child {n}", parent) for n in range(3)]
    return parent


def _ring() -> Any:
    nodes = [Plain(number=n) for n in range(50)]
    for node, following in zip(nodes, nodes[1:] + nodes[:1], strict=True):
        node.next = following  # type: ignore[attr-defined]
    return nodes[0]


def _state() -> Any:
    made = Stateful([1])
    made.held.append(made)
    made.length = 2
    return made


def _own_method() -> Any:
    made = Plain(a=1)
    made.callback = made.get  # type: ignore[attr-defined]
    return made


def _error() -> Any:
    error = ValueError("text")
    return with_attributes(error, held=[error])


def _deep(make: Callable[[int], Any], depth: int) -> Probe:
    return Probe(lambda: make(depth), lambda obj: has_depth_of(make(depth), obj), BY_USE)


PROBES: Final = {
    "cycle: a list": _appended(lambda: [1]),
    "cycle: a dict": _mapped(lambda: {"a": 1}),
    "cycle: a deque": _appended(lambda: deque([1])),
    "cycle: an OrderedDict": _mapped(OrderedDict),
    "cycle: a defaultdict": _mapped(lambda: defaultdict(list)),
    "cycle: a UserList": _appended(UserList),
    "cycle: a subclass of list": _appended(Words),
    "cycle: a subclass of dict": _mapped(Table),
    "cycle: a SimpleNamespace": _attributed(SimpleNamespace),
    "cycle: an attribute": _attributed(Plain),
    "cycle: a slot": _attributed(lambda: Slots(None)),
    "cycle: a dataclass": _attributed(lambda: Record(None)),
    "cycle: a dataclass with slots": _attributed(lambda: SlottedRecord(None)),
    "cycle: a frozen dataclass": _attributed(lambda: FrozenRecord(None)),
    "cycle: through a tuple": _through(lambda outer: (outer, 1)),
    "cycle: through a named tuple": _through(Two),
    "cycle: through a list and a dict": _through(lambda outer: {"outer": [outer]}),
    "cycle: through a set": Probe(_through_a_set, lambda obj: obj in obj.held),
    "cycle: through a key": Probe(_through_a_key, lambda obj: Key("a") in obj.held),
    "cycle: parent and children": Probe(_parent_and_children),
    "cycle: a ring of fifty": Probe(_ring),
    "cycle: through a state": Probe(_state),
    "cycle: a method of the object": Probe(_own_method),
    "cycle: an error": Probe(_error),
    "a hundred lists deep": _deep(nested, 100),
    "a thousand lists deep": _deep(nested, 1_000),
    "a hundred thousand lists deep": _deep(nested, 100_000),
    "a hundred thousand instances in a row": _deep(linked, 100_000),
}
"""Objects that contain themselves, or very many inside each other."""
