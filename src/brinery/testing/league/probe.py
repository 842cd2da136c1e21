"""What a probe is, and how the object that comes back is judged."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

AS_GRAPH: Final = "as a graph"
"""The reading process builds the object, too; both are walked side by side.  The strictest judge."""
BY_VALUE: Final = "by value"
"""Both processes describe the object as text: it has classes or functions that only its writer has."""
BY_USE: Final = "by use"
"""Only types and what `use` returns are compared: the object cannot be taken apart."""


class Probe(NamedTuple):
    """How to build an object, and what is compared of the one that comes back."""

    build: Callable[[], Any]
    """Returns the same object in each process."""
    use: Callable[[Any], object] | None = None
    """Uses the object; what it returns has a `repr` that is the same in each process."""
    judge: str = AS_GRAPH
    requires: tuple[str, ...] = ()
    """The modules that have to be there."""


Probes = Mapping[str, Mapping[str, Probe]]
"""Probes by family and name; no name is in two families."""


def families_at(place: str) -> Probes:
    """Return the probes of a place, given as `module:attribute`, for which everything is installed."""
    module, _, attribute = place.partition(":")
    families: Probes = getattr(importlib.import_module(module), attribute)
    return {
        family: {name: probe for name, probe in probes.items() if _is_possible(probe)}
        for family, probes in families.items()
    }


def probes_at(place: str) -> dict[str, Probe]:
    """Return the probes of a place by their names."""
    return {name: probe for family in families_at(place).values() for name, probe in family.items()}


def _is_possible(probe: Probe) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in probe.requires)
