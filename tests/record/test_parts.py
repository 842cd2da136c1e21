"""Large records in stores: through transforms and seals in parts, with little memory beside the value."""

from __future__ import annotations

import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from pickle import PickleBuffer
from typing import Any

import numpy as np
import pytest
from tests.transforms.squeeze import SqueezeTransform

from brinery import (
    CorruptRecordError,
    EncodeError,
    FilesystemStore,
    MemoryStore,
    RecordError,
    RecordTooLargeError,
    StorageError,
    Store,
    Trust,
    make_store,
)
from brinery.record.parts import LargeRecord
from brinery.transforms.gzip import GzipTransform

KEY = Trust(key=b"0123456789abcdef")
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "sealed": {"trust": KEY},
    "gzip": {"compress": "gzip:1"},
    "lz4": {"compress": "lz4"},
    "zstd": {"compress": "zstd"},
    "squeeze": {"compress": SqueezeTransform(1)},
    "gzip, sealed": {"compress": "gzip:1", "trust": KEY},
}
VALUES: dict[str, Callable[[], Any]] = {
    "array": lambda: np.arange(1_000_000) % 100,
    "bytes": lambda: (np.arange(1_000_000) % 100).tobytes(),
    "bytearray": lambda: bytearray(np.arange(1_000_000) % 100),
    "buffer": lambda: PickleBuffer((np.arange(1_000_000) % 100).tobytes()),
}
SIZE = 32_000_000
every_way = pytest.mark.parametrize("way", WAYS)


def is_same(found: Any, value: Any) -> bool:
    if isinstance(value, PickleBuffer):
        return type(found) is bytes and found == bytes(value)
    if isinstance(value, np.ndarray):
        return bool(found.flags.writeable and (found == value).all())
    return bool(type(found) is type(value) and found == value)


@pytest.fixture(params=["directory", "sqlite"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Store]:
    """Give a function that opens a store at one place."""
    is_file = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/store.db" if is_file else str(tmp_path / "store")
    return lambda **options: make_store(url, **options)


@pytest.mark.parametrize("kind", VALUES)
@every_way
def test_a_large_value_comes_back(opener: Callable[..., Store], way: str, kind: str) -> None:
    """In each engine, with each transform and with seals; arrays can be written to."""
    value = VALUES[kind]()
    few = np.arange(100_000)
    with opener(**WAYS[way]) as store:
        store.save(["before", value, few, value], "big")
        info = store.info("big")
        assert (info.transform is not None) == ("compress" in WAYS[way])
        store.invalidate_cache()
        before, found, other, again = store.load("big")
        assert (before, found is again) == ("before", True)
        assert is_same(found, value)
        assert is_same(other, few)


@pytest.mark.parametrize("codec", ["msgpack", "json", "cloudpickle", "dill"])
@pytest.mark.parametrize("way", ["zstd", "gzip, sealed", "sealed"])
def test_every_codec_writes_large_values(
    opener: Callable[..., Store], way: str, codec: str
) -> None:
    """Those without large buffers of their own, too."""
    value: Any = ["a text, and another one"] * 200_000
    if codec != "json":
        value = [value, bytes(2_000_000)]
    with opener(codec=codec, **WAYS[way]) as store:
        store.save(value, "big")
        store.invalidate_cache()
        assert store.load("big") == value


@pytest.mark.parametrize("way", ["gzip", "lz4", "zstd"])
def test_little_memory_is_needed_beside_an_array(tmp_path: Path, way: str) -> None:
    """Neither the payload nor what the transform makes of it is ever whole in memory."""
    array = np.arange(4_000_000) % 100
    store = FilesystemStore(tmp_path, **WAYS[way])
    store.save([array[:500_000].copy()], "small")  # what is imported is imported now
    assert peak_of(lambda: store.save([array], "big")) < SIZE // 10
    store.invalidate_cache()
    found: list[Any] = []
    assert peak_of(lambda: found.extend(store.load("big"))) < SIZE + SIZE // 10
    assert is_same(found[0], array)


@pytest.mark.parametrize("way", ["plain", "sealed"])
def test_an_array_is_written_and_read_without_a_copy(tmp_path: Path, way: str) -> None:
    """A seal is made and checked on the way."""
    array = np.arange(4_000_000) % 100
    store = FilesystemStore(tmp_path, **WAYS[way])
    store.save([array[:500_000].copy()], "small")
    assert peak_of(lambda: store.save([array], "big")) < SIZE // 20
    store.invalidate_cache()
    assert peak_of(lambda: store.load("big")) < SIZE + SIZE // 20


def peak_of(action: Callable[[], Any]) -> int:
    """Return the most bytes that a call needs, of those that Python's allocators and numpy give out."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@every_way
def test_a_changed_byte_is_found(tmp_path: Path, way: str) -> None:
    """Wherever it is in a large record."""
    store = FilesystemStore(tmp_path, **WAYS[way])
    store.save(["before", np.arange(400_000), "behind"], "big")
    file = tmp_path / "big"
    data = file.read_bytes()
    assert len(data) > 1 << 16
    payload = len(data) - 1000
    for at in (0, 20, 100, payload // 3, payload - 1, len(data) - 100, len(data) - 1):
        file.write_bytes(data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :])
        store.invalidate_cache()
        with pytest.raises(RecordError) as caught:
            store.load("big")
        assert caught.value.id == "big"
    file.write_bytes(data)
    assert store.load("big")[1][-1] == 399_999


@pytest.mark.parametrize("way", ["gzip", "gzip, sealed"])
def test_nothing_is_expanded_before_it_was_checked(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stored bytes are, by their digest or their seal."""

    def fail(*_: Any) -> Any:
        raise AssertionError("it was expanded")

    store = FilesystemStore(tmp_path, **WAYS[way])
    store.save([np.arange(4_000_000)], "big")
    file = tmp_path / "big"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    store.invalidate_cache()
    monkeypatch.setattr(GzipTransform, "decode_in_parts", fail)
    monkeypatch.setattr(GzipTransform, "decode", fail)
    with pytest.raises(CorruptRecordError):
        store.load("big")


def test_the_limit_holds_for_large_records(tmp_path: Path) -> None:
    """It is looked at before anything is expanded."""
    store = FilesystemStore(tmp_path, compress="gzip:1")
    store.save([np.zeros(4_000_000)], "big")
    with pytest.raises(RecordTooLargeError):
        FilesystemStore(tmp_path, max_expanded=SIZE - 1).load("big")


@pytest.mark.parametrize("way", ["plain", "sealed", "gzip"])
def test_arrays_are_read_apart_from_the_rest(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless the reader restricts classes: then the whole payload is looked through first."""
    read = LargeRecord.read
    found = []

    def noting(*arguments: Any) -> Any:
        found.append(read(*arguments))
        return found[-1]

    store = FilesystemStore(tmp_path, **WAYS[way])
    store.save([np.arange(4_000_000)], "big")
    store.invalidate_cache()
    monkeypatch.setattr(LargeRecord, "read", noting)
    assert store.load("big")[0][-1] == 3_999_999
    assert [len(each.buffers) for each in found] == [1]
    trust = WAYS[way].get("trust") or Trust()
    careful = Trust(key=trust.key, classes=Trust.NUMPY)
    with FilesystemStore(tmp_path, trust=careful) as store:
        assert store.load("big")[0][-1] == 3_999_999
    assert len(found) == 1


def test_a_transform_that_fails_in_the_middle_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is written, and the error names the transform."""

    def fail(self: Any, pieces: Any, size: int) -> Any:
        yield next(iter(pieces))
        raise ZeroDivisionError("no more")

    monkeypatch.setattr(GzipTransform, "encode_in_parts", fail)
    with MemoryStore(compress="gzip") as store:
        with pytest.raises(
            EncodeError, match="the transform 'gzip' failed: ZeroDivisionError: no more"
        ):
            store.save([np.zeros(4_000_000)])
        assert store.list() == []


def test_without_a_place_for_temporary_files_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the storage that failed, and not the transform."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    store = FilesystemStore(tmp_path / "store", compress="gzip:1")
    with pytest.raises(StorageError, match="hold a record"):
        store.save([np.random.default_rng(1).integers(0, 100, 2_000_000)])
    assert store.list() == []
