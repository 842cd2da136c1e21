"""`Store.gc` removes the records that no root reaches, and no others, even while others save."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from brinery import (
    ConflictError,
    CorruptRecordError,
    FilesystemStore,
    ForeignRecordError,
    Id,
    InvalidArgumentError,
    MemoryStore,
    NotFoundError,
    Persistable,
    RecordError,
    StorageError,
    Store,
    fsck,
    make_store,
)
from brinery.backend import Delete, Put, Version
from brinery.backends.memory import MemoryBackend
from brinery.catalog.trash import NAME as TRASH
from brinery.catalog.trash import Removed, Trash


class Task(Persistable):
    """A named thing with links."""

    def __init__(self, name: str, *links: object) -> None:
        self.name = name
        self.links = list(links)


@pytest.fixture(params=["flat", "sharded", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store with Task.1 > Task.2 > Task.3, and the ring Task.4 <> Task.5 > Task.2."""
    made: Store = (
        MemoryStore()
        if request.param == "memory"
        else FilesystemStore(tmp_path / "jobs", layout=request.param)
    )
    with made:
        middle = Task("middle", Task("leaf"))
        made.save(Task("root", middle))
        ring = Task("ring")
        ring.links.append(Task("back", ring, middle))
        made.save(ring)
        yield made


class TestWhatGoes:
    """Reachability, by the metadata alone."""

    def test_a_dry_run_is_the_default(self, store: Store) -> None:
        """It reports the records to remove, with their size, and changes nothing."""
        names = store.list()
        report = store.gc(["Task.1"], older_than=0)
        assert report.garbage == (Id("Task.4"), Id("Task.5"))
        assert report.dry_run
        assert report.records == 5
        assert report.size == sum(store.info(id_).size for id_ in report.garbage)
        assert str(report) == "5 records: 2 that no root reaches would be removed"
        assert store.list() == names

    def test_what_no_root_reaches_is_removed(self, store: Store) -> None:
        """Cycles too; records that a root reaches stay, and the trash is empty afterwards."""
        report = store.gc(["Task.1"], older_than=0, dry_run=False)
        assert report.garbage == (Id("Task.4"), Id("Task.5"))
        assert str(report) == "5 records: 2 that no root reaches were removed"
        assert store.list() == ["Task.1", "Task.2", "Task.3"]
        assert fsck(store).counts == {"ok": 3}
        assert Trash(store.backend).boxes() == []
        assert store.gc(["Task.1"], older_than=0, dry_run=False).garbage == ()
        with pytest.raises(NotFoundError):
            store.load("Task.4")

    def test_a_living_object_whose_record_was_removed_is_written_again(self, store: Store) -> None:
        """The next save that reaches it finds that it is gone."""
        root = store.load("Task.1")
        ring = store.load("Task.4")
        store.gc(["Task.1"], older_than=0, dry_run=False)
        root.links.append(ring)
        store.save(root)
        assert store.list() == ["Task.1", "Task.2", "Task.3", "Task.4", "Task.5"]
        assert fsck(store).is_clean

    def test_several_roots_and_any_id(self, store: Store) -> None:
        """IDs that are escaped or too long for a name are roots and garbage like any other."""
        ids = ["../evil", "", "é" * 300]
        store.save_many([Task(id_) for id_ in ids], ids=ids)
        report = store.gc(["Task.5", "", "é" * 300], older_than=0, dry_run=False)
        assert report.garbage == (Id("../evil"), Id("Task.1"))
        report = store.gc(["Task.5"], older_than=0, dry_run=False)
        assert set(report.garbage) == {"", "é" * 300}

    def test_young_records_and_what_they_reach_are_kept(self, store: Store) -> None:
        """For an hour, unless another time is given."""
        assert store.gc(["Task.3"]).garbage == ()
        assert store.gc(["Task.3"], older_than=60, dry_run=False).garbage == ()
        time.sleep(0.6)
        began = time.time()
        store.save(Task("young", store.load("Task.2")))
        # Saving may take long on a busy machine.
        report = store.gc(["Task.3"], older_than=time.time() - began + 0.5, dry_run=False)
        assert report.garbage == (Id("Task.1"), Id("Task.4"), Id("Task.5"))

    def test_a_chain_of_thousands_is_followed(self) -> None:
        """Without recursion, and removed in several commits."""
        store = MemoryStore()
        link = None
        for number in range(3_000):
            link = Task(str(number), link)
        last = store.save(link)
        kept = store.save(Task("kept"))
        assert len(store.gc([last, kept], older_than=0).garbage) == 0
        assert len(store.gc([kept], older_than=0, dry_run=False).garbage) == 3_000
        assert store.list() == [kept]

    def test_a_root_must_be_there(self, store: Store) -> None:
        """A misspelt root removes nothing, and an empty list of roots is refused."""
        for roots, error in ((["Task.1", "Task.77"], NotFoundError), ([], InvalidArgumentError)):
            with pytest.raises(error):
                store.gc(roots, older_than=0, dry_run=False)
        with pytest.raises(InvalidArgumentError):
            store.gc("Task.1", older_than=0, dry_run=False)
        with pytest.raises(InvalidArgumentError):
            store.gc(["Task.1"], older_than=-1, dry_run=False)
        assert len(store) == 5

    @pytest.mark.parametrize(
        ("data", "error"),
        [(b"", CorruptRecordError), (b"x" * 99, ForeignRecordError)],
    )
    def test_a_record_that_cannot_be_read_ends_it(
        self, store: Store, data: bytes, error: type[RecordError]
    ) -> None:
        """Its references are not known: nothing is removed until it is moved away."""
        store.backend.put("Task.4", data)
        with pytest.raises(error, match="Task") as caught:
            store.gc(["Task.1"], older_than=0, dry_run=False)
        assert caught.value.id == "Task.4"
        assert len(store) == 5
        fsck(store, repair=True)
        assert store.gc(["Task.1"], older_than=0, dry_run=False).garbage == (Id("Task.5"),)

    @pytest.mark.thorough
    def test_metadata_of_any_length_are_read(self, store: Store) -> None:
        """A record may refer to thousands."""
        many = Task("many", *(Task(str(n)) for n in range(2_000)))
        id_ = store.save(many)
        assert len(store.gc([id_], older_than=0, dry_run=False).garbage) == 5
        assert len(store) == 2_001

    def test_progress_is_reported(self, store: Store) -> None:
        """Once for each time that the records are read."""
        calls: list[tuple[int, int]] = []
        store.gc(["Task.1"], older_than=0, progress=lambda *call: calls.append(call))
        assert calls[-1] == (5, 5)


class Interrupted(MemoryBackend):
    """A backend that calls functions before a listing or after a removal."""

    def __init__(self) -> None:
        super().__init__()
        self.before_list: dict[int, Callable[[], None]] = {}
        self.before_commit: Callable[[], object] | None = None
        self.lists = 0

    def list(self, prefix: str = "") -> Iterator[str]:
        """List, after the function for this listing was called."""
        self.lists += 1
        self.before_list.pop(self.lists, lambda: None)()
        return super().list(prefix)

    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        """Commit, after the function for the time between puts and commit was called."""
        puts = [*puts]
        before, self.before_commit = self.before_commit, None
        if before is not None:
            before()
        return super().commit(puts, deletes)


class TestOthersSaveMeanwhile:
    """Records that a save refers to at any moment are there afterwards."""

    @pytest.fixture
    def backend(self) -> Interrupted:
        """A backend with Task.1, and with the garbage Task.2 > Task.3."""
        backend = Interrupted()
        store = Store(backend)
        store.save(Task("root"))
        store.save(Task("old", Task("older")))
        backend.lists = 0
        return backend

    @staticmethod
    def take_up(backend: MemoryBackend, *, careless: bool = False) -> None:
        """Let Task.1 refer to Task.2, as another process would; a `careless` one does not look for it."""
        if careless:
            # A save that looked long ago, and has its record ready to be committed.
            copy = MemoryStore()
            copy.save(Task("root", Task("old", Task("older"))))
            backend.put("Task.1", copy.backend.get("Task.1")[0])
            return
        other = Store(backend)
        root = other.load("Task.1")
        root.links = [other.load("Task.2")]
        other.save(root)

    def check(self, backend: MemoryBackend) -> None:
        """Check that the root has the garbage, whole."""
        root = Store(backend).load("Task.1")
        assert root.links[0].links[0].name == "older"
        assert fsck(backend).is_clean
        assert Trash(backend).boxes() == []

    def test_before_the_second_look(self, backend: Interrupted) -> None:
        """It is not removed at all."""
        backend.before_list[2] = lambda: self.take_up(backend)
        report = Store(backend).gc(["Task.1"], older_than=0, dry_run=False)
        assert (report.garbage, report.put_back) == ((), ())
        self.check(backend)

    def test_after_it_was_removed(self, backend: Interrupted) -> None:
        """It is put back, with all that it refers to."""
        backend.before_list[3] = lambda: self.take_up(backend, careless=True)
        report = Store(backend).gc(["Task.1"], older_than=0, dry_run=False)
        assert report.garbage == ()
        assert set(report.put_back) == {Id("Task.2"), Id("Task.3")}
        assert str(report).endswith("0 that no root reaches were removed, 2 put back")
        self.check(backend)

    def test_a_save_during_which_it_is_removed(self, backend: Interrupted) -> None:
        """The save looked before, and commits after the collection: it writes the record again."""
        other = Store(backend)
        root, old = other.load("Task.1"), other.load("Task.2")
        root.links = [old]

        def collect() -> None:
            report = Store(backend).gc(["Task.1"], older_than=0, dry_run=False)
            assert report.garbage == (Id("Task.2"), Id("Task.3"))

        backend.before_commit = collect
        other.save(root)
        self.check(backend)
        old.name = "changed"  # the versions of the rewritten records are known
        other.save(root)
        self.check(backend)

    @pytest.mark.parametrize("depth", [1, 2, 3])
    def test_a_transaction_during_which_it_is_removed(
        self, backend: Interrupted, depth: int
    ) -> None:
        """The collection could not see its writes: at its end it writes the record again."""
        other = Store(backend)
        root = other.load("Task.1")
        root.links = [other.load("Task.2")]
        with ExitStack() as transactions:
            for _ in range(depth):
                transactions.enter_context(other.transaction())
            other.save(root)
            report = Store(backend).gc(["Task.1"], older_than=0, dry_run=False)
            assert report.garbage == (Id("Task.2"), Id("Task.3"))
        self.check(backend)
        root.links[0].name = "changed"
        other.save(root)
        self.check(backend)

    def test_an_update_during_which_it_is_removed(self, backend: Interrupted) -> None:
        """As for any transaction: an update is one."""
        other = Store(backend)
        old = other.load("Task.2")

        def change(root: Task) -> None:
            root.links = [old]
            backend.before_commit = lambda: Store(backend).gc(
                ["Task.1"], older_than=0, dry_run=False
            )

        other.update("Task.1", change)
        self.check(backend)

    def test_a_record_that_was_removed_and_put_back_can_be_changed(
        self, backend: Interrupted
    ) -> None:
        """It has another version then, but the same content: that is not a conflict."""
        other = Store(backend)
        old = other.load("Task.2")
        backend.before_list[3] = lambda: self.take_up(backend, careless=True)
        Store(backend).gc(["Task.1"], older_than=0, dry_run=False)
        old.name = "changed"
        other.save(old)
        assert Store(backend).load("Task.2").name == "changed"
        self.check(backend)
        old.name = "mine"
        Store(backend).replace("Task.2", Task("yours", Task("older")))
        with pytest.raises(ConflictError):
            other.save(old)

    def test_nothing_is_dangling_between_two_batches(self) -> None:
        """After a kill in between, a check and a backup find complete graphs, if not all of them."""
        found: list[bool] = []

        class Watched(MemoryBackend):
            def commit(
                self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
            ) -> Mapping[str, Version]:
                versions = super().commit(puts, deletes)
                found.append("dangling" in fsck(self).counts)
                return versions

        backend = Watched()
        with Store(backend) as store:
            store.save(Task("root"), "root")
            chain = Task("last")
            for number in range(1_200):
                chain = Task(f"{number}", chain)
            store.save(chain)
            store.save(Task("ring", chain))
            assert len(store.gc(["root"], older_than=0, dry_run=False).garbage) == 1_202
        assert len(found) >= 4
        assert not any(found)

    def test_a_record_that_was_replaced_is_not_removed(self, backend: Interrupted) -> None:
        """Only the version that was examined may be removed."""
        backend.before_list[2] = lambda: Store(backend).replace("Task.3", Task("new"))
        report = Store(backend).gc(["Task.1"], older_than=0, dry_run=False)
        assert report.garbage == (Id("Task.2"),)
        assert Store(backend).load("Task.3").name == "new"

    def test_the_trash_takes_a_record_only_in_its_version(self, backend: Interrupted) -> None:
        """Also when it changes between the last look and the commit; the others go."""
        held = {name: backend.get(name) for name in ("Task.2", "Task.3")}
        backend.put("Task.2", b"new")
        trash = Trash(backend)
        records = [Removed(name, *rest) for name, rest in held.items()]
        assert trash.move(records) == ["Task.3"]
        assert dict(trash.records()) == {"Task.3": held["Task.3"][0]}
        assert backend.get("Task.2")[0] == b"new"

    def test_a_killed_run_is_finished_by_the_next(self, backend: Interrupted) -> None:
        """Records that others refer to by then are put back, the rest is deleted."""

        def killed() -> None:
            raise KeyboardInterrupt

        Store(backend).save(Task("more garbage"))
        backend.lists = 0
        backend.before_list[3] = killed
        with pytest.raises(KeyboardInterrupt):
            Store(backend).gc(["Task.1"], older_than=0, dry_run=False)
        assert [*backend.list()] == ["Task.1"]
        assert len(Trash(backend).boxes()) == 1
        self.take_up(backend, careless=True)
        report = Store(backend).gc(["Task.1"], older_than=0, dry_run=False)
        assert set(report.put_back) == {Id("Task.2"), Id("Task.3")}
        self.check(backend)
        assert len(Store(backend)) == 3

    @pytest.mark.parametrize(
        ("box", "head"),
        [
            ("Task.1", [["Task.3", 4]]),
            (".settings.json", [["Task.3", 4]]),
            (f"{TRASH}-1", [[True, 4]]),
            (f"{TRASH}-1", [["../../evil", 4]]),
            (f"{TRASH}-1", [["Task.3", -4], ["Task.4", 8]]),
            (f"{TRASH}-1", [["Task.3", 4.0]]),
            (f"{TRASH}-1", [["Task.3"]]),
            (f"{TRASH}-1", 4),
            (None, [["Task.3", 4]]),
        ],
    )
    def test_a_damaged_trash_is_an_error(
        self, backend: Interrupted, box: object, head: object
    ) -> None:
        """A list that no gc has written removes nothing."""
        backend.put(f"{TRASH}-1", json.dumps(head).encode() + b"\nevil")
        entries = [{"box": box, "moved": 1.0}]
        backend.put(TRASH, json.dumps({"format": 1, "entries": entries}).encode())
        before = {name: backend.get(name)[0] for name in backend.list()}
        with pytest.raises(CorruptRecordError, match="is damaged"):
            Store(backend).gc(["Task.1"], older_than=0, dry_run=False)
        assert {name: backend.get(name)[0] for name in backend.list()} == before

    def test_of_two_runs_one_gives_up(self, backend: Interrupted) -> None:
        """The other one finishes both."""
        backend.before_list[3] = lambda: collect_again()

        def collect_again() -> None:
            assert Store(backend).gc(["Task.1"], older_than=0, dry_run=False).put_back == ()

        with pytest.raises(StorageError, match="another gc"):
            Store(backend).gc(["Task.1"], older_than=0, dry_run=False)
        assert [*backend.list()] == ["Task.1"]
        assert Trash(backend).boxes() == []

    def test_a_save_that_relies_on_nothing_asks_for_no_epoch(self, backend: Interrupted) -> None:
        """New graphs pay nothing for it."""
        asked: list[str] = []
        get_tail = backend.get_tail

        def noting(name: str, count: int) -> tuple[bytes, int, Version]:
            asked.append(name)
            return get_tail(name, count)

        backend.get_tail = noting  # type: ignore[method-assign]
        store = Store(backend)
        root = Task("a", Task("b"))
        store.save(root)
        assert TRASH not in asked
        root.name = "c"
        store.save(root)
        assert asked.count(TRASH) == 2


WRITER = """
import random, sys, time
from brinery import make_store
from tests.operations.test_collect import Task
store = make_store(sys.argv[1])
number, until = sys.argv[2], time.monotonic() + float(sys.argv[3])
root = store.load(f"root{number}")
held = [Task(f"{number}-{n}", Task("leaf")) for n in range(10)]
rounds = 0
while rounds <= 20 or time.monotonic() < until:  # on a busy machine it takes longer
    root.links = random.sample(held, random.randrange(1, 5))
    if random.random() < 0.3:
        root.links.append(Task("new", *random.sample(held, 2)))
    if random.random() < 0.2:
        random.choice(held).name += "x"
    store.save(root)
    rounds += 1
print(rounds)
print(*sorted(task.name for task in root.links))
"""


@pytest.mark.thorough
@pytest.mark.parametrize("url", ["file://{}/jobs?durability=process", "sqlite:///{}/jobs.db"])
def test_nothing_reachable_is_lost_while_processes_save(tmp_path: Path, url: str) -> None:
    """Four writers drop and take up records all the time, and a gc runs all the time, graceless."""
    count, seconds = 4, 6
    place = url.format(tmp_path)
    roots = [f"root{number}" for number in range(count)]
    with make_store(place) as store:
        store.save_many([Task(root) for root in roots], ids=roots)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, place, str(number), str(seconds)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for number in range(count)
    ]
    removed = put_back = 0
    try:
        with make_store(place) as store:
            while any(writer.poll() is None for writer in writers):
                report = store.gc(roots, older_than=0, dry_run=False)
                removed += len(report.garbage)
                put_back += len(report.put_back)
    finally:
        for writer in writers:
            writer.kill()
    outputs = [writer.communicate()[0].splitlines() for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * count
    assert all(int(rounds) > 20 for rounds, _ in outputs)
    assert removed > 50
    found = fsck(place, roots=roots)
    assert found.is_clean, str(found)
    with make_store(place) as store:
        for root, (_, names) in zip(roots, outputs, strict=True):
            loaded = store.load(root)
            assert " ".join(sorted(task.name for task in loaded.links)) == names
            for task in loaded.links:
                assert all(link.name for link in task.links)
