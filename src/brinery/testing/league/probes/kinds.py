"""Probes of subclasses: objects that a serializer may take for those of the base class."""

from __future__ import annotations

from typing import Final

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

PROBES: Final = {
    **{f"subclass: {name}": Probe(kind.plain) for name, kind in KINDS.items()},
    **{
        f"subclass with attributes: {name}": Probe(
            lambda make=make: with_attributes(make(), label="a", held=[1])
        )
        for name, make in _BUILTINS.items()
    },
}
"""Objects of subclasses, each as the root."""
