"""Backups: one state of a store in use, incremental, verified before they are restored."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.operations import test_copy
from tests.operations.test_copy import KINDS, Make, Node, damage, held

import brinery
from brinery import (
    BackupError,
    ClosedError,
    CorruptRecordError,
    FilesystemStore,
    MemoryStore,
    SealError,
    Store,
    Trust,
    make_store,
)
from brinery.backend import Backend, BackendCapabilities, Delete, Put, Version
from brinery.backends.memory import MemoryBackend
from brinery.ids import name_of
from brinery.operations.backup_manifest import NAME, read_manifest

make = test_copy.make  # the fixture


def filled(store: Store) -> Store:
    """Save a ring of three nodes, and a list under an ID that is too long for a name."""
    ring = Node(Node(Node()))
    ring.after[0].after[0].after.append(ring)
    store.save(ring, id="ring")
    store.save(["last"], id="long" * 100)
    return store


class Watched(MemoryBackend):
    """Counts the records that are read whole, and can call a function before that."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0
        self.then: Callable[[], Any] = lambda: None

    def get_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes, Version]]:
        self.then()
        for found in super().get_many(names):
            self.read += 1
            yield found


class Loose(Watched):
    """Promises neither atomic commits nor reads of one state."""

    capabilities = BackendCapabilities(persistent=False)

    def read_one_state(self, read: Callable[[Backend], Any]) -> Any:
        """Call it once, with itself, as the base class does."""
        return Backend.read_one_state(self, read)


class Failing(MemoryBackend):
    """Fails in the middle of a commit with more than one record."""

    fails = False

    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        return super().commit(self._some(puts), deletes)

    def _some(self, puts: Iterable[Put]) -> Iterator[Put]:
        for number, put in enumerate(puts):
            if self.fails and number == 1:
                raise KeyboardInterrupt
            yield put


# -- there and back


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kept", KINDS)
def test_any_store_is_backed_up_to_any_other_and_restored(make: Make, kind: str, kept: str) -> None:
    """Records come back byte for byte, whatever their IDs; the graph loads from there."""
    source, backup, new = filled(make(kind)), make(kept), make(kind)
    report = source.backup(backup)
    size = sum(map(len, held(source).values()))
    assert (report.copied, report.unchanged, report.pruned, report.size) == (4, 0, 0, size)
    assert held(backup) == held(source)
    restored = brinery.restore(backup, new)
    assert (restored.restored, restored.overwritten, restored.size) == (4, 0, size)
    assert held(new) == held(source)
    ring = new.load("ring")
    assert ring.after[0].after[0].after[0] is ring
    assert new.load("long" * 100) == ["last"]


def test_places_may_be_urls_and_paths(tmp_path: Path) -> None:
    """From SQLite to a directory and back; the restored store has the settings of the first."""
    with make_store(f"sqlite:///{tmp_path}/jobs.db", codec="dill", compress="gzip") as jobs:
        filled(jobs)
        jobs.backup(f"file://{tmp_path}/backup?layout=sharded")
        before = held(jobs)
    with FilesystemStore(tmp_path / "backup") as backup:
        assert (backup.layout, backup.codec.name) == ("sharded", "dill")
    brinery.restore(tmp_path / "backup", f"sqlite:///{tmp_path}/new.db")
    with make_store(f"sqlite:///{tmp_path}/new.db") as new:
        assert held(new) == before
        assert (new.codec.name, new.transform) == ("dill", jobs.transform)


def test_numbers_are_not_given_twice(make: Make) -> None:
    """Also if the last objects were removed, and in the store that was restored to."""
    source, backup, new = (make("flat") for _ in range(3))
    source.save_many([[] for _ in range(20)])
    source.remove("list.20")
    source.backup(backup)
    new.save({}, id="mine")
    new.save({})  # numbers are in reserve there now
    brinery.restore(backup, new, overwrite=True)
    assert new.save([]).number > 20
    with FilesystemStore(new.url.path) as again:
        assert again.save([]).number > 21


def test_no_class_and_no_codec_is_imported(tmp_path: Path) -> None:
    """Nothing is decoded."""
    with FilesystemStore(tmp_path / "jobs", codec="dill") as store:
        store.save([1])
    script = (
        "import sys; sys.modules['dill'] = None; import brinery\n"
        "store = brinery.FilesystemStore('jobs', codec='msgpack')\n"
        "store.backup('backup'); brinery.restore('backup', 'new')\n"
        "print('pickle' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert done.stdout == "False\n"
    assert FilesystemStore(tmp_path / "new").load("list.1") == [1]


# -- incremental


def test_only_what_changed_is_read_and_written() -> None:
    """The others are not even read; removed records stay, unless `prune` is true."""
    source, backup = Store(Watched()), MemoryStore()
    nodes = [Node(label=str(number)) for number in range(50)]
    source.save_many(nodes)
    assert source.backup(backup).copied == 50
    assert isinstance(source.backend, Watched)

    source.backend.read = 0
    nodes[7].label = "changed"
    source.save_many([nodes[7], Node()])
    source.remove("Node.3")
    before = {name: backup.backend.get(name)[1] for name in held(backup)}
    report = source.backup(backup)
    assert (report.copied, report.unchanged, report.pruned, report.kept) == (2, 48, 0, 1)
    assert source.backend.read == 2
    after = {name: backup.backend.get(name)[1] for name in before}
    assert [name for name in before if before[name] != after[name]] == ["Node.8"]
    assert "Node.3" in backup

    report = source.backup(backup, prune=True)
    assert (report.copied, report.unchanged, report.pruned, report.kept) == (0, 50, 1, 0)
    assert str(report) == "0 records copied (0 bytes), 50 unchanged, 1 pruned"
    assert held(backup) == held(source)


def test_a_removed_record_that_is_kept_is_restored(make: Make) -> None:
    """It belongs to the backup."""
    source, backup = filled(MemoryStore()), MemoryStore()
    source.backup(backup)
    source.remove("long" * 100)
    source.backup(backup)
    assert brinery.restore(backup, make("flat")).restored == 4


def test_what_the_backup_has_lost_is_copied_again() -> None:
    """Also a record whose end is damaged."""
    source, backup = filled(MemoryStore()), MemoryStore()
    source.backup(backup)
    backup.remove("ring")
    damage(backup, "Node.1", -20)
    with pytest.raises(CorruptRecordError, match=r"Node\.1"):
        brinery.restore(backup, MemoryStore())
    assert source.backup(backup).copied == 2
    assert held(backup) == held(source)
    brinery.restore(backup, MemoryStore())


def test_progress_ends_with_all() -> None:
    """Of both."""
    source, backup = filled(MemoryStore()), MemoryStore()
    reported: list[tuple[int, int]] = []
    source.backup(backup, progress=lambda *at: reported.append(at))
    assert reported[-1] == (4, 4)
    brinery.restore(backup, MemoryStore(), progress=lambda *at: reported.append(at))
    assert reported[-1] == (8, 8)


# -- while others save

SAVE = """
import itertools, sys, time
import brinery
from brinery import Persistable

class Part(Persistable):
    def __init__(self, *after): self.after, self.round = after, 0

store = brinery.make_store(sys.argv[1])
graphs = [Part(Part(), Part(Part())) for _ in range(20)]
for graph in graphs:
    store.save(graph)
print("ready", flush=True)
for round in itertools.count(1):
    graph = graphs[round % 20]
    for part in (graph, *graph.after, graph.after[1].after[0]):
        part.round = round
    store.save(graph)
    graphs[round % 20] = graph = graph if round % 9 else Part(Part(), Part(Part()))
    store.save(graph)
    time.sleep(0.002)
"""

LOOK = """
import sys
import brinery
from brinery import Persistable

class Part(Persistable): pass

store = brinery.make_store(sys.argv[1])
roots = [part for part in map(store.load, store) if len(part.after) == 2]
for root in roots:
    parts = (root, *root.after, root.after[1].after[0])
    assert len({part.round for part in parts}) == 1, [part.round for part in parts]
print(len(roots), len(store))
"""


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_every_graph_of_a_backup_is_whole_while_others_save(tmp_path: Path, kind: str) -> None:
    """Another process saves graphs of four records all the time; each backup has one state of them."""
    url = f"{tmp_path}/jobs" if kind == "file" else f"sqlite:///{tmp_path}/jobs.db"
    command = [sys.executable, "-c", SAVE, url + "?durability=process"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        backup = f"{tmp_path}/backup?durability=process"
        with make_store(url) as source:
            copied = []
            for number in range(3):
                copied.append(source.backup(backup, prune=True).copied)
                brinery.restore(backup, f"{tmp_path}/new{number}?durability=process")
                look = [sys.executable, "-c", LOOK, str(tmp_path / f"new{number}")]
                seen = subprocess.run(look, check=True, capture_output=True, text=True).stdout
                roots, records = map(int, seen.split())
                assert records == 4 * roots >= 80
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert all(copied)


def test_a_store_that_never_holds_still_is_read_in_one_state_in_the_end() -> None:
    """Each time records are read, one of them changes: then the rest is held back."""
    source, backup = Store(Watched()), MemoryStore()
    node = Node()
    source.save_many([node, Node()])
    source.backup(backup)
    assert isinstance(source.backend, Watched)

    def change() -> None:
        node.label += "x"
        source.save(node)

    change()
    source.backend.then = change
    assert source.backup(backup).copied == 1
    source.backend.then = lambda: None
    assert len(backup.load("Node.1").label) >= 4
    brinery.restore(backup, MemoryStore())


def test_an_engine_without_one_state_is_an_error_where_it_never_holds_still() -> None:
    """And the former backup is as it was."""
    source, backup = Store(Loose()), MemoryStore()
    node = Node()
    source.save(node)
    source.backup(backup)
    before = held(backup)
    assert isinstance(source.backend, Loose)

    def change() -> None:
        node.label += "x"
        source.save(node)

    change()
    source.backend.then = change
    with pytest.raises(BackupError, match="changes faster"):
        source.backup(backup)
    assert held(backup) == before
    source.backend.then = lambda: None
    assert source.backup(backup).copied == 1
    brinery.restore(backup, MemoryStore())


# -- killed

BACKUP = """
import sys, brinery
store = brinery.FilesystemStore(sys.argv[1])
print("ready", flush=True)
store.backup(sys.argv[2])
"""


@pytest.mark.thorough
def test_a_first_backup_that_was_killed_is_refused_and_completed_by_the_next(
    tmp_path: Path,
) -> None:
    """SIGKILL in the middle: the next run copies only the rest."""
    with FilesystemStore(tmp_path / "jobs", durability="process") as store:
        store.save_many([Node(label=str(number)) for number in range(5_000)])
    command = [sys.executable, "-c", BACKUP, str(tmp_path / "jobs"), str(tmp_path / "backup")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    place = tmp_path / "backup"
    while len(os.listdir(place) if place.exists() else ()) < 1_000:
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    with FilesystemStore(place) as backup:
        reached = len(backup)
    assert 0 < reached < 5_000
    with pytest.raises(BackupError, match="not finished"):
        brinery.restore(place, tmp_path / "new")
    with FilesystemStore(tmp_path / "jobs") as store:
        report = store.backup(place)
        assert (report.copied, report.unchanged) == (5_000 - reached, reached)
        assert brinery.restore(place, tmp_path / "new").restored == 5_000


def test_a_later_backup_that_was_cut_off_leaves_the_last_one_as_it_was() -> None:
    """It can be restored, and the next one goes on."""
    source, backup = filled(MemoryStore()), Store(Failing())
    source.backup(backup)
    before = held(backup)
    source.update("ring", lambda ring: setattr(ring, "label", "new"))
    source.save_many([Node(), Node()])
    assert isinstance(backup.backend, Failing)
    backup.backend.fails = True
    with pytest.raises(KeyboardInterrupt):
        source.backup(backup)
    backup.backend.fails = False
    assert held(backup) == before
    assert brinery.restore(backup, MemoryStore()).restored == 4
    assert source.backup(backup).copied == 3


def test_an_engine_without_whole_commits_is_marked_while_it_is_written() -> None:
    """So that a mixture is never restored; records that were removed before are kept."""
    source, backup = filled(Store(Watched())), Store(Loose())
    source.backup(backup)
    source.remove("long" * 100)
    source.save(Node())
    assert isinstance(source.backend, Watched)

    def fail() -> None:
        raise KeyboardInterrupt

    source.backend.then = fail
    with pytest.raises(KeyboardInterrupt):
        source.backup(backup)
    with pytest.raises(BackupError, match="not finished"):
        brinery.restore(backup, MemoryStore())
    source.backend.then = lambda: None
    report = source.backup(backup)
    assert (report.copied, report.kept) == (1, 1)
    assert brinery.restore(backup, MemoryStore()).restored == 5


def test_what_came_and_went_during_a_first_backup_does_not_stay() -> None:
    """It was never in a finished backup."""
    source, backup = filled(Store(Watched())), MemoryStore()
    source.save(Node(), id="gone")
    assert isinstance(source.backend, Watched)
    reported: list[int] = []

    def show(done: int, total: int) -> None:
        if "gone" in source and not reported:
            source.remove("gone")
        reported.append(done)

    source.backup(backup, progress=show)
    assert held(backup) == held(source)


# -- damage


def test_a_damaged_record_of_a_backup_is_named_and_nothing_is_restored(tmp_path: Path) -> None:
    """Every byte of every record is checked before anything is written."""
    source, backup = filled(MemoryStore()), MemoryStore()
    source.backup(backup)
    for id_, at in (("ring", 5), ("long" * 100, -100)):
        damage(backup, id_, at)
        with pytest.raises(CorruptRecordError) as caught:
            brinery.restore(backup, tmp_path / "new")
        assert name_of(id_) in str(caught.value)
        assert "Nothing was restored" in str(caught.value)
        assert not (tmp_path / "new").exists()
        damage(backup, id_, at)
    brinery.restore(backup, tmp_path / "new")


def test_a_record_that_the_backup_has_lost_is_missed() -> None:
    """Even if no record refers to it; and so is one that was added."""
    source, backup = filled(MemoryStore()), MemoryStore()
    source.backup(backup)
    backup.remove("long" * 100)
    with pytest.raises(BackupError, match="4 records that it had when it was finished, got 3"):
        brinery.restore(backup, MemoryStore())
    source.backup(backup)
    backup.save([])
    with pytest.raises(BackupError, match="4 records that it had when it was finished, got 5"):
        brinery.restore(backup, MemoryStore())


def test_a_damaged_record_of_the_source_is_named_and_the_backup_stays() -> None:
    """A good record of the backup is never replaced by a damaged one."""
    source, backup = filled(MemoryStore()), MemoryStore()
    source.backup(backup)
    before = held(backup)
    damage(source, "ring", -100)
    damage(source, "ring", -1)
    with pytest.raises(brinery.RecordError, match="'ring'"):
        source.backup(backup)
    assert held(backup) == before
    brinery.restore(backup, MemoryStore())


# -- refusals


def test_a_place_with_records_of_its_own_is_refused() -> None:
    """Neither of a backup nor, without overwrite, of a restore."""
    source, other, backup = filled(MemoryStore()), MemoryStore(), MemoryStore()
    other.save(Node(label="mine"), id="ring")
    other.save(Node(label="mine"), id="mine")
    before = held(other)
    with pytest.raises(BackupError, match="do not belong to a backup"):
        source.backup(other)
    source.backup(backup)
    with pytest.raises(BackupError, match="not empty"):
        brinery.restore(backup, other)
    assert held(other) == before
    report = brinery.restore(backup, other, overwrite=True)
    assert (report.restored, report.overwritten) == (4, 1)
    assert held(other) == {**held(source), "mine": before["mine"]}
    assert other.load("ring").label == ""
    with pytest.raises(BackupError, match="is a backup"):
        brinery.restore(backup, backup, overwrite=True)
    with pytest.raises(BackupError, match="the store itself"):
        source.backup(source)


def test_only_a_backup_is_restored(tmp_path: Path) -> None:
    """Neither another store nor an empty place."""
    with pytest.raises(BackupError, match=r"brinery\.copy"):
        brinery.restore(filled(MemoryStore()), tmp_path / "new")
    with pytest.raises(BackupError):
        brinery.restore(tmp_path / "nowhere", tmp_path / "new")
    assert os.listdir(tmp_path) == []


def test_a_closed_store_raises() -> None:
    """On either side."""
    source, backup, closed = filled(MemoryStore()), MemoryStore(), MemoryStore()
    source.backup(backup)
    closed.close()
    with pytest.raises(ClosedError):
        closed.backup(MemoryStore())
    with pytest.raises(ClosedError):
        source.backup(closed)
    with pytest.raises(ClosedError):
        brinery.restore(backup, closed)


def test_another_backup_to_the_same_place_at_the_same_time_is_an_error() -> None:
    """The second one to write its manifest gives up."""
    source, backup = filled(Store(Watched())), MemoryStore()
    source.backup(backup)
    source.save(Node())
    assert isinstance(source.backend, Watched)
    label, _ = read_manifest(backup.backend)
    assert label is not None
    source.backend.then = lambda: backup.backend.put(NAME, b"".join(label.put(0).data))
    with pytest.raises(BackupError, match="another backup"):
        source.backup(backup)


def test_a_manifest_of_a_newer_format_is_refused() -> None:
    """And a backup with a damaged manifest counts as unfinished."""
    source, backup = filled(MemoryStore()), MemoryStore()
    source.backup(backup)
    backup.backend.put(
        NAME, b'{"format": 9, "finished": true, "time": 1, "records": 1, "digest": ""}'
    )
    with pytest.raises(BackupError, match="got 9"):
        source.backup(backup)
    backup.backend.put(NAME, b"{")
    with pytest.raises(BackupError, match="not finished"):
        brinery.restore(backup, MemoryStore())
    assert source.backup(backup).unchanged == 4
    brinery.restore(backup, MemoryStore())


# -- seals

KEY, OTHER = b"k" * 32, b"o" * 32


def test_a_sealed_store_keeps_its_seals(tmp_path: Path) -> None:
    """Backup and restored store open with the same key, and with no other."""
    with FilesystemStore(tmp_path / "jobs", trust=Trust(key=KEY)) as store:
        store.save(Node(Node()))
        store.backup(tmp_path / "backup")
    for place in ("backup", "new"):
        with FilesystemStore(tmp_path / place, trust=Trust(key=KEY)) as opened:
            if place == "new":
                brinery.restore(tmp_path / "backup", opened)
            assert isinstance(opened.load("Node.1").after[0], Node)
            assert opened.store_id == store.store_id
    with (
        FilesystemStore(tmp_path / "new", trust=Trust(key=OTHER)) as wrong,
        pytest.raises(SealError),
    ):
        wrong.load("Node.1")


def test_seals_are_checked_where_there_is_a_key(tmp_path: Path) -> None:
    """On the way there and on the way back."""
    with FilesystemStore(tmp_path / "jobs", trust=Trust(key=KEY)) as store:
        store.save(Node())
        store.backup(tmp_path / "backup")
    with (
        FilesystemStore(tmp_path / "jobs", trust=Trust(key=OTHER)) as wrong,
        pytest.raises(SealError),
    ):
        wrong.backup(tmp_path / "second")
    with (
        FilesystemStore(tmp_path / "backup", trust=Trust(key=OTHER)) as backup,
        pytest.raises(SealError),
    ):
        brinery.restore(backup, tmp_path / "new")
    with FilesystemStore(tmp_path / "backup", trust=Trust(key=KEY)) as backup:
        assert brinery.restore(backup, tmp_path / "new").restored == 1


@pytest.mark.parametrize(
    "trust", [Trust(key=OTHER), Trust(key=KEY, store="00" * 16), Trust(store="00" * 16)]
)
def test_what_the_target_would_refuse_is_not_restored(tmp_path: Path, trust: Trust) -> None:
    """The key of the target checks seals, too, and its identity the place; nothing is written then."""
    with FilesystemStore(tmp_path / "jobs", trust=Trust(key=KEY)) as store:
        store.save(Node())
        store.backup(tmp_path / "backup")
    with FilesystemStore(tmp_path / "new", trust=trust) as new:
        with pytest.raises(SealError):
            brinery.restore(tmp_path / "backup", new)
        assert not (tmp_path / "new").exists()


def test_an_unsealed_backup_is_not_restored_to_a_sealed_store(tmp_path: Path) -> None:
    """The error says how to seal it."""
    with FilesystemStore(tmp_path / "jobs") as store:
        store.save(Node())
        store.backup(tmp_path / "backup")
    with (
        FilesystemStore(tmp_path / "new", trust=Trust(key=KEY)) as new,
        pytest.raises(SealError, match=r"reseal\(unsealed=True\)"),
    ):
        brinery.restore(tmp_path / "backup", new)
    brinery.restore(tmp_path / "backup", tmp_path / "new")
    with FilesystemStore(tmp_path / "new", trust=Trust(key=KEY)) as new:
        assert new.reseal(unsealed=True) == 1
        assert isinstance(new.load("Node.1"), Node)


def test_records_that_were_sealed_again_are_copied(tmp_path: Path) -> None:
    """A change of keys changes nothing but the seals."""
    with FilesystemStore(tmp_path / "jobs", trust=Trust(key=KEY)) as store:
        store.save(Node())
        store.backup(tmp_path / "backup")
    with FilesystemStore(tmp_path / "jobs", trust=Trust(key=[OTHER, KEY])) as store:
        store.reseal()
        assert store.backup(tmp_path / "backup").copied == 1
    with FilesystemStore(tmp_path / "backup", trust=Trust(key=OTHER)) as backup:
        assert isinstance(backup.load("Node.1"), Node)


def test_a_backup_of_another_sealed_store_is_refused_as_target(tmp_path: Path) -> None:
    """Their seals would be of two identities; a restore refuses such a store, too."""
    for name in ("one", "two"):
        with FilesystemStore(tmp_path / name, trust=Trust(key=KEY)) as store:
            store.save(Node())
            store.backup(tmp_path / f"backup-{name}")
    with FilesystemStore(tmp_path / "one", trust=Trust(key=KEY)) as store:
        with pytest.raises(BackupError, match="another store"):
            store.backup(tmp_path / "backup-two")
        with pytest.raises(BackupError, match="another store"):
            brinery.restore(tmp_path / "backup-two", store, overwrite=True)
