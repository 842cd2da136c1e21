"""A fault below a directory is reported, changes nothing, and leaves nothing behind."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.backends.directory.faults import after, fail_once, nothing_changes, put, state_of

from brinery.backend import ABSENT, Conflict, Put
from brinery.backends.directory.backend import DirectoryBackend
from brinery.errors import StorageError, StorageFullError
from brinery.testing.backend import body

# -- no room


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 256 KiB."""
    root = tmp_path / "tiny"
    root.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=60", "brinery-test", str(root)]
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux may mount a small file system to fill it")
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is forbidden here, as in most containers")
    try:
        yield root
    finally:
        # Lazily: a descriptor that a failing test leaks must not leave the mount behind.
        subprocess.run(["umount", "-l", str(root)], check=True)


@pytest.mark.parametrize("durability", ["full", "process"])
def test_a_full_disk_is_told_and_undone(tiny: Path, durability: Any) -> None:
    """No room for data or for another file raises StorageFullError; then there is room again."""
    backend = DirectoryBackend(tiny, durability=durability)
    backend.commit([put(1), put(2)])
    large, many = [put(1), put(3, bytes(300_000))], [put(number) for number in range(3, 99)]
    for puts in (large, many):
        with nothing_changes(tiny):
            with pytest.raises(StorageFullError, match="disk is full") as caught:
                backend.commit(iter(puts), ["Task.2"])
            assert caught.value.errno == errno.ENOSPC
            assert caught.value.id is not None
    backend.commit([put(1, b"new"), put(3, bytes(100_000))])


def test_a_limit_on_file_sizes_is_told(tmp_path: Path) -> None:
    """A write that stops in the middle of a record is an error, and the record is not there."""
    backend = DirectoryBackend(tmp_path)
    backend.put("Task.1", body(1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with nothing_changes(tmp_path):
            for pieces in ([bytes(150_000)], [bytes(1_000)] * 150):
                with pytest.raises(StorageError, match="ulimit -f"):
                    backend.commit([put(1), Put("Task.2", pieces)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_running_out_of_descriptors_is_told(tmp_path: Path) -> None:
    """Too many open files is an error of reading and of writing, never absence."""
    backend = DirectoryBackend(tmp_path)
    backend.put("Task.1", body(1))
    held: list[int] = []
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        while len(held) < 256:
            try:
                held.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                break
        calls: list[Callable[[], object]] = [
            partial(backend.get, "Task.1"),
            partial(backend.put, "Task.2", b""),
        ]
        for call in calls:
            with pytest.raises(StorageError, match="too many open files"):
                call()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for fd in held:
            os.close(fd)
    assert list(backend.list()) == ["Task.1"]


# -- a step that fails in the middle


STEPS = [
    ("rename", 0),
    *(("link", turn) for turn in range(6)),
    *(("replace", turn) for turn in range(2)),
    *(("unlink", turn) for turn in range(2)),
]


@pytest.mark.parametrize("error", [OSError(errno.EIO, "I/O error"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("late", [False, True], ids=["instead", "afterwards"])
@pytest.mark.parametrize(("call", "turn"), STEPS)
@pytest.mark.parametrize("layout", ["flat", "sharded"])
def test_a_step_that_fails_is_undone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    layout: Any,
    call: str,
    turn: int,
    late: bool,
    error: BaseException,
) -> None:
    """Whatever system call fails, or is interrupted right after it worked, the old state returns."""
    backend = DirectoryBackend(tmp_path, layout=layout, durability="process")
    backend.commit(put(number) for number in range(1, 5))
    puts = [put(9), put(1, body("new")), put(8), put(2, body("new"))]
    expected = StorageError if isinstance(error, OSError) else KeyboardInterrupt
    with nothing_changes(tmp_path), monkeypatch.context() as patch:
        fail_once(patch, call, turn, late, error)
        with pytest.raises(expected):
            backend.commit(puts, ["Task.3", "Task.4"])
    backend.commit(puts, ["Task.3", "Task.4"])
    assert sorted(backend.list()) == ["Task.1", "Task.2", "Task.8", "Task.9"]
    assert backend.get("Task.1")[0] == body("new")


@pytest.mark.parametrize("error", [OSError(errno.EIO, "I/O error"), KeyboardInterrupt()], ids=repr)
def test_a_journal_that_cannot_be_removed_undoes_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """A commit that is reported as failed is undone, although every file had its name."""
    backend = DirectoryBackend(tmp_path, durability="process")
    backend.commit(put(number) for number in range(1, 4))
    with nothing_changes(tmp_path), monkeypatch.context() as patch:
        fail_once(patch, "unlink", 1, False, error)
        with pytest.raises(StorageError if isinstance(error, OSError) else KeyboardInterrupt):
            backend.commit([put(1, body("new")), put(9)], ["Task.2"])


def test_an_interrupt_after_the_commit_leaves_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C right after the journal was removed comes too late to undo anything."""
    backend = DirectoryBackend(tmp_path, durability="process")
    backend.commit(put(number) for number in range(1, 4))
    with monkeypatch.context() as patch:
        fail_once(patch, "unlink", 1, True, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            backend.commit([put(1, body("new")), put(9)], ["Task.2"])
    expected = {"Task.1": body("new"), "Task.3": body(3), "Task.9": body(9)}
    assert state_of(tmp_path) == expected


def test_what_cannot_be_undone_is_finished_by_the_next_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says so; until then readers of one state wait for it and see it whole."""
    backend = DirectoryBackend(tmp_path, durability="process")
    backend.commit(put(number) for number in range(1, 4))

    def fail(*_: str) -> None:
        raise OSError(errno.EIO, "I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        patch.setattr(os, "rename", after(1, os.rename, fail))
        with pytest.raises(StorageError, match="next writer finishes or undoes it"):
            backend.commit([put(1, body("new")), put(9)], ["Task.2"])
    other = DirectoryBackend(tmp_path, durability="process")
    assert other.get("Task.1")[0] == body("new")
    backend.put("Task.5", body(5))
    expected = {"Task.1": body("new"), "Task.3": body(3), "Task.5": body(5), "Task.9": body(9)}
    assert state_of(tmp_path) == expected


@pytest.mark.parametrize("late", [False, True], ids=["instead", "afterwards"])
@pytest.mark.parametrize("turn", range(4))
def test_a_step_that_fails_without_links_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turn: int, late: bool
) -> None:
    """Where link(2) is refused, as on exFAT, new files are renamed and backups copied."""

    def refuse(*_: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    test_a_step_that_fails_is_undone(
        tmp_path, monkeypatch, "flat", "replace", turn, late, KeyboardInterrupt()
    )


def test_a_name_that_appears_despite_the_lock_is_a_conflict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another machine honours no lock, link(2) decides; the rest of the commit is undone."""
    backend = DirectoryBackend(tmp_path, durability="process")
    backend.put("Task.1", body(1))
    real = os.link

    def late(source: str, target: str) -> None:
        if target.endswith("/Task.8"):
            Path(target).write_bytes(body("theirs"))
        real(source, target)

    monkeypatch.setattr(os, "link", late)
    puts = [put(8, expect=ABSENT), put(1, body("new")), put(9, expect=ABSENT)]
    with pytest.raises(Conflict) as caught:
        backend.commit(puts)
    assert caught.value.names == ("Task.8",)
    assert state_of(tmp_path) == {"Task.1": body(1), "Task.8": body("theirs")}


# -- interrupts


def test_an_interrupt_in_the_generator_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C while the puts are made, in whatever number, leaves no file and no descriptor."""
    backend = DirectoryBackend(tmp_path)
    backend.put("Task.1", body(1))

    def puts(count: int) -> Iterator[Put]:
        for number in range(count):
            yield put(number)
        signal.raise_signal(signal.SIGINT)
        yield put(count)

    # A process that was started in the background of a script ignores Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for count in (0, 1, 5, 40):
            with nothing_changes(tmp_path), pytest.raises(KeyboardInterrupt):
                backend.commit(puts(count))
    finally:
        signal.signal(signal.SIGINT, before)
