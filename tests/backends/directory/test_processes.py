"""Several processes in one directory: none loses a write, none waits for a dead one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from brinery.backend import Put
from brinery.backends.directory.backend import DirectoryBackend
from brinery.record.format import MAGIC
from brinery.testing.backend import Opener, body, increase
from brinery.testing.processes import in_processes
from brinery.testing.tasks import create_each, increase_one

PROCESSES = 8


def both_layouts(root: Path) -> list[Opener]:
    """Return what opens a directory in each of the layouts."""
    flat = partial(DirectoryBackend, root, layout="flat", durability="process")
    return [flat, partial(DirectoryBackend, root, layout="sharded", durability="process")]


def test_of_many_processes_of_both_layouts_that_create_a_name_one_wins(tmp_path: Path) -> None:
    """Exactly one put that expects absence succeeds."""
    names = [f"Task.{turn}" for turn in range(20)]
    works = [partial(create_each, names, index) for index in range(PROCESSES)]
    won = in_processes(both_layouts(tmp_path), works)
    assert sorted(name for each in won for name in each) == sorted(names)
    backend = DirectoryBackend(tmp_path)
    for index, each in enumerate(won):
        for name in each:
            assert backend.get(name)[0] == body(index)


def test_no_increment_of_processes_of_both_layouts_is_lost(tmp_path: Path) -> None:
    """A counter that processes increase by compare-and-swap counts every increase."""
    backend = DirectoryBackend(tmp_path, durability="process")
    backend.put("Counter.1", b"0" + MAGIC)
    in_processes(both_layouts(tmp_path), [partial(increase_one, "Counter.1", 25)] * PROCESSES)
    assert backend.get("Counter.1")[0] == str(PROCESSES * 25).encode() + MAGIC


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
