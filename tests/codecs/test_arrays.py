"""Read-only arrays of numpy stay so, by each codec that keeps arrays."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from pickle import PickleBuffer
from typing import Any

import numpy as np
import pytest

from brinery import (
    EncodeError,
    FilesystemStore,
    MemoryStore,
    Persistable,
    Trust,
    make_store,
    recode,
)
from brinery.transforms.gzip import GzipTransform

GRID = np.arange(12.0).reshape(3, 4)

ARRAYS = {
    "in order C": GRID,
    "in order F": np.asfortranarray(GRID),
    "with gaps": GRID[:, ::2],
    "of no dimension": np.array(7),
    "empty": np.zeros((0, 3)),
    "of objects": np.array([1, "a", None], object),
    "of times": np.array(["2024-01-02"], "M8[D]"),
    "of records": np.zeros(3, [("a", "i2"), ("b", "f8")]),
    "of strings": np.array(["a", "bc"]),
    "broadcast": np.broadcast_to(np.arange(3), (2, 3)),
    "of bytes": np.frombuffer(b"12345678", "i4"),
}
CODECS = ["msgpack", "cloudpickle", "dill", *(f"pickle:{n}" for n in range(6))]


def read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def kept(codec: str, obj: Any, trust: Any = None) -> Any:
    name, _, protocol = codec.partition(":")
    options: dict[str, Any] = {"protocol": int(protocol)} if protocol else {}
    with MemoryStore(codec=name, trust=trust, **options) as store:
        id_ = store.save(obj)
        store.invalidate_cache()
        return store.load(id_)


@pytest.mark.parametrize(
    ("codec", "kind"),
    [
        (codec, kind)
        for codec in CODECS
        for kind in ARRAYS
        if (codec, kind) != ("msgpack", "of objects")  # it refuses these
    ],
)
def test_a_read_only_array_stays_read_only(codec: str, kind: str) -> None:
    """It has the same elements, type and order."""
    array = read_only(ARRAYS[kind])
    (found,) = kept(codec, [array])
    assert not found.flags.writeable
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tolist() == array.tolist()
    layouts = [(a.flags.c_contiguous, a.flags.f_contiguous) for a in (array, found)]
    assert layouts[0] == layouts[1] or layouts[0] == (False, False)


@pytest.mark.parametrize("codec", CODECS[1:])
def test_a_read_only_array_in_two_places_stays_one(codec: str) -> None:
    """As any object does."""
    for array in map(read_only, ARRAYS.values()):
        found, again = kept(codec, [array, array])
        assert found is again


@pytest.mark.parametrize("codec", CODECS)
def test_other_arrays_can_be_written_to(codec: str) -> None:
    """As before."""
    for array in (GRID.copy(), np.asfortranarray(GRID), GRID.copy()[:, ::2]):
        (found,) = kept(codec, [array])
        assert found.flags.writeable
        found[...] = 0


def test_a_read_only_array_needs_no_other_trust() -> None:
    """`Trust.NUMPY` names what its pickle needs."""
    trust = Trust(classes=Trust.NUMPY)
    for array in ARRAYS.values():
        (found,) = kept("pickle", [read_only(array)], trust)
        assert not found.flags.writeable


class Holder(Persistable):
    """An object with an array."""

    def __init__(self, array: Any) -> None:
        self.array = array


@pytest.mark.parametrize("options", [{"compress": "gzip"}, {}])
def test_an_array_that_changes_while_it_is_written_is_refused(
    options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is compressed or not: the digest of the record was taken before its bytes were."""
    store = MemoryStore(**options)
    holder = Holder(np.zeros(200_000))
    encode = GzipTransform.encode_in_parts
    commit = store.backend.commit

    def changing(self: Any, pieces: Any, size: int) -> Any:
        holder.array[5] += 1
        return encode(self, pieces, size)

    def late(puts: Any, deletes: Any = ()) -> Any:
        def each() -> Any:
            for put in puts:
                holder.array[5] += 1
                yield put

        return commit(each(), deletes)

    if options:
        monkeypatch.setattr(GzipTransform, "encode_in_parts", changing)
    else:
        monkeypatch.setattr(store.backend, "commit", late)
    with pytest.raises(EncodeError, match="was changed while it was written"):
        store.save(holder)
    assert store.list() == []


@pytest.mark.parametrize("options", [{"compress": "gzip"}, {}, {"trust": Trust(key=b"k" * 32)}])
def test_what_happens_to_an_array_behind_the_writer_does_no_harm(
    tmp_path: Path, options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other threads may change it, and change it back: a record has the bytes that were digested."""
    store = FilesystemStore(tmp_path, **options)
    store.save("the first record", "first")
    array = np.arange(400_000)
    before = array.copy()
    end = threading.Event()

    def flicker() -> None:
        while not end.is_set():
            array[::1000] ^= 1
            array[::1000] ^= 1

    thread = threading.Thread(target=flicker)
    thread.start()
    written = 0
    try:
        for number in range(20):
            with suppress(EncodeError):
                store.save(Holder(array), f"holder.{number}")
                written += 1
    finally:
        end.set()
        thread.join()
    store.invalidate_cache()
    for id_ in store.list():
        if id_ != "first":
            found = store.load(id_).array
            assert (found[1:1000] == before[1:1000]).all()
            assert not (found ^ before)[::1000].max() > 1
    assert len(store.list()) == written + 1


@pytest.mark.parametrize("size", [8191, 8192, 400_000])
def test_an_update_changes_the_living_object(tmp_path: Path, size: int) -> None:
    """Its digest is that of its record, however large its array is."""
    store = FilesystemStore(tmp_path)
    holder = Holder(np.zeros(size))
    id_ = store.save(holder)

    def change(found: Holder) -> None:
        found.array[0] = 1

    assert store.update(id_, change) is holder
    assert holder.array[0] == 1
    store.save(holder)


@pytest.mark.parametrize("place", ["directory", "sqlite"])
def test_large_records_are_compressed_later(tmp_path: Path, place: str) -> None:
    """All of their bytes, although a load reads arrays apart from the rest."""
    url = str(tmp_path / "store") if place == "directory" else f"sqlite:///{tmp_path}/store.db"
    with make_store(url) as store:
        id_ = store.save(Holder(np.arange(400_000)))
        size = store.info(id_).size
    with make_store(url, compress="gzip") as store:
        report = recode(store)
        assert (report.recoded, report.size_before) == (1, size)
        assert (store.load(id_).array == np.arange(400_000)).all()


@pytest.mark.parametrize("size", [70_000, 2_000_000])
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_buffers_of_other_things_keep_their_type(tmp_path: Path, kind: Any, size: int) -> None:
    """However the record is read."""
    store = FilesystemStore(tmp_path)
    id_ = store.save([PickleBuffer(kind(size))])
    store.invalidate_cache()
    (found,) = store.load(id_)
    assert type(found) is kind
    assert len(found) == size
