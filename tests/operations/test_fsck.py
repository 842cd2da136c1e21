"""`fsck` finds and reports every kind of damage, on every engine, and moves it to the quarantine."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from brinery import (
    CorruptRecordError,
    FilesystemStore,
    FsckReport,
    Id,
    IdTakenError,
    MemoryStore,
    NotFoundError,
    Persistable,
    Quarantine,
    SettingsError,
    Store,
    fsck,
)
from brinery.catalog.quarantine import NAME as QUARANTINE
from brinery.ids import name_of
from brinery.record.format import FORMAT_VERSION

Damage = Callable[[bytes], bytes]


class Task(Persistable):
    """A named thing with links."""

    def __init__(self, name: str, *links: object) -> None:
        self.name = name
        self.links = list(links)


@pytest.fixture(params=["flat", "sharded", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store with Task.1, which refers to Task.2 and Task.3."""
    made: Store = (
        MemoryStore()
        if request.param == "memory"
        else FilesystemStore(tmp_path / "jobs", layout=request.param)
    )
    with made:
        made.save(Task("first", Task("second"), Task("third")))
        yield made


def damage(store: Store, id_: str, how: Damage) -> None:
    """Change the bytes of a record behind the back of brinery."""
    name = name_of(id_)
    data = how(store.backend.get(name)[0])
    if isinstance(store, FilesystemStore):
        Path(store.backend.where(name)).write_bytes(data)
    else:
        store.backend.put(name, data)


def _always(answer: bytes, _: bytes) -> bytes:
    return answer


def newer(data: bytes) -> bytes:
    """Return a record with the version of the format raised by one."""
    return data[:-10] + (FORMAT_VERSION + 1).to_bytes(2, "little") + data[-8:]


DAMAGES: dict[str, tuple[Damage, str]] = {
    "a bit of the payload": (lambda data: bytes([data[0] ^ 1]) + data[1:], "corrupt"),
    "a bit of the metadata": (
        lambda data: data[:-100] + bytes([data[-100] ^ 1]) + data[-99:],
        "corrupt",
    ),
    "a byte more": (lambda data: data + b"x", "corrupt"),
    "many bytes more": (lambda data: data + b"x" * 100, "corrupt"),
    "the payload lost": (lambda data: data[20:], "corrupt"),
    "empty": (lambda data: b"", "zero-filled"),
    "a byte less": (lambda data: data[:-1], "truncated"),
    "half": (lambda data: data[: len(data) // 2], "truncated"),
    "zeros at the end": (lambda data: data[:-30] + bytes(30), "zero-filled"),
    "zeros alone": (lambda data: bytes(len(data)), "zero-filled"),
    "a bare pickle": (lambda data: pickle.dumps([1]), "foreign"),
    "a text": (lambda data: b"notes\n", "foreign"),
    "a newer format": (newer, "newer format"),
}


class TestFinding:
    """Each problem has a status, and a reason that helps."""

    def test_a_whole_store_is_clean(self, store: Store) -> None:
        """Every record is counted."""
        report = fsck(store)
        assert report.is_clean
        assert report == FsckReport({"ok": 3}, unreferred=1)
        assert str(report) == "3 records: 3 ok"

    @pytest.mark.parametrize("kind", DAMAGES)
    def test_damage_has_a_status(self, store: Store, kind: str) -> None:
        """The other records are not affected."""
        how, status = DAMAGES[kind]
        damage(store, "Task.2", how)
        report = fsck(store)
        assert not report.is_clean
        assert report.counts == {"ok": 2, status: 1}
        [problem] = report.problems
        assert (problem.id, problem.status) == ("Task.2", status)
        assert problem.path == store.backend.where("Task.2")
        assert str(report).splitlines()[1] == f"Task.2: {status}: {problem.reason}"
        if status == "newer format":
            assert f"version {FORMAT_VERSION + 1}" in problem.reason
            assert f"reads version {FORMAT_VERSION}" in problem.reason

    def test_every_flipped_byte_is_found(self, store: Store) -> None:
        """Wherever the bit is, the status is never ok."""
        whole, _ = store.backend.get("Task.3")
        for index in range(len(whole)):
            flipped = bytearray(whole)
            flipped[index] ^= 64
            damage(store, "Task.3", partial(_always, bytes(flipped)))
            assert fsck(store).counts["ok"] < 3, index

    def test_a_record_under_the_name_of_another_is_found(self, store: Store) -> None:
        """Two that were swapped are both misnamed; so is a copy under a name that is a digest."""
        long = "x" * 300
        store.save([1], id=long)
        second, third = (store.backend.get(name)[0] for name in ("Task.2", "Task.3"))
        damage(store, "Task.2", lambda _: third)
        damage(store, "Task.3", lambda _: second)
        damage(store, long, lambda _: second)
        report = fsck(store)
        assert report.counts == {"ok": 1, "misnamed": 3}
        assert ["Task.3" in problem.reason for problem in report.problems].count(True) == 1

    def test_a_missing_reference_makes_a_record_dangling(self, store: Store) -> None:
        """All missing IDs are reported; a damaged record is not missing."""
        store.backend.commit((), ["Task.2", "Task.3"])
        report = fsck(store)
        assert report.counts == {"dangling": 1}
        assert report.problems[0].missing == (Id("Task.2"), Id("Task.3"))
        assert "'Task.2', 'Task.3'" in report.problems[0].reason
        store.backend.put("Task.2", b"")
        assert fsck(store).problems[0].missing == (Id("Task.3"),)

    def test_any_id_is_examined(self, store: Store) -> None:
        """IDs that are escaped or too long to be names are reported unescaped."""
        ids = ["../evil", "", "é" * 300, "a/b"]
        store.save_many([Task("x", *(Task("y") for _ in range(2))) for _ in ids], ids=ids)
        assert fsck(store, roots=["Task.1"]).counts == {"ok": 15}
        assert set(ids) < set(fsck(store, roots=["Task.1"]).orphans)

    def test_orphans_are_what_no_root_reaches(self, store: Store) -> None:
        """They are not problems, and without roots there are none."""
        ring = Task("ring")
        ring.links.append(Task("back", ring))
        store.save(ring)
        report = fsck(store, roots=["Task.1"])
        assert report.orphans == (Id("Task.4"), Id("Task.5"))
        assert report.is_clean
        assert str(report).splitlines()[1:] == [
            "Task.4: orphaned: no root reaches it",
            "Task.5: orphaned: no root reaches it",
        ]
        assert fsck(store, roots=["Task.5", "Task.1"]).orphans == ()
        assert (fsck(store).orphans, fsck(store).unreferred) == ((), 1)
        with pytest.raises(NotFoundError):
            fsck(store, roots=["Task.77"])

    def test_references_of_a_damaged_payload_still_count(self, store: Store) -> None:
        """Records that a damaged record refers to are not orphans, if its metadata can be read."""
        damage(store, "Task.1", DAMAGES["a bit of the payload"][0])
        assert fsck(store, roots=["Task.1"]).orphans == ()

    def test_progress_is_reported(self, store: Store) -> None:
        """With the number done and the number of all, which are equal in the last call."""
        calls: list[tuple[int, int]] = []
        fsck(store, progress=lambda done, total: calls.append((done, total)))
        assert calls == sorted(calls)
        assert calls[-1] == (3, 3)

    def test_no_code_of_the_user_is_imported(self, tmp_path: Path) -> None:
        """Nor is a codec imported: not even for payloads that would run code."""
        (tmp_path / "shop.py").write_text("class Item:\n    pass\n")
        code = "import brinery, shop; brinery.FilesystemStore('jobs').save(shop.Item())"
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
        (tmp_path / "shop.py").write_text("raise SystemExit('was imported')\n")
        code = (
            "import brinery, sys; assert brinery.fsck('jobs', repair=True).counts == {'ok': 1};"
            "assert not {'shop', 'pickle', 'dill', 'brinery_codecs'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


class TestDirectories:
    """Problems that only file systems have."""

    def test_other_files_in_the_place_of_a_record_are_unreadable(self, tmp_path: Path) -> None:
        """Directories, FIFOs and links, referred to or not; they are never moved."""
        store = FilesystemStore(tmp_path)
        store.save(Task("first", Task("second"), Task("third")))
        os.replace(tmp_path / "Task.2", tmp_path / "elsewhere")
        os.symlink(tmp_path / "elsewhere", tmp_path / "Task.2")
        os.mkdir(tmp_path / "Task.8")
        os.mkfifo(tmp_path / "Task.9")
        report = fsck(tmp_path, repair=True)
        assert report.counts == {"ok": 2, "unreadable": 3, "misnamed": 1}
        words = {p.id: p.reason for p in report.problems if p.status == "unreadable"}
        assert "a symbolic link" in words[Id("Task.2")]
        assert "a directory" in words[Id("Task.8")]
        assert "a FIFO" in words[Id("Task.9")]
        assert os.path.islink(tmp_path / "Task.2")

    def test_what_may_not_be_read_is_unreadable(self) -> None:
        """The others are examined all the same."""
        code = """
import os, sys
from brinery import FilesystemStore, fsck
store = FilesystemStore(sys.argv[1])
ids = store.save_many([[n] for n in range(9)])
fsck(store)
for path, _, names in os.walk(sys.argv[1]):
    os.chmod(path, 0o755)
    for name in names:
        os.chmod(os.path.join(path, name), 0 if name == ids[4] else 0o644)
if os.geteuid() == 0:
    os.setuid(65534)  # root may read everything
report = fsck(store)
assert report.counts == {"ok": 8, "unreadable": 1}, report
assert report.problems[0].id == ids[4] and "check the permissions" in report.problems[0].reason
"""
        with tempfile.TemporaryDirectory(prefix="brinery-test-") as directory:
            command = [sys.executable, "-c", code, directory]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def test_other_files_are_strays(self, tmp_path: Path) -> None:
        """They are not problems, but are counted."""
        store = FilesystemStore(tmp_path)
        store.save_many([[1], [2]], ids=["mine", "yours"])
        (tmp_path / "notes.txt").write_text("x")
        (tmp_path / "image").write_bytes(b"BM" + bytes(10_000))
        (tmp_path / "folder").mkdir()
        (tmp_path / "bare.pkl").write_bytes(pickle.dumps([1]))
        with tarfile.open(tmp_path / "old.tar", "w") as archive:
            archive.add(tmp_path / "mine")
            archive.add(tmp_path / "yours")
        report = fsck(tmp_path, repair=True)
        assert report.is_clean
        assert report.strays == ("bare.pkl", "folder", "image", "notes.txt", "old.tar")
        assert str(report) == "2 records: 2 ok; 5 other files (strays)"
        store.save(Task("refers", Task("x")))
        assert fsck(tmp_path).strays == report.strays

    @pytest.mark.parametrize("codec", ["pickle", "msgpack"])
    def test_a_record_with_a_name_of_the_users_that_lost_its_end_is_found(
        self, tmp_path: Path, codec: str
    ) -> None:
        """It is not listed, but must be reported as soon as it can be distinguished from other files."""
        path = tmp_path / "mine"
        with FilesystemStore(tmp_path, codec=codec) as store:
            store.save({"numbers": list(range(300))}, id="mine")
            size = store.info("mine").size
        whole = path.read_bytes()
        shortest = 40 if codec == "pickle" else size + 8
        for length in range(shortest, len(whole), 7):
            path.write_bytes(whole[:length])
            found = [problem.status for problem in fsck(tmp_path).problems]
            is_bare = codec == "pickle" and whole[length - 1 : length] == b"." and length < size + 8
            # The tail has zeros of its own: after a cut it may end in these.
            assert is_bare or found in (["truncated"], ["zero-filled"]), length
        path.write_bytes(whole[:-56] + bytes(56))
        assert fsck(tmp_path).counts == {"zero-filled": 1}
        path.write_bytes(whole[:-20])
        assert fsck(tmp_path, repair=True).problems[0].quarantined
        assert not path.exists()

    def test_a_damaged_record_with_a_name_of_the_users_is_found_by_references(
        self, tmp_path: Path
    ) -> None:
        """Although it is no longer listed."""
        store = FilesystemStore(tmp_path)
        child = Task("child")
        store.save(child, id="mine")
        store.save(Task("parent", child))
        os.truncate(tmp_path / "mine", 30)
        assert fsck(tmp_path).counts == {"ok": 1, "truncated": 1}

    def test_damaged_settings_are_reported_and_moved(self, tmp_path: Path) -> None:
        """With damaged settings the store cannot be opened, but it can be repaired."""
        FilesystemStore(tmp_path, codec="dill").save([1])
        (tmp_path / ".brinery" / "settings.json").write_text("{")
        with pytest.raises(SettingsError):
            FilesystemStore(tmp_path)
        report = fsck(tmp_path)
        assert report.counts == {"ok": 1, "corrupt": 1}
        assert (report.problems[0].name, report.problems[0].id) == (".settings.json", None)
        fsck(tmp_path, repair=True)
        assert FilesystemStore(tmp_path)["list.1"] == [1]
        assert fsck(tmp_path).is_clean

    @pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
    def test_settings_that_are_not_a_file_are_reported(
        self, tmp_path: Path, make: Callable[[Path], None]
    ) -> None:
        """All records are examined as usual."""
        with FilesystemStore(tmp_path) as store:
            store.save(Task("one"))
        settings = tmp_path / ".brinery" / "settings.json"
        settings.unlink()
        make(settings)
        report = fsck(tmp_path, repair=True)
        assert report.counts == {"ok": 1, "unreadable": 1}
        assert report.problems[0].quarantined is None

    def test_settings_of_a_newer_brinery_are_left(self, tmp_path: Path) -> None:
        """They do not count as damage."""
        FilesystemStore(tmp_path).save([1])
        (tmp_path / ".brinery" / "settings.json").write_text('{"format": 99}')
        assert fsck(tmp_path, repair=True).problems[0].status == "newer format"
        assert (tmp_path / ".brinery" / "settings.json").exists()

    @pytest.mark.thorough
    def test_a_store_in_use_is_clean(self, tmp_path: Path) -> None:
        """While others save, replace and remove records."""
        code = """
import sys
from brinery import FilesystemStore
from tests.operations.test_fsck import Task
store = FilesystemStore(sys.argv[1], durability="process")
while True:
    root = Task("root", *(Task(str(n), Task("leaf")) for n in range(20)))
    store.save(root)
    ids = [str(task.persistent_id) for task in root.links]
    store.replace("top", root.links[:5])
    store.save(Task("other", root.links[0]))
    store.remove(root.persistent_id)
    print(flush=True)
"""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, env=environment
        ) as writer:
            try:
                assert writer.stdout is not None
                writer.stdout.readline()
                until = time.monotonic() + 3
                while time.monotonic() < until:
                    report = fsck(tmp_path, repair=True)
                    assert report.is_clean, str(report)
                assert writer.poll() is None
                assert sum(report.counts.values()) > 20
            finally:
                writer.kill()
        assert fsck(tmp_path).is_clean
        assert Quarantine(FilesystemStore(tmp_path)).entries() == ()


class TestRepair:
    """Damaged records are moved, never deleted, and can be put back."""

    @pytest.mark.parametrize("kind", DAMAGES)
    def test_damage_is_moved_byte_for_byte(self, store: Store, kind: str) -> None:
        """The ID is free, and the store is otherwise as it was; a newer format is left alone."""
        how, status = DAMAGES[kind]
        damage(store, "Task.2", how)
        data, _ = store.backend.get("Task.2")
        report = fsck(store, repair=True)
        quarantine = Quarantine(store)
        if status == "newer format":
            assert report.problems[0].quarantined is None
            assert quarantine.entries() == ()
            return
        [entry] = quarantine.entries()
        assert (entry.name, entry.status, entry.size) == ("Task.2", status, len(data))
        assert report.problems[0].quarantined == entry.key
        assert entry.key in str(report)
        assert quarantine.read(entry.key) == data
        assert sorted(store.list()) == ["Task.1", "Task.3"]
        assert fsck(store).counts == {"ok": 1, "dangling": 1}
        assert quarantine.put_back(entry.key) == "Task.2"
        assert store.backend.get("Task.2")[0] == data
        assert quarantine.entries() == ()
        assert fsck(store).counts == {"ok": 2, status: 1}

    def test_a_misnamed_record_can_be_given_its_own_name(self, store: Store) -> None:
        """And then it is what it was before."""
        data, _ = store.backend.get("Task.3")
        store.backend.commit((), ["Task.3"])
        store.backend.put("Task.9", data)
        [moved] = [p.quarantined for p in fsck(store, repair=True).problems if p.quarantined]
        assert Quarantine(store.backend).put_back(moved, "Task.3") == "Task.3"
        assert fsck(store).counts == {"ok": 3}

    def test_nothing_is_overwritten_when_it_is_put_back(self, store: Store) -> None:
        """Also under another name; a record that is not in the quarantine cannot be put back."""
        damage(store, "Task.2", lambda data: b"")
        moved = fsck(store, repair=True).problems[0].quarantined
        assert moved is not None
        store.save(Task("new"), id="Task.2")
        quarantine = Quarantine(store)
        for name in (None, "Task.3"):
            with pytest.raises(IdTakenError):
                quarantine.put_back(moved, name)
        for call in (quarantine.read, quarantine.put_back, quarantine.drop):
            with pytest.raises(NotFoundError):
                call("no such key")
        quarantine.drop(moved)
        assert quarantine.entries() == ()
        assert fsck(store).is_clean

    def test_a_record_that_was_replaced_since_is_not_moved(self, store: Store) -> None:
        """The version that was examined must still be there; nothing is written then."""
        damage(store, "Task.2", lambda data: b"")
        data, version = store.backend.get("Task.2")
        store.backend.delete("Task.2")
        store.save(Task("whole again"), id="Task.2")
        assert Quarantine(store).move("Task.2", data, version, "truncated", "") is None
        assert Quarantine(store).entries() == ()
        assert fsck(store).is_clean

    def test_a_quarantine_of_several_repairs_holds_them_all(self, store: Store) -> None:
        """In the order in which they were moved, also two with one name."""
        for data in (b"first", b"second"):
            damage(store, "Task.2", partial(_always, data))
            fsck(store, repair=True)
            store.save(Task("new"), id="Task.2")
        quarantine = Quarantine(store)
        assert [quarantine.read(e.key) for e in quarantine.entries()] == [b"first", b"second"]
        assert store.list() == ["Task.1", "Task.2", "Task.3"]

    @pytest.mark.parametrize(
        "change",
        [
            {"moved": 1e400},
            {"moved": "yesterday"},
            {"size": -1},
            {"size": "3"},
            {"key": 1},
            {"name": None},
            {"status": []},
            {"reason": ...},
        ],
        ids=str,
    )
    def test_a_damaged_list_is_an_error(self, store: Store, change: dict[str, Any]) -> None:
        """The error names the list, whichever entry is wrong."""
        damage(store, "Task.2", lambda data: b"")
        fsck(store, repair=True)
        ledger = json.loads(store.backend.get(QUARANTINE)[0])
        ledger["entries"][0].update(change)
        for key in [key for key, value in change.items() if value is ...]:
            del ledger["entries"][0][key]
        store.backend.put(QUARANTINE, json.dumps(ledger).encode())
        with pytest.raises(CorruptRecordError, match="is a list that brinery keeps") as caught:
            Quarantine(store).entries()
        assert caught.value.id == QUARANTINE
