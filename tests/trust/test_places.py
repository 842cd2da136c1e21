"""Directories that others can write to, and links that lead out of a store."""

from __future__ import annotations

import os
import pickle
import stat
import time
import zlib
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from tests.trust.things import Plain, Task

import brinery
from brinery import BrineryError, FilesystemStore, StorageError, Trust, TrustError
from brinery.backends.directory.backend import DirectoryBackend
from brinery.backends.permissions import open_to_others

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes and links are those of POSIX")

KEY = b"0123456789abcdef"


@pytest.fixture
def store(tmp_path: Path) -> FilesystemStore:
    """Return a store with one record, in a directory of one's own."""
    store = FilesystemStore(tmp_path / "jobs")
    store.save(Task("a"), "task")
    store.invalidate_cache()
    Path(store.directory).chmod(0o755)
    return store


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill"])
@pytest.mark.parametrize(
    ("mode", "reason"), [(0o777, "everybody"), (0o1777, "everybody"), (0o775, "the group")]
)
class TestOpen:
    """Modes of the directory."""

    def test_pickles_are_refused(
        self, store: FilesystemStore, codec: str, mode: int, reason: str
    ) -> None:
        """With what to do about it; the sticky bit keeps nobody from adding records."""
        store.save(Plain(1), "plain", codec=codec)
        Path(store.directory).chmod(mode)
        if mode == 0o775:
            os.chown(store.directory, -1, _other_group())
        with pytest.raises(TrustError, match=reason) as caught:
            FilesystemStore(store.directory).load("plain")
        for remedy in ("chmod go-w", "trust=Trust(key=…)", 'trust="anyone"'):
            assert remedy in str(caught.value)
        assert caught.value.path == store.directory
        # A policy for classes is no policy for the place.
        with pytest.raises(TrustError):
            FilesystemStore(store.directory, trust=Trust(classes=["tests.*"])).load("plain")

    def test_whoever_says_so_loads_them(
        self, store: FilesystemStore, codec: str, mode: int, reason: str
    ) -> None:
        """Alone, or with other parts of the policy."""
        store.save(Plain(1), "plain", codec=codec)
        Path(store.directory).chmod(mode)
        for trust in ("anyone", Trust(anyone=True, classes=["tests.*"])):
            assert FilesystemStore(store.directory, trust=trust).load("plain").value == 1

    def test_sealed_pickles_are_loaded(
        self, store: FilesystemStore, codec: str, mode: int, reason: str
    ) -> None:
        """Others cannot have written them."""
        sealed = FilesystemStore(store.directory + "2", codec=codec, trust=Trust(key=KEY))
        sealed.save(Plain(1), "plain")
        Path(sealed.directory).chmod(mode)
        again = FilesystemStore(sealed.directory, trust=Trust(key=KEY))
        assert again.load("plain").value == 1


@pytest.mark.parametrize("codec", ["msgpack", "json"])
def test_codecs_that_run_no_code_are_loaded_from_anywhere(
    store: FilesystemStore, codec: str
) -> None:
    """Whoever wrote them."""
    store.save([1], "list", codec=codec)
    Path(store.directory).chmod(0o777)
    assert FilesystemStore(store.directory).load("list") == [1]


def test_what_decodes_nothing_works_anywhere(store: FilesystemStore) -> None:
    """`list`, `info`, `needs`, and saving."""
    Path(store.directory).chmod(0o777)
    again = FilesystemStore(store.directory)
    assert again.list() == ["task"]
    assert again.info("task").codec == "pickle"
    assert again.needs("task")
    again.save(Plain(1), "plain")


def test_modes_are_looked_at_once_a_second(
    store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may have changed since the last load; those that others can write to are looked at by each."""
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    store.load("task")
    store.invalidate_cache()
    Path(store.directory).chmod(0o777)
    now += 0.9
    assert store.load("task").name == "a"
    store.invalidate_cache()
    now += 0.1
    for _ in range(2):
        with pytest.raises(TrustError):
            store.load("task")
    Path(store.directory).chmod(0o755)
    assert store.load("task").name == "a"


def test_a_load_looks_at_no_modes_within_the_second(
    store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look would take a quarter of its time."""
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    store.save_many([Plain(1), Plain(2)], ["one", "two"])
    store.invalidate_cache()
    store.load("one")
    asked: list[Any] = []
    monkeypatch.setattr(os, "stat", asked.append)
    store.load("two")
    assert asked == []


@pytest.mark.parametrize("layout", ["flat", "sharded"])
def test_a_shard_that_others_can_write_to_counts(tmp_path: Path, layout: str) -> None:
    """In either layout: both are read."""
    store = FilesystemStore(tmp_path / "jobs", layout=layout)
    store.save(Plain(1), "plain")
    shard = tmp_path / "jobs" / "5a"
    shard.mkdir(exist_ok=True)
    shard.chmod(0o777)
    with pytest.raises(TrustError, match=r"everybody can write to .*5a"):
        FilesystemStore(store.directory).load("plain")


@pytest.mark.parametrize("inside", [".brinery", ".brinery/staging"])
def test_housekeeping_that_others_can_write_to_counts(store: FilesystemStore, inside: str) -> None:
    """A journal there gives files the names of records."""
    Path(store.directory, inside).chmod(0o777)
    with pytest.raises(TrustError, match=f"everybody can write to .*{inside}"):
        FilesystemStore(store.directory).load("task")


def test_a_link_to_a_database_is_followed_by_the_check(tmp_path: Path) -> None:
    """As SQLite does, whose log is where the link leads."""
    (tmp_path / "open").mkdir()
    (tmp_path / "own").mkdir(mode=0o700)
    (tmp_path / "own" / "link.db").symlink_to(tmp_path / "open" / "jobs.db")
    with brinery.make_store(f"sqlite:///{tmp_path}/own/link.db") as store:
        store.save(Plain(1), "plain")
        (tmp_path / "open").chmod(0o777)
        with pytest.raises(TrustError, match=r"everybody can write to .*open"):
            brinery.make_store(f"sqlite:///{tmp_path}/own/link.db").load("plain")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root changes users")
class TestGroup:
    """Stores that a group shares: `daemon` (1) has made one, and `nobody` (65534) uses it."""

    @pytest.fixture
    def shared(self, tmp_path: Path) -> Path:
        """Return a directory of the group 1, with a record of the user 1."""
        for parent in (tmp_path, *tmp_path.parents):
            if parent.stat().st_uid == 0 and str(parent).startswith("/tmp/"):
                parent.chmod(0o755)
        root = tmp_path / "shared"
        root.mkdir()
        os.chown(root, 1, 1)
        root.chmod(0o2770)
        assert _as_user(1, [1], lambda: self._save(root)) == ""
        return root

    @staticmethod
    def _save(root: Path) -> None:
        FilesystemStore(root, shared="group", layout="sharded").save(Plain(1), "plain")

    @staticmethod
    def _load(root: Path, **options: Any) -> None:
        assert FilesystemStore(root, **options).load("plain").value == 1

    def test_who_opens_it_as_one_trusts_the_group(self, shared: Path) -> None:
        """Whoever of it has made the directories; a store that is sent elsewhere is opened as it was."""

        def use() -> None:
            self._load(shared, shared="group")
            store = FilesystemStore(shared, shared="group")
            store.save(Plain(2), "mine")
            self._load_pickled(store)

        assert _as_user(65534, [1], use) == ""
        assert _as_user(1, [1], lambda: self._load(shared, shared="group")) == ""

    @staticmethod
    def _load_pickled(store: FilesystemStore) -> None:
        assert pickle.loads(pickle.dumps(store)).load("mine").value == 2

    def test_neither_the_store_nor_a_url_says_so(self, shared: Path) -> None:
        """The error says how to; what the store remembers decides about modes alone."""

        def pickled() -> None:
            store = brinery.make_store(f"file://{shared}?shared=group")
            pickle.loads(pickle.dumps(store)).load("plain")

        def by_url() -> None:
            brinery.make_store(f"file://{shared}?shared=group").load("plain")

        for use in (lambda: self._load(shared), by_url, pickled):
            said = _as_user(65534, [1], use)
            assert said.startswith("TrustError")
            assert "belongs to the user 1" in said
            assert 'give shared="group" as an argument' in said

    @pytest.mark.parametrize("inside", ["", ".brinery", "5a"])
    @pytest.mark.parametrize(
        ("owner", "group", "mode", "reason"),
        [
            (1, 1, 0o777, "everybody"),
            (65534, 2, 0o770, "the group 2"),
            (2, 2, 0o777, ""),
        ],
    )
    def test_all_others_are_refused(
        self, shared: Path, inside: str, owner: int, group: int, mode: int, reason: str
    ) -> None:
        """Everybody, and another group, in the directory and in it."""
        place = shared / inside
        place.mkdir(exist_ok=True)
        os.chown(place, owner, group)
        place.chmod(mode)
        said = _as_user(65534, [1, 65534], lambda: self._load(shared, shared="group"))
        assert said.startswith("TrustError")
        assert reason in said

    @pytest.mark.parametrize("owner", [2, 54321])
    def test_the_owner_has_to_be_in_the_group(self, shared: Path, owner: int) -> None:
        """He can change the mode at any time; whoever owns what is inside could make it there."""
        os.chown(shared / ".brinery", owner, -1)
        assert _as_user(65534, [1], lambda: self._load(shared, shared="group")) == ""
        os.chown(shared, owner, -1)
        said = _as_user(65534, [1], lambda: self._load(shared, shared="group"))
        assert f"belongs to the user {owner}" in said

    def test_who_is_not_in_the_group_trusts_nobody(self, shared: Path) -> None:
        """Whatever is asked for."""
        for path in [shared, *shared.rglob("*")]:
            path.chmod(0o775 if path.is_dir() else 0o664)
        said = _as_user(65534, [], lambda: self._load(shared, shared="group"))
        assert "belongs to the user 1" in said


def _as_user(user: int, groups: list[int], use: Callable[[], object]) -> str:
    # What `use` raises in a process of another user, an empty string for nothing.
    import grp  # noqa: F401 - another user may not be able to

    read, write = os.pipe()
    child = os.fork()
    if not child:
        said = ""
        try:
            os.setgroups(groups)
            os.setgid(groups[0] if groups else user)
            os.setuid(user)
            use()
        except BaseException as error:  # noqa: BLE001 - the parent is told
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode()[:4000])
        os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
def test_a_directory_of_somebody_else_is_refused(store: FilesystemStore) -> None:
    """Whoever owns it can change its mode at any time."""
    os.chown(store.directory, 12345, -1)
    with pytest.raises(TrustError, match="12345"):
        FilesystemStore(store.directory).load("task")


def test_a_link_to_the_directory_is_followed_by_the_check(
    store: FilesystemStore, tmp_path: Path
) -> None:
    """What counts is where it leads."""
    (tmp_path / "link").symlink_to(store.directory)
    assert FilesystemStore(tmp_path / "link").load("task").name == "a"
    Path(store.directory).chmod(0o777)
    with pytest.raises(TrustError, match="everybody"):
        FilesystemStore(tmp_path / "link").load("task")


def test_what_is_not_there_is_open_to_nobody(tmp_path: Path) -> None:
    """There is nothing to load."""
    assert open_to_others(str(tmp_path / "nothing")) is None


class TestLinks:
    """Links that somebody has planted in a store."""

    @pytest.fixture
    def outside(self, tmp_path: Path) -> Path:
        """Return a directory outside of the store, with one file."""
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "file").write_text("mine")
        return outside

    def test_one_in_the_place_of_a_record_is_not_followed(
        self, store: FilesystemStore, outside: Path
    ) -> None:
        """Neither for reading nor for writing."""
        task = Path(store.directory, "task")
        task.rename(outside / "record")
        task.symlink_to(outside / "record")
        before = (outside / "record").read_bytes()
        for use in (lambda: store.load("task"), lambda: store.replace("task", [1])):
            with pytest.raises(StorageError, match="symbolic link"):
                use()
        assert (outside / "record").read_bytes() == before
        assert "task" not in store.list()

    @pytest.mark.thorough
    @pytest.mark.parametrize("layout", ["flat", "sharded"])
    def test_one_in_the_place_of_a_shard_is_not_followed(
        self, tmp_path: Path, outside: Path, layout: str
    ) -> None:
        """Nothing is read, written or removed behind it."""
        store = FilesystemStore(tmp_path / "jobs", layout=layout)
        store.save([1], "first")
        names = [f"{number:02x}" for number in range(256)]
        for name in names:
            place = Path(store.directory, name)
            if not place.exists():
                place.symlink_to(outside)
        other = FilesystemStore(tmp_path / "other")
        other.save([666], "planted")
        Path(other.directory, "planted").rename(outside / "planted")
        before = sorted(path.name for path in outside.iterdir())
        with pytest.raises(BrineryError):
            FilesystemStore(store.directory).load("planted")
        assert "planted" not in store.list()
        if layout == "sharded":
            with pytest.raises(StorageError, match="symbolic link"):
                store.save_many([[n] for n in range(20)], [f"new {n}" for n in range(20)])
            with pytest.raises(BrineryError):
                store.remove("planted")
        assert sorted(path.name for path in outside.iterdir()) == before

    def test_one_in_the_place_of_the_housekeeping_is_not_followed(
        self, tmp_path: Path, outside: Path
    ) -> None:
        """Settings, counter and lock are the store's own."""
        root = tmp_path / "jobs"
        root.mkdir()
        (root / ".brinery").symlink_to(outside)
        with pytest.raises(StorageError, match="symbolic link"):
            FilesystemStore(root).save([1], "one")
        assert [path.name for path in outside.iterdir()] == ["file"]

    @pytest.mark.parametrize(
        "id", ["../evil", "/etc/passwd", "..", "a/../../b", "\0", ".brinery/x"]
    )
    def test_no_id_leads_out_of_the_directory(self, store: FilesystemStore, id: str) -> None:
        """Whatever it looks like."""
        store.save([1], id)
        files = [path for path in Path(store.directory).rglob("*") if path.is_file()]
        assert all(Path(store.directory) in path.parents for path in files)
        assert not (Path(store.directory).parent / "evil").exists()
        store.invalidate_cache()
        assert store.load(id) == [1]


class TestJournals:
    """Journals that somebody has planted: whoever opens the store would do what they say."""

    @pytest.fixture
    def outside(self, tmp_path: Path) -> Path:
        """Return a file beside the store."""
        outside = tmp_path / "outside"
        outside.write_text("mine")
        return outside

    @pytest.mark.parametrize("suffix", ["journal", "undo"])
    @pytest.mark.parametrize(
        "entry",
        [
            ("+", "../planted", "0", 4, zlib.crc32(b"evil")),
            ("~", "../outside", "0", 4, zlib.crc32(b"evil")),
            ("=", "../outside", "0", 4, zlib.crc32(b"evil")),
            ("-", "../outside", "r1", -1, 0),
            ("-", "x/../../outside", "r1", -1, 0),
            ("-", "./task", "r1", -1, 0),
            ("-", "task/", "r1", -1, 0),
            ("-", ".brinery", "r1", -1, 0),
            ("-", ".brinery/lock", "r1", -1, 0),
            ("-", ".brinery/staging/x", "r1", -1, 0),
            ("-", "elsewhere/task", "r1", -1, 0),
            ("-", "task", "/../../../../outside", -1, 0),
            ("=", "task", "0/../../../../outside", 4, 0),
            ("-", "", "r1", -1, 0),
            ("*", "task", "r1", -1, 0),
            ("-", "task", "r1", "many", 0),
        ],
        ids=lambda entry: "".join(map(str, entry[:3])),
    )
    def test_one_that_leads_elsewhere_is_refused(
        self,
        store: FilesystemStore,
        outside: Path,
        entry: tuple[object, ...],
        suffix: str,
    ) -> None:
        """Nothing of it is done, for reading or writing, and the error names it."""
        before = Path(store.directory, "task").read_bytes()
        path = _plant(store, [entry], suffix)
        for use in (
            lambda: FilesystemStore(store.directory),
            lambda: brinery.fsck(store.directory),
            lambda: store.backend.read_one_state(
                lambda view: DirectoryBackend(store.directory).get("x")
            ),
        ):
            with pytest.raises(
                StorageError, match="brinery does not write such a journal"
            ) as caught:
                use()
            assert caught.value.path == str(path)
        assert outside.read_text() == "mine"
        assert sorted(os.listdir(outside.parent)) == ["jobs", "outside"]
        assert Path(store.directory, "task").read_bytes() == before
        path.unlink()
        assert FilesystemStore(store.directory).load("task").name == "a"

    def test_one_through_a_link_is_refused(self, store: FilesystemStore, tmp_path: Path) -> None:
        """A shard is a directory of the store."""
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "task").write_text("mine")
        shard = blake2b(b"task", digest_size=16).hexdigest()[:2]
        Path(store.directory, shard).symlink_to(tmp_path / "elsewhere")
        _plant(store, [("-", f"{shard}/task", "r1", -1, 0)])
        with pytest.raises(StorageError, match="symbolic link"):
            FilesystemStore(store.directory)
        assert (tmp_path / "elsewhere" / "task").read_text() == "mine"

    def test_one_of_a_seemingly_dead_writer_is_finished(self, store: FilesystemStore) -> None:
        """As ever, where it names places of records, in either layout: a seal tells who wrote these."""
        sharded = f"{blake2b(b'b', digest_size=16).hexdigest()[:2]}/b"
        entries = [("-", "task", "r1", -1, 0), ("+", sharded, "0", 4, zlib.crc32(b"evil"))]
        path = _plant(store, [*entries, ("-", ".brinery/next", "r2", -1, 0)])
        assert FilesystemStore(store.directory).list() == []
        assert Path(store.directory, sharded).read_bytes() == b"evil"
        assert not path.exists()


def _plant(
    store: FilesystemStore, entries: list[tuple[object, ...]], suffix: str = "journal"
) -> Path:
    # A journal, and a file for it to move, as they were left by a writer that died.
    staging = Path(store.directory, ".brinery", "staging")
    (staging / "host-1-0123456789ab-0").write_bytes(b"evil")
    body = b"".join(os.fsencode("\0".join(map(str, entry)) + "\0") for entry in entries)
    path = staging / f"host-1-0123456789ab.{suffix}"
    path.write_bytes(b"brinery journal 1\n" + blake2b(body, digest_size=16).digest() + body)
    return path


def _other_group() -> int:
    # A group that is not one's own: only root, or a member, can give a directory to it.
    if os.geteuid() == 0:
        return 12345
    groups = [group for group in os.getgroups() if group != os.getegid()]
    if not groups:
        pytest.skip("this user is in one group only")
    return groups[0]


def test_the_mode_of_a_new_store_lets_nobody_else_write(tmp_path: Path) -> None:
    """Under the usual umask; so what is made here is loaded here."""
    before = os.umask(0o022)
    try:
        store = FilesystemStore(tmp_path / "jobs")
        store.save([1], "one")
    finally:
        os.umask(before)
    assert not stat.S_IMODE(os.stat(store.directory).st_mode) & 0o022
