"""The program of the processes that `brinery.testing.league.trial` starts.

It writes, or reads, one object after the other, and notes each outcome in a file, a line of JSON for each.
It binds no name in `__main__`, which has to be as empty as in any other program.
"""

from __future__ import annotations

import faulthandler
import json
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from brinery.testing.league.contender import Entry
from brinery.testing.league.judge import Expectation, expectation, in_a_line, loss, said
from brinery.testing.league.outcome import CHANGED, KEPT, REFUSED, UNREADABLE, Outcome
from brinery.testing.league.probe import Probe, probes_at
from brinery.verify.description import Line

PROGRAM: Final = "__import__('importlib').import_module('brinery.testing.league.child').main()"
_MEMORY: Final = 8 << 30  # bytes of address space: a runaway serializer gets a MemoryError


def main() -> None:
    """Do the work of the file that is named by the only argument."""
    work = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    _limit_memory()
    tasks: dict[str, Callable[[Entry, Probe, Path], Outcome]] = {"write": _write, "read": _read}
    task = tasks[work["task"]]
    probes = probes_at(work["probes"])
    with open(work["report"], "w", encoding="utf-8") as report:
        for number, job in work["jobs"]:
            _tell(report, {"begun": number})
            faulthandler.dump_traceback_later(work["seconds"], exit=True)
            outcome = task(Entry(*job["entry"]), probes[job["probe"]], Path(job["directory"]))
            faulthandler.cancel_dump_traceback_later()
            _tell(report, {"done": number, "outcome": outcome})


def _tell(report: Any, what: Mapping[str, Any]) -> None:
    report.write(json.dumps(what) + "\n")
    report.flush()


def _limit_memory() -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    except (ImportError, OSError, ValueError):  # not on this system
        return


def _write(entry: Entry, probe: Probe, directory: Path) -> Outcome:
    expected = expectation(probe)
    obj = probe.build()
    contender = entry.make()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            contender.write(obj, directory / "written")
        except Exception as error:  # noqa: BLE001 - each serializer has its own
            return Outcome(REFUSED, in_a_line(said(error)))
    if lost := loss(probe, obj, expectation(probe)):
        return Outcome(CHANGED, in_a_line(f"writing changed the object itself: {lost}"))
    warning = in_a_line(str(warned[0].message)) if warned else ""
    note = {"lines": expected.lines, "used": expected.used, "warning": warning}
    (directory / "expected").write_text(json.dumps(note), encoding="utf-8")
    return Outcome(KEPT)


def _read(entry: Entry, probe: Probe, directory: Path) -> Outcome:
    contender = entry.make()
    note = json.loads((directory / "expected").read_text(encoding="utf-8"))
    try:
        found = contender.read(directory / "written")
    except Exception as error:  # noqa: BLE001 - each serializer has its own
        return Outcome(UNREADABLE, in_a_line(said(error)))
    expected = Expectation([Line(*line) for line in note["lines"]], note["used"])
    if lost := loss(probe, found, expected):
        warning = f" (with a warning: {note['warning']})" if note["warning"] else ""
        return Outcome(CHANGED, lost + warning)
    return Outcome(KEPT)
