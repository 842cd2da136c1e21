"""Many new files get their names by one rename each, which never replaces a file."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.backends.directory.faults import nothing_changes, put, state_of

from brinery.backend import ABSENT, Conflict
from brinery.backends.directory import sync
from brinery.backends.directory.backend import DirectoryBackend
from brinery.errors import StorageError
from brinery.testing.backend import body

Renameat = Callable[..., int]

pytestmark = pytest.mark.skipif(
    sync.libc_function("renameat2") is None, reason="there is no renameat2 here"
)


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DirectoryBackend:
    """A directory with four records, for which three are many."""
    monkeypatch.setattr(sync, "MANY", 3)
    backend = DirectoryBackend(tmp_path, durability="process")
    backend.commit(put(number) for number in range(1, 5))
    return backend


def replace_rename(patch: pytest.MonkeyPatch, make: Callable[[Renameat], Renameat]) -> list[str]:
    """Replace renameat2 by what `make` makes of it; return a list of the names that it is called for."""
    real, called = sync.libc_function, []

    def function(name: str) -> Any:
        found = real(name)
        if name != "renameat2":
            return found
        made = make(found)

        def noting(from_: int, old: bytes, to: int, new: bytes, flags: int) -> int:
            called.append(new.decode())
            return made(from_, old, to, new, flags)

        return noting

    patch.setattr(sync, "libc_function", function)
    return called


NEW = [put(number, expect=ABSENT) for number in (6, 7, 8, 9)]


@pytest.mark.parametrize("layout", ["flat", "sharded"])
def test_no_link_is_made_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Any
) -> None:
    """The new names appear in the reverse order of their puts, beside changes and deletions."""
    monkeypatch.setattr(sync, "MANY", 3)
    backend = DirectoryBackend(tmp_path, layout=layout, durability="process")
    backend.commit(put(number) for number in range(1, 5))
    called = replace_rename(monkeypatch, lambda real: real)
    links: list[Any] = []
    monkeypatch.setattr(os, "link", lambda source, target: links.append(target))
    backend.commit(NEW)
    assert [name.rpartition("/")[2] for name in called] == ["Task.9", "Task.8", "Task.7", "Task.6"]
    assert not links
    monkeypatch.undo()
    backend.commit([*NEW[:1], put(1, body("new"))], ["Task.2"])
    assert sorted(backend.list()) == ["Task.1", *(f"Task.{n}" for n in (3, 4, 6, 7, 8, 9))]
    assert os.listdir(tmp_path / ".brinery" / "staging") == []


@pytest.mark.parametrize("turn", range(4))
def test_where_a_rename_is_refused_links_are_made(
    backend: DirectoryBackend, monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    """As on NFS, which answers EINVAL; from the first refusal on."""

    def make(real: Renameat) -> Renameat:
        left = [turn]

        def rename(*args: Any) -> int:
            left[0] -= 1
            ctypes.set_errno(errno.EINVAL)
            return real(*args) if left[0] >= 0 else -1

        return rename

    called = replace_rename(monkeypatch, make)
    backend.commit([*NEW, put(1, body("new"))], ["Task.2"])
    assert len(called) == turn + 1
    root = Path(backend.location)
    expected = {f"Task.{number}": body(number) for number in (3, 4, 6, 7, 8, 9)}
    assert state_of(root) == {**expected, "Task.1": body("new")}


@pytest.mark.parametrize("late", [False, True], ids=["instead", "afterwards"])
@pytest.mark.parametrize("turn", range(4))
def test_an_interrupt_between_renames_is_undone(
    backend: DirectoryBackend, monkeypatch: pytest.MonkeyPatch, turn: int, late: bool
) -> None:
    """The files that have their names lose them again."""

    def make(real: Renameat) -> Renameat:
        left = [turn]

        def rename(*args: Any) -> int:
            left[0] -= 1
            if left[0] >= 0:
                return real(*args)
            if late:
                real(*args)
            raise KeyboardInterrupt

        return rename

    with nothing_changes(Path(backend.location)), monkeypatch.context() as patch:
        replace_rename(patch, make)
        with pytest.raises(KeyboardInterrupt):
            backend.commit([*NEW, put(1, body("new"))], ["Task.2"])
    backend.commit([*NEW, put(1, body("new"))], ["Task.2"])


def test_a_name_that_appears_despite_the_lock_is_a_conflict(
    backend: DirectoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not replaced, and the rest of the commit is undone."""

    def make(real: Renameat) -> Renameat:
        def rename(from_: int, old: bytes, to: int, new: bytes, flags: int) -> int:
            if new == b"Task.7":
                Path(backend.location, "Task.7").write_bytes(body("theirs"))
            return real(from_, old, to, new, flags)

        return rename

    root = Path(backend.location)
    before = state_of(root)
    replace_rename(monkeypatch, make)
    with pytest.raises(Conflict) as caught:
        backend.commit([*NEW, put(1, body("new"))])
    assert caught.value.names == ("Task.7",)
    assert state_of(root) == {**before, "Task.7": body("theirs")}


def test_what_a_killed_writer_has_renamed_is_finished(
    backend: DirectoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the next writer, which finds some files under their names and others staged."""

    def make(real: Renameat) -> Renameat:
        def rename(from_: int, old: bytes, to: int, new: bytes, flags: int) -> int:
            if new == b"Task.7":
                os._exit(9)
            return real(from_, old, to, new, flags)

        return rename

    child = os.fork()
    if child == 0:
        replace_rename(monkeypatch, make)
        backend.commit([*NEW, put(1, body("new"))], ["Task.2"])
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    root = Path(backend.location)
    assert {"Task.8", "Task.9"} <= set(os.listdir(root))
    assert not {"Task.6", "Task.7"} & set(os.listdir(root))
    DirectoryBackend(root, durability="process").put("Task.5", body(5))
    expected = {f"Task.{number}": body(number) for number in (3, 4, 5, 6, 7, 8, 9)}
    assert state_of(root) == {**expected, "Task.1": body("new")}


def test_a_failure_is_told(backend: DirectoryBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """The links that are tried after a rename that failed say why."""
    replace_rename(monkeypatch, lambda real: lambda *_: -1)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with nothing_changes(Path(backend.location)), monkeypatch.context() as patch:
        patch.setattr(os, "link", fail)
        with pytest.raises(StorageError, match="device reports"):
            backend.commit(NEW)
