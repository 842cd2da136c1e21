"""Probes of arrays and tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from brinery.testing.league.objects import Plain
from brinery.testing.league.probe import Probe

Make = Callable[[Any], Any]


def _numpy(make: Make, use: Callable[[Any], object] | None = None) -> Probe:
    def build() -> Any:
        import numpy

        return make(numpy)

    return Probe(build, use, requires=("numpy",))


def _pandas(make: Make) -> Probe:
    def build() -> Any:
        import pandas

        return make(pandas)

    return Probe(build, requires=("pandas",))


def _form(obj: Any) -> list[Any]:
    return [
        (type(each).__name__, str(each.dtype), each.shape, each.flags.f_contiguous, each.tobytes())
        for each in obj
    ]


def _read_only(numpy: Any) -> Any:
    array = numpy.arange(3.0)
    array.flags.writeable = False
    return [array]


def _views(numpy: Any) -> Any:
    grid = numpy.zeros((3, 4))
    return [grid, grid[1:], grid.T]


def _write_through(obj: Any) -> Any:
    obj[0][1, 2] = 7
    return obj[1][0, 2], obj[2][2, 1]


def _rows_and_columns(numpy: Any) -> Any:
    grid = numpy.arange(12).reshape(3, 4)
    return [grid[0], grid[1], grid[:, 2:], grid[::-1, ::2]]


def _add_everywhere(obj: Any) -> Any:
    for each in obj:
        each += 1
    return [each.tolist() for each in obj]


def _objects(numpy: Any) -> Any:
    shared = Plain(a=1)
    array = numpy.empty(3, dtype=object)
    array[:] = [shared, shared, [shared]]
    return [shared, array]


def _twice(numpy: Any) -> Any:
    array = numpy.arange(1000.0)
    return {"one": array, "two": [array]}


def _inside(numpy: Any) -> Any:
    return Plain(array=numpy.arange(4), scalar=numpy.float64(0.5), kind=numpy.dtype("<f4"))


def _frame(pandas: Any) -> Any:
    return pandas.DataFrame(
        {
            "number": [1, 2, 3],
            "time": pandas.date_range("2024-01-01", periods=3, tz="UTC"),
            "kind": pandas.Categorical(["a", "b", "a"]),
            "text": ["a", None, "c"],
        },
        index=["x", "y", "z"],
    )


PROBES: Final = {
    "an array of floats": _numpy(lambda numpy: [numpy.arange(12.0).reshape(3, 4)], _form),
    "an empty array, and one without dimensions": _numpy(
        lambda numpy: [numpy.zeros((0, 3), "i2"), numpy.array(7)], _form
    ),
    "an array in the order of Fortran": _numpy(
        lambda numpy: [numpy.asfortranarray(numpy.arange(12.0).reshape(3, 4))], _form
    ),
    "arrays of big-endian numbers": _numpy(
        lambda numpy: [
            numpy.arange(3, dtype=">i4"),
            numpy.arange(12, dtype=">f8").reshape(3, 4)[:, 1:],
            numpy.array(["a", "bc"], ">U2"),
        ],
        _form,
    ),
    "arrays of text and dates": _numpy(
        lambda numpy: [numpy.array(["a", "bc"]), numpy.array(["2024-01-02"], "M8[D]")], _form
    ),
    "an array of records": _numpy(
        lambda numpy: [numpy.array([(1, 2.5)], [("a", "i2"), ("b", "f8")])], _form
    ),
    "an array that is read-only": _numpy(_read_only, lambda obj: obj[0].flags.writeable),
    "arrays that share their memory": _numpy(_views, _write_through),
    "parts of an array that is not there": _numpy(_rows_and_columns, _add_everywhere),
    "an array in two places": _numpy(_twice, lambda obj: obj["one"] is obj["two"][0]),
    "an array of objects": _numpy(_objects, lambda obj: obj[1][0] is obj[1][1] is obj[0]),
    "a masked array": _numpy(lambda numpy: numpy.ma.array([1, 2], mask=[True, False])),
    "scalars of numpy": _numpy(
        lambda numpy: [numpy.float32(1.5), numpy.int64(-1), numpy.bool_(True), numpy.str_("a")]
    ),
    "an array in an attribute": _numpy(_inside, lambda obj: (obj.array.tolist(), obj.kind.str)),
    "a table of pandas": _pandas(_frame),
    "a column of pandas": _pandas(lambda pandas: pandas.Series([1, 2], name="n", dtype="Int64")),
}
"""Arrays of numpy, tables of pandas."""
