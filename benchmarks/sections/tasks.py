"""Many small persistable objects in one container, against the file system's own cost.

The costs are CPU times, user and system, of the process; the work of a disk or of other programs is not in
them.  Files are measured in memory if there is a tmpfs.  The CPU time of a disk's file system varies by
more than the difference to measure: on ext4 on a virtual disk, 50,000 files took 50 to 500 µs each, from
one round to the next.  Saves on a disk, flushed or not, are measured with the peers.
"""

from __future__ import annotations

import gc
import json
import os
from typing import Any

from benchmarks.bench import Bench, Phase, in_memory_where_possible
from benchmarks.figures import Figure, difference, plain, values
from benchmarks.files import read_files, write_files
from benchmarks.measure import Sample, timed
from benchmarks.objects import check_tasks, tasks
from brinery import FilesystemStore, MemoryStore, Store

SAVE_GOAL = 25.0
LOAD_GOAL = 25.0
UNIT = "µs CPU/object"


# -- phases, each in a process of its own


def prepare(directory: str, count: int) -> dict[str, Any]:
    """Save the tasks for loading; list the files and their sizes, in the order of writing."""
    path = f"{directory}/store"
    with FilesystemStore(path, durability="process") as store:
        store.save([], id="trifle")
        container = tasks(count)
        id = store.save(container)
        order = [id, *store.references(id), *store.references(store.references(id)[0])]
    files = [(name, os.path.getsize(f"{path}/{name}")) for name in order]
    assert len(files) == count + 2
    with open(f"{directory}/files.json", "w") as file:
        json.dump(files, file)
    return {"store": path, "id": id, "files": f"{directory}/files.json"}


def save_with_store(directory: str, count: int) -> Sample:
    """Save the tasks, load them again and compare."""
    container = tasks(count)
    with FilesystemStore(directory, durability="process") as store:
        store.save([])
        gc.collect()
        id, sample = timed(store.save, container)
    with FilesystemStore(directory) as again:
        check_tasks(again.load(id), count)
    return sample


def save_bare(directory: str, files: str) -> Sample:
    """Write files of the same names and sizes."""
    listed = _listed(files)
    names = [name for name, _ in listed]
    contents = [os.urandom(size) for _, size in listed]
    gc.collect()
    _, sample = timed(write_files, directory, names, contents)
    assert sorted(os.listdir(directory)) == sorted(names)
    return sample


def load_with_store(store: str, id: str, count: int) -> Sample:
    """Load the tasks and compare."""
    with FilesystemStore(store) as opened:
        opened.load("trifle")
        container, sample = timed(opened.load, id)
    check_tasks(container, count)
    return sample


def load_bare(store: str, files: str) -> Sample:
    """Read the same files."""
    listed = _listed(files)
    total, sample = timed(read_files, store, [name for name, _ in listed])
    assert total == sum(size for _, size in listed)
    return sample


def in_memory(count: int) -> dict[str, Sample]:
    """Save the tasks in memory, drop them, load them by another store, and compare."""
    container = tasks(count)
    store = MemoryStore()
    store.save([], id="trifle")
    gc.collect()
    id, saved = timed(store.save, container)
    del container
    again = Store(store.backend)
    again.load("trifle")
    gc.collect()
    loaded, load = timed(again.load, id)
    check_tasks(loaded, count)
    return {"save": saved, "load": load}


def _listed(files: str) -> list[tuple[str, int]]:
    with open(files) as file:
        return [(name, size) for name, size in json.load(file)]


# -- figures


def figures(bench: Bench) -> list[Figure]:
    """Measure saving and loading, by files and in memory."""
    count = bench.sizes.objects
    with in_memory_where_possible(bench) as place:
        found = _by_files(place, count, "files" if place is bench else "files on tmpfs")
    return found + _by_memory(bench, count)


def _by_files(bench: Bench, count: int, where: str) -> list[Figure]:
    prepared = Phase(prepare, count=count).run(directory=bench.directory("tasks"))
    files, store, id = prepared["files"], prepared["store"], prepared["id"]
    saved = bench.rounds(
        {
            "save tasks": Phase(save_with_store, count=count),
            "write files": Phase(save_bare, files=files),
        },
        fresh=True,
    )
    loaded = bench.rounds(
        {
            "load tasks": Phase(load_with_store, store=store, id=id, count=count),
            "read files": Phase(load_bare, store=store, files=files),
        }
    )
    per_object = 1e6 / count
    what = f"{count:,} small objects in {where}"
    pairs = [
        (f"save {what}, above the file system's cost", "save tasks", "write files", SAVE_GOAL),
        (f"load {what}, above the file system's cost", "load tasks", "read files", LOAD_GOAL),
    ]
    samples = {**saved, **loaded}
    bench.clear(bench.scratch / "tasks")
    return [
        difference(
            "tasks",
            name,
            values(samples[ours], "cpu", per_object),
            values(samples[bare], "cpu", per_object),
            unit=UNIT,
            goal=goal,
        )
        for name, ours, bare, goal in pairs
    ]


def _by_memory(bench: Bench, count: int) -> list[Figure]:
    samples = bench.rounds({"tasks in memory": Phase(in_memory, count=count)})["tasks in memory"]
    goals = {"save": SAVE_GOAL, "load": LOAD_GOAL}
    return [
        plain(
            "tasks",
            f"{action} {count:,} small objects in memory",
            values([sample[action] for sample in samples], "cpu", 1e6 / count),
            unit=UNIT,
            goal=goal,
        )
        for action, goal in goals.items()
    ]
