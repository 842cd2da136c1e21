"""Large records: written from where their bytes are, and read in parts into the memory of the caller."""

from __future__ import annotations

import os
import tracemalloc
from array import array
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.backends.directory.directories import open_below

from brinery.backend import Put
from brinery.backends.directory import files
from brinery.backends.directory.backend import DirectoryBackend
from brinery.errors import StorageError
from brinery.record.format import MAGIC

LARGE = 8 << 20


@pytest.fixture
def backend(tmp_path: Path) -> DirectoryBackend:
    """A directory with one small record."""
    backend = DirectoryBackend(tmp_path, durability="process")
    backend.put("Task.1", MAGIC)
    return backend


def test_large_pieces_are_written_from_where_they_are(
    backend: DirectoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one vectored write, or by more where the system takes a part; nothing is copied or joined."""
    numbers = array("Q", bytes(LARGE))
    calls: list[Sequence[memoryview | bytes]] = []
    real = os.writev

    def writev(fd: int, pieces: Sequence[memoryview | bytes]) -> int:
        calls.append(list(pieces))
        return real(fd, [memoryview(pieces[0])[: LARGE // 4]])

    monkeypatch.setattr(os, "writev", writev)
    tracemalloc.start()
    try:
        backend.commit([Put("Task.2", (b"head", memoryview(numbers), MAGIC))])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < LARGE // 8
    assert len(calls) == 5
    large = [piece for call in calls for piece in call if isinstance(piece, memoryview)]
    assert len(large) == 5
    assert all(piece.obj is numbers for piece in large)
    assert backend.get("Task.2")[0] == b"head" + numbers.tobytes() + MAGIC


def test_parts_are_read_into_the_memory_of_the_caller(backend: DirectoryBackend) -> None:
    """No copy of a part is made on the way."""
    numbers = array("Q", range(LARGE // 8))
    backend.commit([Put("Task.2", (b"head", memoryview(numbers), MAGIC))])
    found = array("Q", bytes(LARGE))
    tracemalloc.start()
    try:
        with backend.open_ranges("Task.2") as ranges:
            for start in range(0, LARGE, 1 << 20):
                view = memoryview(found).cast("B")[start : start + (1 << 20)]
                ranges.read_into(4 + start, view)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == numbers
    assert peak < 1 << 17


def test_a_short_read_is_continued(
    backend: DirectoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system may read less than it was asked for."""
    data = bytes(range(256)) * 40 + MAGIC
    backend.put("Task.2", data)
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda fd, views, start: real(fd, [views[0][:999]], start))
    with backend.open_ranges("Task.2") as ranges:
        held = bytearray(10_000)
        ranges.read_into(7, memoryview(held))
    assert held == data[7:10_007]
    monkeypatch.delattr(os, "preadv")
    with backend.open_ranges("Task.2") as ranges:
        ranges.read_into(8, memoryview(held))
    assert held == data[8:10_008]


def test_a_file_that_is_cut_off_while_it_is_read_is_an_error(backend: DirectoryBackend) -> None:
    """Another program may do that; the memory is then not filled with something else."""
    backend.put("Task.2", bytes(100_000) + MAGIC)
    with backend.open_ranges("Task.2") as ranges:
        os.truncate(backend.where("Task.2"), 50_000)
        ranges.read_into(0, memoryview(bytearray(50_000)))
        with pytest.raises(StorageError, match="expected at least 60000 bytes, got 50000"):
            ranges.read_into(10_000, memoryview(bytearray(50_000)))


def test_a_failure_of_the_disk_names_the_record(
    backend: DirectoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a `StorageError`, and the file is closed."""

    def fail(*_: object) -> int:
        raise OSError(5, "Input/output error")

    with backend.open_ranges("Task.1") as ranges:
        monkeypatch.setattr(os, "preadv", fail)
        monkeypatch.setattr(files, "_pread", fail)
        for call in (
            lambda: ranges.read(0, 8),
            lambda: ranges.read_into(0, memoryview(bytearray(8))),
        ):
            with pytest.raises(StorageError, match=r"Task\.1") as caught:
                call()
            assert caught.value.id == "Task.1"
        with pytest.raises(StorageError):
            backend.open_ranges("Task.1")
    assert not open_below(Path(backend.location))


@pytest.mark.parametrize("layout", ["flat", "sharded"])
def test_parts_are_read_in_either_layout(tmp_path: Path, layout: str) -> None:
    """As whole records are."""
    DirectoryBackend(tmp_path, layout="sharded", durability="process").put("Task.2", b"abc" + MAGIC)
    with DirectoryBackend(tmp_path, layout="flat").open_ranges("Task.2") as ranges:
        assert ranges.read(1, 3) == b"bc"
