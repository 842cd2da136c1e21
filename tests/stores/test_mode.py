"""Stores that are opened to read only, and places that can only be read."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from psycopg.errors import ReadOnlySqlTransaction
from sqlalchemy import Column, String, func

import brinery
from brinery import (
    GET,
    FilesystemStore,
    InvalidArgumentError,
    MemoryStore,
    MissingTableError,
    Persistable,
    ReadOnlyError,
    SqlStore,
    StorageError,
    StorageFullError,
    Store,
    fsck,
    make_store,
    reindex,
)
from brinery.backend import Put
from brinery.backends.sql import SqlBackend
from brinery.catalog.quarantine import Quarantine

STATE: Column[Any] = Column("state", String(10))


class Job(Persistable):
    """Refers to others."""

    def __init__(self, state: str, *links: Any) -> None:
        self.state, self.links = state, list(links)


Place = Callable[[str], str]


@pytest.fixture(
    params=["directory", "sqlite", pytest.param("postgresql", marks=pytest.mark.server)]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a store of three jobs."""
    urls = {"directory": f"{tmp_path}/jobs", "sqlite": f"sqlite:///{tmp_path}/jobs.db"}
    url = urls.get(request.param) or str(request.getfixturevalue("postgres_url"))
    with make_store(url, **_fields(url)) as store:
        store.save(Job("new", Job("done")))
        store.save(Job("done"))
    return url


def _fields(url: str) -> dict[str, Any]:
    return {"extra_fields": {STATE: GET.state}} if "://" in url else {}


def tree(path: Path) -> dict[str, Any]:
    """Return all that is on the disk below a directory, with times and modes."""
    found: dict[str, Any] = {}
    for each in [path, *sorted(path.rglob("*"))]:
        info = each.stat()
        content = each.read_bytes() if each.is_file() else b""
        found[str(each)] = (info.st_ino, info.st_mode, info.st_size, info.st_mtime_ns, content)
    return found


def read_everything(store: Store) -> None:
    """Use each method that reads."""
    assert store.list() == ["Job.1", "Job.2", "Job.3"]
    assert store.load("Job.1").links[0].state == "done"
    assert [job.state for job in store.load_many(["Job.2", "Job.3"])] == ["done", "done"]
    assert store.info("Job.1").references == ("Job.2",)
    assert store.referrers("Job.2") == ["Job.1"]
    assert store.check().is_good
    assert store.gc(["Job.1"], older_than=0).garbage == ("Job.3",)
    assert "Job.9" not in store
    assert len(store) == 3
    assert store.needs("Job.1")
    assert fsck(store).is_clean
    assert store.save(store.load("Job.1")) == "Job.1"  # unchanged: nothing to write
    if isinstance(store, SqlStore):
        assert store.query(STATE == "done") == ["Job.2", "Job.3"]


def test_reading_changes_nothing(place: str, tmp_path: Path) -> None:
    """Not a byte, not a file, not a time; by argument, and by the URL."""
    before = tree(tmp_path)
    joiner = "&" if "?" in place else "?"
    urls = [(place, {"mode": "r"}), (f"{place}{joiner}mode=r", {})]
    for url, options in urls if "://" in place else [urls[0], (f"file://{place}?mode=r", {})]:
        with make_store(url, **options, **_fields(place)) as store:
            assert store.mode == "r"
            read_everything(store)
            assert tree(tmp_path) == before
        assert tree(tmp_path) == before
    assert fsck(place).is_clean
    assert tree(tmp_path) == before


WRITES: list[Callable[[Any], Any]] = [
    lambda store: store.save(Job("new")),
    lambda store: store.replace("Job.1", Job("new")),
    lambda store: store.remove("Job.1"),
    lambda store: store.clear(),
    lambda store: store.remember(),
    lambda store: store.gc(["Job.1"], dry_run=False, older_than=0),
    lambda store: store.update("Job.1", lambda job: setattr(job, "state", "x")),
    lambda store: brinery.recode(store),
    lambda store: Quarantine(store).move("Job.1", b"", None, "corrupt", "for a test"),
    lambda store: store.backend.commit([Put("x", [b""])]),
    lambda store: store.backend.delete("Job.1"),
    lambda store: store.backend.commit([], ["Job.1"]),
]


def test_every_write_is_an_error_that_names_the_mode(place: str, tmp_path: Path) -> None:
    """Nothing changes, and the store can still be read."""
    before = tree(tmp_path)
    with make_store(place, mode="r", **_fields(place)) as store:
        for write in WRITES:
            with pytest.raises(ReadOnlyError, match="mode='r'"):
                write(store)
        with pytest.raises(ReadOnlyError), store.transaction():
            store.replace("Job.1", [1])
        if isinstance(store, SqlStore):
            with pytest.raises(ReadOnlyError):
                reindex(store, everything=True)
        store.invalidate_cache()
        read_everything(store)
    assert tree(tmp_path) == before


def test_a_log_that_a_killed_writer_has_left_is_read(tmp_path: Path) -> None:
    """Its commits are in the log alone; the files stay as they are, but for the shared memory."""
    program = """\
import os, sys
from brinery import make_store
store = make_store(sys.argv[1])
store["a"] = [1]
os._exit(9)
"""
    url = f"sqlite:///{tmp_path}/jobs.db"
    assert subprocess.run([sys.executable, "-c", program, url], check=False).returncode == 9
    before = tree(tmp_path)
    assert any(name.endswith("-wal") for name in before)
    with make_store(url, mode="r") as store:
        assert store["a"] == [1]
    after = tree(tmp_path)
    assert before.keys() == after.keys()
    for name in before:
        assert after[name] == before[name] or name.endswith("-shm")


def test_a_server_refuses_what_a_reader_writes(postgres_url: str) -> None:
    """Also where brinery does not ask: each connection says that it only reads."""
    with SqlStore(postgres_url) as store:
        store["a"] = [1]
    with SqlStore(postgres_url, mode="r") as store:
        setting = func.current_setting("default_transaction_read_only")
        assert store.query(setting == "on") == ["a"]
        assert isinstance(store.backend, SqlBackend)
        connection = store.backend._pool.new()
        with closing(connection), pytest.raises(ReadOnlySqlTransaction):
            connection.delete(["a"])
        assert store["a"] == [1]


def test_a_store_that_is_missing_is_not_made(tmp_path: Path, url: str) -> None:
    """The error comes when it is opened."""
    before = tree(tmp_path)
    for missing in (
        f"{tmp_path}/no",
        f"sqlite:///{tmp_path}/no.db",
        f"sqlite:///{tmp_path}/no/a.db",
    ):
        with pytest.raises(StorageError, match="no"):
            make_store(missing, mode="r")
        with pytest.raises(StorageError, match="no"):
            fsck(missing)
    with pytest.raises(MissingTableError):
        make_store(url, mode="r")
    with pytest.raises(InvalidArgumentError, match="memory"):
        MemoryStore(mode="r")
    with pytest.raises(InvalidArgumentError, match="memory"):
        make_store("sqlite://", mode="r")
    with pytest.raises(InvalidArgumentError, match="'rw' or 'r'"):
        make_store(f"{tmp_path}/no", mode="w")
    assert tree(tmp_path) == before


def test_a_writer_beside_it_is_seen_and_not_kept_waiting(place: str) -> None:
    """Each load has the last state, whichever writers come and go, and never a mixture of two."""
    ended = threading.Event()
    errors: list[BaseException] = []

    def write() -> None:
        try:
            for state in map(str, range(30)):
                with make_store(place, **_fields(place)) as writer:
                    job = writer.load("Job.1")
                    job.state = job.links[0].state = state
                    writer.save(job)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            errors.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=write)
    with make_store(place, mode="r", **_fields(place)) as reader:
        assert reader.load("Job.1").state == "new"
        thread.start()
        last = -1
        while not ended.is_set():
            reader.invalidate_cache()
            job = reader.load("Job.1")
            if job.state != "new":
                assert job.state == job.links[0].state
                assert int(job.state) >= last
                last = int(job.state)
        thread.join()
        assert errors == []
        reader.invalidate_cache()
        assert reader.load("Job.1").state == "29"


def test_every_look_sees_the_last_commit(place: str) -> None:
    """Whether a writer has the store open, or has closed it again."""
    with make_store(place, mode="r", **_fields(place)) as reader:
        for number in range(3):
            id_ = f"k{number}"
            assert (len(reader), id_ in reader) == (3 + number, False)
            with make_store(place, **_fields(place)) as writer:
                writer[id_] = [number]
                assert len(reader) == len(reader.list()) == 4 + number
            assert len(reader) == 4 + number
            assert id_ in reader
            assert reader[id_] == [number]
            assert reader.info(id_).id == id_


def test_a_commit_that_was_cut_off_is_seen_whole_and_left(tmp_path: Path) -> None:
    """Neither finished nor taken back: a reader sees what the next writer will make of it."""
    program = """\
import os, sys
from brinery import FilesystemStore
from brinery.backends.directory import recovery
store = FilesystemStore(sys.argv[1])
store.save_many([[0], [0], [0]], ["a", "b", "c"])
real, count = recovery._replace, 0
def replace(*arguments):
    global count
    count += 1
    if count == 2: os._exit(9)
    real(*arguments)
recovery._replace = replace
store.update({"a": [1], "b": [1], "c": [1]})
"""
    command = [sys.executable, "-c", program, f"{tmp_path}/jobs"]
    assert subprocess.run(command, check=False).returncode == 9
    before = tree(tmp_path)
    with FilesystemStore(f"{tmp_path}/jobs", mode="r") as store:
        states = {store.load(id_)[0] for id_ in ("a", "b", "c")}
        assert states == {store.load_many(["a", "b", "c"])[0][0]}
        assert store.list() == ["a", "b", "c"]
    assert fsck(f"{tmp_path}/jobs").is_clean
    assert tree(tmp_path) == before
    with FilesystemStore(f"{tmp_path}/jobs") as store:
        assert {store.load(id_)[0] for id_ in ("a", "b", "c")} == states


# -- places that can only be read


def as_nobody(use: Callable[[], str]) -> str:
    """Call a function in a process of a user who owns nothing; return what it returns."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root may become another user")
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            said = use()
        except BaseException as error:  # noqa: BLE001 - the parent is told
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode()[:4000])
        os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8") as pipe:
        printed = pipe.read()
    os.waitpid(child, 0)
    return printed


def what_happens(url: str) -> str:
    """Read a store and write to it, in both modes; return a line for each."""
    lines = []
    for mode in ("rw", "r"):
        with make_store(url, mode=mode) as store:
            lines.append(f"{store['a']} {store.list()} {fsck(store).is_clean}")
            try:
                store["b"] = [2]
            except StorageError as error:
                lines.append(str(error))
    return "\n".join(lines)


@pytest.fixture
def closed_place() -> Iterator[Path]:
    """Give a directory that every user may look into."""
    import shutil
    import tempfile

    path = Path(tempfile.mkdtemp(prefix="brinery-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("files", [0o444, 0o644])
@pytest.mark.parametrize("directory", [0o555, 0o755])
def test_sqlite_is_read_where_nothing_may_be_written(
    closed_place: Path, files: int, directory: int
) -> None:
    """A file, or a directory, of another user; the error of a write says whose permissions are in the way."""
    url = f"sqlite:///{closed_place}/s.db"
    with make_store(url) as store:
        store["a"] = [1]
        assert what_happens(url)  # imports what another user may not be able to import
        store.remove("b")
    (closed_place / "s.db").chmod(files)
    closed_place.chmod(directory)
    printed = as_nobody(lambda: what_happens(url)).splitlines()
    assert printed[0] == printed[2] == "[1] ['a'] True"
    assert f"the permissions of {closed_place}" in printed[1]
    assert "mode='r'" in printed[3]
    assert os.listdir(closed_place) == ["s.db"]


def test_commits_in_the_log_are_read_too(closed_place: Path) -> None:
    """While a writer has the database open, its files are there to be read."""
    url = f"sqlite:///{closed_place}/s.db"
    with make_store(url) as store:
        store["a"] = [1]
        assert what_happens(url)  # imports what another user may not be able to import
        store.remove("b")
        for path in closed_place.iterdir():
            path.chmod(0o644)
        closed_place.chmod(0o555)
        printed = as_nobody(lambda: what_happens(url)).splitlines()
        assert printed[0] == printed[2] == "[1] ['a'] True"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 512 KiB."""
    root = tmp_path / "small"
    root.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "brinery-test", str(root)]
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux may mount a small file system to fill it")
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is forbidden here, as in most containers")
    root.chmod(0o700)
    try:
        yield root
    finally:
        subprocess.run(["umount", "-l", str(root)], check=True)


@pytest.mark.parametrize("kind", ["", "sqlite:///"])
def test_a_full_disk_can_be_read(small: Path, kind: str) -> None:
    """A write says that it is full; once there is room, the same store writes."""
    place = f"{kind}{small}/jobs.db"
    with make_store(place) as store:
        store["a"] = [1]
    filler = small / "filler"
    with filler.open("wb", 0) as file, suppress(OSError):  # until there is no space left
        while True:
            file.write(bytes(4096))
    for mode in ("r", "rw"):
        with make_store(place, mode=mode) as store:
            assert store["a"] == [1]
            assert store.list() == ["a"]
    with make_store(place) as store:
        with pytest.raises(StorageFullError, match="full"):
            store["b"] = [bytes(9000)]
        assert store["a"] == [1]
        filler.unlink()
        store["b"] = [2]
        assert store.list() == ["a", "b"]


@pytest.mark.parametrize("kind", ["", "sqlite:///"])
def test_a_read_only_medium_can_be_read(small: Path, kind: str) -> None:
    """A write says how it is mounted."""
    place = f"{kind}{small}/jobs.db"
    with make_store(place) as store:
        store["a"] = [1]
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    for mode in ("r", "rw"):
        with make_store(place, mode=mode) as store:
            assert store["a"] == [1]
            assert store.list() == ["a"]
            with pytest.raises(
                StorageError, match="mode='r'" if mode == "r" else "mounted read-only"
            ):
                store["b"] = [2]
            assert fsck(store).is_clean


# -- stores that are gone


def test_a_database_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """Removed, emptied or replaced while it is open, it neither reads as an empty one nor is made again."""
    path = tmp_path / "jobs.db"
    for harm in (path.unlink, lambda: os.truncate(path, 0), lambda: path.write_bytes(b"")):
        with make_store(f"sqlite:///{path}") as store:
            store["a"] = [1]
        with make_store(f"sqlite:///{path}") as store:
            assert store.list() == ["a"]
            harm()
            for use in (
                lambda: store.load("missing"),
                lambda: "missing" in store,
                store.list,
                lambda: store.info("missing"),
                lambda: store.save([2]),
                lambda: store.remove("a"),
            ):
                with pytest.raises(StorageError):
                    use()
        for each in tmp_path.iterdir():
            each.unlink()


@pytest.mark.parametrize("mode", ["rw", "r"])
def test_an_empty_file_is_no_database(tmp_path: Path, mode: str) -> None:
    """It is one that was cut off, or another program's: nothing is made in it."""
    path = tmp_path / "jobs.db"
    path.touch()
    with pytest.raises(StorageError, match="Restore it from a backup"):
        make_store(f"sqlite:///{path}", mode=mode)
    assert path.read_bytes() == b""
    assert os.listdir(tmp_path) == ["jobs.db"]


def test_tables_that_are_gone_are_an_error(url: str) -> None:
    """While the store is open; a new one may be made there."""
    from tests.databases import execute

    with make_store(url) as store:
        store["a"] = [1]
        execute(url, "drop table store")
        for use in (lambda: store.load("b"), store.list, lambda: store.save([2])):
            with pytest.raises(StorageError, match="table"):
                use()


# -- who may use the files


def test_files_of_sqlite_are_for_their_user_alone(tmp_path: Path) -> None:
    """As those of a directory store; with shared="group" for the group as well, whatever the umask."""
    former = os.umask(0o022)
    try:
        for shared, modes in (("private", {0o600}), ("group", {0o660})):
            path = tmp_path / shared / "deep"
            with SqlStore(f"sqlite:///{path}/jobs.db", shared=shared) as store:
                store["a"] = [1]
                found = {each.stat().st_mode & 0o777 for each in path.iterdir()}
                assert len(list(path.iterdir())) == 3
                assert found == modes
            assert path.stat().st_mode & 0o777 == (0o700 if shared == "private" else 0o770)
            with closing(SqlStore(f"sqlite:///{path}/jobs.db")) as again:
                assert again["a"] == [1]
    finally:
        os.umask(former)
