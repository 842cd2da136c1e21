"""The directory store as users open it: arguments, URLs, settings, files."""

from __future__ import annotations

import gc
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from brinery import (
    BrineryError,
    ClosedError,
    CorruptRecordError,
    DanglingReferenceError,
    FilesystemStore,
    ForeignRecordError,
    Id,
    IdFactory,
    InvalidArgumentError,
    JobIdFactory,
    MemoryStore,
    MisplacedRecordError,
    NotFoundError,
    Persistable,
    ProtocolError,
    Quarantine,
    RecordVersionError,
    SettingsError,
    StorageError,
    TruncatedRecordError,
    UnknownCodecError,
    UnknownSchemeError,
    Url,
    UrlError,
    UuidFactory,
    fsck,
    make_codec,
    make_filesystemstore,
    make_store,
    register,
)
from brinery.cli import main
from brinery.record.format import FORMAT_VERSION


class Task(Persistable):
    """A named thing with links."""

    def __init__(self, name: str, *links: Any) -> None:
        self.name = name
        self.links = list(links)


def run(code: str, *arguments: str, **environment: str) -> str:
    """Run Python code in a fresh process; return what it prints."""
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


class TestFiles:
    """Objects are files."""

    def test_the_file_name_is_the_id(self, tmp_path: Path) -> None:
        """A saved object and what it refers to are files named by their IDs."""
        store = FilesystemStore(tmp_path / "jobs")
        last = store.save(Task("plot", Task("fetch")))
        assert last == "Task.1"
        assert sorted(p.name for p in (tmp_path / "jobs").iterdir()) == [
            ".brinery",
            "Task.1",
            "Task.2",
        ]

    def test_opening_a_store_makes_nothing(self, tmp_path: Path) -> None:
        """The directory appears with the first save."""
        store = FilesystemStore(tmp_path / "new")
        assert store.list() == []
        assert len(store) == 0
        assert "x" not in store
        assert not (tmp_path / "new").exists()
        store.save([1])
        assert (tmp_path / "new" / "list.1").is_file()

    def test_sharded_files_are_in_sub_directories(self, tmp_path: Path) -> None:
        """With layout="sharded" there are at most 256 directories with two hex digits."""
        store = FilesystemStore(tmp_path, layout="sharded", durability="process")
        ids = store.save_many([[n] for n in range(300)])
        shards = [p for p in tmp_path.iterdir() if not p.name.startswith(".")]
        assert 100 < len(shards) <= 256
        assert all(len(p.name) == 2 and int(p.name, 16) >= 0 for p in shards)
        assert store.list() == ids

    def test_both_layouts_are_read_in_one_directory(self, tmp_path: Path) -> None:
        """Records written with another layout are found, listed, replaced and removed."""
        flat = FilesystemStore(tmp_path, layout="flat")
        first = flat.save(Task("first"))
        sharded = FilesystemStore(tmp_path, layout="sharded")
        second = sharded.save(Task("second", sharded.load(first)))
        sharded.replace(first, Task("first anew"))
        assert FilesystemStore(tmp_path).load(second).links[0].name == "first anew"
        assert flat.list() == [first, second]
        flat.remove(second)
        assert sharded.list() == [first]

    @pytest.mark.parametrize(
        "name",
        [
            "../evil",
            "/etc/passwd",
            ".hidden",
            "",
            "a/b",
            "a\\b",
            "nul",
            "x" * 1000,
            "\0",
            "é",
            "e\u0301",
        ],
    )
    def test_any_string_can_be_an_id(self, tmp_path: Path, name: str) -> None:
        """Odd IDs are escaped, listed as given, and stay inside the directory."""
        directory = tmp_path / "store"
        store = FilesystemStore(directory)
        store[name] = {"name": name}
        assert store.list() == [name]
        assert name in store
        store.invalidate_cache()
        assert store[name] == {"name": name}
        assert store.info(name).id == name
        assert [p.name for p in tmp_path.iterdir()] == ["store"]
        del store[name]
        assert store.list() == []

    def test_stray_files_are_not_objects(self, tmp_path: Path) -> None:
        """Other files in the directory are not listed, and loading one is a clear error."""
        store = FilesystemStore(tmp_path)
        store.save([1])
        (tmp_path / "README.txt").write_text("notes")
        (tmp_path / ".DS_Store").write_bytes(b"x")
        (tmp_path / "Task.1~").write_bytes(b"x")
        (tmp_path / "folder").mkdir()
        os.symlink(tmp_path / "list.1", tmp_path / "link.7")
        os.mkfifo(tmp_path / "pipe.8")
        assert store.list() == ["list.1"]
        assert "README.txt" not in store
        with pytest.raises(ForeignRecordError, match=r"README\.txt"):
            store.load("README.txt")
        for name in ("folder", "link.7", "pipe.8"):
            with pytest.raises(StorageError) as caught:
                store.load(name)
            assert not isinstance(caught.value, NotFoundError)


class TestDamage:
    """Damaged files are found before anything is decoded."""

    @pytest.mark.parametrize(
        ("damage", "kind"),
        [
            (lambda data: b"", TruncatedRecordError),
            (lambda data: data[:-1], TruncatedRecordError),
            (lambda data: data[: len(data) // 2], TruncatedRecordError),
            (lambda data: data + b"x", CorruptRecordError),
            (lambda data: data[:5] + bytes([data[5] ^ 1]) + data[6:], CorruptRecordError),
            (lambda data: data[:-100] + bytes(100), TruncatedRecordError),
            (lambda data: data[:-3] + bytes(3), TruncatedRecordError),
            (lambda data: pickle.dumps("bare"), ForeignRecordError),
        ],
        ids=[
            "empty",
            "one byte less",
            "half",
            "one byte more",
            "bit",
            "zeroed tail",
            "zeroed end of the tail",
            "bare pickle",
        ],
    )
    def test_damage_is_an_error_that_names_id_and_file(
        self, tmp_path: Path, damage: Callable[[bytes], bytes], kind: type[BrineryError]
    ) -> None:
        """Each kind of damage has a clear error; the object is still listed."""
        store = FilesystemStore(tmp_path)
        id_ = store.save(Task("x"))
        file = tmp_path / id_
        file.write_bytes(damage(file.read_bytes()))
        store.invalidate_cache()
        with pytest.raises(kind) as caught:
            store.load(id_)
        assert caught.value.id == id_
        assert caught.value.path == str(file)
        assert str(file) in str(caught.value)
        assert store.list() == [id_]

    def test_a_record_under_another_name_is_found_out(self, tmp_path: Path) -> None:
        """Renaming or copying a file does not make it another object."""
        store = FilesystemStore(tmp_path)
        one, two = store.save(Task("one")), store.save(Task("two"))
        os.replace(tmp_path / one, tmp_path / two)
        store.invalidate_cache()
        with pytest.raises(MisplacedRecordError, match=one) as caught:
            store.load(two)
        assert caught.value.found == one

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (os.mkdir, "a directory"),
            (os.mkfifo, "a FIFO"),
            (lambda path: os.symlink("/etc/hostname", path), "a symbolic link"),
            (lambda path: os.symlink("nowhere", path), "a symbolic link"),
        ],
        ids=["directory", "FIFO", "link", "broken link"],
    )
    def test_what_cannot_be_read_is_never_absence(
        self, tmp_path: Path, make: Callable[[Path], Any], words: str
    ) -> None:
        """Each call raises StorageError, and none returns a default instead."""
        store = FilesystemStore(tmp_path)
        store.save([1])
        make(tmp_path / "Task.7")
        calls: list[Callable[[], Any]] = [
            lambda: store.load("Task.7"),
            lambda: store["Task.7"],
            lambda: store.get("Task.7", "default"),
            lambda: store.info("Task.7"),
            lambda: "Task.7" in store,
            lambda: store.pop("Task.7", "default"),
            lambda: store.setdefault("Task.7", "default"),
        ]
        for call in calls:
            with pytest.raises(StorageError, match=words) as caught:
                call()
            assert caught.value.id == "Task.7"
            assert caught.value.path == str(tmp_path / "Task.7")
            assert not isinstance(caught.value, KeyError)

    def test_what_may_not_be_read_is_never_absence(self) -> None:
        """A file without permission raises an error of its own, also through `get`."""
        code = """
import os, sys
from brinery import FilesystemStore, NotFoundError, StorageError
store = FilesystemStore(sys.argv[1])
first, second = store.save_many([[1], [2]])
store.invalidate_cache()
assert store.get(first, "default") == [1]
os.chmod(os.path.join(sys.argv[1], second), 0)
os.chmod(sys.argv[1], 0o755)
if os.geteuid() == 0:
    os.setuid(65534)  # root may read everything
for call in (lambda: store.get(second, "default"), lambda: store.load(second), lambda: store.info(second)):
    try:
        raise SystemExit(f"no error: {call()!r}")
    except StorageError as error:
        assert not isinstance(error, NotFoundError)
        assert error.id == second and "check the permissions" in str(error), error
"""
        # Not below tmp_path, which only the user who runs the tests may enter.
        with tempfile.TemporaryDirectory(prefix="brinery-test-") as directory:
            command = [sys.executable, "-c", code, directory]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def test_too_many_open_files_are_never_absence(self, tmp_path: Path) -> None:
        """In a process that may open no more files: an error of its own, also through `get`."""
        FilesystemStore(tmp_path).save([1])
        code = """
import os, resource, sys
from brinery import FilesystemStore, NotFoundError, StorageError
store = FilesystemStore(sys.argv[1])
assert store.get("list.1", "default") == [1]
assert store.list() == ["list.1"]  # modules are loaded with the first call that needs them
store.invalidate_cache()
resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
for call in (lambda: store.get("list.1", "default"), lambda: store.load("list.1"), store.list):
    try:
        raise SystemExit(f"no error: {call()!r}")
    except StorageError as error:
        assert not isinstance(error, NotFoundError)
        assert "too many open files" in str(error), error
os.close(held.pop())
assert store.get("list.1", "default") == [1]
"""
        command = [sys.executable, "-c", code, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def test_a_newer_format_is_refused_with_both_versions_named(self, tmp_path: Path) -> None:
        """It is not damage, and no default is returned instead."""
        store = FilesystemStore(tmp_path)
        id_ = store.save(Task("x"))
        data = bytearray((tmp_path / id_).read_bytes())
        data[-10:-8] = (FORMAT_VERSION + 1).to_bytes(2, "little")
        (tmp_path / id_).write_bytes(data)
        store.invalidate_cache()
        for call in (lambda: store.get(id_, "default"), lambda: store.info(id_)):
            with pytest.raises(
                RecordVersionError, match=r"version 3; .* reads version 2"
            ) as caught:
                call()
            assert (caught.value.found, caught.value.known) == (3, 2)
            assert caught.value.id == id_

    def test_a_dangling_reference_names_the_referrer(self, tmp_path: Path) -> None:
        """A missing child is not "not found", so that no default takes its place."""
        store = FilesystemStore(tmp_path)
        child = Task("child")
        id_ = store.save(Task("parent", child))
        os.remove(tmp_path / str(child.persistent_id))
        store.close()
        store = FilesystemStore(tmp_path)
        with pytest.raises(DanglingReferenceError) as caught:
            store.get(id_, "default")
        assert caught.value.referrer == id_
        assert not isinstance(caught.value, KeyError)


class TestSettings:
    """A store remembers how it was made."""

    def test_reopening_without_arguments_writes_as_before(self, tmp_path: Path) -> None:
        """Codec, protocol and layout are remembered."""
        FilesystemStore(tmp_path, codec="dill", protocol=3, layout="sharded").save([1])
        store = FilesystemStore(tmp_path)
        assert (store.codec.name, store.codec.protocol, store.layout) == ("dill", 3, "sharded")
        info = store.info(store.save([2]))
        assert (info.codec, info.protocol) == ("dill", 3)

    def test_arguments_win_and_old_records_stay_readable(self, tmp_path: Path) -> None:
        """Arguments apply to one opening; `remember` makes them settings of the store."""
        first = FilesystemStore(tmp_path, codec="cloudpickle", protocol=4).save([1])
        store = FilesystemStore(tmp_path, codec="msgpack")
        second = store.save([2])
        assert store.info(second).codec == "msgpack"
        assert store.load_many([first, second]) == [[1], [2]]
        assert FilesystemStore(tmp_path).codec.name == "cloudpickle"
        store.remember()
        assert FilesystemStore(tmp_path).codec.name == "msgpack"

    def test_a_protocol_alone_changes_the_protocol_alone(self, tmp_path: Path) -> None:
        """The remembered codec keeps its other options."""
        FilesystemStore(tmp_path, codec="dill", recurse=False).save([1])
        codec = FilesystemStore(tmp_path, protocol=2).codec
        assert codec.config() == make_codec("dill", 2, {"recurse": False}).config()

    def test_damaged_settings_are_a_clear_error(self, tmp_path: Path) -> None:
        """They are not silently replaced by defaults."""
        FilesystemStore(tmp_path, codec="dill").save([1])
        (tmp_path / ".brinery" / "settings.json").write_text("{")
        with pytest.raises(SettingsError, match=r"settings\.json"):
            FilesystemStore(tmp_path)

    @pytest.mark.parametrize("protocol", range(6))
    @pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill"])
    def test_the_protocol_asked_for_is_the_one_written(
        self, tmp_path: Path, codec: str, protocol: int
    ) -> None:
        """The payload's first bytes say so, for every codec of the family."""
        store = FilesystemStore(tmp_path, protocol=protocol, codec=codec)
        id_ = store.save(["x", 1])
        start = (tmp_path / id_).read_bytes()[:2]
        assert start == bytes([0x80, protocol]) if protocol >= 2 else start[:1] != b"\x80"
        store.invalidate_cache()
        assert store.load(id_) == ["x", 1]


class TestArguments:
    """Arguments of the constructor and the factories."""

    def test_a_directory_of_the_users_own_is_the_default(self, tmp_path: Path) -> None:
        """Nothing is written outside it."""
        code = "import brinery; s = brinery.FilesystemStore(); s.save([1]); print(s.directory)"
        printed = run(code, XDG_DATA_HOME=str(tmp_path), HOME=str(tmp_path)).strip()
        assert Path(printed).is_relative_to(tmp_path)
        assert (Path(printed) / "list.1").is_file()

    @pytest.mark.parametrize("wrong", ["table_name", "extra_fields", "create", "url", "timeout"])
    def test_arguments_of_other_stores_are_refused(self, tmp_path: Path, wrong: str) -> None:
        """The error lists what a directory takes; `lock_timeout` is called `timeout` in a database."""
        unknown: dict[str, Any] = {wrong: 3}
        expected = (
            f"FilesystemStore .* no argument '{wrong}'.*, layout, lazy, lock_timeout, max_expanded"
        )
        with pytest.raises(InvalidArgumentError, match=expected):
            FilesystemStore(tmp_path, **unknown)
        with pytest.raises(InvalidArgumentError, match=f"no argument '{wrong}'"):
            MemoryStore(**unknown)
        with pytest.raises(InvalidArgumentError, match=f"no argument '{wrong}'"):
            make_store(f"file:{tmp_path}?{wrong}=3")

    def test_options_of_the_codec_are_among_those_that_are_listed(self, tmp_path: Path) -> None:
        """Those of another codec are refused."""
        with pytest.raises(InvalidArgumentError, match="did you mean 'codec'"):
            FilesystemStore(tmp_path, codek="dill")
        with pytest.raises(InvalidArgumentError, match="no argument 'recurse'"):
            FilesystemStore(tmp_path, recurse=True)
        with pytest.raises(InvalidArgumentError, match="protocol, provenance, recurse, renames"):
            FilesystemStore(tmp_path, codec="dill", recurs=True)

    def test_a_subclass_hands_its_arguments_on(self, tmp_path: Path) -> None:
        """The list is that of the store of brinery."""

        class Mine(FilesystemStore):
            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(*args, **options)

        with pytest.raises(InvalidArgumentError, match=r"Mine .*\(did you mean 'lock_timeout'"):
            Mine(tmp_path, lock_time=3)

    @pytest.mark.parametrize(
        ("arguments", "kind"),
        [
            ({"codec": "picle"}, UnknownCodecError),
            ({"codec": 5}, InvalidArgumentError),
            ({"protocol": 6}, ProtocolError),
            ({"protocol": -1}, ProtocolError),
            ({"protocol": "four"}, ProtocolError),
            ({"codec": "msgpack", "protocol": 4}, ProtocolError),
            ({"layout": "round"}, InvalidArgumentError),
            ({"durability": "some"}, InvalidArgumentError),
            ({"codec": "dill", "recurse": "perhaps"}, InvalidArgumentError),
        ],
    )
    def test_bad_arguments_are_clear_errors(
        self, tmp_path: Path, arguments: dict[str, Any], kind: type[BrineryError]
    ) -> None:
        """The error is raised on opening, before anything is written."""
        with pytest.raises(kind):
            FilesystemStore(tmp_path / "s", **arguments)
        assert not (tmp_path / "s").exists()

    def test_urls_carry_options(self, tmp_path: Path) -> None:
        """All options of the issue's example take effect."""
        url = f"file://{tmp_path}/jobs?codec=dill&protocol=4&durability=process&layout=sharded"
        store = make_store(url)
        assert isinstance(store, FilesystemStore)
        assert (store.codec.name, store.codec.protocol) == ("dill", 4)
        assert (store.durability, store.layout) == ("process", "sharded")
        assert store.directory == str(tmp_path / "jobs")
        assert make_store(url, codec="pickle").codec.name == "pickle"

    def test_a_bad_option_in_a_url_is_an_error(self, tmp_path: Path) -> None:
        """A wrong value is refused, and a wrong name."""
        with pytest.raises(UnknownCodecError):
            make_store(f"{tmp_path}?codec=nothing")
        with pytest.raises(InvalidArgumentError, match="no argument 'colour'"):
            make_store(f"{tmp_path}?colour=red")

    def test_options_in_a_url_are_not_lost_on_the_constructor(self, tmp_path: Path) -> None:
        """The constructor takes a place; the error for a URL with options names make_store."""
        with pytest.raises(UrlError, match="make_store"):
            FilesystemStore(f"file://{tmp_path}?codec=dill")

    def test_the_class_name_is_the_one_that_gc3pie_has(self) -> None:
        """As the tests of GC3Pie demand."""
        assert make_filesystemstore(Url("file:///tmp")).__class__.__name__ == "FilesystemStore"

    def test_third_parties_register_a_scheme(self, tmp_path: Path) -> None:
        """The constructor gets the URL and the keyword arguments."""
        register("test+shelf", lambda url, **options: (url.path, options))
        assert make_store("test+shelf:///x", a=1) == ("/x", {"a": 1})

    def test_an_unknown_scheme_names_the_known_ones(self) -> None:
        """And never the password."""
        with pytest.raises(UnknownSchemeError, match="'file'") as caught:
            make_store("gopher://me:secret@host/x")
        assert "secret" not in str(caught.value)

    def test_a_store_knows_its_url(self, tmp_path: Path) -> None:
        """The URL opens the same store, also where the path has odd characters."""
        store = FilesystemStore(tmp_path / "a b?c#d%20")
        id_ = store.save([1])
        assert make_store(store.url).load(id_) == [1]
        assert make_store(str(store.url)).load(id_) == [1]

    def test_a_store_travels_to_another_process(self, tmp_path: Path) -> None:
        """Pickling a store keeps the place and the settings, not the cache."""
        store = FilesystemStore(tmp_path, codec="dill", layout="sharded")
        id_ = store.save([1])
        again = pickle.loads(pickle.dumps(store))
        assert again.load(id_) == [1]
        assert (again.codec, again.layout) == (store.codec, "sharded")


class TestIds:
    """Numbers are unique per store and never used again."""

    def test_numbers_are_not_used_again_after_removal(self, tmp_path: Path) -> None:
        """Also after closing and opening the store."""
        with FilesystemStore(tmp_path) as store:
            assert store.save([1]) == "list.1"
            store.remove("list.1")
        with FilesystemStore(tmp_path) as store:
            assert store.save([2]) == "list.2"

    @pytest.mark.parametrize("counter", [b"9" * 4300, b"9" * 5000, b"-5\n", b"", b"\xff"])
    def test_a_damaged_counter_goes_on_after_the_highest_number(
        self, tmp_path: Path, counter: bytes
    ) -> None:
        """Whatever was written into it."""
        with FilesystemStore(tmp_path) as store:
            store.save_many([[1], [2]])
        (tmp_path / ".brinery" / "next").write_bytes(counter)
        with FilesystemStore(tmp_path) as store:
            assert store.save([3]) == "list.3"

    def test_a_graph_takes_consecutive_numbers_and_the_rest_goes_back(self, tmp_path: Path) -> None:
        """Blocks leave no holes where one process works after another."""
        for start in (1, 102):
            with FilesystemStore(tmp_path, durability="process") as store:
                ids = [store.save([Task(str(n)) for n in range(100)])]
                assert ids == [Id("list", start)]
        assert len(store_ids(tmp_path)) == 202

    @pytest.mark.thorough
    def test_several_processes_never_share_a_number(self, tmp_path: Path) -> None:
        """Eight processes save at once; every object is there in the end."""
        code = (
            "import sys, brinery\n"
            "s = brinery.FilesystemStore(sys.argv[1], durability='process')\n"
            "for n in range(60): s.save([sys.argv[2], n])\n"
        )
        workers = [
            subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(n)]) for n in range(8)
        ]
        assert [worker.wait() for worker in workers] == [0] * 8
        store = FilesystemStore(tmp_path)
        found = {tuple(obj) for obj in store.load_many(store.list())}
        assert found == {(str(worker), n) for worker in range(8) for n in range(60)}

    def test_a_child_process_takes_numbers_of_its_own(self, tmp_path: Path) -> None:
        """Parent and child share no block after a fork."""
        code = (
            "import os, sys, brinery\n"
            "s = brinery.FilesystemStore(sys.argv[1], durability='process')\n"
            "for n in range(5): s.save([n])\n"
            "s.pre_fork(); pid = os.fork(); s.post_fork()\n"
            "for n in range(20): s.save([pid == 0, n])\n"
            "if pid: assert os.waitpid(pid, 0)[1] == 0\n"
        )
        run(code, str(tmp_path))
        assert len(store_ids(tmp_path)) == 45

    def test_a_lost_counter_never_gives_a_number_in_use(self, tmp_path: Path) -> None:
        """It goes on after the highest number among the records."""
        FilesystemStore(tmp_path).save_many([[n] for n in range(5)])
        for damage in (lambda f: os.remove(f), lambda f: Path(f).write_text("rubbish")):
            damage(tmp_path / ".brinery" / "next")
            highest = max(store_ids(tmp_path))
            assert FilesystemStore(tmp_path).save([0]) > highest

    def test_records_brought_in_are_never_overwritten(self, tmp_path: Path) -> None:
        """A number that another record has is skipped, for a whole graph."""
        other = FilesystemStore(tmp_path / "a")
        other.save([Task(str(n)) for n in range(20)])
        store = FilesystemStore(tmp_path / "b")
        store.save([0])
        for file in (tmp_path / "a").glob("Task.*"):
            (tmp_path / "b" / file.name).write_bytes(file.read_bytes())
        before = {f.name: f.read_bytes() for f in (tmp_path / "b").glob("Task.*")}
        store.save([Task("new", Task("newer"))])
        after = {f.name: f.read_bytes() for f in (tmp_path / "b").glob("Task.*")}
        assert len(before) == 20
        assert len(after) == 22
        assert {name: after[name] for name in before} == before

    def test_factories_name_the_objects(self, tmp_path: Path) -> None:
        """Prefix, job numbers and UUIDs."""
        assert FilesystemStore(tmp_path / "1", IdFactory(prefix="x")).save([1]) == "x.1"
        assert FilesystemStore(tmp_path / "2", JobIdFactory()).save([1]) == "job.1"
        numbers = iter(range(100, 200))
        own = IdFactory(next_id_fn=lambda: next(numbers))
        assert FilesystemStore(tmp_path / "3", own).save([1]) == "list.100"
        store = FilesystemStore(tmp_path / "4", UuidFactory())
        ids = [store.save([n]) for n in range(5)]
        assert store.list() == ids
        assert len(ids[0]) == 36

    def test_reserved_numbers_come_from_one_allocation(self, tmp_path: Path) -> None:
        """As `reserve` promises."""
        store = FilesystemStore(tmp_path)
        store.idfactory.reserve(10)
        assert [store.save([n]) for n in range(3)] == ["list.1", "list.2", "list.3"]


def store_ids(directory: Path) -> list[str]:
    """Return the IDs in a directory."""
    return FilesystemStore(directory).list()


class TestLife:
    """Opening and closing."""

    def test_a_closed_store_says_so(self, tmp_path: Path) -> None:
        """Every method raises `ClosedError`; closing twice is fine."""
        with FilesystemStore(tmp_path) as store:
            id_ = store.save([1])
        store.close()
        for call in (lambda: store.load(id_), lambda: store.save([2]), store.list):
            with pytest.raises(ClosedError):
                call()

    def test_a_store_leaves_no_descriptor_open(self, tmp_path: Path) -> None:
        """Neither while open nor after closing."""
        before = os.listdir("/proc/self/fd")
        with FilesystemStore(tmp_path) as store:
            store.save([Task(str(n)) for n in range(50)])
            store.list()
        assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_store_without_references_is_freed(tmp_path: Path) -> None:
    """With all that it cached; its unused numbers are given back."""
    store = FilesystemStore(tmp_path)
    store.save([1])
    gone = weakref.ref(store)
    del store
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("clock", [-5.0, 0.0, 1e12])
def test_a_wrong_clock_writes_records_that_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: float
) -> None:
    """Also when they are moved to the quarantine or removed as garbage, with a correct clock."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: clock)
    with FilesystemStore(tmp_path) as store:
        store.save_many([[1], [2], [3]], ["one", "two", "list.7"])
        (tmp_path / "list.7").write_bytes(b"")
        assert len(fsck(store, repair=True).problems) == 1
        store.save([4], "four")
        assert store.gc(["one"], older_than=0, dry_run=False).records == 3
    monkeypatch.setattr(time, "time", real)
    with FilesystemStore(tmp_path) as store:
        assert store.load("one") == [1]
        assert store.info("one").created.year in (1970, 6325)
        assert fsck(store).is_clean
        assert [entry.name for entry in Quarantine(store).entries()] == ["list.7"]


class TestPaths:
    """A path is taken literally; a URL is decoded."""

    NAMES = ("run#1", "run#2", "a%20b", "a b", "100%", "%23", "#", "é#%C3%A9")

    def test_each_path_is_a_store_of_its_own(self, tmp_path: Path) -> None:
        """As `make_store` and `FilesystemStore` take it, and as the URL of the store is read again."""
        for number, name in enumerate(self.NAMES):
            with make_store(f"{tmp_path}/{name}") as store:
                store["result"] = number
        assert {path.name for path in tmp_path.iterdir()} == {*self.NAMES}
        for number, name in enumerate(self.NAMES):
            for place in (f"{tmp_path}/{name}", tmp_path / name, f"{tmp_path}/{name}?layout=flat"):
                with make_store(place) as store:
                    assert store["result"] == number
                    assert store.directory == f"{tmp_path}/{name}"
                with make_store(str(store.url)) as again:
                    assert again["result"] == number
            assert FilesystemStore(f"{tmp_path}/{name}")["result"] == number
            assert fsck(f"{tmp_path}/{name}").counts == {"ok": 1}
            FilesystemStore(tmp_path / name).backup(f"{tmp_path}/backup/{name}")
            assert FilesystemStore(tmp_path / "backup" / name)["result"] == number

    def test_a_url_is_decoded(self, tmp_path: Path) -> None:
        """Its path is not the one that is written."""
        with make_store(f"file://{tmp_path}/run%231") as store:
            assert store.directory == f"{tmp_path}/run#1"

    def test_a_command_takes_paths_so(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Each command opens the directory that it names."""
        for number, name in enumerate(self.NAMES, 1):
            with FilesystemStore(tmp_path / name) as store:
                store.save_many([[each] for each in range(number)])
        for number, name in enumerate(self.NAMES, 1):
            assert main(["list", f"{tmp_path}/{name}"]) == 0
            shown = capsys.readouterr().out
            assert f"list.{number}" in shown
            assert f"list.{number + 1}" not in shown


class TestGone:
    """A store that is gone is no empty store, and is not made again in silence."""

    CALLS: ClassVar[dict[str, Callable[[FilesystemStore], Any]]] = {
        "load": lambda store: store.load("list.1"),
        "load of another": lambda store: store.load("nothing"),
        "load of several": lambda store: store.load_many(["list.1"]),
        "list": lambda store: store.list(),
        "len": len,
        "in": lambda store: "list.1" in store,
        "iteration": lambda store: [*store],
        "info": lambda store: store.info("list.1"),
        "save": lambda store: store.save([3]),
        "replace": lambda store: store.replace("list.1", [3]),
        "remove": lambda store: store.remove("list.1"),
        "pop": lambda store: store.pop("list.1", None),
        "popitem": lambda store: store.popitem(),
        "setdefault": lambda store: store.setdefault("list.1", [3]),
        "clear": lambda store: store.clear(),
        "check": lambda store: store.check(),
        "gc": lambda store: store.gc(["list.1"], dry_run=False),
        "update": lambda store: store.update({"list.1": [3]}),
    }
    WAYS: ClassVar[dict[str, Callable[[Path], Any]]] = {
        "removed": shutil.rmtree,
        "renamed": lambda path: path.rename(path.with_name("elsewhere")),
        "unmounted": lambda path: (
            path.rename(path.with_name("elsewhere")).parent.joinpath(path.name).mkdir()
        ),
    }

    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("call", CALLS)
    def test_every_call_says_so(self, tmp_path: Path, way: str, call: str) -> None:
        """And leaves the place as it is."""
        path = tmp_path / "jobs"
        with FilesystemStore(path) as store:
            store.save([1])
        for store in (FilesystemStore(path), self._new(path.with_name("new"))):
            path = Path(store.directory)
            self.WAYS[way](path)
            store.invalidate_cache()
            with pytest.raises(StorageError, match="gone") as caught:
                self.CALLS[call](store)
            assert not isinstance(caught.value, NotFoundError)
            assert path.exists() == (way == "unmounted")
            assert not path.exists() or not [*path.iterdir()]
            shutil.rmtree(path.with_name("elsewhere"), ignore_errors=True)

    def _new(self, path: Path) -> FilesystemStore:
        # One that had no settings when it was opened.
        store = FilesystemStore(path)
        store.save([1])
        return store

    def test_one_that_is_put_back_goes_on(self, tmp_path: Path) -> None:
        """As a directory that is mounted again."""
        store = FilesystemStore(tmp_path / "jobs")
        store.save([1])
        store.invalidate_cache()
        (tmp_path / "jobs").rename(tmp_path / "elsewhere")
        with pytest.raises(StorageError):
            store.load("list.1")
        (tmp_path / "elsewhere").rename(tmp_path / "jobs")
        assert store.load("list.1") == [1]
        assert store.save([2]) == "list.2"

    def test_one_that_is_emptied_of_its_objects_is_empty(self, tmp_path: Path) -> None:
        """Its settings are there."""
        store = FilesystemStore(tmp_path)
        store.save([1])
        store.clear()
        assert store.list() == []
        assert len(store) == 0
        with pytest.raises(NotFoundError):
            store.load("list.1")

    def test_a_new_one_may_be_opened_in_the_place(self, tmp_path: Path) -> None:
        """Only the store that was open knows of the other."""
        FilesystemStore(tmp_path / "jobs").save([1])
        shutil.rmtree(tmp_path / "jobs")
        store = FilesystemStore(tmp_path / "jobs")
        assert store.list() == []
        assert store.save([1]) == "list.1"
