"""A fresh process that imports a store, opens it and loads one object: the CPU time of the whole process."""

from __future__ import annotations

import pickle
import resource
import subprocess
import sys
from collections.abc import Mapping

from benchmarks.bench import Bench, Phase
from benchmarks.figures import Figure, by_cpu
from benchmarks.measure import Sample, timed
from benchmarks.point import Point
from brinery import FilesystemStore, SqlStore

PROGRAMS: Mapping[str, str] = {
    "SQLite": "from brinery import make_store; found = make_store('sqlite:///{0}/objects.db').load('point')",
    "diskcache": "from diskcache import Index; found = Index('{0}/diskcache')['point']",
    "directory": "from brinery import FilesystemStore; found = FilesystemStore('{0}/store').load('point')",
    "import pickle, open, load": """
import pickle
with open('{0}/point', 'rb') as file:
    found = pickle.load(file)
""",
}
GOALS = {"SQLite": ("diskcache", 1.3), "directory": ("import pickle, open, load", 1.7)}


def prepare(directory: str) -> None:
    """Save a point on all sides."""
    from diskcache import Index

    point = Point(3, 4)
    with SqlStore(f"sqlite:///{directory}/objects.db") as table:
        table.save(point, "point")
    with FilesystemStore(f"{directory}/store") as store:
        store.save(point, "point")
    Index(f"{directory}/diskcache")["point"] = point
    with open(f"{directory}/point", "wb") as file:
        pickle.dump(point, file, 5)


def start(directory: str, program: str, times: int) -> Sample:
    """Run a program in fresh processes, one after the other; return the times of one."""
    text = PROGRAMS[program].format(directory) + "\nassert (found.x, found.y) == (3, 4)"
    before = _spent()
    _, sample = timed(_run, text, times)
    return {"wall": sample["wall"] / times, "cpu": (_spent() - before) / times}


def _run(text: str, times: int) -> None:
    for _ in range(times):
        subprocess.run([sys.executable, "-c", text], check=True)


def _spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def figures(bench: Bench) -> list[Figure]:
    """Compare with diskcache, and with a pickle in a file."""
    directory = bench.directory("opening")
    Phase(prepare).run(directory=directory)
    times = max(1, bench.sizes.imports // bench.sizes.rounds)
    for program in PROGRAMS:
        Phase(
            start, directory=directory, program=program, times=1
        ).run()  # compiles what is not yet
    samples = bench.rounds(
        {
            program: Phase(start, directory=directory, program=program, times=times)
            for program in PROGRAMS
        }
    )
    found = []
    for ours, (other, most) in GOALS.items():
        name = f"fresh process: import, open, load one, {ours} / {other}"
        found += by_cpu("goals", name, (samples[ours], samples[other]), goal=most)
    return found
