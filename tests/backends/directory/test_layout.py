"""The paths of names in both layouts, and which files are records."""

from __future__ import annotations

import os
import socket
import stat
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.backends.directory.directories import both, files_of

from brinery import FilesystemStore
from brinery.backend import ABSENT, Conflict, Missing, Put
from brinery.backends.directory import layout
from brinery.backends.directory.layout import shard_of
from brinery.backends.directory.listing import is_named_like_record
from brinery.errors import ForeignRecordError, StorageError
from brinery.ids import UuidFactory, id_of
from brinery.record.format import MAGIC
from brinery.testing.backend import body


def test_each_layout_reads_what_the_other_wrote(tmp_path: Path) -> None:
    """A directory may hold both; a replaced record stays where it is, and a name exists once."""
    flat, sharded = both(tmp_path)
    flat.put("Task.1", body(1))
    sharded.put("Task.2", body(2))
    for backend in (flat, sharded):
        assert backend.get("Task.1")[0] == body(1)
        assert backend.get("Task.2")[0] == body(2)
        assert backend.get_tail("Task.2", 8)[0] == MAGIC
        assert sorted(backend.list()) == ["Task.1", "Task.2"]
        for name in ("Task.1", "Task.2"):
            with pytest.raises(Conflict):
                backend.put(name, body(3), ABSENT)
    before = files_of(tmp_path)
    sharded.put("Task.1", body("new"), flat.get("Task.1")[1])
    flat.put("Task.2", body("new"))
    assert files_of(tmp_path) == before
    flat.commit((), ["Task.1", "Task.2"])
    assert files_of(tmp_path) == set()


def test_a_name_in_both_places_is_one_name(tmp_path: Path) -> None:
    """A copy made by hand is listed once, read from the layout in use, and deleted with it."""
    flat, sharded = both(tmp_path)
    sharded.put("Task.1", body(1))
    (tmp_path / "Task.1").write_bytes(body("copy"))
    assert list(flat.list()) == list(sharded.list()) == ["Task.1"]
    assert flat.get("Task.1")[0] == body("copy")
    assert sharded.get("Task.1")[0] == body(1)
    flat.delete("Task.1")
    assert files_of(tmp_path) == set()


def in_shard(shard: str) -> str:
    """Return a name that belongs to a shard."""
    return next(name for name in map("Task.{}".format, range(9_999)) if shard_of(name) == shard)


@pytest.mark.parametrize("name", ["ab", "AB", "00"])
def test_a_name_that_looks_like_a_shard_is_never_in_its_way(tmp_path: Path, name: str) -> None:
    """Such a name is in a shard in both layouts, so that the directory can have every shard."""
    flat, sharded = both(tmp_path)
    flat.put(name, body(1))
    neighbour = in_shard(name.lower())
    sharded.put(neighbour, body(2))
    assert flat.get(name)[0] == sharded.get(name)[0] == body(1)
    assert sorted(flat.list()) == sorted([name, neighbour])


def test_a_stray_file_in_the_place_of_a_shard_hides_nothing(tmp_path: Path) -> None:
    """The flat layout does not mind it; the sharded one reports it when it needs the place."""
    flat, sharded = both(tmp_path)
    (tmp_path / "ab").write_bytes(b"")
    name = in_shard("ab")
    for backend in (flat, sharded):
        with pytest.raises(Missing):
            backend.get(name)
        backend.delete(name)
    with pytest.raises(StorageError, match="is a file"):
        sharded.put(name, body(1), ABSENT)
    flat.put(name, body(1), ABSENT)
    assert sharded.get(name)[0] == body(1)
    assert list(sharded.list()) == [name]


# -- other files


STRAYS = ("notes.txt", "README", "Task.1~", ".Task.1.swp", "50%", "Makefile", "a.tar.gz", "ab")


def test_a_stray_file_with_the_name_of_a_shard_is_not_listed(tmp_path: Path) -> None:
    """An object of that name is in its shard, so that it could not be loaded."""
    store = FilesystemStore(tmp_path)
    store.save([1], "x1")
    for name in ("d4", "E9", "f0"):
        (tmp_path / name).write_bytes(b"stray")
    assert (store.list(), len(store), [*store.items()]) == (["x1"], 1, [("x1", [1])])
    store.save([2], "d5")
    assert store.list() == ["d5", "x1"]


def test_stray_files_are_not_listed(tmp_path: Path) -> None:
    """Files of other programs are not objects, whatever they contain."""
    flat, sharded = both(tmp_path)
    sharded.put("Task.1", body(1))
    for index, stray in enumerate(STRAYS):
        (tmp_path / stray).write_bytes(b"text\n" * (index + 1))
    (tmp_path / "some-directory").mkdir()
    (tmp_path / "ef").mkdir()
    (tmp_path / "ef" / "Task.1").write_bytes(body("of another shard"))
    for backend in (flat, sharded):
        assert list(backend.list()) == ["Task.1"]
        with pytest.raises(Missing):
            backend.get("Unknown.1")


def test_records_are_listed_by_their_form_or_their_end(tmp_path: Path) -> None:
    """Numbered names and UUIDs are listed also when damaged, other names if their data is a record's."""
    generated = ["Task.12", "Größe.3", "_x.0", str(uuid.uuid4()), UuidFactory("job").new(None)]
    for name in generated:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "my favourite").write_bytes(body(1))
    (tmp_path / "my other").write_bytes(body(2)[:-1])
    backend, _ = both(tmp_path)
    assert sorted(backend.list()) == sorted([*generated, "my favourite"])


def test_a_name_that_ends_in_a_number_is_listed_and_looked_at_before_all_are_removed(
    tmp_path: Path,
) -> None:
    """Without an extension, it is seldom that of another file; but no listing is worth one of these."""
    names = ["run_17", "run-0", "my-run.3", "run1", "run_18"]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(body(number))
    (tmp_path / "run_18").write_bytes(b"notes")
    (tmp_path / "run_17.txt").write_bytes(b"notes")
    backend, _ = both(tmp_path)
    assert sorted(backend.list()) == sorted(names)
    assert all(map(backend.has, names))
    assert list(backend.doubtful()) == ["run_18"]
    with FilesystemStore(tmp_path, trust="anyone") as store:
        with pytest.raises(ForeignRecordError, match="run_18"):
            store.clear()
        assert store.list(prefix="run") == ["run-0", "run1", "run_17", "run_18"]


def test_a_verified_record_is_not_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second listing opens no file that the first one has seen, unless it was replaced."""
    backend, _ = both(tmp_path)
    backend.commit([Put("one", (body(1),)), Put("two", (body(2),))])
    assert sorted(backend.list()) == ["one", "two"]
    opened: list[str] = []
    real = os.open

    def observed(path: str, *more: Any) -> int:
        opened.append(path)
        return real(path, *more)

    monkeypatch.setattr(os, "open", observed)
    assert sorted(backend.list()) == ["one", "two"]
    assert opened == []
    monkeypatch.undo()
    os.replace(tmp_path / "one", tmp_path / "moved")
    (tmp_path / "one").write_bytes(b"not a record")
    assert sorted(backend.list()) == ["moved", "two"]


def make_socket(path: Path) -> None:
    """Bind a socket; by its bare name, for their paths are short."""
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


def make_link(path: Path) -> None:
    """Make a symbolic link to a record."""
    (path.parent / "Target.1").write_bytes(body("target"))
    path.symlink_to("Target.1")


def make_device(path: Path) -> None:
    """Make another /dev/zero."""
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))


ODD_FILES: dict[str, Callable[[Path], Any]] = {
    "a directory": Path.mkdir,
    "a symbolic link": make_link,
    "a FIFO": os.mkfifo,
    "a socket": make_socket,
    "a character device": make_device,
}


@pytest.mark.parametrize("kind", ODD_FILES)
def test_what_is_no_regular_file_is_refused_and_stays(tmp_path: Path, kind: str) -> None:
    """Reading, replacing and removing name the kind of file, do not hang, and change nothing."""
    try:
        ODD_FILES[kind](tmp_path / "Task.1")
    except PermissionError:
        pytest.skip(f"this user may not make {kind}")
    flat, sharded = both(tmp_path)
    before = files_of(tmp_path)
    calls: list[Callable[[], object]] = []
    for backend in (flat, sharded):
        calls += [
            partial(backend.get, "Task.1"),
            partial(backend.get_tail, "Task.1", 8),
            partial(backend.put, "Task.1", body(1)),
            partial(backend.put, "Task.1", body(1), ABSENT),
            partial(backend.put, "Task.1", body(1), (64, b"")),
            partial(backend.delete, "Task.1"),
            partial(backend.commit, [Put("Task.2", (b"",)), Put("Task.1", (b"",))]),
        ]
    for call in calls:
        with pytest.raises(StorageError, match=kind) as caught:
            call()
        assert caught.value.id == "Task.1"
        assert caught.value.path == str(tmp_path / "Task.1")
    assert files_of(tmp_path) == before
    assert "Task.1" not in set(flat.list())


COMMON_OR_NOT = (
    *(
        "Task.1",
        "con.1",
        "Con.12",
        "nul.3",
        "com1.1",
        "lpt9.0",
        "conin.1",
        "aux1.1",
        "aux.1x",
        "Task.",
        "a.1",
    ),
    *(
        "_x.0",
        "Task.01",
        "Größe.3",
        "prn-a.1",
        "x" * 120 + ".1",
        "Task." + "1" * 120,
        "ab.cd",
        "a.1.2",
        ".a.1",
    ),
    *(
        "job-01890a5d-ac96-774b-bcce-b302099a8057",
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "1.2",
        "a-b.3",
    ),
)


def test_the_quick_look_at_a_name_agrees_with_the_careful_one(tmp_path: Path) -> None:
    """A name that is listed for its form alone is one that `name_of` makes, in a form of generated IDs."""
    backend, _ = both(tmp_path)
    for name in COMMON_OR_NOT:
        (tmp_path / name).write_bytes(b"text")
    expected = [name for name in COMMON_OR_NOT if id_of(name) and is_named_like_record(name)]
    assert sorted(backend.list()) == sorted(expected)
    assert {"Task.1", "a.1", "aux1.1", "Größe.3"} <= set(expected)
    assert {"con.1", "nul.3", "Task.", "a.1.2"}.isdisjoint(expected)


@pytest.mark.parametrize("effective", [True, False])
def test_a_record_is_found_with_the_rights_that_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, effective: bool
) -> None:
    """A program may act as another user than the one who started it; access(2) asks for that one."""
    flat, sharded = both(tmp_path)
    sharded.put("Task.1", body(1))
    asked = []
    real = os.access

    def observed(path: str, mode: int, *, effective_ids: bool = False) -> bool:
        asked.append(effective_ids)
        return real(path, mode)

    monkeypatch.setattr(os, "access", observed)
    if not effective:  # as on a system that cannot ask so
        monkeypatch.setattr(layout, "_AS_USED", {})
    assert flat.get("Task.1")[0] == body(1)
    assert asked
    assert set(asked) == {effective}
