"""Interrupts leave neither descriptors nor staged files in a process that goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.backends.directory.directories import open_below
from tests.backends.directory.faults import put

from brinery.backends.directory import files
from brinery.backends.directory.backend import DirectoryBackend
from brinery.testing.backend import body

STORM = """
import os, random, signal, sys, threading, time
from brinery import FilesystemStore

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
place, durability, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = FilesystemStore(place, durability=durability, lock_timeout=20)
store.save_many([[1], [2]])
before = len(os.listdir("/proc/self/fd"))
ready = threading.Event()

def interrupt():
    for _ in range(count):
        ready.wait()
        ready.clear()
        time.sleep(random.uniform(0, 0.0015))
        os.kill(os.getpid(), signal.SIGINT)

thread = threading.Thread(target=interrupt)
thread.start()
while thread.is_alive():
    try:
        ready.set()
        while thread.is_alive():
            store["a"] = [1]
            store.save_many([[1], [2], [3]])
            store.load("list.1")
            store.invalidate_cache()
    except KeyboardInterrupt:
        pass
while True:
    try:
        thread.join()
        time.sleep(0.1)
        break
    except KeyboardInterrupt:
        pass
store["last"] = 1
more = len(os.listdir("/proc/self/fd")) - before
print(more, os.listdir(f"{place}/.brinery/staging"), store.check().is_good)
"""


@pytest.mark.thorough
@pytest.mark.parametrize("durability", ["process", "full"])
def test_hundreds_of_interrupts_leave_nothing(tmp_path: Path, durability: str) -> None:
    """Wherever they come: in a save, a load or their ends."""
    command = [sys.executable, "-c", STORM, str(tmp_path), durability, "300"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "0 [] True\n", done.stderr


@pytest.mark.parametrize("durability", ["process", "full"])
@pytest.mark.parametrize("call", ["unlink", "close"])
def test_what_an_interrupt_leaves_is_removed_by_the_next_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: Any, call: str
) -> None:
    """It came in the clean-up, in the middle of many files."""
    backend = DirectoryBackend(tmp_path, durability=durability)
    backend.put("Task.0", body(0))
    real, left = getattr(os, call), [3]

    def interrupted(*args: Any) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, interrupted)
        with pytest.raises(KeyboardInterrupt):
            backend.commit([put(number) for number in range(1, 9)])
    if call == "unlink":
        assert os.listdir(tmp_path / ".brinery" / "staging")
    backend.put("Task.9", body(9))
    assert os.listdir(tmp_path / ".brinery" / "staging") == []
    if call == "unlink":
        assert open_below(tmp_path) == set()


def test_a_commit_of_another_thread_keeps_its_files(tmp_path: Path) -> None:
    """It has begun and not ended, and is alive."""
    backend = DirectoryBackend(tmp_path, durability="process")

    def puts() -> Any:
        yield put(1)
        backend.put("Other.1", body(1))
        yield put(2)

    backend.commit(puts())
    assert sorted(backend.list()) == ["Other.1", "Task.1", "Task.2"]


def test_a_file_that_cannot_be_opened_is_no_descriptor(tmp_path: Path) -> None:
    """The error is that of `os.open`."""
    with pytest.raises(FileNotFoundError):
        files.opened(f"{tmp_path}/nothing", os.O_RDONLY)
    held = [files.opened(str(tmp_path), os.O_RDONLY) for _ in range(3)]
    files.close_each(held, keep=1)
    assert len(held) == 1
    files.close_each(held)
    assert not held
