"""Readers of a directory see one state of it, whatever writers do, and wherever they are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.marks import cases

from brinery.backend import Backend, Missing, Put
from brinery.backends.directory.backend import DirectoryBackend
from brinery.backends.directory.lock import WritersLock
from brinery.backends.directory.lock_state import LONGEST, TURN, lock_state_at
from brinery.backends.directory.staging import OLD
from brinery.errors import LockedError, StorageError
from brinery.testing.backend import body

NAMES = [f"Task.{number}" for number in range(20)]


def puts(state: object) -> Iterator[Put]:
    """Return puts that give all names one state."""
    return (Put(name, (body(f"{state} {name}"),)) for name in NAMES)


def state_seen(backend: Backend) -> set[str]:
    """Return the states of all names, which is one state if all was well."""
    found = {name: data for name, data, _ in backend.get_many(NAMES)}
    listed = set(backend.list())
    assert found.keys() == listed == set(NAMES)
    return {data.split(b" state ")[1].split()[0].decode() for data in found.values()}


def opened(root: Path, **more: Any) -> DirectoryBackend:
    """Open a directory without waiting for the disk."""
    return DirectoryBackend(root, durability="process", **more)


# -- while others write


@pytest.mark.thorough
@pytest.mark.parametrize("layout", ["flat", "sharded"])
def test_readers_never_see_a_mixture(tmp_path: Path, layout: Any) -> None:
    """While one thread commits twenty records at a time, each reading of all has one state."""
    writer, reader = opened(tmp_path, layout=layout), opened(tmp_path)
    writer.commit(puts(0))
    ends = time.monotonic() + 1.5
    seen: set[str] = set()

    def write() -> None:
        state = 0
        while time.monotonic() < ends:
            state += 1
            writer.commit(puts(state))

    thread = threading.Thread(target=write)
    thread.start()
    while thread.is_alive():
        states = reader.read_one_state(state_seen)
        assert len(states) == 1
        seen |= states
    thread.join()
    assert len(seen) > 3


def test_single_puts_are_states_too(tmp_path: Path) -> None:
    """Records that are read before and after a put of another writer are read again."""
    backend = opened(tmp_path)
    backend.commit([Put("Task.1", (b"1",)), Put("Task.2", (b"1",))])
    calls: list[object] = []

    def read(seen: Backend) -> tuple[bytes, bytes]:
        first = seen.get("Task.1")[0]
        if not calls:
            backend.put("Task.1", b"2")
            backend.put("Task.2", b"2")
        calls.append(first)
        return first, seen.get("Task.2")[0]

    assert backend.read_one_state(read) == (b"2", b"2")
    assert calls == [b"1", b"2"]


def test_an_error_of_a_mixture_is_no_error(tmp_path: Path) -> None:
    """A read that fails because a record was removed is tried again; other errors are not."""
    backend = opened(tmp_path)
    backend.put("Task.1", b"Task.2")
    backend.put("Task.2", b"end")
    calls: list[object] = []

    def read(seen: Backend) -> bytes:
        calls.append(1)
        name = seen.get("Task.1")[0]
        if len(calls) == 1:
            backend.commit([Put("Task.1", (b"Task.3",)), Put("Task.3", (b"end",))], ["Task.2"])
        return seen.get(name.decode())[0]

    assert backend.read_one_state(read) == b"end"
    backend.delete("Task.3")
    calls.clear()
    calls.append(1)
    with pytest.raises(Missing):
        backend.read_one_state(read)
    assert len(calls) == 2


def test_a_reader_that_is_always_disturbed_takes_the_lock(tmp_path: Path) -> None:
    """After some tries the writers wait."""
    backend = opened(tmp_path)
    backend.put("Task.1", b"0")
    quick = opened(tmp_path, lock_timeout=0)
    calls: list[object] = []

    def read(seen: Backend) -> bytes:
        calls.append(1)
        try:
            quick.put("Task.1", b"%d" % len(calls))
        except LockedError:
            calls.append(0)
        return seen.get("Task.1")[0]

    assert backend.read_one_state(read) == b"5"
    assert calls == [1, 1, 1, 1, 1, 1, 0]


def test_one_state_costs_two_stats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once before and once after, however many records are read; single reads ask nothing."""
    backend = opened(tmp_path)
    backend.commit(puts(1))
    asked = []
    real = os.stat

    def stat(path: Any, *args: Any, **more: Any) -> os.stat_result:
        asked.append(path)
        return real(path, *args, **more)

    monkeypatch.setattr(os, "stat", stat)
    backend.read_one_state(state_seen)
    assert asked == [f"{tmp_path}/.brinery/lock"] * 2
    backend.get("Task.1")
    assert len(asked) == 2


@pytest.mark.thorough
def test_the_log_of_turns_stays_small(tmp_path: Path) -> None:
    """It starts again when it has its size, and each state of it differs from the ones before."""
    backend = opened(tmp_path)
    lock = f"{tmp_path}/.brinery/lock"
    marks = []
    for turn in range(LONGEST // TURN + 3):
        backend.put("Task.1", b"%d" % turn)
        mark = lock_state_at(lock)
        assert mark is not None
        assert mark.size % TURN == 0
        assert mark.size <= LONGEST
        marks.append(mark)
    assert len(set(marks)) == len(marks)


# -- writers that died


DIE = """
import os, signal, sys
from brinery.backend import Put
from brinery.backends.directory.backend import DirectoryBackend
from brinery.testing.backend import body

call, turn, root = sys.argv[1], int(sys.argv[2]), sys.argv[3]
real, count = getattr(os, call), [0]

def fatal(*args, **more):
    count[0] += 1
    if count[0] > turn:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **more)

setattr(os, call, fatal)
names = [f"Task.{number}" for number in range(20)]
backend = DirectoryBackend(root, durability="process")
backend.commit([Put(name, (body(f"2 {name}"),)) for name in names[3:]], names[:2])
"""


def die(root: Path, call: str, turn: int) -> None:
    """Replace, create and remove records in a process that is killed before a call."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", DIE, call, str(turn), str(root)]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL


def contents(backend: Backend) -> dict[str, bytes]:
    """Return all records, as `list` and `get_many` see them."""
    found = {name: data for name, data, _ in backend.get_many(NAMES)}
    assert found.keys() == set(backend.list())
    for name, data in found.items():
        assert backend.get_tail(name, 9)[0] == data[-9:]
    return found


BEFORE = {name: body(f"1 {name}") for name in NAMES[:15]}
AFTER = {NAMES[2]: BEFORE[NAMES[2]], **{name: body(f"2 {name}") for name in NAMES[3:]}}

DEATHS = [
    ("rename", 0, BEFORE),
    ("link", 0, AFTER),
    ("link", 3, AFTER),
    ("replace", 0, AFTER),
    ("replace", 11, AFTER),
    ("unlink", 0, AFTER),
    ("unlink", 1, AFTER),
    ("unlink", 2, AFTER),
]


@pytest.fixture(params=cases(DEATHS, quick=DEATHS[:1]), ids=lambda death: f"{death[0]}-{death[1]}")
def killed(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, bytes]]:
    """Give a directory whose writer was killed, and what is to be seen there."""
    root = tmp_path / "store"
    opened(root).commit(Put(name, (data,)) for name, data in BEFORE.items())
    call, turn, expected = request.param
    die(root, call, turn)
    return root, expected


def test_who_opens_a_directory_finishes_what_was_cut_off(
    killed: tuple[Path, dict[str, bytes]],
) -> None:
    """The first read of a new backend does it; the records are those of one side."""
    root, expected = killed
    assert contents(opened(root)) == expected
    assert not list(root.glob(".brinery/staging/*.journal"))


@pytest.mark.parametrize("act", ["commit", "read_one_state"])
def test_who_writes_next_finishes_what_was_cut_off(tmp_path: Path, act: str) -> None:
    """So does a backend that was open already, with its next commit, or its next reading of one state."""
    backend = opened(tmp_path)
    backend.commit(Put(name, (data,)) for name, data in BEFORE.items())
    die(tmp_path, "replace", 5)
    if act == "commit":
        backend.delete("Other.1")
    else:
        assert backend.read_one_state(contents) == AFTER
    assert contents(backend) == AFTER
    assert not list(tmp_path.glob(".brinery/staging/*.journal"))


def test_who_may_not_write_reads_through_the_journal(
    killed: tuple[Path, dict[str, bytes]],
) -> None:
    """A reader of one state sees one side and changes nothing; what is staged counts as moved."""
    root, expected = killed
    if os.geteuid() != 0:
        pytest.skip("only root can become a user who may not write")
    for path in [root, *root.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    for parent in root.parents:
        if parent.stat().st_uid == 0 and str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    before = {path: path.lstat().st_mtime_ns for path in root.rglob("*")}
    child = os.fork()
    if child == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            backend = opened(root)
            for _ in range(2):
                assert backend.read_one_state(contents) == expected
            if list(root.glob(".brinery/staging/*.journal")):
                with pytest.raises(StorageError, match="which you may not finish"):
                    backend.read_one_state(lambda view: view.put("Task.1", b""))
        except BaseException:  # noqa: BLE001 - the exit status says it to the parent
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert {path: path.lstat().st_mtime_ns for path in root.rglob("*")} == before


def test_two_who_finish_at_once_do_no_harm(killed: tuple[Path, dict[str, bytes]]) -> None:
    """Recovery may run in several processes at the same time: where locks are not honoured, too."""
    from brinery.backends.directory.recovery import recover

    root, expected = killed
    backends = [opened(root) for _ in range(4)]
    errors: list[BaseException] = []

    def work(backend: DirectoryBackend) -> None:
        try:
            recover(backend._layout)
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            errors.append(error)

    threads = [threading.Thread(target=work, args=(backend,)) for backend in backends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert contents(opened(root)) == expected


# -- what dead writers leave


def test_old_files_of_dead_writers_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the first commit of a new backend, when they are older than an hour; those of the living stay."""
    backend = opened(tmp_path)
    backend.commit(Put(name, (data,)) for name, data in BEFORE.items())
    die(tmp_path, "rename", 0)
    staging = tmp_path / ".brinery" / "staging"
    left = set(os.listdir(staging))
    assert len(left) >= len(NAMES) - 3
    assert set(backend.list()) == set(BEFORE)
    opened(tmp_path).put("Other.1", b"")
    assert set(os.listdir(staging)) == left
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + OLD + 60)

    def slow() -> Iterator[Put]:
        yield Put("Slow.1", (b"1",))
        opened(tmp_path).put("Other.2", b"")
        yield Put("Slow.2", (b"2",))

    opened(tmp_path).commit(slow())
    assert os.listdir(staging) == []
    assert backend.get("Slow.1")[0] == b"1"


def test_what_no_writer_names_so_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may put a link to another directory in the place of the staged files."""
    opened(tmp_path).put("Task.1", b"1")
    staging = tmp_path / ".brinery" / "staging"
    names = {"my-notes-2", "notes-2024-01-31.txt", "host-1-0123456789ab", "host-1-0123456789ab-x"}
    for name in {*names, "host-1-0123456789ab-0", "host-1-0123456789ab-r1.old"}:
        (staging / name).touch()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + OLD + 60)
    opened(tmp_path).put("Task.2", b"2")
    assert set(os.listdir(staging)) == names


# -- the lock


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_no_lock(tmp_path: Path, make: Any) -> None:
    """A FIFO would count no turns, and readers would see mixtures."""
    backend = opened(tmp_path)
    backend.put("Task.1", b"1")
    (tmp_path / ".brinery" / "lock").unlink()
    make(tmp_path / ".brinery" / "lock")
    with pytest.raises(StorageError, match="lock"):
        backend.put("Task.1", b"2")


def test_a_lock_tells_who_has_it(tmp_path: Path) -> None:
    """The error has process, host and time, also of a holder in this process."""
    backend = opened(tmp_path, lock_timeout=0.05)
    backend.put("Task.1", b"")
    before = time.time()
    lock = WritersLock(f"{tmp_path}/.brinery/lock", 1, lambda: None)
    with lock, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(backend.put, "Task.2", b"")
        with pytest.raises(LockedError, match=f"process {os.getpid()} on ") as caught:
            waiting.result()
    error = caught.value
    assert error.pid == os.getpid()
    assert error.host
    assert error.since is not None
    assert before - 1 <= error.since <= time.time()
    assert error.seconds == 0.05
