"""The codec dill on data with a few closures, against the pickler in C and against dill itself.

All three are measured in one run, in processes of their own, on the syntax trees of the standard
library.  The pickler in C gets the trees alone, for it keeps no closures.
"""

from __future__ import annotations

import gc
import io
import pickle
from collections.abc import Callable
from typing import Any

from benchmarks.bench import Bench, Phase
from benchmarks.figures import Figure, ratio, values
from benchmarks.graphs import count_nodes, fingerprint, modules_for, parsed
from benchmarks.measure import Sample, timed
from brinery import MemoryStore

GOAL = 2.0
CLOSURES = 20


def closure(number: int) -> Callable[[int], tuple[list[int], int]]:
    """Return a function that captures a list of its own."""
    captured = [number]
    return lambda more: (captured, number + more)


def prepare(nodes: int) -> dict[str, int]:
    """Return how many modules have so many nodes, and how many these have."""
    modules = modules_for(nodes)
    return {"modules": modules, "nodes": count_nodes(parsed(modules))}


def by_store(modules: int) -> Sample:
    """Save trees and closures by the codec, load them, compare and call."""
    trees = parsed(modules)
    data = {"trees": trees, "closures": [closure(number) for number in range(CLOSURES)]}
    with MemoryStore(codec="dill") as store:
        store.save([lambda: 0], id="trifle")
        gc.collect()
        id, sample = timed(store.save, data)
        store.invalidate_cache()
        _check(store.load(id), trees)
    return sample


def by_dill(modules: int) -> Sample:
    """Dump the same by dill alone, with the option that the codec uses."""
    import dill

    trees = parsed(modules)
    data = {"trees": trees, "closures": [closure(number) for number in range(CLOSURES)]}
    dill.dumps([lambda: 0], 5, recurse=True)
    gc.collect()
    dumped, sample = timed(dill.dumps, data, 5, recurse=True)
    _check(dill.loads(dumped), trees)
    return sample


def by_pickle(modules: int) -> Sample:
    """Dump the trees alone by the pickler in C."""
    trees = parsed(modules)
    file = io.BytesIO()
    gc.collect()
    _, sample = timed(pickle.Pickler(file, 5).dump, trees)
    assert fingerprint(pickle.loads(file.getvalue())) == fingerprint(trees)
    return sample


def _check(found: Any, trees: Any) -> None:
    assert fingerprint(found["trees"]) == fingerprint(trees)
    assert [f(1) for f in found["closures"]] == [([n], n + 1) for n in range(CLOSURES)]


def figures(bench: Bench) -> list[Figure]:
    """Compare the codec with both."""
    prepared = Phase(prepare, nodes=bench.sizes.nodes).run()
    sides = {
        "dill codec": Phase(by_store, modules=prepared["modules"]),
        "pickle": Phase(by_pickle, modules=prepared["modules"]),
    }
    fast = bench.rounds(sides)
    slow = bench.rounds({**sides, "dill": Phase(by_dill, modules=prepared["modules"])}, few=True)
    what = f"{prepared['nodes']:,} syntax-tree nodes and {CLOSURES} closures by the codec dill"
    return [
        ratio(
            "closures",
            f"save {what} / pickle.dump of the nodes",
            values(fast["dill codec"], "cpu", 1e3),
            values(fast["pickle"], "cpu", 1e3),
            goal=GOAL,
        ),
        ratio(
            "closures",
            f"save {what} / dill.dumps",
            values(slow["dill codec"], "cpu", 1e3),
            values(slow["dill"], "cpu", 1e3),
        ),
    ]
