"""The description of a built-in graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

SMALL: Final = 10_000
LARGE: Final = 2_000_000
"""The number of nodes that "large" stands for."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A shape that can be built in any size.

    ``build(nodes, seed)`` returns a graph of about so many nodes (`brinery.bench.nodes`): the same
    in each process for the same arguments, Python and libraries.
    """

    name: str
    title: str
    description: str
    build: Callable[[int, int], Any]
    requires: tuple[str, ...] = ()
    """The modules that building it imports."""
    share: float = 1.0
    """The part of the nodes that is built in the size "small": less where a node takes longer."""
