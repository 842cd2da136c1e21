"""Many linked jobs, saved by one call and loaded by one call: SQLite, a directory in memory, PostgreSQL."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.bench import Bench, Phase, in_memory_where_possible
from benchmarks.figures import Figure, plain
from benchmarks.peers.brinery import Config, Graph, Job
from benchmarks.peers.jobs import CONFIG, RING, key_of, workflows
from benchmarks.peers.operations import load_all, save_all
from benchmarks.sections.databases import server
from benchmarks.sections.goals.race import Goal, compare

COPIED = "benchmarks.peers.psycopg:Copied"
RECORD = 584
"""The bytes of the record of job 500 before format 2."""


def figures(bench: Bench) -> list[Figure]:
    """Compare with ZODB, with a file per job, and with rows of pickles."""
    count = bench.sizes.jobs
    steps = {save_all: {"count": count}, load_all: {"count": count}}

    def goal(where: str, operation: str, other: str, most: float) -> Goal:
        step = {"save": save_all, "load": load_all}[operation]
        flushed = operation == "save" and "full" in where
        return Goal(
            f"{operation} {count:,} linked jobs, {where}", step, other, most, count, flushed
        )

    where = "SQLite, full durability"
    goals = [goal(where, "save", "zodb", 0.6), goal(where, "load", "zodb", 0.5)]
    found = compare(bench, "brinery-graph-sqlite-full", goals, steps)
    with in_memory_where_possible(bench) as place:
        where = "directory" if place is bench else "directory on tmpfs"
        goals = [goal(where, "save", "pickle", 1.25), goal(where, "load", "zodb", 0.6)]
        found += compare(place, "brinery-graph", goals, steps)
    where = "PostgreSQL, full durability"
    goals = [goal(where, "save", COPIED, 2), goal(where, "load", COPIED, 2)]
    with server():
        found += compare(bench, "brinery-graph-postgres-full", goals, steps)
    return found


def record_bytes(directory: str) -> dict[str, int]:
    """Return the size of the file of a linked job, whose class is in a module with a name of four letters."""
    sys.modules["work"] = sys.modules[Job.__module__]
    for cls in Job, Config:
        cls.__module__ = "work"
    graph = Graph(directory)
    config = graph.config()
    number = 500
    graph.save_all({**workflows(graph, RING, first=number, config=config), CONFIG: config})
    graph.close()
    return {"bytes": os.path.getsize(Path(directory, "store", key_of(number)))}


def record_figures(bench: Bench) -> list[Figure]:
    """Measure the bytes of a small record."""
    size = Phase(record_bytes).run(directory=bench.directory("record"))["bytes"]
    return [plain("goals", "record of a small linked job", [size], unit="bytes", goal=RECORD)]
