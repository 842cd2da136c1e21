"""The cost of importing brinery, against some modules of the standard library, in fresh processes."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from benchmarks.bench import Bench
from benchmarks.figures import Figure, ratio
from benchmarks.measure import timed

GOAL = 2.0
NOTHING = "pass"
STANDARD = "import pickle, json, logging"
OURS = ("import brinery", "from brinery import FilesystemStore")


def figures(bench: Bench) -> list[Figure]:
    """Compare the wall times, less the start of an interpreter that imports nothing."""
    programs = (NOTHING, STANDARD, *OURS)
    for program in programs:
        _run(program)  # compiles modules that are not compiled yet
    times: dict[str, list[float]] = {program: [] for program in programs}
    for number in range(bench.sizes.imports):
        bench.tell(f"imports, run {number + 1} of {bench.sizes.imports}")
        for program in programs if number % 2 == 0 else programs[::-1]:
            times[program].append(_run(program))
    start = median(times[NOTHING])
    above = {program: [time - start for time in found] for program, found in times.items()}
    standard = median(above[STANDARD])
    return [
        ratio(
            "imports",
            f"`{program}` / `{STANDARD}`",
            above[program],
            [standard] * bench.sizes.imports,
            goal=GOAL,
        )
        for program in OURS
    ]


def _run(program: str) -> float:
    """Return the milliseconds that a fresh interpreter takes for a program."""
    command = [sys.executable, "-c", program]
    done, sample = timed(subprocess.run, command, check=True)
    assert done.returncode == 0
    return float(sample["wall"]) * 1e3
