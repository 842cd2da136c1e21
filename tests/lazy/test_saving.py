"""Saves of lazily loaded objects, and saves of one object alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.lazy.test_loading import Job, Jobs, place, saved
from tests.lazy.walk import ghosts_of

import brinery
from brinery import FilesystemStore, MemoryStore, Persistable, Store
from brinery.backend import Put

__all__ = ["place"]


class Looks(Persistable):
    """Uses what it refers to when it is saved."""

    def __init__(self, other: Any) -> None:
        self.other = other

    def __getstate__(self) -> dict[str, Any]:
        self.other.n += 1
        return vars(self)


def writes_of(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which the names are added that a store writes."""
    names: list[str] = []
    commit = store.backend.commit

    def counting(puts: Iterable[Put], deletes: Any = ()) -> Any:
        found = [*puts]
        names.extend(put.name for put in found if put.name[0] != ".")
        return commit(found, deletes)

    monkeypatch.setattr(store.backend, "commit", counting)
    return names


def test_a_save_writes_what_was_changed(
    place: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And wakes nothing."""
    saved(place, Jobs(30))
    store = place(lazy=True)
    root = store.load("root")
    writes = writes_of(store, monkeypatch)
    root.jobs[4].n = 50
    assert root.jobs[9].n == 9
    count = len(ghosts_of(store, root))
    store.save(root)
    assert writes == ["Job.5"]
    assert len(ghosts_of(store, root)) == count
    store.save(root)
    assert store.save(root.jobs[20]) == "Job.21"
    assert not store.is_loaded(root.jobs[20])
    assert writes == ["Job.5"]
    with place() as other:
        assert [job.n for job in other.load("root").jobs[3:6]] == [3, 50, 5]


def test_new_references_to_ghosts(place: Callable[..., Store]) -> None:
    """From a new object, and from another one than before; they are looked for, and not woken."""
    saved(place, Jobs(5))
    store = place(lazy=True)
    root = store.load("root")
    new = Job(100)
    new.next = root.jobs[2]
    root.jobs.append(new)
    root.jobs[0].more = root.jobs[4]
    store.save(root)
    assert not store.is_loaded(new.next)
    assert not store.is_loaded(root.jobs[4])
    with place() as other:
        found = other.load("root")
        assert found.jobs[5].next is found.jobs[2]
        assert found.jobs[0].more is found.jobs[4]
        other.remove("Job.5")
    another = Job(101)
    another.next = root.jobs[4]
    with pytest.raises(brinery.DanglingReferenceError, match=r"Job\.5") as caught:
        store.save(another)
    assert caught.value.id == "Job.5"
    assert store.id_of(another) is None


def test_a_conflict_is_noticed(place: Callable[..., Store]) -> None:
    """A ghost is as of its waking."""
    saved(place, Jobs(5))
    store = place(lazy=True)
    root = store.load("root")
    with place() as other:
        found = other.load("Job.2")
        found.n = 60
        other.save(found)
        assert root.jobs[1].n == 60
        found.n = 61
        other.save(found)
    root.jobs[1].n = 5
    with pytest.raises(brinery.ConflictError, match=r"Job\.2"):
        store.save(root)


def test_into_another_store(tmp_path: Path) -> None:
    """All that is saved there is read here."""
    with FilesystemStore(tmp_path / "a") as store:
        store.save(Jobs(5), "root")
    with FilesystemStore(tmp_path / "a", lazy=True) as first, MemoryStore() as second:
        root = first.load("root")
        second.save(root, "copy")
        assert not ghosts_of(first, root)
        second.invalidate_cache()
        assert [job.n for job in second.load("copy").jobs] == [0, 1, 2, 3, 4]
        ghost = first.load("Job.2")
        first.invalidate_cache()
        ghost = first.load("Job.2").next
        assert not first.is_loaded(ghost)
        assert second.save(ghost, "ghost") == "ghost"
        assert second.load("ghost") is ghost


def test_a_ghost_under_another_id(place: Callable[..., Store]) -> None:
    """Is refused, as for any persistable object; `replace` writes it again."""
    saved(place, Jobs(3))
    store = place(lazy=True)
    root = store.load("root")
    with pytest.raises(brinery.AlreadySavedError):
        store.save(root.jobs[1], "other")
    store.replace("Job.3", root.jobs[2])
    assert store.is_loaded(root.jobs[2])


def test_code_that_uses_ghosts_while_they_are_saved(place: Callable[..., Store]) -> None:
    """What it changes is saved, too."""
    saved(place, Jobs(3))
    store = place(lazy=True)
    looks = Looks(store.load("root").jobs[1])
    store.save(looks)
    with place() as other:
        assert other.load("Job.2").n == looks.other.n > 1


def test_a_save_of_one_object_alone(
    place: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes that object and what was never saved."""
    saved(place, Jobs(5))
    store = place()
    root = store.load("root")
    writes = writes_of(store, monkeypatch)
    root.jobs[1].n, root.jobs[2].n = 50, 60
    new = root.jobs[1].more = Job(7)
    new.next = root.jobs[3]
    store.save(root.jobs[1], deep=False)
    assert sorted(writes) == sorted(["Job.2", brinery.ids.name_of(store.id_of(new))])
    store.save_many([root.jobs[1], root.jobs[0]], deep=False)
    assert len(writes) == 2
    store.save(root)
    assert writes[2:] == ["Job.3"]


def test_a_reference_of_one_object_to_a_record_that_is_gone(place: Callable[..., Store]) -> None:
    """The object is there, so that its record is written again."""
    saved(place, Jobs(4))
    store = place()
    root = store.load("root")
    with place() as other:
        other.remove("Job.4")
    root.jobs[0].more = root.jobs[3]
    store.save(root.jobs[0], deep=False)
    with place() as other:
        assert other.load("Job.4").n == 3


def test_updates_read_what_they_use(place: Callable[..., Store]) -> None:
    """And nothing else; those of several openings are all kept."""
    saved(place, Jobs(50))
    store = place()

    def increase(job: Any) -> None:
        job.n += 1
        job.next.n += 10

    job = store.update("Job.5", increase)
    assert job.n == 5
    assert not store.is_loaded(job.next.next)
    assert not store.is_loaded(job.all)
    with place() as other:
        other.update("Job.5", increase)
    assert store.update("Job.5", increase).n == 7
    with place() as other:
        assert [job.n for job in other.load("root").jobs[3:7]] == [3, 7, 35, 6]


def test_pop_and_setdefault_of_a_ghost(place: Callable[..., Store]) -> None:
    """They return the object."""
    saved(place, Jobs(3))
    store = place(lazy=True)
    root = store.load("root")
    assert store.setdefault("Job.2", None) is root.jobs[1]
    assert store.pop("Job.3") is root.jobs[2]
    assert root.jobs[2].n == 2
    assert "Job.3" not in store
