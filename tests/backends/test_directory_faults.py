"""What goes wrong below a directory is told, changes nothing, and leaves nothing behind."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from brinery.backend import ABSENT, Conflict, Put
from brinery.backends import _staging, _sync
from brinery.backends._lock import WritersLock
from brinery.backends.directory import DirectoryBackend
from brinery.errors import LockedError, StorageError, StorageFullError
from brinery.testing.backend import body


def state_of(root: Path) -> dict[str, bytes]:
    """Return the content of every file below `root`, except the lock."""
    files = (path for path in root.rglob("*") if path.is_file())
    found = {str(path.relative_to(root)): path.read_bytes() for path in files}
    found.pop(".brinery/lock", None)
    return found


@contextmanager
def nothing_changes(root: Path) -> Iterator[None]:
    """Check that files and descriptors are afterwards what they were before."""
    state, descriptors = state_of(root), set(os.listdir("/proc/self/fd"))
    yield
    assert state_of(root) == state
    assert set(os.listdir("/proc/self/fd")) <= descriptors


def put(number: int, data: bytes | None = None, **more: Any) -> Put:
    """Return the put of one record."""
    return Put(f"Task.{number}", (body(number) if data is None else data,), **more)


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


# -- no permission


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
        except BaseException:  # noqa: BLE001 - the exit status tells the parent
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
        staged = _staging.Staging(backend._places)
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


@pytest.mark.thorough
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


def fail_once(
    patch: pytest.MonkeyPatch, call: str, turn: int, late: bool, error: BaseException
) -> None:
    """Let the call number `turn` on a record raise, before it does its work or `late`."""
    real, count = getattr(os, call), [0]

    def failing(*args: Any, **more: Any) -> Any:
        count[0] += 1
        if count[0] - 1 != turn:
            return real(*args, **more)
        if late:
            real(*args, **more)
        raise error

    patch.setattr(os, call, failing)


@pytest.mark.parametrize("error", [OSError(errno.EIO, "I/O error"), KeyboardInterrupt()], ids=repr)
def test_a_journal_that_cannot_be_removed_undoes_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """What the caller is told has failed is not there, though every file had its name already."""
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
        with pytest.raises(StorageError, match="next writer finishes it"):
            backend.commit([put(1, body("new")), put(9)], ["Task.2"])
    other = DirectoryBackend(tmp_path, durability="process")
    assert other.get("Task.1")[0] == body("new")
    backend.put("Task.5", body(5))
    expected = {"Task.1": body("new"), "Task.3": body(3), "Task.5": body(5), "Task.9": body(9)}
    assert state_of(tmp_path) == expected


def after(turns: int, real: Callable[..., Any], fail: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that works for some turns and then fails."""
    count = [0]

    def call(*args: Any, **more: Any) -> Any:
        count[0] += 1
        return (real if count[0] <= turns else fail)(*args, **more)

    return call


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


@pytest.mark.parametrize("count", [1, 3, 40])
@pytest.mark.parametrize("portable", [False, True])
def test_a_failed_sync_fails_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, portable: bool
) -> None:
    """What could not be made durable does not become visible, and is not synced a second time."""
    backend = DirectoryBackend(tmp_path)
    backend.put("Task.1", body(1))
    synced = []

    def fail(fd: int) -> None:
        synced.append(fd)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    monkeypatch.setattr(_sync, "syncfs", lambda: None if portable else fail)
    puts = (put(number, body("new")) for number in range(count))
    with nothing_changes(tmp_path), pytest.raises(StorageError, match="device reports"):
        backend.commit(puts)
    assert len(synced) == len(set(synced)) == (17 if portable and count > 16 else 1)


@pytest.mark.parametrize("count", [1, 3, 40])
@pytest.mark.parametrize("portable", [False, True])
def test_every_file_and_every_directory_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, portable: bool
) -> None:
    """Files, then the journal, before any file has its name; each directory before the journal goes."""
    backend = DirectoryBackend(tmp_path)
    backend.put("Other.1", b"")  # makes what directories there are to make
    log: list[str] = []
    fsync, syncfs, link = os.fsync, None if portable else _sync.syncfs(), os.link

    def observed_fsync(fd: int) -> None:
        log.append("directory" if os.path.isdir(f"/proc/self/fd/{fd}") else "file")
        fsync(fd)

    def observed_syncfs(fd: int) -> None:
        log.append("all")
        assert syncfs is not None
        syncfs(fd)

    def observed_link(source: str, target: str) -> None:
        log.append("name")
        link(source, target)

    rename = os.rename

    def observed_rename(source: str, target: str) -> None:
        log.append("journal")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", observed_fsync)
    monkeypatch.setattr(os, "link", observed_link)
    monkeypatch.setattr(os, "rename", observed_rename)
    monkeypatch.setattr(_sync, "syncfs", lambda: observed_syncfs if syncfs else None)
    backend.commit(put(number) for number in range(count))
    files = ["all"] if count > 16 and syncfs else ["file"] * count
    if count == 1:
        assert log == ["file", "name", "directory"]
        return
    steps = ["file", "journal", "directory", *["name"] * count, "directory", "directory"]
    assert log == [*files, *steps]


@pytest.mark.parametrize("portable", [False, True])
def test_a_large_commit_has_few_files_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, portable: bool
) -> None:
    """However many puts there are, the number of descriptors stays small."""
    if portable:
        monkeypatch.setattr(_sync, "syncfs", lambda: None)
    counts = []

    def puts() -> Iterator[Put]:
        for number in range(100):
            yield put(number)
            counts.append(len(os.listdir("/proc/self/fd")))

    before = len(os.listdir("/proc/self/fd"))
    DirectoryBackend(tmp_path).commit(puts())
    assert max(counts) <= before + _sync.MOST_SINGLY


# -- the lock


def test_a_writer_does_not_wait_for_ever(tmp_path: Path) -> None:
    """A lock that someone holds is reported after the time limit; filelock takes the same lock."""
    import filelock

    backend = DirectoryBackend(tmp_path, durability="process", lock_timeout=0.05)
    backend.put("Task.1", body(1))
    with filelock.FileLock(tmp_path / ".brinery" / "lock"), nothing_changes(tmp_path):
        with pytest.raises(LockedError, match="another writer has held the lock"):
            backend.put("Task.2", body(2))
        assert backend.get("Task.1")[0] == body(1)
    backend.put("Task.2", body(2))


def test_a_lock_file_that_someone_removes_still_locks(tmp_path: Path) -> None:
    """A writer that waited for a lock that was removed meanwhile waits for the new one."""
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
            with pytest.raises(StorageError, match="another writer"):
                second.__enter__()
        (tmp_path / "soft").unlink()
    backend.put("Task.1", body(1))
    backend.put("Task.2", body(2))


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
