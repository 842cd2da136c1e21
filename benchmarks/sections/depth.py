"""Depth inside one record: chains, trees with parent pointers, closures, nested lists."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from benchmarks.bench import Bench, Phase
from benchmarks.figures import Figure, plain, values
from benchmarks.measure import Sample, timed
from benchmarks.objects import Link, check_links, links
from brinery import MemoryStore

BY_VALUE = ("cloudpickle", "dill")


def trunk(size: int) -> Link:
    """Return the root of a tree, a trunk with leaves, whose nodes know their parents."""
    root = node = Link(None)
    for _ in range(size // 2 - 1):
        leaf, following = Link(node), Link(node)
        node.after = [leaf, following]
        node = following
    return root


def check_trunk(found: Any, size: int) -> None:
    """Raise `AssertionError` unless `found` is what `trunk` returns."""
    for _ in range(size // 2 - 1):
        leaf, following = found.after
        assert leaf.before is following.before is found
        found = following
    assert found.after is None


def closures(size: int) -> Callable[[], Any]:
    """Return a function that captures a function that captures …"""

    def wrap(inner: Any, number: int) -> Callable[[], Any]:
        return lambda: (inner, number)

    found: Any = None
    for number in reversed(range(size)):
        found = wrap(found, number)
    return found  # type: ignore[no-any-return]


def check_closures(found: Any, size: int) -> None:
    """Raise `AssertionError` unless `found` is what `closures` returns."""
    for expected in range(size):
        found, number = found()
        assert number == expected
    assert found is None


def lists(size: int) -> list[Any]:
    """Return a list in a list in a list …"""
    found: list[Any] = []
    for _ in range(size - 1):
        found = [found]
    return found


def check_lists(found: list[Any], size: int) -> None:
    """Raise `AssertionError` unless `found` is what `lists` returns."""
    for _ in range(size - 1):
        (found,) = found
    assert found == []


SHAPES: dict[str, tuple[Callable[[int], Any], Callable[[Any, int], None], str]] = {
    "chain": (links, check_links, "a doubly linked list"),
    "tree": (trunk, check_trunk, "a tree with parent pointers"),
    "closures": (closures, check_closures, "a chain of closures"),
    "lists": (lists, check_lists, "nested lists"),
}


def deep(codec: str, shape: str, size: int) -> dict[str, Sample]:
    """Save a shape in memory as one record, load it, and compare."""
    make, check, _ = SHAPES[shape]
    obj = make(size)
    with MemoryStore(codec=codec) as store:
        store.save([], id="trifle")
        gc.collect()
        id, saved = timed(store.save, obj)
        del obj
        store.invalidate_cache()
        assert len(store) == 2
        gc.collect()
        loaded, load = timed(store.load, id)
        check(loaded, size)
    return {"save": saved, "load": load}


def figures(bench: Bench) -> list[Figure]:
    """Measure each codec of the pickle family on each shape, once."""
    found = []
    for codec in ("pickle", *BY_VALUE):
        size = bench.sizes.dill_depth if codec == "dill" else bench.sizes.depth
        for shape, (_, _, title) in SHAPES.items():
            if shape == "closures" and codec not in BY_VALUE:
                continue
            phase = Phase(deep, codec=codec, shape=shape, size=size)
            (samples,) = bench.rounds({f"{codec}: {title}": phase}, once=True).values()
            found += [
                plain(
                    "depth",
                    f"{codec}: {action} {title} of {size:,} in one record",
                    values([sample[action] for sample in samples], "cpu", 1e6 / size),
                    unit="µs CPU/level",
                )
                for action in ("save", "load")
            ]
    return found
