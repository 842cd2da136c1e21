"""The store at 1,000 and at 100,000 records: does a record cost more when there are more of them?

CPU times, and files in memory (tmpfs) where there is such a file system, for the reasons that `tasks`
gives.  Each round makes a new store, and runs each operation in a fresh process; the store in memory
stays in one process.  The growth is the cost per record, or per operation, in the large store divided
by that in the small one.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, Phase, in_memory_where_possible
from benchmarks.figures import Figure, ratio, values
from benchmarks.measure import Sample, timed
from benchmarks.objects import Task, check_tasks, tasks
from brinery import FilesystemStore, MemoryStore, SqlStore, Store

LAYOUTS = ("flat", "sharded", "SQLite")
PER_RECORD = {
    "save": "save all",
    "load": "load all",
    "list": "list",
    "graph": "read the references of all",
}
PER_OPERATION = {
    "replace": "replace",
    "cold": "load one, cold",
    "warm": "load one, warm",
}


# -- operations on an open store; each returns samples by name


def save(store: Store, count: int, some: int) -> dict[str, Sample]:
    """Save tasks in one container."""
    container = tasks(count)
    gc.collect()
    _, sample = timed(store.save, container, id="all")
    return {"save": sample}


def load(store: Store, count: int, some: int) -> dict[str, Sample]:
    """Load them all, and compare."""
    found, sample = timed(store.load, "all")
    check_tasks(found, count)
    return {"load": sample}


def survey(store: Store, count: int, some: int) -> dict[str, Sample]:
    """List the records; read the references of each."""
    ids, listed = timed(store.list)
    assert len(ids) == count + 3
    graph, read = timed(lambda: {id: store.references(id) for id in ids})
    assert sum(map(len, graph.values())) == 2 * count
    return {"list": listed, "graph": read}


def points(store: Store, count: int, some: int) -> dict[str, Sample]:
    """Load some tasks in random order, and once more while they are alive."""
    ids = _some_ids(store, some)
    found, cold = timed(lambda: [store.load(id) for id in ids])
    again, warm = timed(lambda: [store.load(id) for id in ids])
    assert all(task is same for task, same in zip(found, again, strict=True))
    for task in found:
        assert task.name == f"task-{task.number}"
    return {"cold": cold, "warm": warm}


def replace(store: Store, count: int, some: int) -> dict[str, Sample]:
    """Replace some tasks in random order, and load them."""
    ids = _some_ids(store, some)
    config = store.load(ids[0]).config
    made = {id: Task(-number, config) for number, id in enumerate(ids)}
    _, sample = timed(_replace_each, store, made)
    store.invalidate_cache()
    assert [store.load(id).number for id in ids] == [task.number for task in made.values()]
    return {"replace": sample}


def _replace_each(store: Store, made: Mapping[Any, Task]) -> None:
    for id, task in made.items():
        store.replace(id, task)


def _some_ids(store: Store, some: int) -> list[Any]:
    return random.Random(some).sample(store.list(prefix="Task."), some)


OPERATIONS: Mapping[str, Callable[[Store, int, int], dict[str, Sample]]] = {
    operation.__name__: operation for operation in (save, load, survey, points, replace)
}


# -- phases, each in a process of its own


def by_files(
    directory: str, layout: str, operation: str, count: int, some: int
) -> dict[str, Sample]:
    """Run an operation on a store of files, or of one SQLite file."""
    with _opened(directory, layout) as store:
        if operation == "save":
            store.save([], id="trifle")
        store.load("trifle")
        gc.collect()
        return OPERATIONS[operation](store, count, some)


def _opened(directory: str, layout: str) -> Store:
    if layout == "SQLite":
        return SqlStore(f"sqlite:///{directory}/objects.db", durability="process")
    return FilesystemStore(directory, layout=layout, durability="process")


def by_memory(count: int, some: int) -> dict[str, Sample]:
    """Run all operations on a store in memory, each by a `Store` that knows no object yet."""
    store: Store = MemoryStore()
    store.save([], id="trifle")
    samples: dict[str, Sample] = {}
    for operation in OPERATIONS.values():
        samples |= operation(store, count, some)
        store = Store(store.backend)
        store.load("trifle")
        gc.collect()
    return samples


# -- figures


def figures(bench: Bench) -> list[Figure]:
    """Measure the stores at both sizes, by turns."""
    with in_memory_where_possible(bench) as place:
        return [figure for store in ("memory", *LAYOUTS) for figure in _store(place, store)]


def _store(bench: Bench, store: str) -> list[Figure]:
    sizes = bench.sizes
    counts = sizes.records, sizes.many_records
    samples: dict[int, list[dict[str, Sample]]] = {count: [] for count in counts}
    for number in range(sizes.few):
        for count in counts if number % 2 == 0 else counts[::-1]:
            bench.tell(f"growth, round {number + 1} of {sizes.few}: {store}, {count:,} records")
            samples[count].append(_pipeline(bench, store, count))
    small, large = samples.values()
    return [
        _growth(f"{store}: {title}", name, small, large, [1e6 / count for count in counts])
        for name, title in PER_RECORD.items()
    ] + [
        _growth(f"{store}: {title}", name, small, large, [1e6 / sizes.some] * 2)
        for name, title in PER_OPERATION.items()
    ]


def _pipeline(bench: Bench, store: str, count: int) -> dict[str, Sample]:
    arguments = {"count": count, "some": bench.sizes.some}
    if store == "memory":
        return dict(Phase(by_memory, **arguments).run())
    directory = bench.directory("growth")
    samples: dict[str, Sample] = {}
    for operation in OPERATIONS:
        phase = Phase(by_files, directory=directory, layout=store, operation=operation, **arguments)
        samples |= phase.run()
    bench.clear(Path(directory))
    return samples


def _growth(
    title: str,
    name: str,
    small: list[dict[str, Sample]],
    large: list[dict[str, Sample]],
    scales: list[float],
) -> Figure:
    pair = [
        values([sample[name] for sample in samples], "cpu", scale)
        for samples, scale in zip((large, small), scales[::-1], strict=True)
    ]
    return ratio("growth", title, *pair, base_unit="µs CPU")
