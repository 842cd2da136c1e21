"""Large files are looked at before they are read: a sparse one takes neither the memory nor the time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from brinery import FilesystemStore, RecordError, SettingsError, fsck
from brinery.record.format import TAIL_SIZE
from brinery.record.outline import LARGE

SIZE: Final = 3 << 30


def with_tail(path: Path) -> None:
    """Zeros, and the end of the record behind them."""
    tail = path.read_bytes()[-TAIL_SIZE:]
    with path.open("r+b") as file:
        file.truncate(SIZE)
        file.seek(-TAIL_SIZE, os.SEEK_END)
        file.write(tail)


def with_text(path: Path) -> None:
    """A tail that claims the most text there may be."""
    with_tail(path)
    with path.open("r+b") as file:
        file.seek(4 - TAIL_SIZE, os.SEEK_END)
        file.write((1 << 30).to_bytes(4, "little"))


def grown(path: Path) -> None:
    """Zeros behind the record."""
    os.truncate(path, SIZE)


def zeros(path: Path) -> None:
    """Nothing but zeros."""
    os.truncate(path, 0)
    os.truncate(path, SIZE)


def foreign(path: Path) -> None:
    """The beginning and the end of something else."""
    zeros(path)
    with path.open("r+b") as file:
        file.write(b"text")
        file.seek(-4, os.SEEK_END)
        file.write(b"text")


WAYS: dict[str, Callable[[Path], None]] = {
    way.__name__: way for way in (with_tail, with_text, grown, zeros, foreign)
}

USE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (600 << 20, 600 << 20))
from brinery import FilesystemStore, RecordError, fsck
place, id = sys.argv[1:]
store = FilesystemStore(place)
for call in (store.load, store.info, lambda id: store.load_many([id]), lambda id: store.update(id, len)):
    try:
        call(id)
    except RecordError as error:
        assert error.id == id and error.path, error
    else:
        raise AssertionError("it was loaded")
assert store.list()
report = fsck(store)
assert report.counts == {"ok": 1, report.problems[0].status: 1}, report
print(report.problems[0].status)
assert fsck(place).problems == report.problems
assert not store.check().is_good
store.save([3])
"""


@pytest.mark.parametrize("way", WAYS)
def test_a_sparse_file_is_not_read(tmp_path: Path, way: str) -> None:
    """Its ends tell that it is no record of that size; a process with little memory can say so."""
    with FilesystemStore(tmp_path) as store:
        store.save_many([[1], [2]], ["good.1", "large.2"])
    WAYS[way](tmp_path / "large.2")
    command = [sys.executable, "-c", USE, str(tmp_path), "large.2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    statuses = {"grown": "zero-filled", "zeros": "zero-filled", "foreign": "foreign"}
    assert done.stdout.strip() == statuses.get(way, "corrupt")


def test_a_large_record_is_read_whole(tmp_path: Path) -> None:
    """Damage that its ends do not show is found as ever, and fsck moves it."""
    data = os.urandom(1 << 20) * ((LARGE >> 20) + 1)
    store = FilesystemStore(tmp_path, durability="process")
    store["large.1"] = data
    store.invalidate_cache()
    assert store["large.1"] == data
    assert fsck(store).is_clean
    with (tmp_path / "large.1").open("r+b") as file:
        file.seek(LARGE // 2)
        file.write(b"damage")
    with pytest.raises(RecordError, match="payload"):
        FilesystemStore(tmp_path)["large.1"]
    assert fsck(store).counts == {"corrupt": 1}


def test_a_file_that_grew_at_its_start_is_found(tmp_path: Path) -> None:
    """Its end says nothing of the size of the payload, but the digest of that does."""
    with FilesystemStore(tmp_path) as store:
        store["large"] = [1, 2]
    path = tmp_path / "large"
    path.write_bytes(bytes(LARGE) + path.read_bytes())
    with pytest.raises(RecordError, match="the digest of its payload"):
        FilesystemStore(tmp_path)["large"]
    (problem,) = fsck(tmp_path).problems
    assert problem.status == "corrupt"


@pytest.mark.parametrize("damage", ["cut", "longer"])
def test_a_large_record_that_is_damaged_is_moved_byte_for_byte(tmp_path: Path, damage: str) -> None:
    """Although its ends alone show the damage."""
    store = FilesystemStore(tmp_path, durability="process")
    store["large"] = bytes(range(256)) * (LARGE // 256 + 1)
    path = tmp_path / "large"
    whole = path.read_bytes()
    left = whole[:-100] if damage == "cut" else whole + b"x"
    path.write_bytes(left)
    with pytest.raises(RecordError, match="lost its end" if damage == "cut" else "follow its end"):
        FilesystemStore(tmp_path)["large"]
    (problem,) = fsck(store, repair=True).problems
    assert problem.status == ("truncated" if damage == "cut" else "corrupt")
    assert problem.quarantined
    assert store.backend.get(f".quarantine-{problem.quarantined}")[0] == left


@pytest.mark.parametrize("name", ["next", "settings.json"])
def test_what_the_store_keeps_for_itself_is_bounded(tmp_path: Path, name: str) -> None:
    """A large counter is a damaged one, and so are large settings."""
    with FilesystemStore(tmp_path) as store:
        store.save([1])
    os.truncate(tmp_path / ".brinery" / name, SIZE)
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (600 << 20, 600 << 20))\n"
        "from brinery import FilesystemStore\n"
        "print(FilesystemStore(sys.argv[1]).save([2]))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if name == "next":
        assert done.stdout == "list.2\n", done.stderr
    else:
        assert "SettingsError" in done.stderr
        with pytest.raises(SettingsError, match="3221225472 bytes"):
            FilesystemStore(tmp_path)
        assert fsck(tmp_path).counts == {"ok": 1, "corrupt": 1}
