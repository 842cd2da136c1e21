"""Read-only arrays of numpy stay so, by each codec that keeps arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from brinery import MemoryStore, Trust

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
