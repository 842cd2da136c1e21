"""What one pays for what is touched: one job of a net in which each reaches all others."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.bench import Bench, Phase, PhaseError, in_memory_where_possible
from benchmarks.figures import Figure, by_cpu, failed, plain
from benchmarks.measure import Sample, timed
from benchmarks.nets import ZODB, Brinery, finish, some

PLACES = {"sqlite": "SQLite, full durability", "directory": "directory, full durability"}
WORKERS, SECONDS = 4, 20
LEAST_UPDATES = 3_000


def build(name: str, directory: str, count: int, alone: int) -> None:
    """Save the net and the jobs that stand alone; not measured."""
    net = opened(name, directory)
    net.build(count, alone)
    net.close()


def opened(name: str, directory: str, *, lazy: bool = True) -> Any:
    """Open one of the contenders."""
    return ZODB(directory) if name == "zodb" else Brinery(directory, name, lazy=lazy)


def load_some(name: str, directory: str, count: int, few: int) -> Sample:
    """Load some jobs of the net in random order, one by one, and use an attribute of each."""
    net = opened(name, directory)
    first, *numbers = some(count, few + 1)
    assert net.load(first).number == first
    jobs, sample = timed(lambda: [_used(net.load(number)) for number in numbers])
    assert [job.number for job in jobs] == numbers
    assert jobs[0].after.before is jobs[0] or numbers[0] == count - 1
    net.close()
    return sample


def _used(job: Any) -> Any:
    job.number
    return job


def load_alone(name: str, directory: str, few: int) -> Sample:
    """Load some jobs that stand alone; of brinery, without laziness."""
    net = opened(name, directory, lazy=False)
    assert net.store.load("alone.0").number == 0
    keys = [f"alone.{number}" for number in some(few, few - 1)]
    _, sample = timed(lambda: [_used(net.store.load(key)) for key in keys])
    net.close()
    return sample


def change_some(name: str, directory: str, count: int, few: int) -> Sample:
    """Change some jobs of the net, each loaded and saved for itself."""
    net = opened(name, directory)
    first, *numbers = some(count, few + 1)
    net.change(first)
    _, sample = timed(lambda: [net.change(number) for number in numbers])
    assert net.load(numbers[0]).state == "done"
    net.close()
    return sample


def save_changed(name: str, directory: str, few: int, how: str) -> Sample:
    """Change jobs of a net that is loaded, and save after each: the job alone, or the container."""
    net = opened(name, directory, lazy=how == "root")
    whole = net.net()
    if name == "zodb":
        for job in whole.jobs:
            _used(job)
    numbers = some(len(whole.jobs), few + 1)
    jobs = [_used(whole.jobs[number]) for number in numbers]
    save = _saver(net, whole, how)
    finish(jobs[0])
    save(jobs[0])
    _, sample = timed(_finish_each, jobs[1:], save)
    net.close()
    return sample


def _finish_each(jobs: Sequence[Any], save: Callable[[Any], Any]) -> None:
    for job in jobs:
        finish(job)
        save(job)


def _saver(net: Any, whole: Any, how: str) -> Any:
    if how == "commit":
        return lambda job: net._transaction.commit()
    if how == "root":
        return lambda job: net.store.save(whole)
    return lambda job: net.store.save(job, deep=False)


def open_net(name: str, directory: str) -> Sample:
    """Load the container, and nothing else."""
    net = opened(name, directory)
    net.store.load("alone.0")
    whole, sample = timed(net.net)
    assert not net.store.is_loaded(whole.jobs[-1])
    net.close()
    return sample


def walk_net(name: str, directory: str) -> Sample:
    """Load the container, and use each of its jobs in order."""
    net = opened(name, directory)
    net.store.load("alone.0")
    total, sample = timed(lambda: sum(job.number for job in net.net().jobs))
    assert total
    net.close()
    return sample


def load_net(name: str, directory: str) -> Sample:
    """Load the container with all that it reaches."""
    net = opened(name, directory, lazy=False)
    net.store.load("alone.0")
    total, sample = timed(lambda: sum(job.number for job in net.net().jobs))
    assert total
    net.close()
    return sample


def update_together(name: str, directory: str, count: int, seconds: float) -> Sample:
    """Let several processes update random jobs; return how many updates they made."""
    before = _total(name, directory)
    context = multiprocessing.get_context("spawn")
    with context.Pool(WORKERS) as pool:
        work = partial(_updates, name, directory, count, seconds)
        made = sum(pool.map(work, range(WORKERS)))
    assert _total(name, directory) - before == made, "updates were lost"
    return {"updates": made}


def _updates(name: str, directory: str, count: int, seconds: float, worker: int) -> int:
    import random

    net, order, made = opened(name, directory), random.Random(worker), 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        net.store.update(f"job.{order.randrange(count)}", _increase)
        made += 1
    net.close()
    return made


def _increase(job: Any) -> None:
    job.number += 1


def _total(name: str, directory: str) -> int:
    net = opened(name, directory, lazy=False)
    total: int = sum(job.number for job in net.net().jobs)
    net.close()
    gc.collect()
    return total


def figures(bench: Bench) -> list[Figure]:
    """Compare with jobs that stand alone, with whole loads, and with ZODB."""
    bench = replace(bench, sizes=replace(bench.sizes, rounds=bench.sizes.few))
    sizes = bench.sizes
    jobs, few, changes = sizes.jobs, sizes.loads, sizes.changes
    shared = {"build": {"count": jobs, "alone": few}}
    ours: dict[str, Any] = {
        **shared,
        "load_some": {"count": jobs, "few": few},
        "load_alone": {"few": few},
        "change_some": {"count": jobs, "few": changes},
        "shallow": {"few": changes, "how": "shallow"},
        "root": {"few": max(changes // 20, 5), "how": "root"},
    }
    theirs: dict[str, Any] = {
        **shared,
        "load_some": ours["load_some"],
        "load_alone": None,
        "change_some": ours["change_some"],
        "shallow": {"few": changes, "how": "commit"},
        "root": {"few": max(changes // 20, 5), "how": "commit"},
    }
    functions = {"shallow": save_changed, "root": save_changed}
    try:
        found = bench.courses(
            {
                name: {
                    step: _phase(functions.get(step), step, name, arguments)
                    for step, arguments in steps.items()
                }
                for name, steps in (("sqlite", ours), ("directory", ours), ("zodb", theirs))
            }
        )
    except (ImportError, PhaseError) as error:
        return [failed("lazy", "nets of linked jobs", str(error).splitlines()[-1])]
    zodb = found["zodb"]
    row = partial(by_cpu, "lazy")
    lines: list[Figure] = []
    for place, where in PLACES.items():
        mine = found[place]
        linked = f"load one of {jobs:,} linked jobs, lazy, {where}"
        lines += row(
            f"{linked} / load one that stands alone",
            (mine["load_some"], mine["load_alone"]),
            goal=2,
            objects=few,
        )
        lines += row(
            f"{linked} / ZODB", (mine["load_some"], zodb["load_some"]), goal=1, objects=few
        )
        lines += row(
            f"change one of them by update, {where} / ZODB",
            (mine["change_some"], zodb["change_some"]),
            goal=1,
            objects=changes,
            flushed=True,
        )
        lines += row(
            f"save one changed job of a loaded net, deep=False, {where} / ZODB",
            (mine["shallow"], zodb["shallow"]),
            goal=1.5,
            objects=changes,
            flushed=True,
        )
        lines += row(
            f"save the container after a change of one job, lazy, {where} / ZODB",
            (mine["root"], zodb["root"]),
            goal=3,
            objects=max(changes // 20, 5),
            flushed=True,
        )
    return lines + _containers(bench) + _together(bench)


def _phase(function: Any, step: str, name: str, arguments: Any) -> Phase:
    if arguments is None:
        return Phase(nothing)
    return Phase(function or globals()[step], name=name, **arguments)


def nothing(directory: str) -> Sample:
    """Do nothing: a step that a contender does not have."""
    return {}


def _containers(bench: Bench) -> list[Figure]:
    count, lines = 2 * bench.sizes.jobs, []
    steps = {
        "build": Phase(build, count=count, alone=1),
        "open_net": Phase(open_net),
        "walk_net": Phase(walk_net),
        "load_net": Phase(load_net),
    }
    sides = {
        place: {
            step: Phase(phase.function, name=place, **phase.arguments)
            for step, phase in steps.items()
        }
        for place in PLACES
    }
    with in_memory_where_possible(bench) as inside:
        found = inside.courses(sides)
    for place in PLACES:
        mine, where = found[place], place.replace("sqlite", "SQLite")
        what = f"a container of {count:,} jobs, {where} / load it whole"
        lines += by_cpu(
            "lazy", f"open {what}", (mine["open_net"], mine["load_net"]), goal=0.1, objects=count
        )
        lines += by_cpu(
            "lazy", f"walk {what}", (mine["walk_net"], mine["load_net"]), goal=1.5, objects=count
        )
    return lines


def _together(bench: Bench) -> list[Figure]:
    count = min(5_000, bench.sizes.jobs)
    seconds = SECONDS * count / 5_000
    directory = bench.directory("together")
    try:
        Phase(build, name="sqlite", count=count, alone=1).run(directory=directory)
        found = Phase(update_together, name="sqlite", count=count, seconds=seconds).run(
            directory=directory
        )
    finally:
        bench.clear(directory)
    each = seconds / found["updates"] * 1e3
    name = f"an update, {WORKERS} processes for {seconds:g} s, {count:,} linked jobs, {PLACES['sqlite']}"
    note = f"{found['updates']:,} updates, none lost"
    return [plain("lazy", name, [each], unit="ms", goal=SECONDS / LEAST_UPDATES * 1e3, note=note)]
