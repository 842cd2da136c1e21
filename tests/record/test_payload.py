"""Compression in stores: its use, the settings remembered, changes, and refusals."""

from __future__ import annotations

import ast
import builtins
import json
import pickle
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.transforms.squeeze import SqueezeTransform

from brinery import (
    BrineryError,
    CorruptRecordError,
    EncodeError,
    FilesystemStore,
    InvalidArgumentError,
    MemoryStore,
    Persistable,
    RecordTooLargeError,
    SettingsError,
    TransformNotInstalledError,
    UnknownTransformError,
    known_transforms,
    make_store,
)
from brinery.codec import Buffer
from brinery.record.digest import digest_of
from brinery.record.reader import parse
from brinery.record.record import Transformation, new_metadata
from brinery.record.writer import build
from brinery.transform import Transform
from brinery.transforms.gzip import GzipTransform
from brinery.transforms.lz4 import Lz4Transform
from brinery.transforms.zstd import ZstdTransform

TEXT = [f"a line of text, number {n}" for n in range(1000)]


class Node(Persistable):
    """Holds a text and other objects of its class."""

    changed: int

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = list(TEXT)
        self.others: list[Node] = []


def inodes(directory: Path) -> dict[str, int]:
    """Return the inode of each record: a record that is written gets another."""
    return {file.name: file.stat().st_ino for file in directory.iterdir() if file.is_file()}


def transforms(store: Any) -> set[str | None]:
    """Return the names of the transforms of all records."""
    return {store.info(id_).transform for id_ in store.list()}


def forged(stored: bytes, size: int, raw: bytes, name: str = "gzip", config: Any = None) -> bytes:
    """Return a record of a transformed payload, with correct digests."""
    metadata = new_metadata(
        id="list.1",
        codec="pickle",
        config={},
        codec_version="1",
        protocol=5,
        class_name="builtins:list",
        payload=[stored],
        transform=Transformation(name, config or {}, size, digest_of([raw])),
    )
    return b"".join(build(metadata, [stored]))


# -- choosing


@pytest.mark.parametrize(
    ("compress", "expected"),
    [
        ("gzip", GzipTransform(6)),
        ("gzip:9", GzipTransform(9)),
        ("lz4", Lz4Transform(0)),
        ("lz4:12", Lz4Transform(12)),
        ("zstd", ZstdTransform(3)),
        ("zstd:19", ZstdTransform(19)),
        (ZstdTransform(4), ZstdTransform(4)),
        (SqueezeTransform(), SqueezeTransform()),
        ("none", None),
        (None, None),
    ],
)
def test_a_store_compresses_as_the_argument_says(
    tmp_path: Path, compress: Any, expected: Transform | None
) -> None:
    """By name, by name and level, by a transform that is not registered; or not at all."""
    store = FilesystemStore(tmp_path, compress=compress)
    assert store.transform == expected
    info = store.info(store.save(TEXT, "text"))
    raw = pickle.dumps(TEXT, 5)
    if expected is None:
        assert (info.transform, info.transform_config) == (None, {})
        assert info.size > info.raw_size == len(raw)
        assert pickle.loads((tmp_path / "text").read_bytes()) == TEXT
    else:
        assert (info.transform, info.transform_config) == (expected.name, expected.config())
        assert info.size < info.raw_size == len(raw)
        assert parse((tmp_path / "text").read_bytes()).metadata.raw_digest == digest_of([raw])
    store.invalidate_cache()
    assert store.load("text") == TEXT


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill", "msgpack"])
@pytest.mark.parametrize("compress", ["gzip", "lz4", "zstd"])
def test_every_codec_goes_with_every_transform(codec: str, compress: str) -> None:
    """Neither knows of the other."""
    with MemoryStore(codec=codec, compress=compress) as store:
        id_ = store.save({"text": TEXT})
        assert transforms(store) == {compress}
        store.invalidate_cache()
        assert store.load(id_) == {"text": TEXT}


def test_a_url_names_the_transform(tmp_path: Path) -> None:
    """With its level, and the limit for reading."""
    store = make_store(f"{tmp_path}?compress=zstd:7&max_expanded=1000000")
    assert store.transform == ZstdTransform(7)
    assert store.max_expanded == 1_000_000
    assert make_store("memory:?compress=gzip").transform == GzipTransform()
    assert make_store("memory:?compress=gzip", compress="none").transform is None


def test_a_graph_with_cycles_comes_back() -> None:
    """Each payload is expanded, also if its object is begun before its turn."""
    nodes = [Node(str(n)) for n in range(5)]
    for node in nodes:
        node.others = nodes
    with MemoryStore(compress="zstd") as store:
        id_ = store.save(nodes[0])
        assert transforms(store) == {"zstd"}
        store.invalidate_cache()
        found = store.load(id_)
        assert [other.name for other in found.others] == list("01234")
        assert all(other.others[0] is found for other in found.others)
        assert found.text == TEXT


def test_what_does_not_get_smaller_is_stored_plain(tmp_path: Path) -> None:
    """Small payloads and random ones: they open with `pickle.load`."""
    import random

    store = FilesystemStore(tmp_path, compress="zstd:19")
    noise = random.Random(0).randbytes(10_000)
    for obj in ([1, 2, 3], [noise], ["x" * 60]):
        id_ = store.save(obj)
        assert store.info(id_).transform is None
        assert pickle.loads((tmp_path / id_).read_bytes()) == obj


def test_records_with_and_without_transforms_are_in_one_store(tmp_path: Path) -> None:
    """Reading follows the record, whatever the arguments of the store."""
    for number, compress in enumerate(["none", "gzip:1", "lz4", "zstd:19"]):
        FilesystemStore(tmp_path, compress=compress).save(TEXT, f"text.{number}")
    store = FilesystemStore(tmp_path, compress="none")
    assert transforms(store) == {None, "gzip", "lz4", "zstd"}
    assert all(text == TEXT for text in store.load_many(store.list()))


# -- remembered settings


def test_a_store_remembers_its_transform(tmp_path: Path) -> None:
    """Opened without arguments it writes as before, with one as the argument says."""
    FilesystemStore(tmp_path, compress="zstd:5").save([1])
    assert FilesystemStore(tmp_path).transform == ZstdTransform(5)
    assert FilesystemStore(tmp_path, codec="dill").transform == ZstdTransform(5)
    assert FilesystemStore(tmp_path, compress="gzip").transform == GzipTransform()
    assert FilesystemStore(tmp_path, compress="none").transform is None
    assert FilesystemStore(tmp_path).transform == ZstdTransform(5)


def test_a_remembered_transform_that_is_not_installed_can_be_handed_over(tmp_path: Path) -> None:
    """Pass an instance, or open the store with another transform."""
    FilesystemStore(tmp_path, compress=SqueezeTransform(3)).save(TEXT, "text")
    with pytest.raises(UnknownTransformError, match="squeeze"):
        FilesystemStore(tmp_path)
    assert FilesystemStore(tmp_path, compress=SqueezeTransform(3)).load("text") == TEXT
    with pytest.raises(UnknownTransformError, match="'text': unknown transform 'squeeze'"):
        FilesystemStore(tmp_path, compress="none").load("text")


def test_remember_changes_the_transform(tmp_path: Path) -> None:
    """To another, and to none."""
    FilesystemStore(tmp_path, compress="zstd:5").save([1])
    FilesystemStore(tmp_path, compress="lz4").remember()
    assert FilesystemStore(tmp_path).transform == Lz4Transform()
    FilesystemStore(tmp_path, compress="none").remember()
    assert FilesystemStore(tmp_path).transform is None


def test_the_limit_is_not_remembered(tmp_path: Path) -> None:
    """The limit of a reader never comes from stored data."""
    FilesystemStore(tmp_path, compress="zstd", max_expanded=1 << 40).save([1])
    assert FilesystemStore(tmp_path).max_expanded == 1 << 30


@pytest.mark.parametrize(
    "transform",
    ["zstd", {"name": "zstd"}, {"name": 1, "config": {}}, {"name": "zstd", "config": 1}],
)
def test_damaged_settings_are_an_error(tmp_path: Path, transform: Any) -> None:
    """That names their file."""
    FilesystemStore(tmp_path).save([1])
    file = tmp_path / ".brinery" / "settings.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"transform": transform}))
    with pytest.raises(SettingsError, match="damaged"):
        FilesystemStore(tmp_path)


def test_a_store_that_is_sent_elsewhere_compresses_there(tmp_path: Path) -> None:
    """A pickled store keeps transform and limit, also without a transform."""
    FilesystemStore(tmp_path, compress="zstd").save([1])
    for compress in ("gzip:2", "none"):
        store = FilesystemStore(tmp_path, compress=compress, max_expanded=12345)
        again = pickle.loads(pickle.dumps(store))
        assert (again.transform, again.max_expanded) == (store.transform, 12345)


# -- changes


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill"])
@pytest.mark.parametrize("later", ["zstd:3", "zstd:9", "gzip", "none"])
def test_an_unchanged_object_is_not_written(tmp_path: Path, codec: str, later: str) -> None:
    """Whether it was saved or loaded, and also if the store has another transform now."""
    node = Node("name")
    node.others = [Node("other")]
    with FilesystemStore(tmp_path, codec=codec, compress="zstd:3") as first:
        id_ = first.save(node)
        before = inodes(tmp_path)
        first.save(node)
        assert inodes(tmp_path) == before
    store = FilesystemStore(tmp_path, compress=later)
    loaded = store.load(id_)
    for _ in range(2):
        store.save(loaded)
        assert inodes(tmp_path) == before
    loaded.changed = 1
    store.save(loaded)
    assert {name for name, inode in inodes(tmp_path).items() if before[name] != inode} == {id_}
    expected = None if later == "none" else later.partition(":")[0]
    assert store.info(id_).transform == expected
    assert FilesystemStore(tmp_path).load(id_).changed == 1


def test_a_loaded_object_is_compared_without_reading_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest of the payload before the transform is known from loading."""
    with FilesystemStore(tmp_path, compress="zstd") as store:
        store.save([n * 1.5 for n in range(1000)])
        store.invalidate_cache()
        found = store.load("list.1")
        before = inodes(tmp_path)
        monkeypatch.setattr(store.backend, "get", None)  # without it, it would count as changed
        store.save(found)
        assert inodes(tmp_path) == before


def test_one_save_may_have_its_own_transform(tmp_path: Path) -> None:
    """`save`, `save_many` and `replace`; the store goes on as before."""
    store = FilesystemStore(tmp_path, compress="zstd")
    store.save(TEXT, "a", compress="gzip:9")
    store.save_many([TEXT[1:]], ["b"], compress="lz4")
    store.replace("c", TEXT[2:], compress=SqueezeTransform())
    store.save(TEXT[3:], "d", compress="none")
    store.save(TEXT[4:], "e")
    found = [store.info(id_).transform for id_ in "abcde"]
    assert found == ["gzip", "lz4", "squeeze", None, "zstd"]
    store.invalidate_cache()
    assert [len(store.load(id_)) for id_ in "abcde"] == [1000, 999, 998, 997, 996]
    assert store.transform == ZstdTransform()


def test_a_transform_that_is_asked_for_is_used_on_what_has_not_changed(tmp_path: Path) -> None:
    """So saving all objects of an old store compresses or expands it; a second save writes nothing."""
    store = FilesystemStore(tmp_path)
    node = Node("name")
    node.others = [Node("other")]
    store.save_many([node, [1]])
    for compress, name in [
        ("zstd:9", "zstd"),
        ("zstd:1", "zstd"),
        ("gzip", "gzip"),
        ("none", None),
    ]:
        small = {id_: inode for id_, inode in inodes(tmp_path).items() if id_.startswith("list")}
        store.save_many(store.load_many(store.list()), compress=compress)
        assert [store.info(id_).transform for id_ in store.list()].count(name) >= 2
        written = inodes(tmp_path)
        assert written | small == written, "what does not get smaller stays as it is"
        store.save_many(store.load_many(store.list()), compress=compress)
        assert inodes(tmp_path) == written
    assert FilesystemStore(tmp_path).load("Node.1").others[0].text == TEXT


# -- refusals when a store is made


@pytest.mark.parametrize(
    ("compress", "kind", "text"),
    [
        ("brotli", UnknownTransformError, "known are 'gzip', 'lz4', 'zstd'"),
        ("zstd:99", InvalidArgumentError, "levels 1 to 22, got 99"),
        ("gzip:0", InvalidArgumentError, "levels 1 to 9, got 0"),
        ("zstd:fast", InvalidArgumentError, "a whole number"),
        ("", UnknownTransformError, "unknown transform ''"),
        (3, InvalidArgumentError, "a name or a Transform"),
        (ZstdTransform, InvalidArgumentError, "a name or a Transform"),
    ],
)
def test_an_argument_that_is_not_a_transform_is_refused(
    tmp_path: Path, compress: Any, kind: type[Exception], text: str
) -> None:
    """By a store and by a save, before anything is written."""
    with pytest.raises(kind, match=text):
        FilesystemStore(tmp_path / "new", compress=compress)
    assert not (tmp_path / "new").exists()
    store = FilesystemStore(tmp_path)
    with pytest.raises(kind, match=text):
        store.save(TEXT, compress=compress)
    assert store.list() == []


@pytest.mark.parametrize("limit", [-1, 1.5, None, "much", True])
def test_a_limit_is_a_number_of_bytes(limit: Any) -> None:
    """Nothing else."""
    with pytest.raises(InvalidArgumentError, match="max_expanded"):
        MemoryStore(max_expanded=limit)


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    # From Python 3.14 on, the standard library has zstd.
    [("lz4", "lz4.frame", "lz4"), ("zstd", "zstandard", "zstd")][
        : 2 - (sys.version_info >= (3, 14))
    ],
)
def test_a_missing_library_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, module: str, extra: str
) -> None:
    """With the command that installs it: when a store is made, and when a record needs it."""
    with MemoryStore(compress=name) as writer:
        writer.save(TEXT, "text")
    record = writer.backend.get("text")[0]
    real = builtins.__import__

    def without(wanted: str, *arguments: Any) -> Any:
        if wanted.partition(".")[0] == module.partition(".")[0]:
            raise ImportError(f"No module named {wanted!r}")
        return real(wanted, *arguments)

    monkeypatch.delitem(sys.modules, f"brinery.transforms.{name}")
    monkeypatch.delitem(sys.modules, "brinery.transforms.packaged_zstd", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(TransformNotInstalledError, match=rf'pip install "brinery\[{extra}\]"'):
        MemoryStore(compress=name)
    with MemoryStore() as reader:
        reader.backend.put("text", record)
        assert reader.info("text").transform == name
        with pytest.raises(TransformNotInstalledError, match="'text': the transform") as caught:
            reader.load("text")
        assert caught.value.id == "text"


def test_an_entry_point_that_is_not_a_transform_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """So is one whose module is missing; `known_transforms` lists both."""
    import importlib.metadata
    from importlib.metadata import EntryPoint, EntryPoints

    points = EntryPoints(
        [
            EntryPoint("wrong", "collections:OrderedDict", "brinery.transforms"),
            EntryPoint("gone", "no_such_module:Transform", "brinery.transforms"),
        ]
    )
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points)
    assert known_transforms() == ["gone", "gzip", "lz4", "wrong", "zstd"]
    with pytest.raises(InvalidArgumentError, match="a subclass of Transform"):
        MemoryStore(compress="wrong")
    with pytest.raises(TransformNotInstalledError, match="no_such_module"):
        MemoryStore(compress="gone")


def test_a_level_for_a_transform_without_levels_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For an option that it does not accept, and for an error of its constructor."""
    import importlib.metadata
    from importlib.metadata import EntryPoint, EntryPoints

    here = "tests.record.test_payload:Broken"
    there = "tests.transforms.squeeze:SqueezeTransform"
    points = EntryPoints(
        [
            EntryPoint("broken", here, "brinery.transforms"),
            EntryPoint("squeeze", there, "brinery.transforms"),
        ]
    )
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points)
    for compress in ("broken:3", "squeeze:30"):
        with pytest.raises(InvalidArgumentError, match="does not take the options"):
            MemoryStore(compress=compress)


class Broken(Transform):
    """Fails when it is used."""

    name = "broken"

    def encode(self, pieces: Sequence[Buffer]) -> Sequence[bytes]:
        raise RuntimeError("no encoding today")

    def decode(self, data: Buffer, size: int) -> bytes:
        raise RuntimeError("no decoding today")


class Liar(Broken):
    """Encodes any payload to a few bytes, and decodes these to any payload."""

    name = "liar"

    def encode(self, pieces: Sequence[Buffer]) -> Sequence[bytes]:
        return [b"lie"]

    def decode(self, data: Buffer, size: int) -> bytes:
        return bytes(size)


class Hungry(Liar):
    """Needs more memory than is available."""

    name = "hungry"
    is_full = False

    def encode(self, pieces: Sequence[Buffer]) -> Sequence[bytes]:
        if self.is_full:
            raise MemoryError
        return super().encode(pieces)

    def decode(self, data: Buffer, size: int) -> bytes:
        raise MemoryError


def test_a_transform_that_fails_is_an_error_of_brinery() -> None:
    """On writing an `EncodeError`, after which nothing was written; on reading a damaged record."""
    node = Node("outer")
    with MemoryStore(compress=Broken()) as store:
        with pytest.raises(EncodeError, match="'broken' failed: RuntimeError: no enc") as caught:
            store.save(node, "node")
        assert caught.value.id == "node"
        assert store.list() == []
        store.backend.put("list.1", forged(b"x", 1, b"y", "broken"))
        with pytest.raises(CorruptRecordError, match="no decoding today"):
            store.load("list.1")


def test_what_a_transform_gives_back_is_checked() -> None:
    """The digest of the payload that the codec wrote decides."""
    with MemoryStore(compress=Liar()) as store:
        store.save(TEXT, "text")
        store.invalidate_cache()
        with pytest.raises(CorruptRecordError, match="its size or digest differs"):
            store.load("text")


class Careless(Liar):
    """Returns all that there is, whatever size was announced."""

    name = "careless"

    def decode(self, data: Buffer, size: int) -> bytes:
        return zlib.decompress(data)


@pytest.mark.parametrize("wrong", [-1, 1])
def test_what_has_not_the_announced_size_is_refused(wrong: int) -> None:
    """Even if its digest is right: a third-party transform cannot return more than announced."""
    raw = pickle.dumps([1, 2, 3])
    with MemoryStore(compress=Careless()) as store:
        for size, is_read in ((len(raw), True), (len(raw) + wrong, False)):
            store.backend.put("list.1", forged(zlib.compress(raw), size, raw, "careless"))
            if is_read:
                assert store.load("list.1") == [1, 2, 3]
            else:
                store.invalidate_cache()
                with pytest.raises(CorruptRecordError, match="its size or digest differs"):
                    store.load("list.1")


def test_too_little_memory_is_not_damage() -> None:
    """It stays a `MemoryError`, on reading and on writing."""
    hungry = Hungry()
    with MemoryStore(compress=hungry) as store:
        store.save(TEXT, "text")
        store.invalidate_cache()
        with pytest.raises(MemoryError):
            store.load("text")
        hungry.is_full = True
        with pytest.raises(MemoryError):
            store.save(TEXT, "another")
        assert store.list() == ["text"]


# -- damage and hostility


@pytest.mark.thorough
@pytest.mark.parametrize("compress", ["gzip", "lz4", "zstd"])
def test_every_damaged_byte_of_a_compressed_record_is_found(tmp_path: Path, compress: str) -> None:
    """Each byte flipped, and the file cut at each place: before anything is expanded."""
    store = FilesystemStore(tmp_path, compress=compress, durability="process")
    store.save(TEXT[:60], "text.1")
    file = tmp_path / "text.1"
    record = file.read_bytes()
    assert store.info("text.1").transform == compress
    for position in range(len(record)):
        damaged = bytearray(record)
        damaged[position] ^= 1 << position % 8
        for data in (bytes(damaged), record[:position]):
            file.write_bytes(data)
            store.invalidate_cache()
            with pytest.raises(BrineryError) as caught:
                store.load("text.1")
            assert caught.value.id == "text.1"
            assert "transform" not in str(caught.value)
    file.write_bytes(record)
    assert store.load("text.1") == TEXT[:60]


def test_a_bomb_is_not_expanded() -> None:
    """A record that announces more than the store allows is not expanded at all."""
    bomb = pickle.dumps(bytes(3_000_000))
    stored = b"".join(GzipTransform(9).encode([bomb]))
    with MemoryStore(max_expanded=2_000_000) as store:
        store.backend.put("list.1", forged(stored, len(bomb), bomb))
        with pytest.raises(RecordTooLargeError, match="max_expanded") as caught:
            store.load("list.1")
        assert (caught.value.size, caught.value.limit) == (len(bomb), 2_000_000)
        assert caught.value.id == "list.1"
        store.backend.put("list.1", forged(stored, 1000, bomb))
        with pytest.raises(CorruptRecordError, match="cannot expand"):
            store.load("list.1")
    with MemoryStore() as store:
        store.backend.put("list.1", forged(stored, len(bomb), bomb))
        assert store.load("list.1") == bytes(3_000_000)


@pytest.mark.parametrize("size", [1 << 40, (1 << 64) - 1, (1 << 30) + 1])
def test_an_absurd_size_is_refused_by_default(size: int) -> None:
    """A terabyte in a few bytes."""
    with MemoryStore() as store:
        store.backend.put("list.1", forged(b"few bytes", size, b""))
        assert store.info("list.1").raw_size == size
        with pytest.raises(RecordTooLargeError):
            store.load("list.1")


def test_a_store_writes_nothing_that_it_would_not_read() -> None:
    """A payload beyond the limit is stored plain."""
    with MemoryStore(compress="zstd", max_expanded=1000) as store:
        id_ = store.save(TEXT)
        assert store.info(id_).transform is None
        store.invalidate_cache()
        assert store.load(id_) == TEXT


@pytest.mark.parametrize(
    ("name", "config", "kind"),
    [
        ("nothing", {}, UnknownTransformError),
        ("none", {}, UnknownTransformError),
        ("gzip", {"level": 99}, InvalidArgumentError),
        ("gzip", {"level": []}, InvalidArgumentError),
        ("gzip", {"depth": 1}, InvalidArgumentError),
    ],
)
def test_a_record_of_a_transform_that_cannot_be_had_is_named(
    name: str, config: Any, kind: type[BrineryError]
) -> None:
    """The error has the ID; the metadata of the record can still be read."""
    payload = pickle.dumps([1])
    with MemoryStore() as store:
        store.backend.put("list.1", forged(zlib.compress(payload), 99, payload, name, config))
        assert store.info("list.1").transform == name
        with pytest.raises(kind, match=r"'list\.1': ") as caught:
            store.load("list.1")
        assert caught.value.id == "list.1"


def test_a_real_graph_comes_back() -> None:
    """The syntax tree of a module of the standard library, a few times smaller."""
    tree = ast.parse(Path(ast.__file__).read_text(encoding="utf-8"))
    with MemoryStore(compress="zstd") as store:
        id_ = store.save(tree)
        info = store.info(id_)
        assert 3 * info.size < info.raw_size
        store.invalidate_cache()
        assert ast.dump(store.load(id_)) == ast.dump(tree)
