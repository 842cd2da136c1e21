"""Probes of subclasses: objects that a serializer may take for those of the base class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from brinery.testing.kinds import KINDS
from brinery.testing.league.objects import Marked, Number, Pack, Table, Text, Words, with_attributes
from brinery.testing.league.probe import Probe

_BUILTINS: Final = {
    "a list": lambda: Words([1, [2]]),
    "a dict": lambda: Table({"a": [1], (2, 3): 4}),
    "a set": lambda: Marked({1, "two"}),
    "a tuple": lambda: Pack((1, [2])),
    "text": lambda: Text("text"),
    "an integer": lambda: Number(2**70),
}

_OF_THE_LIBRARY: Final = (
    *("bytes", "float", "frozenset", "deque", "OrderedDict", "defaultdict", "Counter", "datetime"),
    *("date", "time", "timedelta", "Decimal", "Fraction", "IPv4Address", "array"),
)


def _labelled(make: Callable[[], Any]) -> Probe:
    return Probe(
        lambda: with_attributes(make(), label="a", held=[1]), lambda obj: (obj.label, obj.held)
    )


PROBES: Final = {
    **{f"subclass: {name}": Probe(kind.plain) for name, kind in KINDS.items()},
    **{f"subclass with attributes: {name}": _labelled(make) for name, make in _BUILTINS.items()},
    **{
        f"subclass with attributes: {name}": _labelled(KINDS[name].plain)
        for name in _OF_THE_LIBRARY
    },
}
"""Objects of subclasses, each as the root."""
