"""Syntax trees of the standard library: real trees of many classes."""

from __future__ import annotations

import ast
import itertools
import random
import sysconfig
from pathlib import Path
from typing import Any, Final

from brinery.bench.graphs.graph import Graph
from brinery.bench.nodes import nodes_of

_LEAST_OVER: Final = 100
"""Nodes that even a small graph may have too many: some module has a statement of fewer."""


def syntax_trees(nodes: int, seed: int) -> list[Any]:
    """Return syntax trees of modules of the standard library, in an order that depends on the seed.

    The last ones keep only statements that are not too many; a module whose statements are all too large
    for that is passed over, and one is met again where the library has too few.
    """
    paths = standard_library()
    random.Random(seed).shuffle(paths)
    trees: list[Any] = []
    lacking, turns = nodes, itertools.cycle(paths)
    most_over = max(nodes // 20, _LEAST_OVER)
    while lacking > 0:
        while lacking > 0:
            tree = ast.parse(next(turns).read_bytes())
            size = len(nodes_of([tree]))
            if size > lacking and tree.body:
                tree.body = _first(tree.body, lacking)
                size = len(nodes_of([tree]))
            if size > lacking + most_over:
                continue
            trees.append(tree)
            lacking -= size
        # Shared parts of trees (operators, interned names) count only once.
        lacking = nodes - len(nodes_of([trees]))
    return trees


def _first(statements: list[ast.stmt], nodes: int) -> list[ast.stmt]:
    """Return statements, in order, that have about `nodes` nodes together; at least one."""
    taken: list[ast.stmt] = []
    sizes = [len(nodes_of([statement])) for statement in statements]
    for statement, size in zip(statements, sizes, strict=True):
        if size <= nodes:
            taken.append(statement)
            nodes -= size
    return taken or [statements[sizes.index(min(sizes))]]


def standard_library() -> list[Path]:
    """Return the top-level modules of the standard library that can be parsed, by name."""
    return sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))


GRAPHS: Final = (
    Graph(
        "trees",
        "syntax trees",
        "syntax trees of modules of the standard library, with shared operators",
        syntax_trees,
    ),
)
