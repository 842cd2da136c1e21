"""A commit of one record needs no journal: one step gives the file its name, or removes it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.backends.directory.directories import both, files_of
from tests.backends.directory.faults import fail_once, nothing_changes, put, state_of

from brinery.backend import ABSENT, ANY, Conflict, Delete, Expect
from brinery.backends.directory.backend import DirectoryBackend
from brinery.errors import StorageError
from brinery.testing.backend import body


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the calls that change files or names, or flush them."""
    found: list[str] = []
    for name in ("open", "write", "fsync", "link", "rename", "replace", "unlink", "mkdir"):
        monkeypatch.setattr(os, name, _noting(found, name, getattr(os, name)))
    return found


def _noting(found: list[str], name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **more: Any) -> Any:
        found.append(name)
        return real(*args, **more)

    return call


LOCKED, ENDED = ["open", "write"], ["write"]  # the file of the lock


def test_a_new_record_is_written_flushed_and_linked(tmp_path: Path, calls: list[str]) -> None:
    """Between the two flushes there is the lock, and the one step."""
    backend = DirectoryBackend(tmp_path)
    backend.put("Task.1", body(1))
    calls.clear()
    backend.put("Task.2", body(2), ABSENT)
    written, shown = ["open", "write", "fsync"], ["link"]
    assert calls == [*written, *LOCKED, *shown, *ENDED, "open", "fsync", "unlink"]


def test_a_changed_record_is_replaced(tmp_path: Path, calls: list[str]) -> None:
    """The version is read under the lock."""
    backend = DirectoryBackend(tmp_path)
    version = backend.put("Task.1", body(1))
    calls.clear()
    backend.put("Task.1", body(2), version)
    written, step = ["open", "write", "fsync"], ["open", "replace"]
    assert calls == [*written, *LOCKED, *step, *ENDED, "open", "fsync"]


def test_a_deleted_record_is_unlinked(tmp_path: Path, calls: list[str]) -> None:
    """Nothing is staged."""
    backend = DirectoryBackend(tmp_path, durability="process")
    version = backend.put("Task.1", body(1))
    calls.clear()
    backend.commit([], [Delete("Task.1", version)])
    assert calls == [*LOCKED, "open", "unlink", *ENDED]


def test_a_name_in_both_layouts_is_removed_by_a_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes two steps: where one fails, the other one is undone."""
    flat, sharded = both(tmp_path)
    sharded.put("Task.1", body(1))
    (tmp_path / "Task.1").write_bytes(body("copy"))
    with nothing_changes(tmp_path), monkeypatch.context() as patch:
        fail_once(patch, "unlink", 1, False, OSError(5, "I/O error"))
        with pytest.raises(StorageError):
            flat.delete("Task.1")
    flat.delete("Task.1")
    assert files_of(tmp_path) == set()


@pytest.mark.parametrize("layout", ["flat", "sharded"])
@pytest.mark.parametrize("error", [OSError(5, "I/O error"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("late", [False, True], ids=["instead", "afterwards"])
def test_a_step_that_fails_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    layout: Any,
    error: BaseException,
    late: bool,
) -> None:
    """Also if it is interrupted right after it worked."""
    backend = DirectoryBackend(tmp_path, layout=layout, durability="process")
    backend.commit([put(1), put(2)])  # makes what directories there are to make
    backend.delete("Task.2")
    with nothing_changes(tmp_path), monkeypatch.context() as patch:
        fail_once(patch, "link", 0, late, error)
        with pytest.raises(StorageError if isinstance(error, OSError) else KeyboardInterrupt):
            backend.put("Task.2", body(2), ABSENT)
    backend.put("Task.2", body(2), ABSENT)


@pytest.mark.parametrize("expect", [ANY, ABSENT])
def test_a_name_that_appears_despite_the_lock_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expect: Expect
) -> None:
    """It is a conflict where the name must be new, and is replaced otherwise."""
    backend = DirectoryBackend(tmp_path, durability="process")
    backend.put("Task.1", body(1))
    link = os.link

    def late(source: str, target: str) -> None:
        Path(target).write_bytes(body("theirs"))
        link(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", late)
        if expect is ANY:
            backend.commit([put(2, body("ours"))])
        else:
            with pytest.raises(Conflict) as caught:
                backend.commit([put(2, body("ours"), expect=expect)])
            assert caught.value.names == ("Task.2",)
    winner = "ours" if expect is ANY else "theirs"
    assert state_of(tmp_path) == {"Task.1": body(1), "Task.2": body(winner)}


@pytest.mark.parametrize("name", [".brinery", ".brinery/staging"])
def test_links_in_place_of_the_own_directories_are_looked_for_each_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Not at each commit: a look costs as much as a write."""
    root, outside = tmp_path / "store", tmp_path / "outside"
    backend = DirectoryBackend(root, durability="process")
    backend.put("Task.1", body(1))
    (root / name).rename(outside)
    (root / name).symlink_to(outside)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 1.0)
    with pytest.raises(StorageError, match="symbolic link"):
        backend.put("Task.2", body(2))
    with pytest.raises(StorageError, match="symbolic link"):
        backend.delete("Task.1")
    assert backend.get("Task.1")[0] == body(1)
