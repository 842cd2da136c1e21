"""The object graphs that are measured: syntax trees of the standard library, and plain data."""

from __future__ import annotations

import ast
import gc
import io
import pickle
import sysconfig
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

Trees = list[ast.Module]


def syntax_trees(nodes: int) -> Trees:
    """Return the syntax trees of so many modules of the standard library that they have `nodes` nodes.

    The modules are taken in the order of their names, so that each process gets the same.  Nodes that
    are shared (`ast.Load()` is one object) count once.
    """
    return parsed(modules_for(nodes))


def modules_for(nodes: int) -> int:
    """Return the number of modules that together have `nodes` nodes."""
    seen: set[int] = set()
    kept = []  # kept alive, so that no address is used again
    for count, path in enumerate(_modules(), start=1):
        tree = ast.parse(path.read_bytes())
        kept.append(tree)
        seen.update(map(id, ast.walk(tree)))
        if len(seen) >= nodes:
            return count
    return len(kept)


def parsed(modules: int) -> Trees:
    """Return the syntax trees of the first `modules` modules; the collector is paused for that."""
    gc.disable()
    try:
        return [ast.parse(path.read_bytes()) for path in _modules()[:modules]]
    finally:
        gc.enable()


def _modules() -> list[Path]:
    return sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))


def count_nodes(trees: Sequence[ast.AST]) -> int:
    """Return the number of distinct nodes."""
    return len({id(node) for tree in trees for node in ast.walk(tree)})


def fingerprint(graph: Any) -> str:
    """Return a digest of types, fields and values of a graph without cycles.

    It is the digest of a pickle without memo, which does not show sharing: two graphs that differ only in
    sharing have the same digest.
    """
    written = io.BytesIO()
    pickler = pickle.Pickler(written, 4)
    pickler.fast = True
    pickler.dump(graph)
    return blake2b(written.getbuffer(), digest_size=16).hexdigest()


def plain_data(nodes: int) -> list[Any]:
    """Return JSON-like data of about `nodes` values: rows of a table of measurements.

    A row is a dict of 8 values, two of which are lists; with their items they are 15 nodes.
    """
    return [
        {
            "name": f"sample-{number}",
            "number": number,
            "ratio": number / 7,
            "valid": number % 3 == 0,
            "comment": None,
            "labels": [f"label-{number % 10}", f"label-{number % 12}"],
            "values": [number * 0.5, number * 0.25, number * 0.125, float(number)],
            "parent": {"kind": "run"},
        }
        for number in range(max(1, nodes // 15))
    ]
