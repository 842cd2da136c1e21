"""The memory that many linked jobs take: what saving and loading leave behind, and their peaks."""

from __future__ import annotations

from benchmarks.bench import Bench, in_memory_where_possible
from benchmarks.figures import Figure, ratio, values
from benchmarks.peers.operations import load_all, save_all
from benchmarks.sections.goals.race import run

SIDES = {"brinery-graph-sqlite-full": "SQLite", "brinery-graph": "directory"}
GOALS = {"held": 1.5, "peak": 2.5}
TITLES = {"held": "memory held after", "peak": "peak of memory while"}


def figures(bench: Bench) -> list[Figure]:
    """Compare with ZODB, whose cache holds the whole graph.

    Held is what the process has more than before, while the jobs are alive and after free memory was returned
    to the system.
    """
    count = bench.sizes.jobs
    arguments = {"count": count, "by": "weighed"}
    with in_memory_where_possible(bench) as place:  # files on tmpfs are in the memory of no process
        samples = run(place, [*SIDES, "zodb"], {save_all: arguments, load_all: arguments})
    found = []
    for ours, where in SIDES.items():
        for step, doing in (("save_all", "saving"), ("load_all", "loading")):
            for what, most in GOALS.items():
                pair = [values(samples[name][step], what, 1e-6) for name in (ours, "zodb")]
                title = f"{TITLES[what]} {doing} {count:,} linked jobs, {where} / ZODB"
                found.append(ratio("goals", title, *pair, goal=most, base_unit="MB"))
    return found
