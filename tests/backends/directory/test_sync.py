"""Everything is durable before it is visible, and a failed sync fails the commit."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.backends.directory.faults import nothing_changes, put

from brinery.backend import Put
from brinery.backends.directory import sync
from brinery.backends.directory.backend import DirectoryBackend
from brinery.errors import StorageError
from brinery.testing.backend import body


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
    monkeypatch.setattr(sync, "syncfs", lambda: None if portable else fail)
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
    fsync, syncfs, link = os.fsync, None if portable else sync.syncfs(), os.link

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
    monkeypatch.setattr(sync, "syncfs", lambda: observed_syncfs if syncfs else None)
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
        monkeypatch.setattr(sync, "syncfs", lambda: None)
    counts = []

    def puts() -> Iterator[Put]:
        for number in range(100):
            yield put(number)
            counts.append(len(os.listdir("/proc/self/fd")))

    before = len(os.listdir("/proc/self/fd"))
    DirectoryBackend(tmp_path).commit(puts())
    assert max(counts) <= before + sync.MOST_SINGLY


FULL = 51  # F_FULLFSYNC of macOS


@pytest.mark.parametrize("count", [1, 3, 12])
def test_on_macos_the_cache_of_the_disk_is_flushed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Every fsync is an F_FULLFSYNC there: of records, of journals and of directories."""
    full: list[str] = []
    plain: list[int] = []

    def fcntl_(fd: int, command: int) -> None:
        assert command == FULL
        full.append(os.readlink(f"/proc/self/fd/{fd}"))

    monkeypatch.setattr(fcntl, "F_FULLFSYNC", FULL, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", fcntl_)
    monkeypatch.setattr(os, "fsync", plain.append)
    DirectoryBackend(tmp_path).commit([put(number) for number in range(count)])
    assert not plain
    assert str(tmp_path) in full
    staged = [path for path in full if "/staging/" in path]
    assert len(staged) == count + (count > 1)


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.EIO])
def test_where_the_cache_cannot_be_flushed_fsync_has_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """As on a disk of the network; but an error of the disk is one."""
    plain: list[int] = []

    def refuse(fd: int, command: int) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(fcntl, "F_FULLFSYNC", FULL, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", refuse)
    monkeypatch.setattr(os, "fsync", plain.append)
    backend = DirectoryBackend(tmp_path)
    if number == errno.EIO:
        with pytest.raises(StorageError):
            backend.put("Task.1", body(1))
        assert not list(backend.list())
    else:
        backend.put("Task.1", body(1))
        assert len(plain) >= 2
