"""Directories keep the contract, in each layout."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from tests.backends.directory.directories import both, files_of, open_below

from brinery.backend import Backend, Missing, Put
from brinery.backends.directory.backend import DirectoryBackend
from brinery.errors import BrineryError, InvalidArgumentError, StorageError
from brinery.testing.backend import BackendContract, Opener, body

Layout = Literal["flat", "sharded"]


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
    with pytest.raises(InvalidArgumentError, match="'flat' or 'sharded'"):
        DirectoryBackend(tmp_path, layout=wrong)
    with pytest.raises(InvalidArgumentError, match="'full' or 'process'"):
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
