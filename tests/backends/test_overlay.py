"""Writes that are held back keep the contract of backends, and reach the one below as one commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from brinery.backend import ABSENT, ANY, Backend, Conflict, Missing, Put, Ranges
from brinery.backends.directory.backend import DirectoryBackend
from brinery.backends.memory import MemoryBackend
from brinery.backends.overlay import Overlay
from brinery.record.held_bytes import IN_MEMORY
from brinery.testing.backend import BackendContract, body


class OverlayContract(BackendContract):
    """What an overlay does over any backend: nothing reaches that before it is published."""

    @pytest.fixture
    def below(self, tmp_path: Path) -> Backend:
        """Give the backend below, with a record in it."""
        raise NotImplementedError

    @pytest.fixture
    def backend(self, below: Backend) -> Iterator[Backend]:
        """Give an overlay, and see that the contract's tests left what is below alone."""
        overlay = Overlay(below)
        yield overlay
        overlay.close()
        assert list(below.list()) == []


class TestOverMemory(OverlayContract):
    """Over a dictionary."""

    @pytest.fixture
    def below(self) -> Backend:
        return MemoryBackend()


class TestOverDirectory(OverlayContract):
    """Over files."""

    @pytest.fixture
    def below(self, tmp_path: Path) -> Backend:
        return DirectoryBackend(tmp_path)


class TestOverOverlay(OverlayContract):
    """Over another overlay."""

    @pytest.fixture
    def below(self) -> Iterator[Backend]:
        overlay = Overlay(MemoryBackend())
        yield overlay
        overlay.close()


@pytest.fixture(params=["memory", "directory"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Give a backend that holds three records."""
    made: Backend = MemoryBackend() if request.param == "memory" else DirectoryBackend(tmp_path)
    made.commit(Put(f"Task.{number}", (body(number),)) for number in (1, 2, 3))
    return made


@pytest.fixture
def overlay(base: Backend) -> Iterator[Overlay]:
    """Give an overlay over three records."""
    made = Overlay(base)
    yield made
    made.close()


def held(backend: Backend) -> dict[str, bytes]:
    """Return all that a backend holds."""
    return {name: data for name, data, _ in backend.get_many(list(backend.list()))}


def test_reads_look_through_to_what_is_below(base: Backend, overlay: Overlay) -> None:
    """Names that were not written here come from below, with their versions there."""
    overlay.commit([Put("Task.2", (body("new"),)), Put("Task.4", (body(4),), ABSENT)], ["Task.3"])
    assert held(overlay) == {"Task.1": body(1), "Task.2": body("new"), "Task.4": body(4)}
    assert overlay.get("Task.1") == base.get("Task.1")
    assert overlay.get_tail("Task.1", 5) == base.get_tail("Task.1", 5)
    assert overlay.get_tail("Task.2", 3)[:2] == (body("new")[-3:], len(body("new")))
    for read in (overlay.get, lambda name: overlay.get_tail(name, 0)):
        with pytest.raises(Missing):
            read("Task.3")
    assert sorted(overlay.list("Task")) == ["Task.1", "Task.2", "Task.4"]
    assert held(base) == {f"Task.{number}": body(number) for number in (1, 2, 3)}


def test_publishing_makes_one_commit_of_all(base: Backend, overlay: Overlay) -> None:
    """The last bytes of each name arrive; the answer has the versions that they got."""
    overlay.put("Task.1", body("first"))
    overlay.put("Task.1", body("second"), overlay.get("Task.1")[1])
    overlay.put("Task.4", body(4), ABSENT)
    overlay.delete("Task.2")
    versions = overlay.publish()
    assert held(base) == {"Task.1": body("second"), "Task.3": body(3), "Task.4": body(4)}
    assert {name: base.get(name)[1] for name in ("Task.1", "Task.4")} == dict(versions)
    assert overlay.is_published()


def test_publishing_nothing_is_no_commit(base: Backend) -> None:
    """Nothing is locked or written."""
    with closing(Overlay(base)) as empty:
        assert empty.publish() == {}
        assert empty.is_published()


def test_a_conflict_is_found_at_once_and_again_at_the_end(base: Backend, overlay: Overlay) -> None:
    """Each name below must be as it was when it was first written here; all that are not are named."""
    versions = {name: base.get(name)[1] for name in ("Task.1", "Task.2", "Task.3")}
    base.put("Task.3", body("theirs"))
    with pytest.raises(Conflict) as caught:
        overlay.commit([Put("Task.3", (body("mine"),), versions["Task.3"])])
    assert caught.value.names == ("Task.3",)
    with pytest.raises(Conflict):
        overlay.put("Task.1", body("mine"), ABSENT)
    overlay.put("Task.1", body("mine"), versions["Task.1"])
    overlay.put("Task.2", body("mine"), versions["Task.2"])
    overlay.put("Task.9", body("mine"), ABSENT)
    overlay.put("Task.8", body("mine"), ANY)
    for name in ("Task.1", "Task.8", "Task.9"):
        base.put(name, body("theirs"))
    with pytest.raises(Conflict) as caught:
        overlay.publish()
    assert sorted(caught.value.names) == ["Task.1", "Task.9"]
    assert not overlay.is_published()
    assert held(base)["Task.2"] == body(2)


def test_a_name_that_is_written_and_deleted_keeps_its_expectation(
    base: Backend, overlay: Overlay
) -> None:
    """A change that is deleted again still conflicts with the change of another writer."""
    version = base.get("Task.1")[1]
    overlay.put("Task.1", body("mine"), version)
    overlay.delete("Task.1")
    with pytest.raises(Conflict):
        overlay.put("Task.1", body("mine"), version)
    base.put("Task.1", body("theirs"))
    with pytest.raises(Conflict):
        overlay.publish()
    overlay.put("Task.1", body("again"), ABSENT)
    with pytest.raises(Conflict):
        overlay.publish()
    assert base.get("Task.1")[0] == body("theirs")


def test_what_is_made_and_deleted_again_leaves_no_trace(base: Backend, overlay: Overlay) -> None:
    """Nothing is published, and a record that another writer makes under that name is seen."""
    overlay.put("Task.9", body("mine"), ABSENT)
    overlay.delete("Task.9")
    assert overlay.publish() == {}
    base.put("Task.9", body("theirs"))
    assert overlay.get("Task.9")[0] == body("theirs")


def test_what_was_written_later_is_put_first(base: Backend) -> None:
    """A directory shows the last put first: what is referred to before what refers to it."""
    order: list[str] = []

    class Noting(MemoryBackend):
        def commit(self, puts, deletes=()):  # type: ignore[no-untyped-def]
            puts = list(puts)
            order.extend(put.name for put in puts)
            return super().commit(puts, deletes)

    overlay = Overlay(Noting())
    overlay.commit([Put("Child.1", (body(1),)), Put("Grandchild.2", (body(2),))])
    overlay.commit([Put("Parent.3", (body(3),))])
    overlay.publish()
    overlay.close()
    assert order == ["Parent.3", "Child.1", "Grandchild.2"]


def test_one_state_below_is_one_state_here(base: Backend) -> None:
    """`read_one_state` shows the changes over the state that the backend below promises."""
    frozen = MemoryBackend()
    frozen.put("Task.7", body("of one state"))

    class Snapshots(MemoryBackend):
        def read_one_state(self, read):  # type: ignore[no-untyped-def]
            return read(frozen)

    overlay = Overlay(Snapshots())
    overlay.put("Task.8", body("held back"))
    seen = overlay.read_one_state(held)
    overlay.close()
    assert seen == {"Task.7": body("of one state"), "Task.8": body("held back")}


@pytest.mark.thorough
def test_large_transactions_go_to_a_file(base: Backend, overlay: Overlay) -> None:
    """Beyond the limit the bytes are in a temporary file, and come back the same."""
    piece = bytes(range(256)) * (IN_MEMORY // 1024)
    for number in range(6):
        overlay.put(f"Large.{number}", str(number).encode() + piece)
    assert overlay._held._file._rolled  # type: ignore[attr-defined]
    for number in range(6):
        assert overlay.get(f"Large.{number}")[0] == str(number).encode() + piece


def test_large_records_below_are_opened_and_not_read(tmp_path: Path) -> None:
    """As the backend there does for records that nobody has written here."""
    with closing(DirectoryBackend(tmp_path)) as base, closing(Overlay(base)) as overlay:
        below, here = body(1) * (1 << 19), body(2) * (1 << 19)
        for name in ("Task.1", "Task.2", "Task.3"):
            base.put(name, below)
        overlay.put("Task.2", here)
        overlay.delete("Task.3")
        found = {name: data for name, data, _ in overlay.get_records(f"Task.{n}" for n in range(5))}
        assert [*found] == ["Task.2", "Task.1"]
        opened = [found["Task.1"], overlay.get_record("Task.1"), overlay.open_ranges("Task.1")]
        for each in opened:
            assert isinstance(each, Ranges)
            with each as ranges:
                assert ranges.read(0, ranges.size) == below
        assert found["Task.2"] == here
        assert overlay.get_record("Task.2") == overlay.get("Task.2")
        with overlay.open_ranges("Task.2") as ranges:
            assert ranges.read(0, ranges.size) == here
        for call in (overlay.get_record, overlay.open_ranges):
            for name in ("Task.3", "Task.4"):
                with pytest.raises(Missing):
                    call(name)
