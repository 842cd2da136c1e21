"""Copying stores: as bytes, complete graphs, repeatable."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import brinery
from brinery import (
    ClosedError,
    CopyConflictError,
    CorruptRecordError,
    DanglingReferenceError,
    FilesystemStore,
    ForeignRecordError,
    Id,
    InvalidArgumentError,
    MemoryStore,
    NotFoundError,
    Persistable,
    SealError,
    Store,
    Trust,
    fsck,
    make_store,
)
from brinery.backend import Backend, Delete, Put, Version
from brinery.backends.memory import MemoryBackend
from brinery.ids import name_of
from brinery.record.reader import parse_metadata

KINDS = ("flat", "sharded", "memory", "sqlite")
Make = Callable[[str], Store]


class Node(Persistable):
    """Refers to others."""

    def __init__(self, *after: Any, label: str = "") -> None:
        self.after = list(after)
        self.label = label


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Give a function that makes a new store of a kind."""
    made: list[Store] = []

    def make_one(kind: str) -> Store:
        if kind == "memory":
            made.append(MemoryStore())
        elif kind == "sqlite":
            made.append(make_store(f"sqlite:///{tmp_path}/{len(made)}.db"))
        else:
            place = tmp_path / f"{kind}{len(made)}"
            made.append(FilesystemStore(place, layout=kind, durability="process"))
        return made[-1]

    yield make_one
    for store in made:
        store.close()


@pytest.fixture
def source() -> MemoryStore:
    """Node.1 to Node.3, a ring, and Node.4, which refers to Node.1."""
    store = MemoryStore()
    ring = Node(Node(Node()))
    ring.after[0].after[0].after.append(ring)
    store.save(ring)
    store.save(Node(ring))
    return store


def held(store: Store) -> dict[str, bytes]:
    """Return the bytes of all records, by name."""
    return {name: data for name, data, _ in store.backend.get_many(list(store.backend.list()))}


def damage(store: Store, id: str, at: int) -> None:
    """Change one byte of a record."""
    data = bytearray(store.backend.get(name_of(id))[0])
    data[at] ^= 1
    store.backend.put(name_of(id), bytes(data))


def missing_references(backend: Backend) -> set[str]:
    """Return the IDs that records of a backend refer to and that it does not have."""
    records = {name: data for name, data, _ in backend.get_many(list(backend.list()))}
    references = (parse_metadata(data, len(data)).references for data in records.values())
    return {name_of(id_) for each in references for id_ in each} - set(records)


# -- the records that are copied


@pytest.mark.parametrize("old", KINDS)
@pytest.mark.parametrize("new", KINDS)
def test_any_store_is_copied_to_any_other(make: Make, old: str, new: str) -> None:
    """Records keep their IDs and bytes, whatever the ID; the graph loads from the copy."""
    source, target = make(old), make(new)
    ring = Node(label="ring")
    ring.after.append(Node(ring))
    ids = [source.save(ring), *source.save_many([[1], {2}], ["../odd", "long" * 100])]
    report = brinery.copy(source, target)
    assert held(target) == held(source)
    assert (report.copied, report.skipped, report.is_whole) == (4, 0, True)
    assert report.size == sum(map(len, held(source).values()))
    ring = target.load(ids[0])
    assert ring.after[0].after[0] is ring
    assert target.load("long" * 100) == {2}


def test_ids_take_along_all_that_they_reach(source: Store) -> None:
    """And nothing else; a missing ID is an error."""
    target = MemoryStore()
    assert brinery.copy(source, target, ids=["Node.2", "Node.2"]).copied == 3
    assert target.list() == ["Node.1", "Node.2", "Node.3"]
    with pytest.raises(NotFoundError, match=r"Node\.9"):
        brinery.copy(source, target, ids=["Node.9"], keep_going=True)
    with pytest.raises(InvalidArgumentError):
        brinery.copy(source, target, ids="Node.1")


def test_nothing_is_decoded_and_no_codec_is_imported(tmp_path: Path) -> None:
    """Neither the class nor the codec of a record need be installed."""
    (tmp_path / "shop.py").write_text("class Task:\n    def __init__(self): print('made')\n")
    script = "import brinery, shop; brinery.FilesystemStore('a', codec='dill').save(shop.Task())"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    (tmp_path / "shop.py").unlink()
    script = (
        "import sys; sys.modules['dill'] = None\n"
        "import brinery\n"
        "old, new = (brinery.FilesystemStore(p, codec='msgpack', compress='none') for p in 'ab')\n"
        "print(brinery.copy(old, new).copied, 'pickle' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert done.stdout == "1 False\n"


def test_a_new_store_remembers_the_settings_of_the_old_one(tmp_path: Path) -> None:
    """Codec and transform; its layout is its own, and so is all that it remembers already."""
    with FilesystemStore(tmp_path / "old", codec="msgpack", compress="gzip:3") as old:
        old.save([1])
        brinery.copy(old, FilesystemStore(tmp_path / "new", layout="sharded"))
        with FilesystemStore(tmp_path / "known", protocol=2) as known:
            known.save([2], id="mine")
            brinery.copy(old, known)
    new = FilesystemStore(tmp_path / "new")
    assert (new.codec, new.transform, new.layout) == (old.codec, old.transform, "sharded")
    assert FilesystemStore(tmp_path / "known").codec.protocol == 2


def test_files_that_are_not_records_are_left_out_and_reported(tmp_path: Path) -> None:
    """Stray files and directories, also in the shards."""
    with FilesystemStore(tmp_path / "old", layout="sharded") as old:
        old.save([1])
        (shard,) = (tmp_path / "old").glob("[0-9a-f][0-9a-f]")
        (shard / "stray.txt").write_text("notes")
        (tmp_path / "old" / "notes.txt").write_text("notes")
        (tmp_path / "old" / "sub").mkdir()
        report = brinery.copy(old, MemoryStore())
    assert report.foreign == (f"{shard.name}/stray.txt", "notes.txt", "sub")
    assert report.is_whole


# -- again


def test_a_copy_can_be_repeated(source: Store) -> None:
    """Identical records are skipped; if all are identical, nothing at all is written."""
    target = MemoryStore()
    brinery.copy(source, target)
    before = {name: target.backend.get(name)[1] for name in (*held(target), ".next")}
    source.save(Node(), id="more")
    report = brinery.copy(source, target)
    assert (report.copied, report.skipped) == (1, 4)
    assert before == {name: target.backend.get(name)[1] for name in before}
    assert (
        str(report) == f"1 record copied ({source.info('more').size} bytes), 4 were there already"
    )


def test_other_records_under_the_same_ids_are_an_error_before_anything_is_written(
    source: Store,
) -> None:
    """The error lists them all; the caller chooses which records to keep."""
    target = MemoryStore()
    target.save_many([Node(label="mine"), Node(label="mine")], ["Node.1", "Node.4"])
    before = held(target)
    with pytest.raises(CopyConflictError) as caught:
        brinery.copy(source, target)
    assert sorted(caught.value.ids) == ["Node.1", "Node.4"]
    assert held(target) == before

    report = brinery.copy(source, target, skip_existing=True)
    assert (report.copied, report.left_in_target) == (2, (Id("Node.1"), Id("Node.4")))
    assert {name: held(target)[name] for name in before} == before

    report = brinery.copy(source, target, overwrite=True)
    assert (report.copied, report.overwritten, report.skipped) == (2, 2, 2)
    assert held(target) == held(source)
    with pytest.raises(InvalidArgumentError):
        brinery.copy(source, target, overwrite=True, skip_existing=True)


def test_a_damaged_record_of_the_target_is_not_the_same(source: Store) -> None:
    """Also if only its payload is damaged: bytes are compared."""
    target = MemoryStore()
    brinery.copy(source, target)
    damage(target, "Node.4", 5)
    with pytest.raises(CopyConflictError, match="damaged"):
        brinery.copy(source, target)
    assert brinery.copy(source, target, overwrite=True).overwritten == 1
    assert held(target) == held(source)


# -- damage


@pytest.mark.parametrize("at", [5, -100])
def test_a_damaged_record_is_named_and_nothing_of_its_batch_is_written(
    source: Store, at: int
) -> None:
    """Whether its payload or its metadata are damaged; keep_going leaves it out."""
    damage(source, "Node.4", at)
    target = MemoryStore()
    with pytest.raises(CorruptRecordError) as caught:
        brinery.copy(source, target)
    assert caught.value.id == "Node.4"
    assert held(target) == {}
    report = brinery.copy(source, target, keep_going=True)
    assert (report.copied, report.is_whole) == (3, False)
    assert [found.id for found in report.damaged] == ["Node.4"]
    assert "Node.4: left out: " in str(report)


def test_a_bare_pickle_under_a_generated_id_may_be_a_truncated_record(tmp_path: Path) -> None:
    """It is not left out silently."""
    with FilesystemStore(tmp_path) as old:
        old.save(Node())
        (tmp_path / "Node.2").write_bytes(b"\x80\x05N.")
        with pytest.raises(ForeignRecordError, match=r"Node\.2"):
            brinery.copy(old, MemoryStore())
        assert [d.id for d in brinery.copy(old, MemoryStore(), keep_going=True).damaged] == [
            "Node.2"
        ]


def test_a_reference_that_leads_nowhere_is_an_error_before_anything_is_written(
    source: Store,
) -> None:
    """Or reported, with keep_going."""
    source.remove("Node.2")
    target = MemoryStore()
    with pytest.raises(DanglingReferenceError) as caught:
        brinery.copy(source, target)
    assert (caught.value.id, caught.value.referrer) == ("Node.2", "Node.1")
    assert held(target) == {}
    report = brinery.copy(source, target, ids=["Node.4"], keep_going=True)
    assert (report.copied, report.dangling, report.is_whole) == (2, (Id("Node.2"),), False)


# -- order


class CarefulBackend(MemoryBackend):
    """Checks after each commit that no reference dangles."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[int] = []

    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        versions = super().commit(puts, deletes)
        assert missing_references(self) == set()
        self.commits.append(len(versions))
        return versions


@pytest.mark.thorough
def test_after_each_batch_all_references_lead_somewhere() -> None:
    """Children come before their parents, and a cycle at once, however long it is."""
    source = MemoryStore()
    chain = Node()
    for _ in range(2_500):
        chain = Node(chain)
    source.save(chain)
    ring = Node()
    first = ring
    for _ in range(1_499):
        ring = Node(ring, chain)
    first.after.append(ring)
    source.save(ring)
    target = Store(CarefulBackend())
    reported: list[tuple[int, int]] = []
    assert brinery.copy(source, target, progress=lambda *at: reported.append(at)).copied == 4_001
    assert isinstance(target.backend, CarefulBackend)
    assert [n for n in target.backend.commits if n > 1] == [1_000, 1_000, 501, 1_500]
    assert (reported[0][1], reported[-1]) == (4_001, (4_001, 4_001))
    assert held(target) == held(source)


COPY = """
import sys, brinery
old, new = (brinery.FilesystemStore(path) for path in sys.argv[1:])
print("ready", flush=True)
print(brinery.copy(old, new).copied)
"""


@pytest.mark.thorough
def test_a_killed_copy_leaves_no_reference_to_nowhere_and_goes_on(tmp_path: Path) -> None:
    """SIGKILL in the middle; a second run copies the rest, and no number is used twice."""
    with FilesystemStore(tmp_path / "old", durability="process") as old:
        chain = Node()
        for _ in range(5_999):
            chain = Node(chain)
        old.save(chain)
    command = [sys.executable, "-c", COPY, str(tmp_path / "old"), str(tmp_path / "new")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    while len(os.listdir(tmp_path / "new") if (tmp_path / "new").exists() else ()) < 2_500:
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    with FilesystemStore(tmp_path / "old") as old, FilesystemStore(tmp_path / "new") as new:
        reached = len(new)
        assert 0 < reached < 6_000
        assert missing_references(new.backend) == set()
        assert new.save([]).number > 6_000
        report = brinery.copy(old, new)
        assert (report.copied, report.skipped) == (6_000 - reached, reached)
        new.remove("list.6001")
        assert held(new) == held(old)


# -- numbers


def test_new_objects_get_numbers_beyond_those_of_both_stores() -> None:
    """Also if this process had reserved some, and if the source has given out more than it has records."""
    source, target = MemoryStore(), MemoryStore()
    source.save_many([[] for _ in range(20)])
    source.remove("list.20")
    target.save({})
    target.save({})  # the store now has numbers in reserve
    target.save_many([{}, {}, {}], ["a", "b", "c"])
    brinery.copy(source, target, ids=["list.5"])
    assert target.save({}).number > 20


# -- others at the same time


class Interfering(MemoryBackend):
    """Calls a function once, at the first bulk read."""

    then: Callable[[], Any] | None = None

    def get_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes, Version]]:
        then, self.then = self.then, None
        if then is not None:
            then()
        return super().get_many(names)


def test_a_record_that_changes_during_the_copy_is_copied_with_its_new_references() -> None:
    """As is one that this run has copied before."""
    source = Store(Interfering())
    first, last = Node(), Node()
    source.save_many([first, last], ["first", "last"])

    def change() -> None:
        last.after.append(Node(label="new"))
        source.save(last)

    assert isinstance(source.backend, Interfering)
    source.backend.then = change
    target = Store(CarefulBackend())
    assert brinery.copy(source, target).copied == 3
    assert held(target) == held(source)


def test_a_record_that_vanishes_during_the_copy_is_not_copied() -> None:
    """The copy plans again."""
    source = Store(Interfering())
    source.save_many([Node(), Node()], ["first", "last"])
    assert isinstance(source.backend, Interfering)
    source.backend.then = lambda: source.remove("first")
    assert brinery.copy(source, MemoryStore()).copied == 1


def test_two_copies_at_once_do_not_disturb_each_other(source: Store) -> None:
    """The records that the other copy has written are the same, and are skipped."""
    target = Store(Interfering())
    assert isinstance(target.backend, Interfering)
    target.backend.then = lambda: brinery.copy(source, target)
    report = brinery.copy(source, target)
    assert (report.copied, report.skipped) == (0, 4)
    assert held(target) == held(source)


def test_a_record_that_another_process_writes_is_not_overwritten(source: Store) -> None:
    """It is a conflict, as if it had been there before."""
    target = Store(Interfering())
    assert isinstance(target.backend, Interfering)
    target.backend.then = lambda: target.save(["mine"], id="Node.4")
    with pytest.raises(CopyConflictError) as caught:
        brinery.copy(source, target)
    assert caught.value.ids == ("Node.4",)
    assert list(held(target)) == ["Node.4"]


def test_closed_stores_are_not_copied(source: Store) -> None:
    """Neither from nor to."""
    closed = MemoryStore()
    closed.close()
    for stores in ((source, closed), (closed, source)):
        with pytest.raises(ClosedError):
            brinery.copy(*stores)


@pytest.mark.thorough
def test_memory_is_bounded_by_a_batch(tmp_path: Path) -> None:
    """100 MB pass through, and never much more than a batch of both stores is held."""
    old = FilesystemStore(tmp_path / "old", durability="process")
    for number in range(100):
        old.save(bytes([number]) * 1_000_000, id=f"{number}")
    new = FilesystemStore(tmp_path / "new", durability="process")
    tracemalloc.start()
    try:
        brinery.copy(old, new)
        _, copying = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        brinery.copy(old, new)
        _, comparing = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert copying < 25e6
    assert comparing < 45e6


# -- seals

KEY, OTHER = Trust(key=b"k" * 32), Trust(key=b"o" * 32)


class TestSeals:
    """Copies of sealed records can be loaded, or are not made."""

    @pytest.fixture
    def sealed(self, tmp_path: Path) -> Store:
        """Give a sealed store with two compressed records."""
        store = FilesystemStore(tmp_path / "sealed", trust=KEY)
        store.save(Node(Node(), label="x" * 1000), compress="gzip")
        return store

    @pytest.mark.parametrize("source", [None, KEY])
    @pytest.mark.parametrize("target", [None, KEY])
    def test_a_new_store_is_the_same_store(
        self, sealed: FilesystemStore, tmp_path: Path, source: Any, target: Any
    ) -> None:
        """It takes the identity, and every byte."""
        with (
            FilesystemStore(sealed.directory, trust=source) as old,
            FilesystemStore(tmp_path / "new", trust=target) as new,
        ):
            assert brinery.copy(old, new).copied == 2
            assert held(new) == held(sealed)
            assert brinery.copy(old, new).skipped == 2
            if target is None:
                with pytest.raises(SealError, match="this store is sealed"):
                    new.save([1])
        new = FilesystemStore(tmp_path / "new", trust=KEY)
        assert new.store_id == sealed.store_id
        assert fsck(new).is_clean
        assert isinstance(new.load("Node.1").after[0], Node)

    @pytest.mark.parametrize("first", [True, False])
    def test_between_two_stores_they_are_made_again(
        self, sealed: FilesystemStore, tmp_path: Path, first: bool
    ) -> None:
        """With the key of the target, even if that is new; a second copy finds them sealed."""
        new = FilesystemStore(tmp_path / "new", trust=OTHER)
        if first:
            new.save([1], "mine")
        old = FilesystemStore(sealed.directory, trust=KEY)
        for copied, skipped in ((2, 0), (0, 2)):
            report = brinery.copy(old, new)
            assert (report.copied, report.skipped) == (copied, skipped)
        assert fsck(new).is_clean
        assert new.load("Node.1").label == "x" * 1000
        assert held(new).keys() == held(sealed).keys() | ({"mine"} if first else set())

    @pytest.mark.parametrize("kind", ["unsealed", "sealed"])
    @pytest.mark.parametrize("source", [None, KEY])
    @pytest.mark.parametrize("target", [None, OTHER])
    def test_what_the_target_would_refuse_is_not_copied(
        self, sealed: FilesystemStore, tmp_path: Path, kind: str, source: Any, target: Any
    ) -> None:
        """Nothing is written then, and the error says what to do."""
        with FilesystemStore(tmp_path / "new", trust=OTHER if kind == "sealed" else None) as new:
            new.save([1], "mine")
        with (
            FilesystemStore(sealed.directory, trust=source) as old,
            FilesystemStore(tmp_path / "new", trust=target) as new,
        ):
            before = held(new)
            if source and target:
                assert brinery.copy(old, new).copied == 2
                assert isinstance(new.load("Node.1"), Node)
                return
            with pytest.raises(SealError, match="Open both with their keys"):
                brinery.copy(old, new)
            assert held(new) == before
            assert new.store_id == FilesystemStore(tmp_path / "new").store_id

    def test_an_unsealed_store_is_sealed_first(self, tmp_path: Path) -> None:
        """If the caller vouches for it."""
        FilesystemStore(tmp_path / "plain").save([1], "one")
        new = FilesystemStore(tmp_path / "new", trust=KEY)
        with pytest.raises(SealError, match=r"reseal\(unsealed=True\)"):
            brinery.copy(FilesystemStore(tmp_path / "plain"), new)
        old = FilesystemStore(tmp_path / "plain", trust=OTHER)
        with pytest.raises(SealError, match=r"reseal\(unsealed=True\)"):
            brinery.copy(old, new)
        assert not (tmp_path / "new").exists()
        old.reseal(unsealed=True)
        assert brinery.copy(old, new).copied == 1
        assert new.load("one") == [1]

    def test_a_wrong_key_writes_nothing(self, sealed: FilesystemStore, tmp_path: Path) -> None:
        """The seals are checked when the ends of the records are read."""
        with pytest.raises(SealError, match="none of the keys"):
            brinery.copy(
                FilesystemStore(sealed.directory, trust=OTHER),
                FilesystemStore(tmp_path / "new", trust=OTHER),
            )
        assert not (tmp_path / "new").exists()

    def test_a_forged_record_ends_the_copy(self, sealed: FilesystemStore, tmp_path: Path) -> None:
        """Or it is left out."""
        other = FilesystemStore(tmp_path / "other", trust=KEY)
        other.save([1], "planted")
        os.replace(Path(other.directory, "planted"), Path(sealed.directory, "planted"))
        new = FilesystemStore(tmp_path / "new", trust=OTHER)
        with pytest.raises(SealError, match="none of the keys"):
            brinery.copy(sealed, new)
        report = brinery.copy(sealed, new, keep_going=True)
        assert [found.id for found in report.damaged] == ["planted"]
        assert sorted(new.list()) == ["Node.1", "Node.2"]

    def test_the_identity_that_is_asked_for_counts(
        self, sealed: FilesystemStore, tmp_path: Path
    ) -> None:
        """A new store would become the same as the source."""
        new = FilesystemStore(tmp_path / "new", trust=Trust(key=b"o" * 32, store="00" * 16))
        with pytest.raises(SealError, match="another store"):
            brinery.copy(sealed, new)
        assert not (tmp_path / "new").exists()
