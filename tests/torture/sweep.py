"""Killing an operation at every call, and letting every call fail."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from tests.torture import traced
from tests.torture.scenario import Stage, Tally

ERRORS = ("ENOSPC", "EIO", "EMFILE", "EACCES", "EINTR")

_ENDINGS = {
    traced.DONE: "done",
    traced.CLEAN: "a BrineryError",
    traced.NOT_FOUND: "a NotFoundError",
    traced.UNCLEAN: "another error",
    traced.LEAK: "a descriptor left open",
    traced.KILLED: "killed",
}


class Blow(NamedTuple):
    """What happens at one call: the turn of a system call, and an error, or None for SIGKILL."""

    call: str
    turn: int
    error: str | None

    def options(self) -> list[str]:
        """Return the options of strace for it."""
        what = f"error={self.error}" if self.error else "signal=KILL"
        return ["-e", f"trace={self.call}", "-e", f"inject={self.call}:{what}:when={self.turn}"]


class Case(NamedTuple):
    """One operation that was struck by a blow."""

    scenario: int
    blow: Blow
    outcome: str
    problem: str | None


def counts(stages: Sequence[Stage], scratch: Path) -> list[Counter[str]]:
    """Return how often each operation makes which call, when nothing goes wrong."""
    known = ",".join(f"?{call}" for call in traced.CALLS)
    roots = [stage.copy(scratch / f"count-{index}") for index, stage in enumerate(stages)]
    trace = traced.traced(["-e", f"trace={known}"], _operations(stages, roots))
    assert set(trace.endings) == {traced.DONE}, trace.errors
    return [trace.counts(index) for index in range(len(stages))]


def kills(found: Sequence[Counter[str]]) -> Iterator[Blow]:
    """Yield SIGKILL at every call."""
    yield from (Blow(call, turn, None) for call, turn in _turns(found))


def faults(found: Sequence[Counter[str]]) -> Iterator[Blow]:
    """Yield every error at every call."""
    yield from (Blow(call, turn, error) for call, turn in _turns(found) for error in ERRORS)


def _turns(found: Sequence[Counter[str]]) -> Iterator[tuple[str, int]]:
    most: Counter[str] = Counter()
    for counter in found:
        most |= counter
    for call, count in sorted(most.items()):
        yield from ((call, turn) for turn in range(1, count + 1))


def sweep(
    stages: Sequence[Stage],
    blows: Sequence[Blow],
    found: Sequence[Counter[str]],
    scratch: Path,
    tell: Callable[[int], None],
) -> list[Tally]:
    """Strike every operation with every blow that meets it; return a tally for each."""
    tallies = [Tally() for _ in stages]
    for number, cases in enumerate(_side_by_side(partial(strike, stages, found, scratch), blows)):
        tell(number + 1)
        for index, blow, outcome, problem in cases:
            where = f"{blow.error or 'SIGKILL'} at {blow.call} {blow.turn}"
            tallies[index].count(outcome, problem, where)
    return tallies


def _side_by_side(
    work: Callable[[Blow], list[Case]], blows: Sequence[Blow]
) -> Iterator[list[Case]]:
    """Yield what `work` returns for each blow, in any order; forks of this process do it."""
    fork = get_context("fork")
    count = os.cpu_count() or 1
    queue = fork.SimpleQueue()

    def some(first: int) -> None:
        for blow in blows[first::count]:
            try:
                queue.put(work(blow))
            except BaseException as error:
                queue.put(error)
                raise

    processes = [fork.Process(target=some, args=(first,)) for first in range(count)]
    for process in processes:
        process.start()
    for _ in blows:
        found = queue.get()
        if isinstance(found, BaseException):
            raise found
        yield found
    for process in processes:
        process.join()


def strike(
    stages: Sequence[Stage], found: Sequence[Counter[str]], scratch: Path, blow: Blow
) -> list[Case]:
    """Strike those operations that make the call so often."""
    struck = [index for index in range(len(stages)) if found[index][blow.call] >= blow.turn]
    own = scratch / f"{blow.call}-{blow.turn}-{blow.error}"
    roots = {index: stages[index].copy(own / str(index)) for index in struck}
    operations = _operations([stages[index] for index in struck], list(roots.values()))
    trace = traced.traced(blow.options(), operations)
    cases = []
    for index, ending in zip(struck, trace.endings, strict=True):
        problem = _problem(stages[index], roots[index], blow, ending, trace.errors)
        cases.append(Case(index, blow, _ENDINGS.get(ending, f"exit code {ending}"), problem))
    shutil.rmtree(own)
    return cases


def _operations(stages: Sequence[Stage], roots: Sequence[Path]) -> list[Callable[[], object]]:
    return [
        partial(stage.scenario.operate, str(root))
        for stage, root in zip(stages, roots, strict=True)
    ]


def _problem(stage: Stage, root: Path, blow: Blow, ending: int, errors: str) -> str | None:
    if ending == traced.LEAK and blow.call == "close":
        ending = traced.CLEAN  # what strace lets fail is not done; the system does close
    if ending == traced.UNCLEAN:
        return errors
    if ending == traced.LEAK:
        return "a descriptor was left open"
    if ending == traced.NOT_FOUND:
        return "what is there was not found"
    if ending not in (traced.DONE, traced.CLEAN, traced.KILLED):
        return f"it ended with exit code {ending}"
    problem = stage.problem(root, done=ending == traced.DONE)
    if problem is None and blow.error and not blow.call.startswith("unlink"):
        problem = _leftovers(stage, root)
    return problem


def _leftovers(stage: Stage, root: Path) -> str | None:
    # What a dead writer left may stay for an hour.
    before = {token for token, _ in _staged(stage.prepared / "store")}
    left = [name for token, name in _staged(root) if token not in before]
    return f"files are left: {left}" if left else None


def _staged(root: Path) -> list[tuple[str, str]]:
    staging = root / ".brinery" / "staging"
    names = os.listdir(staging) if staging.is_dir() else []
    return [(name.partition(".")[0].rpartition("-")[0], name) for name in names]
