"""The graph of who imports whom in the standard library, as networkx holds it."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from brinery.bench.graphs._graph import Graph
from brinery.bench.graphs.trees import standard_library
from brinery.bench.nodes import nodes_of


def imports(nodes: int, seed: int) -> Any:
    """Return a `networkx.DiGraph` of modules and imports, with attributes on both.

    The library is what it is: copies with numbered names are added until the nodes are enough.
    """
    import networkx as nx

    chance = random.Random(seed)
    edges = [(path.stem, name) for path in standard_library() for name in _imported(path)]
    graph = nx.DiGraph(name="imports of the standard library")
    size = copies = 0
    while copies == 0 or size * copies < nodes:
        names = {name: f"{name}/{copies}" for edge in edges for name in edge}
        graph.add_nodes_from((name, {"lines": chance.randrange(5000)}) for name in names.values())
        graph.add_edges_from(
            (names[one], names[other], {"weight": chance.random()}) for one, other in edges
        )
        size = size or len(nodes_of([graph]))
        copies += 1
    return graph


def _imported(path: Path) -> Iterator[str]:
    # By the form of lines: parsing all of them takes seconds.
    for name in _IMPORT.findall(path.read_text(encoding="utf-8", errors="replace")):
        if name in sys.stdlib_module_names:
            yield name


_IMPORT: Final = re.compile(r"^\s*(?:import|from)\s+(\w+)", re.MULTILINE)

GRAPHS: Final = (
    Graph(
        "imports",
        "networkx graph",
        "who imports whom in the standard library, with attributes",
        imports,
        ("networkx",),
    ),
)
