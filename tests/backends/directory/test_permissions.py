"""Rights to a directory: a lack of permission is reported, and new files have the right modes."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.backends.directory.faults import nothing_changes, put

from brinery.backend import ABSENT, Put
from brinery.backends.directory import staging
from brinery.backends.directory.backend import DirectoryBackend
from brinery.errors import StorageError
from brinery.testing.backend import body


def as_nobody(work: Callable[[], None]) -> None:
    """Run `work` in a child process without privileges; fail when it fails."""
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            work()
        except BaseException:  # noqa: BLE001 - the exit status says it to the parent
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def open_up(root: Path) -> None:
    """Let everyone reach a directory, whose parents pytest makes private."""
    top = Path(tempfile.gettempdir())
    for parent in [root, *root.parents]:
        if top in parent.parents:
            parent.chmod(0o755)
        elif not parent.stat().st_mode & 0o001:
            pytest.skip(f"other users cannot reach {parent}, where temporary files are")


def test_a_directory_that_may_not_be_written_is_read_only(tmp_path: Path) -> None:
    """Writing and removing say so; reading and listing work, and need no lock."""
    root = tmp_path / "store"
    DirectoryBackend(root, durability="process").commit([put(1), put(2)])
    open_up(root)
    for path in root.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    root.chmod(0o555)
    backend = DirectoryBackend(root)

    def work() -> None:
        assert sorted(backend.list()) == ["Task.1", "Task.2"]
        assert backend.get("Task.1")[0] == body(1)
        calls: list[Callable[[], object]] = [
            partial(backend.put, "Task.1", b""),
            partial(backend.put, "Task.3", b"", ABSENT),
            partial(backend.delete, "Task.1"),
        ]
        for call in calls:
            with pytest.raises(StorageError, match="check the permissions"):
                call()

    with nothing_changes(root):
        as_nobody(work)
    root.chmod(0o755)


def test_what_may_not_be_read_is_no_absence(tmp_path: Path) -> None:
    """An unreadable record is an error and stays listed; so is an unreadable directory."""
    root = tmp_path / "store"
    backend = DirectoryBackend(root, durability="process")
    backend.commit([put(1), Put("a name", (body(2),))])
    open_up(root)
    for path in root.iterdir():
        if path.is_file():
            path.chmod(0)

    def unreadable_files() -> None:
        assert sorted(backend.list()) == ["Task.1", "a name"]
        with pytest.raises(StorageError, match="check the permissions"):
            backend.get("Task.1")

    def unreadable_directory() -> None:
        calls: list[Callable[[], object]] = [
            partial(backend.get, "Task.1"),
            lambda: list(backend.list()),
        ]
        for call in calls:
            with pytest.raises(StorageError, match="check the permissions"):
                call()

    as_nobody(unreadable_files)
    root.chmod(0)
    as_nobody(unreadable_directory)
    root.chmod(0o755)


def modes_of(root: Path) -> tuple[set[int], set[int]]:
    """Return the modes of all directories, `root` included, and of all files."""
    directories: set[int] = {root.stat().st_mode & 0o777}
    files: set[int] = set()
    for path in root.rglob("*"):
        (directories if path.is_dir() else files).add(path.stat().st_mode & 0o777)
    return directories, files


@pytest.mark.parametrize(
    ("shared", "expected"), [("private", (0o700, 0o600)), ("group", (0o770, 0o660))]
)
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("layout", ["flat", "sharded"])
def test_what_is_made_is_private_or_the_groups(
    tmp_path: Path, layout: Any, umask: int, shared: Any, expected: tuple[int, int]
) -> None:
    """Directories, records, the lock and what is left of a killed writer, whatever the umask."""
    root = tmp_path / "parent" / "store"
    before = os.umask(umask)
    try:
        backend = DirectoryBackend(root, layout=layout, shared=shared, durability="process")
        backend.put("Task.1", b"")
        backend.commit([put(1, body("new")), put(2), Put(".settings", (b"",))])
        staged = staging.Staging(backend._layout, backend._layout.prepare)
        staged.add(put(3))
    finally:
        os.umask(before)
    directories, files = modes_of(root.parent)
    assert (directories, files) == ({expected[0]}, {expected[1]})


def test_a_place_that_takes_no_directory_is_told() -> None:
    """/proc denies that there is what one wants to make; that is an error, not a recursion."""
    if not os.path.isdir("/proc/self"):
        pytest.skip("there is no /proc here")
    with pytest.raises(StorageError, match="No such file or directory"):
        DirectoryBackend("/proc/brinery/store").put("Task.1", b"")


def test_threads_may_make_the_directory_together(tmp_path: Path) -> None:
    """A parent that another thread makes in the same moment is no error, however often it is."""
    for turn in range(100):
        backend = DirectoryBackend(tmp_path / str(turn) / "a" / "b", durability="process")
        start = threading.Barrier(4)

        def write(number: int, backend: DirectoryBackend, start: threading.Barrier) -> None:
            start.wait()
            backend.put(f"Task.{number}", b"")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4), [backend] * 4, [start] * 4))
        assert len(list(backend.list())) == 4
