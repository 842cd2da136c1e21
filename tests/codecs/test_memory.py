"""Arrays of one record that share their memory share it again, and what numpy would change is not changed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from tests.codecs.test_arrays import CODECS, GRID, kept, read_only

from brinery import EncodeError, MemoryStore, Persistable, Trust

SHARING: dict[str, Any] = {
    "a part behind it": lambda grid: [grid, grid[1:, 1:]],
    "a part before it": lambda grid: [grid[1:], grid],
    "parts of one that is not there": lambda grid: [grid[:2], grid[1:, ::-1], grid.T[2]],
    "in order F": lambda grid: (
        [np.asfortranarray(grid).T[1:], np.asfortranarray(grid)][:1]
        + [(other := np.asfortranarray(grid)), other[:, 1:]]
    ),
    "of another type": lambda grid: [grid, grid.view("u1"), grid.view(">i8")],
    "of a buffer": lambda grid: [
        (flat := np.frombuffer(bytearray(range(64)), "u2")),
        flat[3:],
        flat.reshape(4, 8),
    ],
    "windows": lambda grid: [np.lib.stride_tricks.sliding_window_view(grid[0], 2), grid],
    "read-only": lambda grid: [grid, read_only(grid[1:])],
    "of records": lambda grid: [
        (table := np.zeros(3, [("a", "i2"), ("b", ">f8")])),
        table["b"],
        table[1:],
    ],
}
BY_PICKLE = ["cloudpickle", "dill", *(f"pickle:{n}" for n in range(6))]


def meetings(arrays: list[np.ndarray]) -> list[bool]:
    """Return of each two arrays whether they share an element."""
    return [bool(np.shares_memory(one, other)) for one in arrays for other in arrays]


@pytest.mark.parametrize("codec", BY_PICKLE)
@pytest.mark.parametrize("kind", SHARING)
def test_arrays_that_share_their_memory_share_it_again(codec: str, kind: str) -> None:
    """Whatever is written through one is seen through the others."""
    arrays = SHARING[kind](np.arange(12.0).reshape(3, 4))
    found = kept(codec, arrays)
    assert meetings(found) == meetings(arrays)
    for one, other in zip(arrays, found, strict=True):
        assert (one.dtype, one.shape, one.strides) == (other.dtype, other.shape, other.strides)
        assert one.tobytes() == other.tobytes()
        assert one.flags.writeable == other.flags.writeable


@pytest.mark.parametrize("codec", ["pickle", "dill"])
def test_a_policy_admits_arrays_that_share_their_memory(codec: str) -> None:
    """They are made of what other arrays are made of."""
    found = kept(codec, [GRID, GRID[1:]], Trust(classes=[*Trust.NUMPY]))
    assert np.shares_memory(*found)


def test_an_attribute_shares_the_memory_of_another() -> None:
    """In a record that begins with an opening; the next record knows nothing of it."""
    part = GRID[1:]
    with MemoryStore() as store:
        ids = store.save_many([Grids(a=GRID, b=part), Grids(a=GRID), Grids(a=part)])
        sizes = [store.info(id_).size for id_ in ids]
        store.invalidate_cache()
        both, *_ = store.load_many(ids)
    both.a[1, 0] = 99
    assert both.b[0, 0] == 99
    assert sizes[0] < sizes[1] + sizes[2]


def test_rows_and_columns_that_share_nothing_stay_apart() -> None:
    """Though the columns lie between each other, and the rows are a thousand."""
    grid = np.arange(4_000.0).reshape(1_000, 4)
    rows, columns = kept("pickle", [list(grid), None])[0], kept("pickle", [grid[:, 0], grid[:, 1]])
    assert not any(np.may_share_memory(one, other) for one, other in pairwise(rows))
    assert not np.may_share_memory(*columns)
    assert [row.tolist() for row in rows] == grid.tolist()


def test_arrays_that_cannot_share_again_are_refused() -> None:
    """Of objects, of subclasses, of memory that only C code knows; alone they are kept."""
    objects = np.array([1, "a", None], object)
    for obj in ([objects, objects[1:]], [GRID, GRID[1:].view(Measured)]):
        with pytest.raises(EncodeError, match="shares its memory"):
            kept("pickle", obj)
    assert kept("pickle", [objects[1:]])[0].tolist() == ["a", None]


def test_msgpack_refuses_arrays_that_share_their_memory() -> None:
    """As it refuses a list in two places; columns that share nothing it keeps."""
    with pytest.raises(EncodeError, match="shares its memory") as caught:
        kept("msgpack", {"a": GRID, "b": [GRID[1:]]})
    assert isinstance(caught.value, EncodeError)
    assert caught.value.object_path == "['b'][0]"
    assert len(kept("msgpack", [GRID[:, 0], GRID[:, 1]])) == 2


class Measured(np.ndarray):
    """An array with attributes, which numpy does not keep."""

    unit: str


class Grids(Persistable):
    """Holds arrays."""

    def __init__(self, **arrays: Any) -> None:
        self.__dict__.update(arrays)


@pytest.mark.parametrize("codec", BY_PICKLE)
def test_attributes_of_arrays_are_kept_or_refused(codec: str) -> None:
    """dill has a place for them, numpy none; without any the array is kept."""
    array = np.arange(3.0).view(Measured)
    assert type(kept(codec, [array])[0]) is Measured
    array.unit = "m"
    if codec == "dill":
        assert kept(codec, [array])[0].unit == "m"
        return
    with pytest.raises(EncodeError, match="unit"):
        kept(codec, [array])


@pytest.mark.parametrize("codec", BY_PICKLE)
def test_subclasses_of_arrays_keep_the_order_of_bytes_or_are_refused(codec: str) -> None:
    """numpy turns the bytes round when it reads them; those of records it leaves."""
    with pytest.raises(EncodeError, match="turn round"):
        kept(codec, [np.arange(3, dtype=">i4").view(Measured)])
    table = np.rec.array(np.ones(3, [("a", ">f4"), ("b", "<i2")]))
    assert kept(codec, [table])[0].dtype == table.dtype


@pytest.mark.parametrize("codec", CODECS)
def test_the_order_of_bytes_is_kept(codec: str) -> None:
    """Also of arrays with gaps, in order F, of text and times, and read-only."""
    big = np.arange(12).reshape(3, 4).astype(">f8")
    arrays = [
        big,
        big.copy()[:, ::2],
        np.asfortranarray(big),
        np.array(["a", "bc"], ">U2"),
        np.array(["2024-01-02"], ">M8[D]"),
        read_only(big.copy()[1:]),
        np.array(7, ">i4"),
    ]
    for one, other in zip(arrays, kept(codec, arrays), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes("A") == other.tobytes("A")
        assert one.flags.f_contiguous == other.flags.f_contiguous
        assert one.flags.writeable == other.flags.writeable
