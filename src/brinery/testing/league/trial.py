"""Lets contenders write probes in one process and read them in another, and collects the outcomes.

Many objects share a process, for speed.  Where a process dies or hangs, the object that it had begun is tried
again alone, and the others go on in a new process: a crash is an outcome, and never the end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from brinery.testing.league.child import PROGRAM
from brinery.testing.league.contender import Entry
from brinery.testing.league.outcome import CHANGED, CRASHED, KEPT, UNREADABLE, Outcome
from brinery.testing.league.probe import probes_at

PROBES: Final = "brinery.testing.league.probes:PROBES"
_LOST: Final = (CHANGED, UNREADABLE, CRASHED)
_START: Final = 60.0  # seconds in which an interpreter has started and imported what it needs
_TIMEOUT: Final = "Timeout ("  # how faulthandler begins to say that time is over


class Job(NamedTuple):
    """One object: who writes it, which probe it is."""

    entry: Entry
    probe: str


@dataclass(frozen=True, slots=True)
class Trial:
    """How objects are tried.

    `probes` is the place of the probes, as ``module:attribute``.  `seconds` is the time that one object may
    take in one process.  With `again`, what was lost is tried a second time.  `processes` work at a time.
    """

    probes: str = PROBES
    seconds: float = 20.0
    again: bool = False
    processes: int = 2

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Return the outcomes of the jobs, in their order."""
        outcomes = self._all(jobs)
        if self.again:
            # In another order, and what then ends otherwise alone: no object may spoil another.
            lost = [n for n, found in enumerate(outcomes) if found.result in _LOST][::-1]
            for number, found in zip(lost, self._all([jobs[n] for n in lost]), strict=True):
                if found.result != outcomes[number].result:
                    outcomes[number] = self._batch([jobs[number]])[0]
        return outcomes

    def _all(self, jobs: Sequence[Job]) -> list[Outcome]:
        size = max(1, -(-len(jobs) // self.processes))
        batches = [jobs[start : start + size] for start in range(0, len(jobs), size)]
        with ThreadPoolExecutor(self.processes) as pool:
            return [each for found in pool.map(self._batch, batches) for each in found]

    def _batch(self, jobs: Sequence[Job]) -> list[Outcome]:
        with tempfile.TemporaryDirectory(prefix="brinery-league-") as scratch:
            places = {}
            for number in range(len(jobs)):
                places[number] = Path(scratch, str(number))
                places[number].mkdir()
            work = _Work(self, Path(scratch), jobs, places)
            outcomes = work.done("write", list(places), "1")
            written = [number for number in places if outcomes[number].result == KEPT]
            # With another seed of hashes, as in any other process.
            outcomes |= work.done("read", written, "2")
        return [outcomes[number] for number in places]


def outcomes_of(*entries: Entry, trial: Trial | None = None) -> list[dict[str, Outcome]]:
    """Let contenders try all probes; return the outcomes of each, by probe."""
    trial = trial or Trial(again=True)
    probes = list(probes_at(trial.probes))
    found = iter(trial.run([Job(entry, probe) for entry in entries for probe in probes]))
    return [{probe: next(found) for probe in probes} for _ in entries]


class _Work(NamedTuple):
    trial: Trial
    scratch: Path
    jobs: Sequence[Job]
    places: Mapping[int, Path]

    def done(self, task: str, numbers: Sequence[int], seed: str) -> dict[int, Outcome]:
        """Return the outcomes of a task for some jobs, from as many processes as it takes."""
        outcomes: dict[int, Outcome] = {}
        pending = list(numbers)
        while pending:
            found, begun, end = self._process(task, pending, seed)
            outcomes |= found
            pending = [number for number in pending if number not in found]
            if not pending:
                break
            if begun is None:
                raise RuntimeError(f"a process that was to {task} objects failed: {end}")
            if len(found) == 0 and len(numbers) == 1:
                outcomes[begun] = Outcome(CRASHED, f"the process that was to {task} it {end}")
            else:
                outcomes |= self.done(task, [begun], seed)
            pending.remove(begun)
        return outcomes

    def _process(
        self, task: str, numbers: Sequence[int], seed: str
    ) -> tuple[dict[int, Outcome], int | None, str]:
        # Return the outcomes, the number of the job that was begun and not done, and how the process ended.
        report = self.scratch / "report"
        work = {
            "task": task,
            "probes": self.trial.probes,
            "seconds": self.trial.seconds,
            "report": str(report),
            "jobs": [(number, self._described(number)) for number in numbers],
        }
        file = self.scratch / "work"
        file.write_text(json.dumps(work), encoding="utf-8")
        report.write_text("", encoding="utf-8")
        end = _run(str(file), seed, _START + self.trial.seconds * len(numbers))
        found: dict[int, Outcome] = {}
        begun = None
        for line in report.read_text(encoding="utf-8").splitlines():
            note = json.loads(line)
            if "done" in note:
                found[note["done"]] = Outcome(*note["outcome"])
                begun = None
            else:
                begun = note["begun"]
        return found, begun, end

    def _described(self, number: int) -> dict[str, Any]:
        job = self.jobs[number]
        entry = (job.entry.module, job.entry.name, dict(job.entry.arguments))
        return {"entry": entry, "probe": job.probe, "directory": str(self.places[number])}


def _run(file: str, seed: str, timeout: float) -> str:
    """Run a process to its end; return how it ended, "" for as it should."""
    path = os.pathsep.join(os.getcwd() if entry == "" else entry for entry in sys.path)
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-X", "faulthandler", "-c", PROGRAM, file]
    with tempfile.TemporaryFile() as errors:
        try:
            code = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=environment,
                timeout=timeout,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            return "did not end in time"
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace")
    if code == 0:
        return ""
    if _TIMEOUT in said:
        return "did not end in time"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    lines = [line for line in said.splitlines() if line.strip()]
    return f"ended by itself with status {code}: {lines[-1] if lines else 'it said nothing'}"
