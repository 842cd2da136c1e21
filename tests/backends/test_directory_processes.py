"""Several processes in one directory: none loses a write, none waits for a dead one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pytest

from brinery.backend import Put
from brinery.backends.directory import DirectoryBackend
from brinery.record import MAGIC
from brinery.testing.backend import body, increase

PROCESSES = 8
INCREMENTS = 25

PRELUDE = """
import sys
from brinery.backend import ABSENT, Conflict, Put
from brinery.backends.directory import DirectoryBackend
from brinery.testing.backend import body, increase

def go(layout):
    backend = DirectoryBackend(sys.argv[1], layout=layout, durability="process")
    print("ready", flush=True)
    sys.stdin.readline()
    return backend
"""

CREATE = """
number = int(sys.argv[2])
backend = go(("flat", "sharded")[number % 2])
for turn in range(20):
    try:
        backend.put(f"Task.{turn}", body(number), ABSENT)
        print(turn)
    except Conflict:
        pass
"""

INCREASE = """
increase(go(("flat", "sharded")[int(sys.argv[2]) % 2]), "Counter.1", int(sys.argv[3]))
"""

COMMIT_FOR_EVER = """
backend = go("flat")
state = 1
while True:
    backend.commit(Put(f"Task.{number}", (body(f"{state} {number}"),)) for number in range(300))
    print(state, flush=True)
    state += 1
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a Python that waits for a line before it does its work."""
    process = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    return process


def let_go(processes: Sequence[subprocess.Popen[str]]) -> list[str]:
    """Let processes that are ready start at once; return what they wrote."""
    for process in processes:
        assert output(process).readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    written = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return written


def output(process: subprocess.Popen[str]) -> IO[str]:
    """Return the pipe that a process writes to."""
    assert process.stdout is not None
    return process.stdout


def test_of_many_processes_that_create_a_name_one_wins(tmp_path: Path) -> None:
    """Exactly one put that expects absence succeeds, also among writers of different layouts."""
    written = let_go([start(CREATE, tmp_path, number) for number in range(PROCESSES)])
    winners = [(turn, index) for index, text in enumerate(written) for turn in text.split()]
    assert sorted(turn for turn, _ in winners) == sorted(map(str, range(20)))
    backend = DirectoryBackend(tmp_path)
    for turn, index in winners:
        assert backend.get(f"Task.{turn}")[0] == body(index)


def test_no_increment_of_processes_is_lost(tmp_path: Path) -> None:
    """A counter that processes increase by compare-and-swap counts every increase."""
    backend = DirectoryBackend(tmp_path, durability="process")
    backend.put("Counter.1", b"0" + MAGIC)
    let_go([start(INCREASE, tmp_path, number, INCREMENTS) for number in range(PROCESSES)])
    assert backend.get("Counter.1")[0] == str(PROCESSES * INCREMENTS).encode() + MAGIC


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.02, 0.03])
def test_a_killed_writer_leaves_whole_records_and_no_lock(tmp_path: Path, delay: float) -> None:
    """After SIGKILL in a commit each record is the old one or the new one, and writing goes on."""
    process = start(COMMIT_FOR_EVER, tmp_path)
    assert output(process).readline() == "ready\n"
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert output(process).readline() == "1\n"
    time.sleep(delay)
    process.kill()
    rest = process.communicate()[0].split()
    last = int(rest[-1]) if rest else 1
    assert process.returncode == -signal.SIGKILL

    backend = DirectoryBackend(tmp_path, durability="process", lock_timeout=5)
    names = [f"Task.{number}" for number in range(300)]
    assert sorted(backend.list()) == sorted(names)
    for name, data, _ in backend.get_many(names):
        number = name.removeprefix("Task.")
        assert data in (body(f"{last} {number}"), body(f"{last + 1} {number}"))
    backend.commit(Put(name, (body("after"),)) for name in names)
    assert {data for _, data, _ in backend.get_many(names)} == {body("after")}


def test_a_child_process_goes_on_with_the_backend_of_its_parent(tmp_path: Path) -> None:
    """A fork in the middle of a commit disturbs neither process, and leaves no lock behind."""
    backend = DirectoryBackend(tmp_path, durability="process", lock_timeout=5)
    backend.put("Counter.1", b"0" + MAGIC)
    children = []

    def puts() -> Iterator[Put]:
        yield Put("Task.1", (body(1),))
        for _ in range(2):
            child = os.fork()
            if child == 0:
                try:
                    increase(backend, "Counter.1", 20)
                    os._exit(0)
                finally:
                    os._exit(1)
            children.append(child)
        yield Put("Task.2", (body(2),))

    backend.commit(puts())
    increase(backend, "Counter.1", 20)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    assert backend.get("Counter.1")[0] == b"60" + MAGIC
    assert sorted(backend.list()) == ["Counter.1", "Task.1", "Task.2"]
