"""A doubly linked ring of persistable objects: as deep as it is long, and one big cycle."""

from __future__ import annotations

import gc
from functools import partial

from benchmarks.bench import Bench, Phase, in_memory_where_possible
from benchmarks.figures import Figure, plain, values
from benchmarks.measure import Sample, timed
from benchmarks.objects import check_ring, ring
from brinery import FilesystemStore, MemoryStore, Store


def in_memory(count: int) -> dict[str, Sample]:
    """Save a ring in memory, load it by another store, and compare."""
    return _measured(MemoryStore(), count)


def in_directory(directory: str, count: int) -> dict[str, Sample]:
    """Save a ring in files, load it by another store, and compare."""
    return _measured(FilesystemStore(directory, durability="process"), count)


def _measured(store: Store, count: int) -> dict[str, Sample]:
    first = ring(count)
    store.save([], id="trifle")
    gc.collect()
    id, saved = timed(store.save, first)
    del first
    again = Store(store.backend)
    again.load("trifle")
    gc.collect()
    loaded, load = timed(again.load, id)
    check_ring(loaded, count)
    return {"save": saved, "load": load}


def figures(bench: Bench) -> list[Figure]:
    """Measure saving and loading, in memory and by files."""
    count = bench.sizes.ring
    sides = bench.rounds({"ring in memory": Phase(in_memory, count=count)}, few=True)
    with in_memory_where_possible(bench) as place:
        by_files = "ring in files" if place is bench else "ring in files on tmpfs"
        phase = Phase(in_directory, count=count)
        sides |= place.rounds({by_files: phase}, fresh=True, few=True)
    line = partial(plain, "ring", unit="µs CPU/object")
    return [
        line(
            f"{action} a {side.replace('ring', f'ring of {count:,} objects')}",
            values([sample[action] for sample in samples], "cpu", 1e6 / count),
        )
        for side, samples in sides.items()
        for action in ("save", "load")
    ]
