"""Directories keep the contract, in each layout, and tell records from other files."""

from __future__ import annotations

import os
import socket
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from brinery.backend import ABSENT, Backend, Conflict, Missing, Put
from brinery.backends._places import shard_of
from brinery.backends.directory import DirectoryBackend
from brinery.errors import BrineryError, InvalidArgumentError, StorageError
from brinery.ids import UuidFactory
from brinery.record import MAGIC
from brinery.testing.backend import BackendContract, Opener, body

Layout = Literal["flat", "sharded"]


def files_of(root: Path) -> set[str]:
    """Return the paths below `root` of everything that is no directory, without the lock."""
    paths = (path for path in root.rglob("*") if path.is_symlink() or not path.is_dir())
    return {str(path.relative_to(root)) for path in paths} - {".brinery/lock"}


def open_below(root: Path) -> set[str]:
    """Return the files below `root` that this process has open, where the system tells."""
    if not os.path.isdir("/proc/self/fd"):
        return set()
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # that of the listing itself
            found.add(os.readlink(f"/proc/self/fd/{descriptor}"))
    return {path for path in found if path.startswith(str(root))}


class DirectoryContract(BackendContract):
    """What both layouts do; no test leaves a temporary file or a descriptor behind."""

    layout: Layout
    durability: Literal["full", "process"] = "process"

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        """A directory that is not there yet."""
        return tmp_path / "parent" / "store"

    @pytest.fixture
    def opener(self, root: Path) -> Opener:
        """Open it as the class says."""
        return partial(self.opened, root)

    @pytest.fixture
    def backend(self, opener: Opener, root: Path) -> Iterator[Backend]:
        """Give one, and look for what it leaves."""
        with closing(opener()) as backend:
            yield backend
        ours = f".tmp-{os.getpid()}-"  # a process that was killed may leave some
        assert not [path for path in files_of(root) if ours in path]
        assert not open_below(root)

    @classmethod
    def opened(cls, root: Path) -> DirectoryBackend:
        """Open a directory as the class says."""
        return DirectoryBackend(root, layout=cls.layout, durability=cls.durability)


class TestFlatDirectory(DirectoryContract):
    """ROOT/NAME."""

    layout = "flat"

    def test_the_file_name_is_the_name(self, backend: Backend) -> None:
        """A record is a file of that name directly in the directory."""
        backend.put("Task.1", body(1))
        backend.put(".settings", b"{}")
        assert files_of(Path(backend.location)) == {"Task.1", ".brinery/settings"}
        assert Path(backend.location, "Task.1").read_bytes() == body(1)


class TestShardedDirectory(DirectoryContract):
    """ROOT/HH/NAME."""

    layout = "sharded"

    def test_the_shard_of_a_name_never_changes(self, backend: Backend) -> None:
        """The digest is part of the format: these paths must stay."""
        backend.commit(Put(name, (body(name),)) for name in ("Task.1", "Task.2", "日本.1"))
        expected = {"c4/Task.1", "93/Task.2", "36/日本.1"}  # b2sum -l 128
        assert files_of(Path(backend.location)) == expected


class DurableContract(DirectoryContract):
    """The same with every write synced; a commit takes milliseconds, so there are fewer."""

    durability = "full"
    bulk_count = 300
    increment_count = 10
    process_increment_count = 10
    generation_size = 50
    generation_count = 5


class TestDurableFlatDirectory(DurableContract):
    """ROOT/NAME."""

    layout = "flat"


@pytest.mark.thorough
class TestDurableShardedDirectory(DurableContract):
    """ROOT/HH/NAME."""

    layout = "sharded"


def refuse(*_: Any, **__: Any) -> None:
    """Refuse to link, as Linux does."""
    raise PermissionError(1, "Operation not permitted")


def opened_without_links(root: Path) -> DirectoryBackend:
    """Open a directory where this process can make no links from now on."""
    os.link = refuse
    return DirectoryBackend(root, durability="process")


@pytest.mark.thorough
class TestDirectoryOnAFileSystemWithoutLinks(DirectoryContract):
    """ROOT/NAME where link(2) is refused, as on exFAT: the same contract."""

    layout = "flat"
    bulk_count = 300
    increment_count = 10
    process_increment_count = 25

    @pytest.fixture(autouse=True)
    def no_links(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Refuse in this process; those that the tests start do it when they open the directory."""
        monkeypatch.setattr(os, "link", refuse)

    @pytest.fixture
    def opener(self, root: Path) -> Opener:
        """Open it, also in other processes, where no links can be made."""
        return partial(opened_without_links, root)


# -- layouts together


def both(root: Path) -> tuple[DirectoryBackend, DirectoryBackend]:
    """Open a directory in both layouts."""
    flat = DirectoryBackend(root, layout="flat", durability="process")
    return flat, DirectoryBackend(root, layout="sharded", durability="process")


def test_each_layout_reads_what_the_other_wrote(tmp_path: Path) -> None:
    """A directory may hold both; a replaced record stays where it is, and a name exists once."""
    flat, sharded = both(tmp_path)
    flat.put("Task.1", body(1))
    sharded.put("Task.2", body(2))
    for backend in (flat, sharded):
        assert backend.get("Task.1")[0] == body(1)
        assert backend.get("Task.2")[0] == body(2)
        assert backend.get_tail("Task.2", 8)[0] == MAGIC
        assert sorted(backend.list()) == ["Task.1", "Task.2"]
        for name in ("Task.1", "Task.2"):
            with pytest.raises(Conflict):
                backend.put(name, body(3), ABSENT)
    before = files_of(tmp_path)
    sharded.put("Task.1", body("new"), flat.get("Task.1")[1])
    flat.put("Task.2", body("new"))
    assert files_of(tmp_path) == before
    flat.commit((), ["Task.1", "Task.2"])
    assert files_of(tmp_path) == set()


def test_a_name_in_both_places_is_one_name(tmp_path: Path) -> None:
    """A copy made by hand is listed once, read from the layout in use, and deleted with it."""
    flat, sharded = both(tmp_path)
    sharded.put("Task.1", body(1))
    (tmp_path / "Task.1").write_bytes(body("copy"))
    assert list(flat.list()) == list(sharded.list()) == ["Task.1"]
    assert flat.get("Task.1")[0] == body("copy")
    assert sharded.get("Task.1")[0] == body(1)
    flat.delete("Task.1")
    assert files_of(tmp_path) == set()


def in_shard(shard: str) -> str:
    """Return a name that belongs to a shard."""
    return next(name for name in map("Task.{}".format, range(9_999)) if shard_of(name) == shard)


@pytest.mark.parametrize("name", ["ab", "AB", "00"])
def test_a_name_that_looks_like_a_shard_is_never_in_its_way(tmp_path: Path, name: str) -> None:
    """Such a name is in a shard in both layouts, so that the directory can have every shard."""
    flat, sharded = both(tmp_path)
    flat.put(name, body(1))
    neighbour = in_shard(name.lower())
    sharded.put(neighbour, body(2))
    assert flat.get(name)[0] == sharded.get(name)[0] == body(1)
    assert sorted(flat.list()) == sorted([name, neighbour])


def test_a_stray_file_in_the_place_of_a_shard_hides_nothing(tmp_path: Path) -> None:
    """The flat layout does not mind it; the sharded one reports it when it needs the place."""
    flat, sharded = both(tmp_path)
    (tmp_path / "ab").write_bytes(b"")
    name = in_shard("ab")
    for backend in (flat, sharded):
        with pytest.raises(Missing):
            backend.get(name)
        backend.delete(name)
    with pytest.raises(StorageError, match="is a file"):
        sharded.put(name, body(1), ABSENT)
    flat.put(name, body(1), ABSENT)
    assert sharded.get(name)[0] == body(1)
    assert list(sharded.list()) == [name]


# -- other files


STRAYS = ("notes.txt", "README", "Task.1~", ".Task.1.swp", "50%", "Makefile", "a.tar.gz", "ab")


def test_stray_files_are_not_listed(tmp_path: Path) -> None:
    """Files that someone put there are no objects, whatever they contain or are empty."""
    flat, sharded = both(tmp_path)
    sharded.put("Task.1", body(1))
    for index, stray in enumerate(STRAYS):
        (tmp_path / stray).write_bytes(b"text\n" * index)
    (tmp_path / "some-directory").mkdir()
    (tmp_path / "ef").mkdir()
    (tmp_path / "ef" / "Task.1").write_bytes(body("of another shard"))
    for backend in (flat, sharded):
        assert list(backend.list()) == ["Task.1"]
        with pytest.raises(Missing):
            backend.get("Unknown.1")


def test_records_are_listed_by_their_form_or_their_end(tmp_path: Path) -> None:
    """Numbered names and UUIDs are listed also when damaged, other names if their data is a record's."""
    generated = ["Task.12", "Größe.3", "_x.0", str(uuid.uuid4()), UuidFactory("job").new(None)]
    for name in generated:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "my favourite").write_bytes(body(1))
    (tmp_path / "my other").write_bytes(body(2)[:-1])
    backend, _ = both(tmp_path)
    assert sorted(backend.list()) == sorted([*generated, "my favourite"])


def test_a_verified_record_is_not_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second listing opens no file that the first one has seen, unless it was replaced."""
    backend, _ = both(tmp_path)
    backend.commit([Put("one", (body(1),)), Put("two", (body(2),))])
    assert sorted(backend.list()) == ["one", "two"]
    opened: list[str] = []
    real = os.open

    def observed(path: str, *more: Any) -> int:
        opened.append(path)
        return real(path, *more)

    monkeypatch.setattr(os, "open", observed)
    assert sorted(backend.list()) == ["one", "two"]
    assert opened == []
    monkeypatch.undo()
    os.replace(tmp_path / "one", tmp_path / "moved")
    (tmp_path / "one").write_bytes(b"not a record")
    assert sorted(backend.list()) == ["moved", "two"]


def make_socket(path: Path) -> None:
    """Bind a socket; by its bare name, for their paths are short."""
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


def make_link(path: Path) -> None:
    """Make a symbolic link to a record."""
    (path.parent / "Target.1").write_bytes(body("target"))
    path.symlink_to("Target.1")


def make_device(path: Path) -> None:
    """Make another /dev/zero."""
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))


ODD_FILES: dict[str, Callable[[Path], Any]] = {
    "a directory": Path.mkdir,
    "a symbolic link": make_link,
    "a FIFO": os.mkfifo,
    "a socket": make_socket,
    "a character device": make_device,
}


@pytest.mark.parametrize("kind", ODD_FILES)
def test_what_is_no_regular_file_is_refused_and_stays(tmp_path: Path, kind: str) -> None:
    """Reading, replacing and removing say what stands there, do not hang, and change nothing."""
    try:
        ODD_FILES[kind](tmp_path / "Task.1")
    except PermissionError:
        pytest.skip(f"this user may not make {kind}")
    flat, sharded = both(tmp_path)
    before = files_of(tmp_path)
    calls: list[Callable[[], object]] = []
    for backend in (flat, sharded):
        calls += [
            partial(backend.get, "Task.1"),
            partial(backend.get_tail, "Task.1", 8),
            partial(backend.put, "Task.1", body(1)),
            partial(backend.put, "Task.1", body(1), ABSENT),
            partial(backend.put, "Task.1", body(1), (64, b"")),
            partial(backend.delete, "Task.1"),
            partial(backend.commit, [Put("Task.2", (b"",)), Put("Task.1", (b"",))]),
        ]
    for call in calls:
        with pytest.raises(StorageError, match=kind) as caught:
            call()
        assert caught.value.id == "Task.1"
        assert caught.value.path == str(tmp_path / "Task.1")
    assert files_of(tmp_path) == before
    assert "Task.1" not in set(flat.list())


# -- arguments

BAD_NAMES = ("", ".", "..", "../evil", "a/b", "/etc/passwd", "a\\b", "a\0b", "..x", "x" * 256)


@pytest.mark.parametrize("name", [*BAD_NAMES, ".lock", "./a", "é" * 128, "\ud800"])
def test_names_that_are_no_names_are_refused(tmp_path: Path, name: str) -> None:
    """Nothing can leave the directory even if the caller escapes no name."""
    backend, _ = both(tmp_path / "store")
    for call in (
        lambda: backend.get(name),
        lambda: backend.get_tail(name, 1),
        lambda: backend.put(name, b""),
        lambda: backend.delete(name),
        lambda: backend.commit([Put("Task.1", (b"",))], [name]),
        lambda: [*backend.get_many([name])],
    ):
        with pytest.raises(InvalidArgumentError):
            call()
    assert files_of(tmp_path) == set()


def test_settings_that_are_unknown_are_refused(tmp_path: Path) -> None:
    """The error names those that there are."""
    wrong: Any = "wrong"
    with pytest.raises(InvalidArgumentError, match="'flat', 'sharded'"):
        DirectoryBackend(tmp_path, layout=wrong)
    with pytest.raises(InvalidArgumentError, match="'full', 'process'"):
        DirectoryBackend(tmp_path, durability=wrong)
    for root in ("", "a\0b", os.fsencode(tmp_path)):
        with pytest.raises(InvalidArgumentError):
            DirectoryBackend(root)  # type: ignore[arg-type]


def test_a_directory_is_made_on_the_first_write(tmp_path: Path) -> None:
    """Opening, reading, listing and deleting leave no trace; a write makes the parents too."""
    root = tmp_path / "some" / "where"
    backend = DirectoryBackend(root)
    assert list(backend.list()) == []
    backend.delete("Task.1")
    with pytest.raises(Missing):
        backend.get("Task.1")
    assert not root.parent.exists()
    backend.put("Task.1", body(1))
    assert root.is_dir()


def test_a_directory_that_must_exist_is_not_made(tmp_path: Path) -> None:
    """With create=False every use of a missing directory is an error that names it."""
    for layout in ("flat", "sharded"):
        backend = DirectoryBackend(tmp_path / "missing", layout=layout, create=False)
        for call in (
            lambda b=backend: b.get("Task.1"),
            lambda b=backend: b.put("Task.1", b""),
            lambda b=backend: b.delete("Task.1"),
            lambda b=backend: [*b.list()],
        ):
            with pytest.raises(BrineryError, match="missing") as caught:
                call()
            assert isinstance(caught.value, StorageError)
    assert not (tmp_path / "missing").exists()
    (tmp_path / "missing").mkdir()
    backend.put("Task.1", body(1))


@pytest.mark.parametrize("below", ["", "/below"])
def test_a_file_in_place_of_the_directory_is_reported(tmp_path: Path, below: str) -> None:
    """A root that is a file, or is below one, is no empty store."""
    (tmp_path / "file").write_bytes(b"")
    for backend in both(Path(f"{tmp_path}/file{below}")):
        for call in (
            lambda b=backend: b.get("Task.1"),
            lambda b=backend: b.get("ab"),
            lambda b=backend: b.put("Task.1", b""),
            lambda b=backend: b.delete("Task.1"),
            lambda b=backend: [*b.list()],
        ):
            with pytest.raises(StorageError, match="is a file"):
                call()
