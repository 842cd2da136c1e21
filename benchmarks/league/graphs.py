"""The graphs of the suite as probes: small, from one seed."""

from __future__ import annotations

from typing import Any

from brinery.bench.graphs import GRAPHS, Graph
from brinery.testing.league.probe import AS_GRAPH, BY_VALUE, Probe
from brinery.testing.league.probes import PROBES as OF_OBJECTS

NODES = 1_000
SEED = 1
BY_VALUE_ONLY = ("closures",)
"""The graphs of functions that only their writer has."""


def _probe(graph: Graph) -> Probe:
    def build() -> Any:
        return graph.build(NODES, SEED)

    judge = BY_VALUE if graph.name in BY_VALUE_ONLY else AS_GRAPH
    return Probe(build, judge=judge, requires=graph.requires)


PROBES = {
    **OF_OBJECTS,
    "Graphs of the benchmark": {
        f"graph: {graph.title}": _probe(graph) for graph in GRAPHS.values()
    },
}
