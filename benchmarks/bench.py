"""One run of the benchmarks: sizes, scratch space, and rounds of fresh processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.measure import Sample

_ROOT = Path(__file__).parents[1]
_TMPFS = "/dev/shm"
_TIMEOUT = 900
"""Seconds for one process: a guard against hanging, many times what any takes."""


class PhaseError(Exception):
    """A measuring process failed; the text is the end of its error output."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The numbers of rounds, objects and records to measure."""

    rounds: int = 5
    few: int = 3
    """Rounds of measurements that take long and have no goal."""
    nodes: int = 250_000
    codec_nodes: int = 100_000
    dill_nodes: int = 25_000
    objects: int = 50_000
    ring: int = 100_000
    imports: int = 20
    depth: int = 1_000_000
    dill_depth: int = 100_000
    records: int = 1_000
    many_records: int = 100_000
    jobs: int = 50_000
    some: int = 200
    """Operations on single records: in a store of many, or of all jobs."""
    rows: int = 100_000
    """Jobs in a database; the operations on single jobs use some of them."""
    loads: int = 2_000
    saves: int = 5_000
    changes: int = 1_000
    megabytes: int = 64
    large_megabytes: int = 512
    most_records: int = 1_000_000
    workers: int = 1
    """The number of contenders that run at a time; with more than one the figures mean nothing."""


QUICK = Sizes(
    rounds=3,
    few=1,
    nodes=50_000,
    imports=9,
    many_records=10_000,
    jobs=5_000,
    rows=10_000,
    loads=1_000,
    saves=300,
    changes=300,
    large_megabytes=64,
    most_records=100_000,
)
"""For a first look within minutes: the ratios have a meaning, small differences have none."""

SMOKE = Sizes(
    rounds=1,
    few=1,
    nodes=2_000,
    codec_nodes=1_000,
    dill_nodes=500,
    objects=100,
    ring=200,
    imports=1,
    depth=5_000,
    dill_depth=5_000,
    records=100,
    many_records=200,
    jobs=200,
    some=10,
    rows=400,
    loads=10,
    saves=20,
    changes=10,
    megabytes=1,
    large_megabytes=1,
    most_records=200,
    workers=2,
)
"""For a smoke test: everything runs, no figure means anything."""


class Phase:
    """A function of a module of this package, to be called in a fresh process."""

    def __init__(self, function: Callable[..., Any], **arguments: Any) -> None:
        """`arguments` are JSON types; a `Path` is given as a string."""
        self.function = function
        self.arguments = arguments

    def run(self, **more: Any) -> Any:
        """Call the function in a fresh process; return its result, or raise `PhaseError`."""
        done = self.start(**more)
        if done.returncode:
            raise PhaseError(f"{self.function.__qualname__}: {done.stderr[-2000:].strip()}")
        return json.loads(done.stdout.splitlines()[-1])

    def start(self, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run the process to its end, whatever its status; raise `PhaseError` if it does not end in time."""
        arguments = json.dumps({**self.arguments, **more}, default=os.fspath)
        function = self.function
        command = [sys.executable, "-m", "benchmarks.child"]
        command += [function.__module__, function.__qualname__, arguments]
        try:
            return subprocess.run(
                command, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=_TIMEOUT
            )
        except subprocess.TimeoutExpired as error:
            raise PhaseError(f"{function.__qualname__}: over {_TIMEOUT} seconds") from error


@dataclass(frozen=True, slots=True)
class Bench:
    """The parameters of the sections: sizes, a directory for scratch files, and a report of progress."""

    sizes: Sizes
    scratch: Path
    tell: Callable[[str], None]

    def directory(self, name: str) -> Path:
        """Return the path of a new, empty directory."""
        path = self.scratch / name
        self.clear(path)
        path.mkdir()
        return path

    @staticmethod
    def clear(path: Path) -> None:
        """Remove a directory with its contents, if it exists."""
        if path.exists():
            shutil.rmtree(path)

    def rounds(
        self,
        sides: Mapping[str, Phase],
        *,
        fresh: bool = False,
        few: bool = False,
        once: bool = False,
    ) -> dict[str, list[Sample]]:
        """Measure every side once in each round, and return their samples, in order.

        The order of the sides alternates, so that other work of the machine affects all alike.
        With `fresh`, each phase gets the argument `directory`, a new one that is removed afterwards.
        """
        samples: dict[str, list[Sample]] = {name: [] for name in sides}
        rounds = 1 if once else self.sizes.few if few else self.sizes.rounds
        for number in range(rounds):
            names = list(sides) if number % 2 == 0 else list(sides)[::-1]
            for name in names:
                self.tell(f"round {number + 1} of {rounds}: {name}")
                samples[name].append(self._sample(sides[name], fresh))
        return samples

    def courses(
        self, sides: Mapping[str, Mapping[str, Phase]]
    ) -> dict[str, dict[str, list[Sample]]]:
        """Send all sides through the same steps in each round, and return the samples of each step.

        Each side has a directory of its own in each round, the argument `directory` of its phases.  All
        sides take a step before any takes the next; their order alternates.
        """
        steps = list(next(iter(sides.values())))
        samples: dict[str, dict[str, list[Sample]]] = {
            name: {step: [] for step in steps} for name in sides
        }
        for number in range(self.sizes.rounds):
            places = {name: self.directory(f"side-{at}") for at, name in enumerate(sides)}
            if self.sizes.workers == 1:
                os.sync()  # else a side that flushes would also flush what an earlier round has left
            for at, step in enumerate(steps):
                for name in list(sides)[:: 1 if (number + at) % 2 == 0 else -1]:
                    self.tell(f"round {number + 1} of {self.sizes.rounds}: {step}, {name}")
                    found = sides[name][step].run(directory=places[name])
                    samples[name][step].append(dict(found or {}))
            for place in places.values():
                self.clear(place)
        return samples

    def _sample(self, phase: Phase, fresh: bool) -> Sample:
        if not fresh:
            return dict(phase.run())
        directory = self.directory("fresh")
        try:
            return dict(phase.run(directory=directory))
        finally:
            self.clear(directory)


@contextmanager
def in_memory_where_possible(bench: Bench) -> Iterator[Bench]:
    """Give a bench whose scratch files are in memory, if there is a tmpfs."""
    if not (os.path.isdir(_TMPFS) and os.access(_TMPFS, os.W_OK)):
        yield bench
        return
    with tempfile.TemporaryDirectory(prefix="brinery-bench-", dir=_TMPFS) as scratch:
        yield replace(bench, scratch=Path(scratch))
