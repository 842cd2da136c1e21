"""The built-in graphs of the benchmark, one module per family.

A *graph* is a shape of objects that can be built in any size and from a *seed*; a graph whose nodes take
longer has a smaller *share* of the nodes.  `GRAPHS` has them all by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from brinery.bench.graphs import closures, containers, imports, instances, jobs, tables, trees
from brinery.bench.graphs.graph import LARGE, SMALL, Graph

__all__ = ["GRAPHS", "LARGE", "SMALL", "Graph"]

GRAPHS: Final[Mapping[str, Graph]] = MappingProxyType(
    {
        graph.name: graph
        for module in (trees, containers, instances, jobs, tables, closures, imports)
        for graph in module.GRAPHS
    }
)
