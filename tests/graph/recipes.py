"""Random object graphs: a recipe lists the objects of a graph and their references."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from brinery.testing import samples
from brinery.testing.samples import (
    DictNode,
    Foreign,
    FrozenNode,
    FrozenSlots,
    IntNode,
    Key,
    ListNode,
    MixedNode,
    NewArgsNode,
    Node,
    Plain,
    ReducedNode,
    SetNode,
    Slotted,
    SlottedNode,
    StatefulNode,
    StrNode,
    TupleNode,
)


@dataclass(frozen=True)
class Recipe:
    """The kinds of the objects, and for each the numbers of the objects that it refers to."""

    kinds: tuple[str, ...]
    links: tuple[tuple[int, ...], ...]
    root: int

    def build(self) -> list[Any]:
        """Make new objects.

        The parts of an immutable object are made before it; all other links are made afterwards, and
        close the cycles.
        """
        made: list[Any] = []
        for number, (name, links) in enumerate(zip(self.kinds, self.links, strict=True)):
            earlier = [made[link % number] for link in links] if number else []
            made.append(KINDS[name].make(f"{name} {number}", earlier))
        for obj, name, links in zip(made, self.kinds, self.links, strict=True):
            KINDS[name].link(obj, [made[link] for link in links])
        return made

    def has_cycle_of_arguments(self) -> bool:
        """Return whether constructors, or hashes, may need objects that need each other.

        No order of construction exists then, where each has a record of its own, with its own copy of
        the plain objects that it refers to.
        """
        made_of_parts = [n for n, name in enumerate(self.kinds) if name in MADE_OF_PARTS]
        return any(number in self._needed(number) for number in made_of_parts)

    def _needed(self, number: int) -> set[int]:
        """Return the numbers of the objects that must exist before the one of `number` is made."""
        found: set[int] = set()
        stack = self._arguments(number)
        while stack:
            other = stack.pop()
            if other not in found:
                found.add(other)
                stack += self._arguments(other)
        return found

    def _arguments(self, number: int) -> list[int]:
        name, links = self.kinds[number], self.links[number]
        if name in RESTORED:
            return []
        return [*links, *(link % number for link in links if number)]


@dataclass(frozen=True)
class Kind:
    """Makes objects of one kind from existing parts, and links them to others afterwards."""

    make: Callable[[str, Sequence[Any]], Any]
    link: Callable[[Any, Sequence[Any]], None] = lambda obj, parts: None


def _hashable(parts: Sequence[Any]) -> list[Any]:
    found = []
    for part in parts:
        try:
            hash(part)
        except TypeError:
            continue
        found.append(part)
    return found


def _set_attributes(obj: Any, parts: Sequence[Any]) -> None:
    for index, part in enumerate(parts):
        setattr(obj, f"part_{index}", part)


def _set_peer(obj: Any, parts: Sequence[Any]) -> None:
    if parts:
        obj.peer = parts[0]


def _fill_set(obj: Any, parts: Sequence[Any]) -> None:
    obj.update(_hashable(parts))


def _fill_dict(obj: Any, parts: Sequence[Any]) -> None:
    for index, part in enumerate(parts):
        obj[f"key {index}"] = part


def _fill_keys(obj: Any, parts: Sequence[Any]) -> None:
    for index, part in enumerate(_hashable(parts)):
        obj[part] = parts[-1 - index]


def _capture(function: Any, parts: Sequence[Any]) -> None:
    if parts:
        function.__closure__[0].cell_contents = parts[0]


KINDS: Mapping[str, Kind] = {
    # of records of their own
    "node": Kind(lambda label, parts: Node(label), _set_attributes),
    "slotted node": Kind(lambda label, parts: SlottedNode(label), _set_peer),
    "mixed node": Kind(lambda label, parts: MixedNode(label), _set_attributes),
    "list node": Kind(lambda label, parts: ListNode([label]), ListNode.extend),
    "dict node": Kind(lambda label, parts: DictNode(), _fill_dict),
    "set node": Kind(lambda label, parts: SetNode([label]), _fill_set),
    "tuple node": Kind(lambda label, parts: TupleNode([label, *parts]), _set_attributes),
    "str node": Kind(lambda label, parts: StrNode(label), _set_peer),
    "int node": Kind(lambda label, parts: IntNode(len(label)), _set_peer),
    "frozen node": Kind(lambda label, parts: FrozenNode(label, tuple(_hashable(parts)))),
    "frozen slots": Kind(lambda label, parts: FrozenSlots(label, (*_hashable(parts),), [1])),
    "reduced node": Kind(lambda label, parts: ReducedNode(label, list(parts))),
    "stateful node": Kind(lambda label, parts: StatefulNode(label), _set_peer),
    "new args node": Kind(lambda label, parts: NewArgsNode(label=label), _set_attributes),
    "foreign": Kind(lambda label, parts: Foreign(label), _set_peer),
    "key": Kind(lambda label, parts: Key(label), _set_attributes),
    # of the record that reaches them
    "plain": Kind(lambda label, parts: Plain(label=label), _set_attributes),
    "slotted": Kind(lambda label, parts: Slotted(list(parts))),
    "list": Kind(lambda label, parts: [label], list.extend),
    "dict": Kind(lambda label, parts: {"label": label}, _fill_dict),
    "keys": Kind(lambda label, parts: {"label": label}, _fill_keys),
    "set": Kind(lambda label, parts: {label}, _fill_set),
    "tuple": Kind(lambda label, parts: (label, *parts)),
    "frozenset": Kind(lambda label, parts: frozenset([label, *_hashable(parts)])),
}
"""Objects that every codec of the pickle family can encode."""

FUNCTIONS: Mapping[str, Kind] = {
    "closure": Kind(lambda label, parts: samples.getter(label), _capture),
}
KINDS = {**KINDS, **FUNCTIONS}

MADE_OF_PARTS = frozenset({"set node", "tuple node", "reduced node", "frozen node", "frozen slots"})
"""Objects with records of their own whose constructors, or hashes, need their parts."""

RESTORED = frozenset(
    name
    for name in KINDS
    if ("node" in name or name in ("foreign", "key")) and name not in MADE_OF_PARTS
)
"""Objects with records of their own that get their parts after construction."""


@st.composite
def recipes(draw: st.DrawFn, kinds: Sequence[str], most: int = 8) -> Recipe:
    """Return recipes of graphs of up to `most` objects."""
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=most))
    number = st.integers(0, len(chosen) - 1)
    links = [tuple(draw(st.lists(number, max_size=4))) for _ in chosen]
    return Recipe(tuple(chosen), tuple(links), draw(number))
