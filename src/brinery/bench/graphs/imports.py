"""The graph of who imports whom in the standard library, as networkx holds it."""

from __future__ import annotations

import ast
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from brinery.bench.graphs.graph import Graph
from brinery.bench.graphs.trees import standard_library
from brinery.bench.nodes import nodes_of


def imports(nodes: int, seed: int) -> Any:
    """Return a `networkx.DiGraph` of modules and imports, in an order that depends on the seed.

    A module has its number of lines, an import the number of statements.  Modules are added until the nodes
    are enough, and, where the library has too few, numbered copies of all of them.
    """
    import networkx as nx

    paths = standard_library()
    random.Random(seed).shuffle(paths)
    graph = nx.DiGraph(name="imports of the standard library")
    modules = []
    for path in paths:
        modules.append(_module(path))
        _add(graph, modules[-1], "")
        size = len(nodes_of([graph]))
        if size >= nodes:
            return graph
    more = -(-(nodes - size) * len(modules) // size)
    for number in range(more):
        copy, place = divmod(number, len(modules))
        _add(graph, modules[place], f"/{copy + 1}")
    return graph


_Module = tuple[str, int, Counter[str]]
"""Name, number of lines, and how often it imports each other module."""


def _module(path: Path) -> _Module:
    source = path.read_bytes()
    return path.stem, source.count(b"\n"), Counter(_imported(ast.parse(source)))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _add(graph: Any, module: _Module, suffix: str) -> None:
    # Interned, so that each name is one string in the whole graph.
    name, lines, imported = sys.intern(module[0] + suffix), *module[1:]
    graph.add_node(name, lines=lines)
    for other, statements in imported.items():
        graph.add_edge(name, sys.intern(other + suffix), statements=statements)


GRAPHS: Final = (
    Graph(
        "imports",
        "networkx graph",
        "who imports whom in the standard library, with attributes",
        imports,
        ("networkx",),
    ),
)
