"""A store of 1,000,000 records: listing them, and single operations beside those in a store of 1,000.

The stores are made once in a run.  All records of the SQLite store are saved jobs.  In the directory only the
jobs on which single operations are tried are saved; the other names are links to their files, which no
operation opens.
"""

from __future__ import annotations

import gc
import os
import random
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.bench import Bench, Phase, in_memory_where_possible
from benchmarks.figures import Figure, by_cpu, ratio, values
from benchmarks.measure import Sample, timed
from benchmarks.peers import jobs
from benchmarks.peers.brinery import Job
from benchmarks.peers.jobs import key_of
from brinery import FilesystemStore, SqlStore, Store

PLACES = ("directory", "SQLite")
BARE = {"directory": "os.scandir + sort", "SQLite": "SELECT name"}
LIST_GOAL = 2.0
GROWTH_GOAL = 1.3
BATCH = 50_000
ROW = 500
"""The bytes of a row of the bare table: about those of a record."""
OPERATIONS = ("load one", "in", "replace one", "change one", "save one", "delete one")


# -- phases, each in a process of its own


def prepare(directory: str, place: str, count: int, some: int) -> None:
    """Make a store of `count` records; for SQLite also a bare table with as many rows of the same size."""
    with _opened(directory, place) as store:
        if place == "directory":
            picked = _picked(count, some)
            store.save_many([_job(number) for number in picked], [key_of(n) for n in picked])
            files = [f"{directory}/store/{key_of(number)}" for number in picked]
            others = set(range(count)).difference(picked)
            for number in others:
                os.link(files[number % some], f"{directory}/store/{key_of(number)}")
            return
        for start in range(0, count, BATCH):
            numbers = range(start, min(count, start + BATCH))
            store.save_many([_job(number) for number in numbers], [key_of(n) for n in numbers])
    with sqlite3.connect(f"{directory}/bare.db") as table:
        table.execute("CREATE TABLE objects (name TEXT PRIMARY KEY, data BLOB)")
        rows = ((key_of(number), bytes(ROW)) for number in range(count))
        table.executemany("INSERT INTO objects VALUES (?, ?)", rows)
    table.close()


def list_store(directory: str, place: str, count: int, some: int) -> Sample:
    """List the records by the store."""
    with _opened(directory, place) as store:
        store.load(key_of(_picked(count, some)[0]))
        gc.collect()
        names, sample = timed(store.list)
    assert sum(name.startswith("job_") for name in names) == count
    return sample


def list_bare(directory: str, place: str, count: int, some: int) -> Sample:
    """List the same names in the bare way."""
    if place == "SQLite":
        table = sqlite3.connect(f"{directory}/bare.db")
        table.execute("SELECT data FROM objects WHERE name = ?", (key_of(0),)).fetchone()
        names, sample = timed(
            lambda: [name for (name,) in table.execute("SELECT name FROM objects")]
        )
        table.close()
    else:
        path = f"{directory}/store"
        names, sample = timed(lambda: sorted(entry.name for entry in os.scandir(path)))
    assert sum(name.startswith("job_") for name in names) == count
    return sample


def select_bare(directory: str, place: str, count: int, some: int) -> Sample:
    """Read some rows of the bare table in random order: the growth that the engine itself has."""
    numbers = _picked(count, some)
    random.Random(some).shuffle(numbers)
    table = sqlite3.connect(f"{directory}/bare.db")

    def select(key: str, _: Any) -> None:
        table.execute("SELECT data FROM objects WHERE name = ?", (key,)).fetchone()

    select(key_of(0), None)
    keys = [key_of(number) for number in numbers]
    _, sample = timed(_each, select, keys, keys)
    table.close()
    return sample


def single(directory: str, place: str, count: int, some: int) -> dict[str, Sample]:
    """Try all operations on some jobs in random order; at the end the store has as many records as before."""
    numbers = _picked(count, some)
    random.Random(some).shuffle(numbers)
    keys = [key_of(number) for number in numbers]
    new = [f"new_{key}" for key in keys]
    made = [_job(number) for number in numbers]
    more = [_job(number) for number in numbers]
    with _opened(directory, place) as store:
        store.save(_job(0), "trifle")
        store.load("trifle")
        store.remove("trifle")

        def change(key: str, _: Any) -> None:
            job = store.load(key)
            job.state = "new" if job.state == "done" else "done"
            store.save(job)

        actions: dict[str, tuple[Callable[[str, Any], Any], Sequence[str], Sequence[Any]]] = {
            "load one": (lambda key, _: store.load(key), keys, keys),
            "in": (lambda key, _: key in store, keys, keys),
            "replace one": (store.replace, keys, made),
            "change one": (change, keys, keys),
            "save one": (lambda key, job: store.save(job, key), new, more),
            "delete one": (lambda key, _: store.remove(key), new, new),
        }
        found = {}
        for name, (action, names, values) in actions.items():
            gc.collect()
            _, found[name] = timed(_each, action, names, values)
            if name == "replace one":
                made.clear()
                store.invalidate_cache()
        assert all(
            store.load(key).number == number for key, number in zip(keys, numbers, strict=True)
        )
        assert not any(key in store for key in new)
    return found


def _each(action: Callable[[str, Any], Any], names: Sequence[str], values: Sequence[Any]) -> None:
    for name, value in zip(names, values, strict=True):
        action(name, value)


def _picked(count: int, some: int) -> list[int]:
    return sorted(random.Random(count).sample(range(count), some))


class _Alone:
    links, job = jobs.ALONE, Job


def _job(number: int) -> Any:
    return jobs.workflows(_Alone, 1, first=number, ring=1)[key_of(number)]


def _opened(directory: str, place: str) -> Store:
    if place == "SQLite":
        return SqlStore(f"sqlite:///{directory}/objects.db", durability="process")
    return FilesystemStore(f"{directory}/store", durability="process")


# -- figures


def figures(bench: Bench) -> list[Figure]:
    """Make the stores, list the large ones, and try single operations in both sizes."""
    with in_memory_where_possible(bench) as place:
        return [figure for where in PLACES for figure in _of_place(place, where)]


def _of_place(bench: Bench, where: str) -> list[Figure]:
    sizes = bench.sizes
    some = min(sizes.records // 2, 500)
    counts = sizes.most_records, sizes.records
    paths = {count: bench.directory(f"crowd-{count}") for count in counts}
    for count, path in paths.items():
        bench.tell(f"{where}: making {count:,} records")
        Phase(prepare, place=where, count=count, some=some).run(directory=path)
    of = {
        count: {"directory": path, "place": where, "count": count, "some": some}
        for count, path in paths.items()
    }
    many = of[sizes.most_records]
    listed = bench.rounds({"ours": Phase(list_store, **many), "bare": Phase(list_bare, **many)})
    tried = bench.rounds({str(count): Phase(single, **of[count]) for count in counts})
    bare: dict[str, list[Sample]] = {}
    if where == "SQLite":
        bare = bench.rounds({str(count): Phase(select_bare, **of[count]) for count in counts})
    for path in paths.values():
        bench.clear(path)
    name = f"list {sizes.most_records:,} records, {where} / {BARE[where]}"
    found = by_cpu("goals", name, (listed["ours"], listed["bare"]), goal=LIST_GOAL)
    large, small = (f"{count:,} records" for count in counts)
    for operation in OPERATIONS:
        pair = [[sample[operation] for sample in tried[str(count)]] for count in counts]
        title = f"{operation} of {large}, {where} / that of {small}"
        found += by_cpu("goals", title, (pair[0], pair[1]), goal=GROWTH_GOAL, objects=some)
    if bare:
        own = [values(bare[str(count)], "cpu", 1e6 / some) for count in counts]
        title = (
            f"SELECT one of {large} by bare sqlite3, against {small}: no goal, the engine's share"
        )
        found.append(ratio("goals", title, *own, base_unit="µs CPU"))
    return found
