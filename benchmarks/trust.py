"""The cost of trust: loads without and with each part of a policy, side by side in one run.

    python -m benchmarks.trust

Each round loads the same graph from memory in each way, one after the other.  The result is the median of
the ratios to the load without a policy in the same round.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.graphs import syntax_trees
from brinery import Persistable, Store, Trust
from brinery.backends.memory import MemoryBackend

ROUNDS = 15
KEY = b"a key for the benchmark"


class Task(Persistable):
    """A small record."""

    def __init__(self, number: int) -> None:
        self.number, self.name = number, f"task {number}"


def graphs() -> dict[str, Callable[[], Any]]:
    """Return the graphs that are loaded."""
    return {
        "one record of 60,000 nodes of syntax trees": lambda: syntax_trees(60_000),
        "one record of 20,000 rows of plain data": lambda: [
            {"id": n, "name": f"row {n}", "values": [n, n + 0.5, None]} for n in range(20_000)
        ],
        "5,000 records of one small object": lambda: [Task(n) for n in range(5_000)],
    }


def measured(make: Callable[[], Any]) -> dict[str, tuple[float, float]]:
    """Return seconds and ratio of each way to load."""
    plain, sealed = MemoryBackend(), MemoryBackend()
    graph = make()
    Store(plain).save(graph, "graph")
    Store(sealed, trust=Trust(key=KEY)).save(make(), "graph")
    classes = ["ast.*", "_ast.*", "__main__.*", "benchmarks.*"]
    ways = {
        "no policy": (plain, None),
        "codecs": (plain, Trust(codecs=["pickle"])),
        "classes": (plain, Trust(classes=classes)),
        "key": (sealed, Trust(key=KEY)),
        "classes and key": (sealed, Trust(classes=classes, key=KEY)),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (backend, trust) in ways.items():
            store = Store(backend, trust=trust)
            gc.collect()
            start = time.process_time()
            store.load("graph")
            times[name].append(time.process_time() - start)
    first = times["no policy"]
    return {
        name: (
            statistics.median(found),
            statistics.median(a / b for a, b in zip(found, first, strict=True)),
        )
        for name, found in times.items()
    }


def main() -> None:
    """Print a table."""
    for graph, make in graphs().items():
        print(graph)
        for name, (seconds, ratio) in measured(make).items():
            print(f"  {name:<16} {seconds * 1e3:8.1f} ms   {ratio:5.2f}")


if __name__ == "__main__":
    main()
