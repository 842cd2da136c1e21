"""Mapped arrays: views of the files of their records, in place of copies in memory."""

from __future__ import annotations

import gc
import mmap
import os
import pickle
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse as sp

from brinery import (
    DanglingReferenceError,
    FilesystemStore,
    InvalidArgumentError,
    MemoryStore,
    NotFoundError,
    NotMappableError,
    Persistable,
    RecordError,
    StorageError,
    Store,
    Trust,
    make_store,
    recode,
)
from brinery.graph.loading.mapper import Mapper
from brinery.operations.fsck import fsck
from brinery.record.parts import LargeRecord
from brinery_codecs.pickle import PickleCodec

COUNT = 50_000
MODES = ["r", "c"]
each_mode = pytest.mark.parametrize("mode", MODES)


class Layer(Persistable):
    """A layer of a net."""

    def __init__(self, weights: Any, before: Any = None) -> None:
        self.weights = weights
        self.before = before


class Code(Persistable):
    """Looks at what it refers to when it gets its state."""

    def __init__(self, before: Any) -> None:
        self.before = before

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.seen = float(self.before.weights[3])


def numbers(size: int = COUNT) -> Any:
    """Return an array that is larger than 64 kB."""
    return np.arange(float(size))


def map_of(buffer: Any) -> Any:
    """Return the map of a file that an array or a buffer is a view of; None if it is none."""
    while buffer is not None and not isinstance(buffer, mmap.mmap):
        if isinstance(buffer, memoryview):
            buffer = buffer.obj
        elif isinstance(buffer, pa.Buffer):
            buffer = memoryview(buffer).obj if not hasattr(buffer, "base") else buffer.base
        else:
            buffer = getattr(buffer, "base", None)
    return buffer


def files_of(directory: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of each record."""
    found = {path.name: path.stat() for path in directory.iterdir() if path.is_file()}
    return {name: (each.st_ino, each.st_mtime_ns) for name, each in found.items()}


@pytest.fixture
def store(tmp_path: Path) -> FilesystemStore:
    """A store in a directory."""
    return FilesystemStore(tmp_path / "store", durability="process")


@pytest.mark.parametrize("count", [COUNT, 1_000_000])
def test_a_read_only_array_is_a_view_of_the_file(store: FilesystemStore, count: int) -> None:
    """In small files and in large ones."""
    store.save(Layer(numbers(count)), "a")
    store.invalidate_cache()
    found = store.load("a", mmap="r")
    assert map_of(found.weights) is not None
    assert not found.weights.flags.writeable
    assert (found.weights == numbers(count)).all()
    with pytest.raises(ValueError, match="read-only"):
        found.weights[0] = 1


@pytest.mark.parametrize("count", [COUNT, 1_000_000])
def test_an_array_that_is_copied_on_write_leaves_the_file_as_it_is(
    store: FilesystemStore, count: int
) -> None:
    """Until its object is saved."""
    store.save(Layer(numbers(count)), "a")
    store.invalidate_cache()
    found = store.load("a", mmap="c")
    assert map_of(found.weights) is not None
    found.weights[5] = -1
    with FilesystemStore(store.directory) as other:
        assert other.load("a").weights[5] == 5
    store.save(found)
    with FilesystemStore(store.directory) as other:
        assert other.load("a").weights[5] == -1
    assert found.weights[5] == -1
    assert store.load("a", mmap="c") is found


@each_mode
@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill"])
def test_what_takes_a_buffer_is_mapped(store: FilesystemStore, codec: str, mode: str) -> None:
    """numpy, pandas, scipy.sparse and pyarrow."""
    frame = pd.DataFrame({"a": numbers(), "b": numbers(), "c": np.arange(COUNT)})
    matrix = sp.random(2000, 2000, 0.05, format="csr", random_state=1)
    table = pa.table({"x": pa.array(numbers())})
    order = np.asfortranarray(numbers().reshape(100, -1))
    root = [numbers(), frame, matrix, table, order]
    store.save(root, "root", codec=codec)
    store.invalidate_cache()
    array, found, sparse, arrow, other = store.load("root", mmap=mode)
    assert (array == root[0]).all()
    pd.testing.assert_frame_equal(found, frame)
    assert (sparse != matrix).nnz == 0
    assert arrow.equals(table)
    assert (other == order).all()
    assert other.flags.f_contiguous
    mapped = map_of(array)
    assert mapped is not None
    views = [found["a"].to_numpy(), sparse.data, sparse.indices, other]
    views.append(arrow["x"].chunk(0).to_numpy())
    start = np.frombuffer(mapped, "u1").ctypes.data
    for view in views:
        at = view.__array_interface__["data"][0]
        assert 0 <= at - start < len(mapped)
        assert at % 64 == 0 or view is views[0]


@each_mode
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_bare_buffers_are_mapped(store: FilesystemStore, mode: str, kind: Any) -> None:
    """What takes the place of a buffer has its bytes, and can be written to where that could."""
    store.save([pickle.PickleBuffer(kind(b"ab" * COUNT))], "a")
    store.invalidate_cache()
    (found,) = store.load("a", mmap=mode)
    view = memoryview(found)
    assert bytes(view) == b"ab" * COUNT
    assert view.readonly == (mode == "r" or kind is bytes)
    assert map_of(view) is not None


def test_small_arrays_are_read(store: FilesystemStore) -> None:
    """As without a map; so are objects without arrays."""
    store.save([np.arange(10), "text"], "small")
    store.save([numbers(), np.arange(10)], "both")
    store.invalidate_cache()
    small, text = store.load("small", mmap="r")
    assert text == "text"
    assert small.flags.writeable
    large, small = store.load("both", mmap="r")
    assert not large.flags.writeable
    assert small.flags.writeable


@each_mode
def test_read_only_arrays_stay_so(store: FilesystemStore, mode: str) -> None:
    """Whatever the mode is."""
    array = numbers()
    array.flags.writeable = False
    store.save([array, numbers()], "a")
    store.invalidate_cache()
    first, second = store.load("a", mmap=mode)
    assert not first.flags.writeable
    assert second.flags.writeable == (mode == "c")


@each_mode
def test_a_file_stays_while_it_is_mapped(store: FilesystemStore, mode: str, tmp_path: Path) -> None:
    """Whatever is done to its record: nothing writes into a file that is there."""
    for name in ("a", "b", "c", "d"):
        store.save(Layer(numbers()), name)
    store.invalidate_cache()
    found = dict(zip("abcd", store.load_many([*"abcd"], mmap=mode), strict=True))
    other = make_store(store.url)
    other.replace("a", Layer(np.zeros(COUNT)))
    other.remove("b")
    other.save(other.load("c"), compress="gzip")
    path = Path(store.directory) / "d"
    damaged = path.read_bytes()[:-3] + b"..."
    path.unlink()
    path.write_bytes(damaged)
    fsck(other, repair=True)
    other.backup(tmp_path / "backup")
    with make_store(store.url, codec="cloudpickle") as recoder:
        recode(recoder)
    other.gc(["a"], dry_run=False, older_than=0)
    assert other.list() == ["a"]
    assert len({*files_of(Path(store.directory))} & {*"abcd"}) == 1
    for layer in found.values():
        assert (layer.weights == numbers()).all()


@each_mode
def test_an_unchanged_object_is_not_written(store: FilesystemStore, mode: str) -> None:
    """Although a read-only array is another one than its record has."""
    before = Layer(numbers())
    store.save(Layer(numbers(), before), "a")
    del before
    store.invalidate_cache()
    files = files_of(Path(store.directory))
    found = store.load("a", mmap=mode)
    for _ in range(2):
        store.save(found)
        store.save(found.before)
        assert files_of(Path(store.directory)) == files


def test_a_read_only_array_next_to_a_change_is_saved(store: FilesystemStore) -> None:
    """As what it is now: an array that cannot be written to."""
    store.save(Layer(numbers()), "a")
    store.invalidate_cache()
    found = store.load("a", mmap="r")
    found.before = "changed"
    store.save(found)
    store.save(found)
    store.invalidate_cache()
    again = store.load("a")
    assert again.before == "changed"
    assert (again.weights == numbers()).all()
    assert not again.weights.flags.writeable


def test_only_what_was_changed_is_saved(store: FilesystemStore) -> None:
    """Of a graph with arrays that are copied on write."""
    store.save(Layer(numbers(), Layer(numbers(), Layer(numbers()))), "a")
    store.invalidate_cache()
    found = store.load("a", mmap="c")
    files = files_of(Path(store.directory))
    found.before.weights[7] = 0
    store.save(found)
    changed = {
        name for name, each in files_of(Path(store.directory)).items() if each != files[name]
    }
    assert changed == {store.id_of(found.before)}
    store.invalidate_cache()
    again = store.load("a")
    assert [each.weights[7] for each in (again, again.before, again.before.before)] == [7, 0, 7]


@each_mode
def test_the_mode_holds_for_all_that_a_load_reads(store: FilesystemStore, mode: str) -> None:
    """And for every object of `load_many`."""
    store.save(Layer(numbers(), Code(Layer(numbers()))), "a")
    store.save(Layer(numbers()), "b")
    store.invalidate_cache()
    first, second = store.load_many(["a", "b"], mmap=mode)
    assert first.before.seen == 3
    for layer in (first, first.before.before, second):
        assert map_of(layer.weights) is not None


@each_mode
def test_ghosts_wake_in_the_mode_of_their_load(store: FilesystemStore, mode: str) -> None:
    """One after the other, many at once, and by an eager load; also those that ghosts refer to."""
    store.save([Layer(numbers(), Layer(numbers())) for _ in range(20)], "root")
    store.invalidate_cache()
    root = store.load("root", lazy=True, mmap=mode)
    assert not store.is_loaded(root[3])
    for layer in root:
        assert map_of(layer.weights) is not None
        assert not store.is_loaded(layer.before)
    assert map_of(root[4].before.weights) is not None
    assert store.load("root") is root
    for layer in root:
        assert layer.before.weights.flags.writeable == (mode == "c")
        assert map_of(layer.before.weights) is not None


def test_an_eager_load_maps_the_ghosts_that_it_wakes(store: FilesystemStore) -> None:
    """They have no arrays yet, so that its mode holds."""
    store.save([Layer(numbers()), Layer(numbers())], "root")
    store.invalidate_cache()
    root = store.load("root", lazy=True)
    assert store.load("root", mmap="r") is root
    for layer in root:
        assert map_of(layer.weights) is not None


def test_a_ghost_wakes_mapped_in_a_transaction(store: FilesystemStore) -> None:
    """Where its record is that of the store."""
    store.save([Layer(numbers()), Layer(numbers())], "root")
    store.invalidate_cache()
    root = store.load("root", lazy=True, mmap="c")
    with store.transaction():
        assert map_of(root[1].weights) is not None
        root[1].weights[0] = 9
        store.save(root[1])
        assert store.load("root", mmap="c") is root
    assert FilesystemStore(store.directory).load("root")[1].weights[0] == 9


@each_mode
def test_an_update_changes_a_mapped_object(store: FilesystemStore, mode: str) -> None:
    """Where its arrays can be changed; otherwise it gets another object, with arrays that can."""
    store.save(Layer(numbers()), "a")
    store.invalidate_cache()
    found = store.load("a", mmap=mode)

    def change(layer: Layer) -> None:
        layer.weights[2] = 7

    updated = store.update("a", change)
    assert (updated is found) == (mode == "c")
    assert found.weights[2] == (7 if mode == "c" else 2)
    with FilesystemStore(store.directory) as other:
        again = other.load("a")
        assert again.weights[2] == 7
        assert again.weights.flags.writeable


def test_a_save_of_a_mapped_object_takes_little_memory(store: FilesystemStore) -> None:
    """It compares bytes where they are: also those of its record, where an equal object encodes otherwise."""
    store.save([numbers(10), numbers(1_000_000)], "small")
    store.save([numbers(4_000_000)], "a")
    store.invalidate_cache()
    small, found = store.load_many(["small", "a"], mmap="r")
    store.save(small)
    files = files_of(Path(store.directory))
    tracemalloc.start()
    try:
        store.save(found)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    assert files_of(Path(store.directory)) == files


def test_an_object_is_refreshed_in_its_mode(store: FilesystemStore) -> None:
    """Its changes are gone."""
    store.save(Layer(numbers()), "a")
    store.invalidate_cache()
    found = store.load("a", mmap="c")
    found.weights[1] = 8
    store.refresh(found)
    assert found.weights[1] == 1
    assert found.weights.flags.writeable
    assert map_of(found.weights) is not None


@each_mode
def test_an_object_that_is_alive_otherwise_is_refused(store: FilesystemStore, mode: str) -> None:
    """Read into memory, saved from memory, or mapped in the other mode; also where others refer to it."""
    other = next(each for each in MODES if each != mode)
    layer = Layer(numbers())
    store.save(layer, "a")
    store.save(Layer(numbers(), layer), "b")
    for _ in range(2):
        for wanted in ("a", "b"):
            with pytest.raises(NotMappableError, match=r"invalidate_cache\(\)") as caught:
                store.load(wanted, mmap=mode)
            assert caught.value.id == "a"
            with pytest.raises(NotMappableError):
                store.load_many([wanted, "b"], mmap=mode)
        store.invalidate_cache()
        layer = store.load("a", mmap=other)
    store.invalidate_cache()
    assert map_of(store.load("a", mmap=mode).weights) is not None
    del layer
    gc.collect()
    store.invalidate_cache()
    assert store.load("b", mmap=mode).before.weights.flags.writeable == (mode == "c")


def test_a_living_object_without_large_arrays_is_returned(store: FilesystemStore) -> None:
    """It is the same in each mode."""
    small = Layer(np.arange(3))
    store.save(small, "small")
    store.save(Layer(numbers(), small), "a")
    assert store.load("small", mmap="r") is small
    store.invalidate_cache()
    small = store.load("small")
    assert store.load("a", mmap="c").before is small
    with FilesystemStore(store.directory) as other:
        other.remove("small")
    assert store.load("small", mmap="r") is small


def test_a_plain_load_returns_what_is_mapped(store: FilesystemStore) -> None:
    """One ID has one object."""
    store.save(Layer(numbers()), "a")
    store.invalidate_cache()
    found = store.load("a", mmap="r")
    assert store.load("a") is found
    assert store.load("a", mmap="r") is found
    assert store["a"] is found


@pytest.mark.parametrize("url", ["memory:", "sqlite:///{}/x.db"])
def test_an_engine_without_files_is_refused(tmp_path: Path, url: str) -> None:
    """Whatever is to be loaded, because nothing in it could be mapped."""
    with make_store(url.format(tmp_path)) as store:
        store.save("text", "a")
        store.invalidate_cache()
        for load in (store.load, lambda id_, mmap: store.load_many([id_], mmap=mmap)):
            with pytest.raises(NotMappableError, match="directory") as caught:
                load("a", mmap="r")
            assert isinstance(caught.value, InvalidArgumentError)
            assert caught.value.path == store.backend.location


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "compressed": ({"compress": "gzip:1"}, {}, "gzip"),
    "sealed": ({"trust": Trust(key=b"k" * 32)}, {}, "sealed"),
    "restricted": ({"trust": Trust(classes=[*Trust.NUMPY])}, {}, "classes"),
    "placeholders": ({}, {"missing": "placeholder"}, "placeholder"),
}


@pytest.mark.parametrize("count", [COUNT, 1_000_000])
@pytest.mark.parametrize("way", REFUSED)
def test_a_record_that_cannot_be_mapped_is_refused(tmp_path: Path, way: str, count: int) -> None:
    """The error names it and the reason; a record without large arrays is read."""
    opening, loading, reason = REFUSED[way]
    with FilesystemStore(tmp_path, **opening) as store:
        store.save_many({"a": [numbers(count)], "b": ["text", "text"] * 1000})
        store.invalidate_cache()
        with pytest.raises(NotMappableError, match=reason) as caught:
            store.load("a", mmap="r", **loading)
        assert (caught.value.id, caught.value.path) == ("a", str(tmp_path / "a"))
        assert store.load("b", mmap="r", **loading)[0] == "text"
        assert (store.load("a")[0] == numbers(count)).all()


def test_a_ghost_that_cannot_be_mapped_stays_one(store: FilesystemStore) -> None:
    """It can be loaded otherwise."""
    layer = Layer(numbers())
    store.save(layer, "layer", compress="gzip")
    store.save([layer], "root")
    del layer
    store.invalidate_cache()
    root = store.load("root", lazy=True, mmap="r")
    with pytest.raises(NotMappableError, match="gzip"):
        _ = root[0].weights
    assert not store.is_loaded(root[0])
    assert store.load("layer") is root[0]
    assert root[0].weights[9] == 9


@pytest.mark.parametrize("way", ["mmap", "verify"])
def test_wrong_arguments_are_refused(store: FilesystemStore, way: str) -> None:
    """Before anything is read."""
    for options in ({way: "w+"}, {way: 1}):
        with pytest.raises(InvalidArgumentError, match=f"{way}: expected"):
            store.load("not there", **options)
        with pytest.raises(InvalidArgumentError, match=f"{way}: expected"):
            store.load_many([], **options)


@pytest.mark.parametrize("count", [9_000, 200_000])
def test_each_byte_outside_of_mapped_arrays_is_checked(store: FilesystemStore, count: int) -> None:
    """And with `verify="all"` also these; small records are read and checked whole."""
    store.save(["before", numbers(count), "behind"], "a")
    store.invalidate_cache()
    path = Path(store.directory) / "a"
    data = path.read_bytes()
    start = data.index(numbers(count).tobytes())
    end = start + numbers(count).nbytes
    with path.open("r+b") as file:
        for at in (*range(start + 1), end - 1, *range(end, len(data))):
            file.seek(at)
            file.write(bytes([data[at] ^ 16]))
            file.flush()
            if start <= at < end and len(data) > 1 << 20:
                assert store.load("a", mmap="r")[0] == "before"
                store.invalidate_cache()
            else:
                with pytest.raises(RecordError) as caught:
                    store.load("a", mmap="r")
                assert caught.value.id == "a"
            with pytest.raises(RecordError):
                store.load("a", mmap="c", verify="all")
            file.seek(at)
            file.write(data[at : at + 1])
    assert store.load("a", mmap="c", verify="all")[2] == "behind"


def test_nothing_of_an_array_is_read_unless_it_is_asked_for(
    store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for the load nor for the check of the rest."""
    store.save([numbers(1_000_000)], "a")
    store.invalidate_cache()
    read: list[int] = []
    real = os.pread

    def pread(fd: int, count: int, at: int) -> bytes:
        read.append(count)
        return real(fd, count, at)

    monkeypatch.setattr("brinery.backends.directory.files._pread", pread)
    monkeypatch.setattr(os, "preadv", None)
    found = store.load("a", mmap="r")
    assert sum(read) < 10_000
    assert found[0][-1] == 999_999


@pytest.mark.parametrize(
    ("place", "call", "error"),
    [(LargeRecord, "mapped", RecordError), (PickleCodec, "detached", StorageError)],
)
def test_a_file_that_is_cut_off_is_an_error(
    store: FilesystemStore, monkeypatch: pytest.MonkeyPatch, place: Any, call: str, error: Any
) -> None:
    """Where that happens after the look at its end, or just before it is mapped."""
    store.save([numbers(1_000_000)], "a")
    store.invalidate_cache()
    real = getattr(place, call)

    def cut_off(*arguments: Any, **options: Any) -> Any:
        os.truncate(Path(store.directory) / "a", 1000)
        return real(*arguments, **options)

    monkeypatch.setattr(place, call, cut_off)
    with pytest.raises(error):
        store.load("a", mmap="r")


def test_a_record_that_is_gone_is_not_found(store: FilesystemStore) -> None:
    """As in any load."""
    with pytest.raises(NotFoundError):
        store.load("a", mmap="r")
    store.save(Layer(numbers(), Layer(numbers())), "a")
    store.invalidate_cache()
    store.remove("Layer.1")
    with pytest.raises(DanglingReferenceError):
        store.load("a", mmap="r")


def descriptors() -> int:
    """Return how many files are open."""
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_file_is_closed_with_its_last_array(store: FilesystemStore) -> None:
    """Not before, and not later; an error leaves nothing open."""
    store.save_many({str(n): [numbers(), numbers()] for n in range(20)})
    store.invalidate_cache()
    store.load("0", mmap="r")
    store.invalidate_cache()
    gc.collect()
    before = descriptors()
    found = store.load_many(map(str, range(20)), mmap="r")
    arrays = [each[1] for each in found]
    del found
    gc.collect()
    store.load("1", mmap="r")
    assert all((each == numbers()).all() for each in arrays)
    del arrays
    store.invalidate_cache()
    gc.collect()
    assert descriptors() == before


@each_mode
def test_arrays_outlive_the_store(store: FilesystemStore, mode: str) -> None:
    """And its directory."""
    store.save(Layer(numbers()), "a")
    store.invalidate_cache()
    found = store.load("a", mmap=mode)
    store.close()
    os.unlink(Path(store.directory) / "a")
    assert (found.weights == numbers()).all()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of the runner of tests
@each_mode
def test_a_child_sees_mapped_arrays(store: FilesystemStore, mode: str) -> None:
    """Its changes are its own."""
    store.save(Layer(numbers()), "a")
    store.invalidate_cache()
    found = store.load("a", mmap=mode)
    pid = os.fork()
    if not pid:
        right = found.weights[3] == 3 and store.load("a", mmap=mode).weights[4] == 4
        if mode == "c":
            found.weights[3] = 0
        os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert found.weights[3] == 3


def test_threads_map_one_object(store: FilesystemStore) -> None:
    """All get the same one."""
    store.save(Layer(numbers()), "a")
    store.invalidate_cache()
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(store.load("a", mmap="r"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({*map(id, found)}) == 1


def test_what_is_saved_during_a_load_is_mapped(
    store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is loaded is of one state, also where others left the graph in between."""
    store.save({"weights": numbers(), "before": Layer(numbers())}, "a")
    store.save("text", "b")
    store.invalidate_cache()
    other = make_store(store.url)
    real = Mapper.record
    calls: list[Any] = []

    def saving(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            other.replace("a", {"weights": numbers() + 1, "before": None})
        return real(*arguments)

    monkeypatch.setattr(Mapper, "record", saving)
    found, _ = store.load_many(["a", "b"], mmap="r")
    assert len(calls) == 3
    assert found["before"] is None
    assert found["weights"][0] == 1
    assert store.load("a", mmap="r") is found


def test_seals_that_nobody_checks_hinder_nothing(tmp_path: Path) -> None:
    """As they hinder no other load."""
    with FilesystemStore(tmp_path, trust=Trust(key=b"k" * 32)) as store:
        store.save([numbers(), numbers(1_000_000)], "a")
    with FilesystemStore(tmp_path, trust="anyone") as store:
        for array in store.load("a", mmap="r", verify="all"):
            assert map_of(array) is not None


def test_a_place_that_is_only_read_is_mapped(store: FilesystemStore) -> None:
    """Nothing is written for that."""
    store.save(Layer(numbers(), Layer(numbers())), "a")
    with FilesystemStore(store.directory, mode="r") as other:
        found = other.load("a", mmap="c")
        found.weights[0] = 4
        assert map_of(found.before.weights) is not None


KILLED = """\
import os, sys
import numpy as np
from brinery import FilesystemStore
from brinery.backends.directory import recovery
store = FilesystemStore(sys.argv[1])
real, count = recovery._replace, 0
def replace(*arguments):
    global count
    count += 1
    if count == 2: os._exit(9)
    real(*arguments)
recovery._replace = replace
store.update({id: [np.zeros(50_000)] for id in "ab"})
"""


def test_a_commit_that_was_cut_off_is_seen_in_maps(store: FilesystemStore) -> None:
    """By who may not finish it: records are mapped where the journal has them."""
    store.save_many({id_: [numbers()] for id_ in "ab"})
    command = [sys.executable, "-c", KILLED, store.directory]
    assert subprocess.run(command, check=False).returncode == 9
    with FilesystemStore(store.directory, mode="r") as other:
        found = other.load_many(["a", "b"], mmap="r")
        assert all(map_of(each[0]) is not None for each in found)
        assert len({each[0][1] for each in found}) == 1
    store.invalidate_cache()
    with FilesystemStore(store.directory) as other:
        assert other.load("a")[0][1] == other.load("b")[0][1] == found[0][0][1]


def test_the_engine_says_what_can_be_mapped(tmp_path: Path) -> None:
    """The engine decides, and not the class of the store."""
    with FilesystemStore(tmp_path) as first:
        first.save([numbers()], "a")
        with Store(first.backend) as store:
            assert map_of(store.load("a", mmap="r")[0]) is not None
    with pytest.raises(NotMappableError):
        MemoryStore().load("a", mmap="c")
