"""Runs one module of dill's own test-suite: by dill, or with brinery's codec in its place.

`python dill_suite.py dill|brinery MODULE` prints a JSON object that tells for each test "passed" or what
it raised, and under "" how many records there were and how many dill wrote itself.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
import warnings
from typing import Any

import dill

from brinery.codec import Sink
from brinery.testing.links import LoneLinks
from brinery_codecs import dill as codec_module
from brinery_codecs.dill import DillCodec

counts = {"records": 0, "by dill": 0}


def dumps(
    obj: Any,
    protocol: Any = None,
    byref: bool | None = None,
    fmode: int | None = None,
    recurse: bool | None = None,
    **_: Any,
) -> bytes:
    """Do as `dill.dumps`, with the codec's default of `recurse`."""
    codec = DillCodec(
        None if protocol is None else int(protocol),
        byref=dill.settings["byref"] if byref is None else byref,
        fmode=fmode or 0,
        recurse=recurse is not False,
    )
    sink = Sink()
    counts["records"] += 1
    codec.dump(obj, sink, LoneLinks(obj))
    return b"".join(sink.pieces)


def loads(data: bytes, **_: Any) -> Any:
    """Do as `dill.loads`."""
    return DillCodec().load(data, LoneLinks(None))


def copy(obj: Any, *args: Any, **options: Any) -> Any:
    """Do as `dill.copy`."""
    options.pop("ignore", None)
    return loads(dumps(obj, *args, **options))


def pickles(obj: Any, exact: bool = False, safe: bool = False, **options: Any) -> bool:
    """Do as `dill.pickles`."""
    try:
        found = copy(obj, **options)
        return bool(found == obj) if exact else type(found) is type(obj)
    except Exception:  # noqa: BLE001 - so does dill, with a list that is as long
        return False


def dump(obj: Any, file: Any, *args: Any, **options: Any) -> None:
    """Do as `dill.dump`."""
    file.write(dumps(obj, *args, **options))


def load(file: Any, **options: Any) -> Any:
    """Do as `dill.load`."""
    return loads(file.read())


def put_in_place() -> None:
    """Have dill's tests call the functions above."""
    for function in (dumps, loads, copy, pickles, dump, load):
        for module in (dill, dill._dill):
            setattr(module, function.__name__, function)
    written_by_dill = codec_module._Pickler.dump

    def counted(self: Any, obj: Any) -> None:
        counts["by dill"] += 1
        written_by_dill(self, obj)

    codec_module._Pickler.dump = counted


def main(which: str, name: str) -> None:
    """Run the tests of a module."""
    warnings.simplefilter("ignore")
    if which == "brinery":
        put_in_place()
    module = importlib.import_module(f"dill.tests.{name}")
    results: dict[str, Any] = {}
    for test, function in list(vars(module).items()):
        if test.startswith("test") and getattr(function, "__module__", "").startswith("dill.tests"):
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    function()
                results[test] = "passed"
            except BaseException as error:  # noqa: BLE001 - a test may exit
                results[test] = f"{type(error).__name__}: {error}"
    print(json.dumps({**results, "": counts}))


if __name__ == "__main__":
    main(*sys.argv[1:])
