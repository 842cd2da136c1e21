"""Syntax trees saved and loaded through each transform, against a record that is stored plain.

One figure each for CPU time to save and to load, and size; smaller than 1 is less than plain.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from typing import Any

from benchmarks.bench import Bench, Phase
from benchmarks.figures import Figure, ratio, values
from benchmarks.graphs import fingerprint, modules_for, parsed
from benchmarks.measure import Sample, timed
from brinery import FilesystemStore

PLAIN = "none"
CASES: Sequence[str] = (
    "lz4",
    "lz4:9",
    "zstd:1",
    "zstd:3",
    "zstd:9",
    "zstd:19",
    "gzip:1",
    "gzip:6",
    "gzip:9",
)


# -- phases, each in a process of its own


def prepare(nodes: int) -> dict[str, Any]:
    """Count the modules that have so many nodes; return that and their fingerprint."""
    modules = modules_for(nodes)
    return {"modules": modules, "expected": fingerprint(parsed(modules))}


def through(directory: str, compress: str, modules: int, expected: str) -> dict[str, Any]:
    """Save and load by a store with one transform; compare."""
    trees = parsed(modules)
    with FilesystemStore(directory, compress=compress, durability="process") as store:
        store.save(["trifle" * 100], id="trifle")
        gc.collect()
        id, saved = timed(store.save, trees, id="trees")
    del trees
    gc.collect()
    with FilesystemStore(directory) as again:
        again.load("trifle")
        loaded, load = timed(again.load, id)
        name = again.info(id).transform
    assert name == (None if compress == PLAIN else compress.partition(":")[0])
    assert fingerprint(loaded) == expected
    return {"save": saved, "load": load, "size": os.path.getsize(f"{directory}/trees")}


# -- figures


def figures(bench: Bench) -> list[Figure]:
    """Measure every transform, and a plain store beside them."""
    prepared = Phase(prepare, nodes=bench.sizes.codec_nodes).run()
    cases = (PLAIN, *CASES)
    sides = {case: Phase(through, compress=case, **prepared) for case in cases}
    samples = bench.rounds(sides, fresh=True)
    plain = samples.pop(PLAIN)
    return [figure for case, found in samples.items() for figure in _of(case, found, plain)]


def _of(case: str, found: Sequence[Sample], plain: Sequence[Sample]) -> list[Figure]:
    times = [
        ratio(
            "transforms",
            f"{case}: {action} syntax trees, against plain",
            _milliseconds(found, action),
            _milliseconds(plain, action),
            base_unit="ms CPU",
        )
        for action in ("save", "load")
    ]
    size = ratio(
        "transforms",
        f"{case}: size, against plain",
        values(found, "size", 1e-6),
        values(plain, "size", 1e-6),
        base_unit="MB",
    )
    return [*times, size]


def _milliseconds(samples: Sequence[Sample], action: str) -> list[float]:
    # CPU times: nothing is flushed to a disk here, and they leave out the rest of the machine's work.
    return values([sample[action] for sample in samples], "cpu", 1000)
