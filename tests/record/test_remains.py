"""A record under an ID of the user's that has lost its end is seen by every operation."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from brinery import FilesystemStore, NotFoundError, RecordError, copy, fsck, make_store, recode
from brinery.backends.directory.backend import DirectoryBackend
from brinery.record.remains import WINDOW, is_remains

LONG = "x" * 300
IDS = ("settings", "a/b", LONG)
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "half": lambda data: data[: len(data) // 2],
    "without its last byte": lambda data: data[:-1],
    "zeros at the end": lambda data: data[:-60] + bytes(60),
    "a flipped bit in the magic": lambda data: data[:-1] + bytes([data[-1] ^ 4]),
}


def damaged(root: Path, id: str, damage: Callable[[bytes], bytes]) -> FilesystemStore:
    """Make a store of two records, back it up beside it, and damage the record `id`."""
    with FilesystemStore(root / "jobs") as store:
        store.save({"limit": [3] * 50}, id)
        store.save([1, 2], "other")
        store.backup(root / "backup")
        path = Path(store.backend.where(_name(store, id)))
    path.write_bytes(damage(path.read_bytes()))
    return FilesystemStore(root / "jobs")


def _name(store: FilesystemStore, id: str) -> str:
    (name,) = [name for name in store.backend.list() if name[0] == id[0] or name[0] == "%"][:1]
    return name


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("kind", DAMAGE)
class TestEveryOperation:
    """None passes over it in silence."""

    def test_it_is_listed_and_counted(self, tmp_path: Path, id: str, kind: str) -> None:
        """By its ID or, where only the record has that, by its name; loading it says what it is."""
        store = damaged(tmp_path, id, DAMAGE[kind])
        assert len(store) == len(store.list()) == len(list(store)) == 2
        assert id in store
        assert id in store.list() or id is LONG
        with pytest.raises(RecordError):
            store.load(id)
        assert store.load("other") == [1, 2]
        assert store.save([3]) == "list.1"

    def test_fsck_and_check_report_it(self, tmp_path: Path, id: str, kind: str) -> None:
        """Neither calls the store good."""
        store = damaged(tmp_path, id, DAMAGE[kind])
        report = fsck(store)
        assert report.counts["ok"] == len(report.problems) == 1
        if kind in ("emptied", "zeros"):
            assert report.problems[0].status == "zero-filled"
        (failure,) = store.check().failures
        assert failure.status == "fails"
        assert "no object" not in failure.reason

    def test_a_backup_is_refused_and_keeps_the_good_copy(
        self, tmp_path: Path, id: str, kind: str
    ) -> None:
        """With `prune` as well."""
        store = damaged(tmp_path, id, DAMAGE[kind])
        for prune in (False, True):
            with pytest.raises(RecordError):
                store.backup(tmp_path / "backup", prune=prune)
        assert FilesystemStore(tmp_path / "backup").load(id) == {"limit": [3] * 50}

    def test_copy_gc_and_recode_report_it(self, tmp_path: Path, id: str, kind: str) -> None:
        """They raise, or name it in their report."""
        store = damaged(tmp_path, id, DAMAGE[kind])
        with FilesystemStore(tmp_path / "target") as target:
            with pytest.raises(RecordError):
                copy(store, target)
            assert len(copy(store, target, keep_going=True).damaged) == 1
        with pytest.raises(RecordError):
            store.gc(["other"])
        assert len(recode(store).left) == 1

    def test_clear_is_refused_or_removes_it(self, tmp_path: Path, id: str, kind: str) -> None:
        """Only the form of a long ID's name shows that the file is a record."""
        store = damaged(tmp_path, id, DAMAGE[kind])
        if id is not LONG:
            with pytest.raises(RecordError, match="remove"):
                store.clear()
            assert len(store) == 2
            store.remove(id)
        store.clear()
        assert len(store) == 0
        with pytest.raises(NotFoundError):
            store.load(id)


@pytest.mark.parametrize("other", [b"\xff" * 500, b"some other file's bytes" * 20])
def test_what_cannot_be_told_from_another_file_is_not_pruned(tmp_path: Path, other: bytes) -> None:
    """The source has a file under the name: the record is damaged there, and was not removed."""
    store = damaged(tmp_path, "settings", lambda data: other)
    for prune in (False, True):
        with pytest.raises(RecordError, match="settings"):
            store.backup(tmp_path / "backup", prune=prune)
    assert FilesystemStore(tmp_path / "backup").load("settings") == {"limit": [3] * 50}
    store.remove("settings")
    assert store.backup(tmp_path / "backup", prune=True).pruned == 1


def test_a_cut_row_is_damaged_for_a_backup(tmp_path: Path) -> None:
    """It does not count as one that changes faster than it can be read."""
    import sqlite3

    url = f"sqlite:///{tmp_path}/jobs.db"
    with make_store(url) as store:
        store["settings"] = {"limit": [3] * 50}
        store.backup(tmp_path / "backup")
    with sqlite3.connect(tmp_path / "jobs.db") as base:
        base.execute("UPDATE store SET data = substr(data, 1, 40) WHERE name = 'settings'")
    base.close()
    with make_store(url) as store, pytest.raises(RecordError):
        store.backup(tmp_path / "backup", prune=True)


def test_a_row_of_zeros_is_in_the_store(tmp_path: Path) -> None:
    """As it is listed, `in` says so."""
    import sqlite3

    url = f"sqlite:///{tmp_path}/jobs.db"
    with make_store(url) as store:
        store["settings"] = [1]
    with sqlite3.connect(tmp_path / "jobs.db") as base:
        base.execute("UPDATE store SET data = zeroblob(size) WHERE name = 'settings'")
    base.close()
    with make_store(url) as store:
        assert store.list() == ["settings"]
        assert "settings" in store


def test_the_number_of_a_long_id_that_is_damaged_stops_no_save(tmp_path: Path) -> None:
    """Where the counter is missing, the highest number is looked for in all records."""
    store = damaged(tmp_path, LONG, DAMAGE["half"])
    store.save([2])
    os.unlink(tmp_path / "jobs" / ".brinery" / "next")
    store = FilesystemStore(tmp_path / "jobs")
    assert store.save([3]) == "list.2"


class TestRemains:
    """What counts as the remains of a record, and what does not."""

    def _ends(self, data: bytes) -> tuple[bytes, bytes, int]:
        return data[:WINDOW], data[-WINDOW:], len(data)

    def test_large_files_are_judged_by_their_ends(self) -> None:
        """A pickle that goes on for megabytes without its end, and one with it."""
        large = pickle.dumps(bytes(1 << 20), 5)
        assert is_remains(*self._ends(large[:-1] + b"x"))
        assert not is_remains(*self._ends(large))

    def test_an_archive_of_records_is_none(self, tmp_path: Path) -> None:
        """Whether these are small or large."""
        backend = DirectoryBackend(tmp_path / "jobs")
        with FilesystemStore(tmp_path / "jobs") as store:
            store.save_many([[1], bytes(1 << 18), bytes(1 << 18)], ["a", "b", "c"])
        for names in ("a", "abc", "bc", "b"):
            held = io.BytesIO()
            with tarfile.open(fileobj=held, mode="w") as archive:
                for name in names:
                    archive.add(backend.where(name), name)
            assert not is_remains(*self._ends(held.getvalue()))

    @pytest.mark.parametrize("data", [b"x", b"text\n", b"BM" + bytes(100), b"\xff" * 100, b"{}"])
    def test_other_files_are_none(self, data: bytes) -> None:
        """They neither begin nor end as a record does."""
        assert not is_remains(*self._ends(data))
