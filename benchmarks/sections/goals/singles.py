"""Single jobs: loaded, saved, changed and deleted one by one, in SQLite and in a directory."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.peers.operations import (
    delete_some,
    load_some,
    save_all,
    save_some,
    update_some,
)
from benchmarks.sections.goals.race import Goal, compare

PLACES = {
    "SQLite, full durability": "benchmarks.peers.brinery:SingleInTable",
    "directory, full durability": "benchmarks.peers.brinery:Single",
}
BARE = {
    "SQLite, full durability": "sqlite3",
    "directory, full durability": "benchmarks.peers.pickle:Bare",
}
LOAD = {"SQLite, full durability": 1.5, "directory, full durability": 2.0}
SAVE = {
    "SQLite, full durability": ("diskcache-full", 1.0),
    "directory, full durability": (BARE["directory, full durability"], 1.1),
}
CHANGE = 1.3


def figures(bench: Bench) -> list[Figure]:
    """Compare with bare files and bare sqlite3, and with diskcache."""
    sizes = bench.sizes
    among = max(sizes.saves, 2 * sizes.loads)
    numbers = {
        load_some: sizes.loads,
        save_some: sizes.changes,
        update_some: sizes.changes,
        delete_some: sizes.changes,
    }
    steps = {save_all: {"count": among}} | {
        step: {"count": among, "few": few} for step, few in numbers.items()
    }
    found = []
    for where, ours in PLACES.items():
        bare = BARE[where]
        rows = {
            "load one": (load_some, bare, LOAD[where]),
            "save one": (save_some, *SAVE[where]),
            "change one": (update_some, bare, CHANGE),
            "delete one": (delete_some, bare, CHANGE),
        }
        goals = [
            Goal(f"{what}, {where}", step, other, most, numbers[step], step is not load_some)
            for what, (step, other, most) in rows.items()
        ]
        found += compare(bench, ours, goals, steps)
    return found
