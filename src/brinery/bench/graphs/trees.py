"""Syntax trees of the standard library: real trees of many classes."""

from __future__ import annotations

import ast
import random
import sysconfig
from pathlib import Path
from typing import Any, Final

from brinery.bench.graphs._graph import Graph
from brinery.bench.nodes import nodes_of


def syntax_trees(nodes: int, seed: int) -> list[Any]:
    """Return syntax trees of modules of the standard library, in an order that depends on the seed.

    The last one is cut off after the statement with which the nodes are enough; a module is met again
    where the library has too few.
    """
    paths = standard_library()
    random.Random(seed).shuffle(paths)
    trees: list[Any] = []
    count = 0
    while count < nodes:
        for path in paths:
            tree = ast.parse(path.read_bytes())
            size = len(nodes_of([tree]))
            if count + size > nodes:
                tree.body = _first(tree.body, nodes - count)
                size = nodes - count
            trees.append(tree)
            count += size
            if count >= nodes:
                break
    return trees


def _first(statements: list[ast.stmt], nodes: int) -> list[ast.stmt]:
    taken, count = [], 0
    for statement in statements:
        count += len(nodes_of([statement]))
        taken.append(statement)
        if count >= nodes:
            break
    return taken


def standard_library() -> list[Path]:
    """Return the modules that stand at the top of the standard library and can be parsed, by name."""
    return sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))


GRAPHS: Final = (
    Graph(
        "trees",
        "syntax trees",
        "syntax trees of modules of the standard library, with shared operators",
        syntax_trees,
    ),
)
