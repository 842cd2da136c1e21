"""Syntax trees of the standard library, saved and loaded, against the bare pickle.

Each time is taken in a process of its own.  Both sides have been used once before on a tiny object, so that
imports count in neither; they have a figure of their own.
"""

from __future__ import annotations

import gc
import os
import pickle
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, Phase, in_memory_where_possible
from benchmarks.figures import WALL, Figure, by_cpu, ratio, values
from benchmarks.graphs import count_nodes, fingerprint, modules_for, parsed
from benchmarks.measure import Sample, timed
from brinery import FilesystemStore

PROTOCOL = 5
SAVE_GOAL = 1.05
LOAD_GOAL = 0.7
LOAD_BESIDE_GOAL = 0.3
"""Of CPU times."""


# -- phases, each in a process of its own


def prepare(directory: str, nodes: int) -> dict[str, Any]:
    """Write the trees with both sides, for loading."""
    modules = modules_for(nodes)
    trees = parsed(modules)
    bare = f"{directory}/bare.pickle"
    _dump(trees, bare)
    with FilesystemStore(f"{directory}/store", protocol=PROTOCOL) as store:
        saved = {"directory": store.directory, "id": store.save(trees)}
    found = {"modules": modules, "nodes": count_nodes(trees), "print": fingerprint(trees)}
    return {**found, "bare": bare, "store": saved}


def save_with_store(directory: str, modules: int, durability: str, expected: str) -> Sample:
    """Save the trees, and see whether a plain `pickle.load` finds them in the record."""
    trees = _built(modules)
    with FilesystemStore(directory, protocol=PROTOCOL, durability=durability) as store:
        store.save([])
        id, sample = timed(store.save, trees)
    del trees
    assert fingerprint(_load(f"{directory}/{id}")) == expected
    return sample


def save_bare(directory: str, modules: int, durable: bool) -> Sample:
    """Dump the trees to a file; with `durable` under a temporary name that is flushed and renamed."""
    trees = _built(modules)
    dump = _dump_durably if durable else _dump
    dump([], f"{directory}/trifle")
    _, sample = timed(dump, trees, f"{directory}/trees")
    assert os.path.getsize(f"{directory}/trees") > 10 * modules
    return sample


def load_with_store(store: dict[str, str], beside: str | None, expected: str) -> Sample:
    """Load the trees; `beside` is a file with others, which are alive during the load."""
    held = _load(beside) if beside else None
    with FilesystemStore(store["directory"]) as opened:
        opened.load("trifle")
        trees, sample = timed(opened.load, store["id"])
    assert fingerprint(trees) == expected
    assert held is None or len(held) == len(trees)
    return sample


def load_bare(file: str, beside: str | None) -> Sample:
    """Load the trees with the bare pickle, with Python's default garbage collector."""
    held = _load(beside) if beside else None
    pickle.loads(pickle.dumps([]))
    trees, sample = timed(_load, file)
    assert held is None or len(held) == len(trees)
    return sample


def _built(modules: int) -> Any:
    trees = parsed(modules)
    gc.collect()  # so that later code does not pay for objects of the pause
    return trees


def _dump(obj: Any, path: str) -> None:
    with open(path, "wb") as file:
        pickle.dump(obj, file, PROTOCOL)


def _dump_durably(obj: Any, path: str) -> None:
    with open(f"{path}.tmp", "wb") as file:
        pickle.dump(obj, file, PROTOCOL)
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{path}.tmp", path)


def _load(path: str) -> Any:
    with open(path, "rb") as file:
        return pickle.load(file)


# -- figures


def save_figures(bench: Bench) -> list[Figure]:
    """Compare saving with `pickle.dump`, flushed by the system and, on the disk, flushed at once."""
    prepared = Phase(prepare, nodes=bench.sizes.nodes).run(directory=bench.directory("trees"))
    modules, expected = prepared["modules"], prepared["print"]
    store = partial(Phase, save_with_store, modules=modules, expected=expected)
    bare = partial(Phase, save_bare, modules=modules)
    with in_memory_where_possible(bench) as place:
        sides = {"store": store(durability="process"), "pickle": bare(durable=False)}
        plain = place.rounds(sides, fresh=True)
    sides = {"store": store(durability="full"), "pickle": bare(durable=True)}
    durable = bench.rounds(sides, fresh=True, few=True)
    what = f"save {prepared['nodes']:,} syntax-tree nodes"
    name = f"{what}, durable / pickle.dump + fsync + rename{WALL}"
    walls = [values(durable[side], "wall", 1e3) for side in ("store", "pickle")]
    return [
        *_compared("save", f"{what} / pickle.dump", plain, SAVE_GOAL),
        ratio("save", name, *walls, base_unit="ms wall"),
    ]


def load_figures(bench: Bench) -> list[Figure]:
    """Compare loading with `pickle.load`, in a fresh process and beside a living graph."""
    directory = bench.directory("trees")
    prepared = Phase(prepare, nodes=bench.sizes.nodes).run(directory=directory)
    _save_trifle(directory / "store")
    file, store, expected = prepared["bare"], prepared["store"], prepared["print"]
    with_store = partial(Phase, load_with_store, store=store, expected=expected)
    bare = partial(Phase, load_bare, file=file)
    what = f"load {prepared['nodes']:,} syntax-tree nodes"
    cases = (what, None, LOAD_GOAL), (f"{what} beside as many", file, LOAD_BESIDE_GOAL)
    found = []
    for name, beside, goal in cases:
        samples = bench.rounds({"store": with_store(beside=beside), "pickle": bare(beside=beside)})
        found += _compared("load", f"{name} / pickle.load", samples, goal)
    return found


def _save_trifle(directory: Path) -> None:
    with FilesystemStore(directory) as store:
        store.save([], id="trifle")


def _compared(
    section: str, name: str, samples: dict[str, list[Sample]], goal: float
) -> list[Figure]:
    return by_cpu(section, name, (samples["store"], samples["pickle"]), goal=goal)
