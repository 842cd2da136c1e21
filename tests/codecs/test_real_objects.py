"""Objects that no one here wrote survive every codec of the pickle family."""

from __future__ import annotations

import datetime
import enum
import functools
import operator
import pathlib
import re
import sys
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import attrs
import networkx
import numpy as np
import pandas as pd
import pyarrow as pa
import pydantic
import pytest
import scipy.sparse
import sympy

from brinery import MemoryStore, Persistable
from brinery.testing.samples import Node

CODECS = ["pickle", "cloudpickle", "dill"]
Same = Callable[[Any, Any], bool]


class Weekday(enum.Enum):
    """An enumeration with a method."""

    MONDAY = 1
    FRIDAY = 5

    def ends(self) -> bool:
        """Tell whether the weekend follows."""
        return self is Weekday.FRIDAY


class Rights(enum.Flag):
    """A set of bits."""

    READ = 1
    WRITE = 2


class Account(pydantic.BaseModel):
    """A model with checked fields, private state and a nested model."""

    name: str
    balance: float = 0.0
    opened: datetime.date | None = None
    parent: Account | None = None
    _secret: str = pydantic.PrivateAttr(default="hidden")


class PersistableAccount(Persistable, pydantic.BaseModel):
    """A model with a record of its own."""

    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    name: str
    peer: Any = None


@attrs.define
class Point:
    """An attrs class with slots."""

    x: int
    label: str = attrs.field(default="p", converter=str)
    parts: list[Any] = attrs.field(factory=list)


@attrs.frozen
class Frozen:
    """An attrs class that hashes by value."""

    x: int
    y: tuple[int, ...] = ()


@attrs.define(eq=False)
class Task(Persistable):
    """An attrs class with slots and a record of its own."""

    name: str
    after: list[Task] = attrs.field(factory=list)
    peer: Any = None


@attrs.define(slots=False)
class Dictionary(Persistable):
    """An attrs class without slots."""

    name: str
    peer: Any = None


@attrs.frozen
class FrozenTask(Persistable):
    """A frozen attrs class, equal by value."""

    name: str
    peer: Any = attrs.field(default=None, eq=False)


def _equal(first: Any, second: Any) -> bool:
    return bool(first == second)


def _arrays(first: Any, second: Any) -> bool:
    return bool(
        first.dtype == second.dtype
        and first.shape == second.shape
        and first.flags.f_contiguous == second.flags.f_contiguous
        and first.flags.c_contiguous == second.flags.c_contiguous
        and second.flags.writeable
        and (first.dtype.hasobject or first.tobytes("A") == second.tobytes("A"))
        and repr(first) == repr(second)
    )


def _frames(first: Any, second: Any) -> bool:
    pd.testing.assert_frame_equal(first, second, check_freq=True)
    return bool(first.attrs == second.attrs)


def _series(first: Any, second: Any) -> bool:
    pd.testing.assert_series_equal(first, second, check_freq=True)
    return True


def _sparse(first: Any, second: Any) -> bool:
    return bool(
        first.format == second.format
        and first.dtype == second.dtype
        and first.shape == second.shape
        and (first != second).nnz == 0
    )


def _graphs(first: Any, second: Any) -> bool:
    return bool(networkx.utils.graphs_equal(first, second) and first.graph == second.graph)


def _partials(first: Any, second: Any) -> bool:
    same = (first.func, first.args, first.keywords) == (second.func, second.args, second.keywords)
    return bool(same and first() == second())


def _tables(first: Any, second: Any) -> bool:
    return bool(first.equals(second) and first.schema.equals(second.schema, check_metadata=True))


def _frame() -> pd.DataFrame:
    index = pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["letter", "number"])
    frame = pd.DataFrame(
        {
            "kind": pd.Categorical(["x", "y", "x", None], categories=["y", "x", "z"], ordered=True),
            "when": pd.date_range("2024-03-30", periods=4, freq="D", tz="Europe/Zurich"),
            "value": [1.5, np.nan, -0.0, 4.0],
            "count": pd.array([1, None, 3, 4], dtype="Int64"),
            "text": ["a", None, "c", ""],
            "object": [[1], {"a": 1}, (2,), None],
        },
        index=index,
    )
    frame.attrs["source"] = "made up"
    return frame


def _graph() -> networkx.Graph:
    graph = networkx.MultiDiGraph(name="graph")
    graph.add_edge("a", "b", weight=2.5)
    graph.add_edge("a", "b", weight=3.5)
    graph.add_node(("c", 1), data=[1, 2])
    return graph


def _structured() -> np.ndarray[Any, Any]:
    dtype = np.dtype([("x", "<f8"), ("name", "U5"), ("inner", [("i", ">i2", (2,))])], align=True)
    found = np.zeros(3, dtype)
    found["x"] = [1, 2, 3]
    found["name"] = ["a", "bcd", "é"]
    found["inner"]["i"] = [[1, 2], [3, 4], [5, 6]]
    return found


def _object_array() -> np.ndarray[Any, Any]:
    found = np.empty((2, 2), dtype=object)
    found[:] = [[1, "two"], [None, [3]]]
    return found


x, y = sympy.symbols("x y", positive=True)

OBJECTS: dict[str, tuple[Callable[[], Any], Same]] = {
    "numpy, C order": (lambda: np.arange(24.0).reshape(2, 3, 4), _arrays),
    "numpy, Fortran order": (lambda: np.asfortranarray(np.arange(12).reshape(3, 4)), _arrays),
    "numpy, big-endian": (lambda: np.arange(5, dtype=">i4"), _arrays),
    "numpy, empty": (lambda: np.empty((0, 3), dtype="c16"), _arrays),
    "numpy, dates": (lambda: np.array(["2024-01-01", "NaT"], dtype="M8[D]"), _arrays),
    "numpy, structured": (_structured, _arrays),
    "numpy, objects": (_object_array, _arrays),
    "numpy, scalars": (lambda: [np.float32(1.5), np.int64(-1), np.str_("a"), np.bool_(1)], _equal),
    "numpy, generator": (
        lambda: np.random.default_rng(7),
        lambda a, b: _equal(a.bit_generator.state, b.bit_generator.state),
    ),
    "pandas, frame": (_frame, _frames),
    "pandas, series": (
        lambda: pd.Series([1, 2, None], index=pd.to_datetime(["2024", "2025", "2026"]), name="s"),
        _series,
    ),
    "pandas, index": (lambda: pd.interval_range(0, 3), lambda a, b: bool(a.equals(b))),
    "pandas, timestamp": (
        lambda: pd.Timestamp("2024-10-27 02:30+01:00", tz="Europe/Zurich"),
        _equal,
    ),
    "scipy, csr": (lambda: scipy.sparse.random(20, 30, 0.1, "csr", random_state=1), _sparse),
    "scipy, coo": (lambda: scipy.sparse.coo_array(np.eye(4)), _sparse),
    "networkx": (_graph, _graphs),
    "sympy": (
        lambda: (
            sympy.Integral(sympy.sin(x) ** 2 / (1 + y), (x, 0, sympy.pi)) + sympy.Rational(1, 3)
        ),
        _equal,
    ),
    "sympy, matrix": (lambda: sympy.Matrix([[x, y], [1, x * y]]), _equal),
    "pyarrow, table": (
        lambda: pa.table({"a": [1, None, 3], "b": [["x"], [], None]}).replace_schema_metadata(
            {"k": "v"}
        ),
        _tables,
    ),
    "pyarrow, dictionary": (
        lambda: pa.array(["a", "b", "a"]).dictionary_encode(),
        lambda a, b: bool(a.equals(b)),
    ),
    "datetime with zoneinfo": (
        lambda: datetime.datetime(
            2024, 10, 27, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Zurich")
        ),
        lambda a, b: a == b and a.fold == b.fold and a.tzinfo is b.tzinfo,
    ),
    "pathlib": (
        lambda: [
            pathlib.Path("/a/b.txt"),
            pathlib.PurePosixPath("c"),
            pathlib.PureWindowsPath("C:/d"),
        ],
        _equal,
    ),
    "enum": (lambda: [Weekday.FRIDAY, Rights.READ | Rights.WRITE, {Weekday.MONDAY: 1}], _equal),
    "re.Pattern": (lambda: re.compile(r"(?P<n>\d+)", re.IGNORECASE | re.VERBOSE), _equal),
    "functools.partial": (
        lambda: functools.partial(sorted, [3, 1, 2], key=operator.neg, reverse=False),
        _partials,
    ),
    "functools.partial of a method": (
        lambda: functools.partial("a-b".split, "-", maxsplit=1),
        lambda a, b: a() == b(),
    ),
    "operator": (
        lambda: [
            operator.itemgetter(1, 2),
            operator.attrgetter("a.b"),
            operator.methodcaller("f", 1),
        ],
        lambda a, b: repr(a) == repr(b),
    ),
    "pydantic": (
        lambda: Account(name="a", opened=datetime.date(2024, 1, 2), parent=Account(name="b")),
        lambda a, b: a == b and a._secret == b._secret and a.model_fields_set == b.model_fields_set,
    ),
    "attrs": (lambda: [Point(1, "l", [Point(2)]), {Frozen(1, (2,)): Frozen(3)}], _equal),
}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("name", OBJECTS)
def test_it_comes_back_as_it_was(name: str, codec: str) -> None:
    """Alone, and as a part of a persistable object."""
    make, same = OBJECTS[name]
    obj = make()
    with MemoryStore(codec=codec) as store:
        id_ = store.save(obj)
        holder = store.save(Node("holder", part=[obj], again=obj))
        store.invalidate_cache()
        found = store.load(id_)
        assert type(found) is type(obj)
        assert same(obj, found)
        loaded = store.load(holder)
        assert loaded.part[0] is loaded.again
        assert same(obj, loaded.again)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_old_protocols_keep_arrays_and_frames(codec: str, protocol: int) -> None:
    """Whoever chooses a protocol for an old reader gets it."""
    with MemoryStore(codec=codec, protocol=protocol) as store:
        for name in ("numpy, Fortran order", "numpy, objects", "pandas, frame", "scipy, csr"):
            make, same = OBJECTS[name]
            id_ = store.save(make())
            store.invalidate_cache()
            assert same(make(), store.load(id_))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("make", [Task, Dictionary, FrozenTask], ids=lambda cls: cls.__name__)
def test_attrs_classes_can_be_persistable(make: Any, codec: str) -> None:
    """With slots, with a dictionary, and frozen; shared and in cycles."""
    one = make("one")
    two = make("two", peer=[one, one])
    if make is not FrozenTask:
        one.peer = {"two": two}
    with MemoryStore(codec=codec) as store:
        id_ = store.save(two)
        other = store.save([one])
        assert len(store) == 3
        store.invalidate_cache()
        found = store.load(id_)
        first, again = found.peer
        assert first is again is store.load(other)[0]
        assert (type(found), found.name, first.name) == (make, "two", "one")
        if make is not FrozenTask:
            assert first.peer["two"] is found


@pytest.mark.parametrize("codec", CODECS)
def test_pydantic_models_can_be_persistable(codec: str) -> None:
    """With references to each other, and compared by their fields as pydantic does."""
    one = PersistableAccount(name="one")
    two = PersistableAccount(name="two", peer=[one])
    one.peer = {"two": two}
    with MemoryStore(codec=codec) as store:
        id_ = store.save(two)
        assert len(store) == 2
        store.invalidate_cache()
        found = store.load(id_)
        assert type(found) is PersistableAccount
        assert found.peer[0].peer["two"] is found
        assert found.peer[0].name == "one"
        assert found.model_fields_set == {"name", "peer"}


@pytest.mark.parametrize("codec", CODECS)
def test_persistable_objects_in_arrays_and_frames_are_references(codec: str) -> None:
    """Containers that no one here wrote hold them as a list does."""
    node = Node("shared")
    array = np.array([node, None, node], dtype=object)
    frame = pd.DataFrame({"node": pd.Series([node, node], dtype=object)})
    graph = networkx.Graph()
    graph.add_edge(node, "x", weight=node)
    call = functools.partial(operator.is_, node)
    with MemoryStore(codec=codec) as store:
        id_ = store.save([array, frame, graph, call])
        assert list(store.references(id_)) == store.list("Node")
        store.invalidate_cache()
        array, frame, graph, call = store.load(id_)
        found = array[0]
        assert found is array[2] is frame["node"][0] is frame["node"][1]
        assert graph.has_node(found)
        assert graph.edges[found, "x"]["weight"] is found
        assert call(found)


@dataclass
class Settings(Persistable):
    """What many objects of other libraries refer to."""

    zone: zoneinfo.ZoneInfo
    root: pathlib.Path
    weekday: Weekday
    limits: np.ndarray[Any, Any]


def test_the_libraries_are_those_under_test() -> None:
    """A library that is missing fails this module; nothing here is skipped."""
    needed = ("attrs", "networkx", "numpy", "pandas", "pyarrow", "pydantic", "scipy", "sympy")
    assert all(name in sys.modules for name in needed)


@pytest.mark.parametrize("codec", CODECS)
def test_they_are_parts_of_persistable_objects(codec: str) -> None:
    """As in the records that a program really has."""
    zone = zoneinfo.ZoneInfo("America/New_York")
    settings = Settings(zone, pathlib.Path("/srv"), Weekday.MONDAY, np.arange(3))
    with MemoryStore(codec=codec) as store:
        id_ = store.save({"settings": settings, "again": settings})
        store.invalidate_cache()
        found = store.load(id_)["settings"]
        assert (found.zone, found.root, found.weekday) == (
            zone,
            pathlib.Path("/srv"),
            Weekday.MONDAY,
        )
        assert found.zone is zone
        assert found.limits.tolist() == [0, 1, 2]
