"""The lock: how long writers wait, and what happens where it is removed, inherited or not supported."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.backends.directory.faults import nothing_changes

from brinery.backends.directory.backend import DirectoryBackend
from brinery.backends.directory.lock import WritersLock
from brinery.errors import LockedError, StorageError
from brinery.testing.backend import body


def test_a_writer_does_not_wait_for_ever(tmp_path: Path) -> None:
    """A lock that is held is reported after the time limit; filelock takes the same lock."""
    import filelock

    backend = DirectoryBackend(tmp_path, durability="process", lock_timeout=0.05)
    backend.put("Task.1", body(1))
    with filelock.FileLock(tmp_path / ".brinery" / "lock"), nothing_changes(tmp_path):
        with pytest.raises(LockedError, match="another writer has held the lock"):
            backend.put("Task.2", body(2))
        assert backend.get("Task.1")[0] == body(1)
    backend.put("Task.2", body(2))


def test_a_lock_file_that_someone_removes_still_locks(tmp_path: Path) -> None:
    """A writer that waits for a lock whose file is removed waits for the new file."""
    backend = DirectoryBackend(tmp_path, durability="process", lock_timeout=20)
    backend.put("Task.1", body(1))
    path = tmp_path / ".brinery" / "lock"
    old, new = (WritersLock(str(path), 1, lambda: None) for _ in range(2))
    writer = threading.Thread(target=backend.put, args=("Task.2", body(2)))
    with old:
        writer.start()
        while [os.path.realpath(fd) for fd in Path("/proc/self/fd").iterdir()].count(str(path)) < 2:
            time.sleep(0.001)
        path.unlink()
        new.__enter__()
    time.sleep(0.05)
    assert list(backend.list()) == ["Task.1"]
    new.__exit__(None, None, None)
    writer.join(20)
    assert sorted(backend.list()) == ["Task.1", "Task.2"]


def test_a_child_that_is_forked_under_the_lock_does_not_keep_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread may fork while another one commits: the copy of the descriptor holds no lock."""
    backend = DirectoryBackend(tmp_path, durability="process", lock_timeout=1)
    children = []
    link = os.link

    def forking(source: str, target: str) -> None:
        child = os.fork()
        if child == 0:
            signal.pause()
        children.append(child)
        link(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", forking)
        backend.put("Task.1", body(1))
    try:
        backend.put("Task.2", body(2))
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    assert sorted(backend.list()) == ["Task.1", "Task.2"]


@pytest.mark.filterwarnings("ignore:flock not supported")
def test_a_file_system_without_flock_has_a_soft_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where flock(2) is not implemented, a lock file that exists keeps other writers out."""

    def refuse(fd: int, how: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    backend = DirectoryBackend(tmp_path, durability="process", lock_timeout=0.2)
    with nothing_changes(tmp_path):
        with WritersLock(f"{tmp_path}/soft", 1, lambda: None):
            assert (tmp_path / "soft.soft").exists()
            second = WritersLock(f"{tmp_path}/soft", 0.1, lambda: None)
            with ThreadPoolExecutor(1) as pool:
                waiting = pool.submit(second.__enter__)
                with pytest.raises(StorageError, match="another writer"):
                    waiting.result()
        (tmp_path / "soft").unlink()
    backend.put("Task.1", body(1))
    backend.put("Task.2", body(2))


@pytest.fixture
def without_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that refuses flock, as NFS without its daemon does."""

    def refuse(fd: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.mark.usefixtures("without_flock")
@pytest.mark.filterwarnings("ignore:flock not supported")
class TestEmptySoftLock:
    """A writer was killed between creating the file and writing its PID into it."""

    def test_an_old_one_is_taken_away_at_once(self, tmp_path: Path) -> None:
        """Also by a writer that hardly waits."""
        backend = DirectoryBackend(tmp_path, durability="process", lock_timeout=0)
        backend.put("Task.1", body(1))
        soft = tmp_path / ".brinery" / "lock.soft"
        soft.touch()
        os.utime(soft, (1, 1))
        backend.put("Task.2", body(2))
        assert sorted(backend.list()) == ["Task.1", "Task.2"]
        assert sorted(os.listdir(tmp_path / ".brinery")) == ["lock", "staging"]

    @pytest.mark.thorough
    def test_a_new_one_is_waited_for(self, tmp_path: Path) -> None:
        """Its writer may be alive; and the clock of another machine may be ahead."""
        backend = DirectoryBackend(tmp_path, durability="process", lock_timeout=0.1)
        backend.put("Task.1", body(1))
        soft = tmp_path / ".brinery" / "lock.soft"
        soft.touch()
        ahead = time.time() + 1000
        os.utime(soft, (ahead, ahead))
        with pytest.raises(LockedError):
            backend.put("Task.2", body(2))
        DirectoryBackend(tmp_path, durability="process", lock_timeout=30).put("Task.2", body(2))
        backend.put("Task.3", body(3))
        assert len(list(backend.list())) == 3

    def test_one_that_somebody_holds_stays(self, tmp_path: Path) -> None:
        """However old it is."""
        path = f"{tmp_path}/lock"
        with WritersLock(path, 1, lambda: None), ThreadPoolExecutor(1) as pool:
            os.utime(f"{path}.soft", (1, 1))
            second = WritersLock(path, 0.1, lambda: None)
            with pytest.raises(LockedError):
                pool.submit(second.__enter__).result()
            assert os.path.getsize(f"{path}.soft") > 0
