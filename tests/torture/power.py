"""Cutting the power: every state that an operation may leave on a disk is made, and checked.

The calls of an operation are recorded once.  For every moment between two of them, steps that had not been
flushed are left out: none, all, each alone, all but each, all from each on, and many sets drawn at random.
The durable state after the end of the operation must be the new state.
"""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from tests.torture import traced
from tests.torture.disk import Disk, State
from tests.torture.scenario import Stage, Tally
from tests.torture.sweep import side_by_side

RANDOM_SETS = 12
"""Sets drawn at random for each moment."""

_CALLS = (
    "openat,open,close,write,writev,pwrite64,lseek,fsync,fdatasync,syncfs,link,linkat,rename,renameat,"
    "renameat2,unlink,unlinkat,mkdir,mkdirat,ftruncate"
)
_CALL = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


def cut(
    stages: Sequence[Stage], scratch: Path, most: int | None, tell: Callable[[int], None]
) -> list[Tally]:
    """Try all operations; with `most`, at most so many states of each, drawn at random."""
    work = partial(_cut_one, stages, scratch, most)
    tallies = [Tally() for _ in stages]
    total = 0
    for index, tally in side_by_side(work, range(len(stages))):
        tallies[index] = tally
        total += tally.cases
        tell(total)
    return tallies


def _cut_one(
    stages: Sequence[Stage], scratch: Path, most: int | None, index: int
) -> tuple[int, Tally]:
    stage, tally = stages[index], Tally()
    root = stage.copy(scratch / f"record-{index}")
    states = list(_states(stage, recorded(stage, root), str(root.parent)))
    if most is not None and len(states) > most:
        states = random.Random(0).sample(states, most)
    for where, disk, state, done in states:
        target = scratch / f"state-{index}"
        state.store(disk.root, target)
        problem = stage.problem(target / "store", done=done)
        tally.count("at the end" if done else "in the middle", problem, where)
        shutil.rmtree(target)
    return index, tally


def recorded(stage: Stage, root: Path) -> list[tuple[str, str, int]]:
    """Return the calls of an operation: name, arguments, result."""
    options = ["-xx", "-s", str(1 << 24), "-e", "trace=" + _CALLS.replace(",", ",?")]
    trace = traced.traced(options, [partial(stage.scenario.operate, str(root))])
    assert trace.endings == [traced.DONE], trace.errors
    found = []
    for line in trace.lines[0]:
        match = _CALL.fullmatch(line)
        if match is not None and int(match[3]) >= 0:
            found.append((match[1], match[2], int(match[3])))
    return found


def _states(
    stage: Stage, calls: Sequence[tuple[str, str, int]], prefix: str
) -> Iterator[tuple[str, Disk, State, bool]]:
    """Yield the place of the cut, the contents of the disk, and whether the operation has ended."""
    chance = random.Random(0)
    seen = set()
    for count in range(len(calls) + 1):
        before = State()
        disk = Disk(before, before.load(stage.prepared), prefix)
        for name, arguments, result in calls[:count]:
            play(disk, name, arguments, result)
        done = count == len(calls)
        if count and not done and calls[count - 1][0] in ("close", "lseek", "open"):
            continue  # nothing to forget, and nothing durable, that was not before
        pending = [number for number in range(len(disk.steps)) if number not in disk.durable]
        for chosen in _choices(pending, chance):
            state = disk.after(chosen)
            files = tuple(state.fingerprint(disk.root))
            if files in seen and not done:
                continue
            seen.add(files)
            lost = [disk.steps[number].what for number in pending if number not in chosen]
            yield f"after call {count} of {len(calls)}, without {lost}", disk, state, done


def _choices(pending: list[int], chance: random.Random) -> Iterator[set[int]]:
    everything = set(pending)
    yield everything
    yield set()
    for number in pending:
        yield {number}
        yield everything - {number}
        yield {other for other in pending if other < number}
    for _ in range(RANDOM_SETS if len(pending) > 1 else 0):
        share = chance.random()
        yield {number for number in pending if chance.random() < share}


def play(disk: Disk, name: str, arguments: str, result: int) -> None:
    """Apply a call to the model."""
    texts = [bytes.fromhex(text.replace("\\x", "")) for text, _ in _TEXT.findall(arguments)]
    paths = [os.fsdecode(text) for text in texts]
    first = arguments.partition(",")[0]
    if name in ("open", "openat"):
        if paths[0].startswith(disk.prefix):
            disk.open(
                paths[0], arguments.partition('",')[2].split(",")[0].strip().split("|"), result
            )
    elif name == "close":
        disk.close(int(first))
    elif name == "lseek":
        disk.seek(int(first), result)
    elif name in ("write", "writev"):
        disk.write(int(first), b"".join(texts)[:result])
    elif name in ("fsync", "fdatasync"):
        disk.sync(int(first))
    elif name == "syncfs":
        disk.sync_all()
    elif name == "ftruncate":
        disk.truncate(int(first), int(arguments.rpartition(",")[2]))
    elif name.startswith("link"):
        disk.link(*paths)
    elif name.startswith("rename"):
        disk.rename(*paths)
    elif name.startswith("unlink"):
        disk.unlink(paths[0])
    elif name.startswith("mkdir"):
        disk.mkdir(paths[0])
    else:
        raise AssertionError(f"the model does not know {name}")
