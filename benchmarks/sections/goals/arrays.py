"""Large arrays in a directory, against pickle with protocol 5: times, and the peak of memory.

The peak is what the process needs more than before, in sizes of the array.  A saved array is there before,
so that its goal is nothing; a loaded one is new, and its goal is the array itself.  Both goals have 2 % more,
compressed ones 5 %.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.bench import Bench, in_memory_where_possible
from benchmarks.figures import Figure, by_cpu, plain, values
from benchmarks.measure import Sample
from benchmarks.peers.operations import load_big, save_big
from benchmarks.sections.goals.race import run

OURS, BARE = "brinery", "pickle"
COMPRESSED = "benchmarks.peers.brinery:Compressed"
STEPS = {"save": (save_big, 1.15, 0.02), "load": (load_big, 0.6, 1.02)}
"""The goals of time and of memory."""
MORE = 0.03
"""The memory that a compressed array may take in addition."""


def figures(bench: Bench) -> list[Figure]:
    """Measure arrays of both sizes, in memory if there is a tmpfs."""
    with in_memory_where_possible(bench) as place:
        sizes = dict.fromkeys((bench.sizes.megabytes, bench.sizes.large_megabytes))
        return [figure for megabytes in sizes for figure in _of_size(place, megabytes)]


def _of_size(bench: Bench, megabytes: int) -> list[Figure]:
    arguments = {"megabytes": megabytes, "by": "weighed"}
    samples = run(bench, [OURS, BARE], {step: arguments for step, _, _ in STEPS.values()})
    arguments["kind"] = "counted"
    small = run(bench, [COMPRESSED], {step: arguments for step, _, _ in STEPS.values()})
    found = []
    for what, (step, time, memory) in STEPS.items():
        ours, bare = (samples[side][step.__name__] for side in (OURS, BARE))
        title = f"{what} an array of {megabytes} MB, directory"
        found += by_cpu("goals", f"{title} / pickle 5", (ours, bare), goal=time)
        found.append(_peak(title, ours, megabytes, memory))
        compressed = small[COMPRESSED][step.__name__]
        found.append(_peak(f"{title}, zstd", compressed, megabytes, memory + MORE))
    return found


def _peak(title: str, samples: Sequence[Sample], megabytes: int, goal: float) -> Figure:
    found = values(samples, "peak", 1e-6 / megabytes)
    return plain("goals", f"{title}: peak of memory", found, unit="arrays", goal=goal)
