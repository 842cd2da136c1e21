"""The benchmark tells what another process gets: what is lost there, and what is not lost at all."""

from __future__ import annotations

import enum
import json
import os
import pickle
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brinery.bench import compare
from brinery.bench.result import Case
from brinery_codecs.pickle import PickleCodec

pytestmark = pytest.mark.thorough  # each case is measured in processes of its own

HEAD = """
import enum, json, typing
from dataclasses import dataclass
from brinery.bench import compare

def told(obj, codecs="pickle,cloudpickle,dill"):
    result = compare(obj, codecs=codecs, seconds=0, rounds=1, progress=False)
    print(json.dumps({case.codec: [case.is_whole, list(case.fidelity.losses)] for case in result}))
    return result
"""


def script(directory: Path, code: str) -> list[dict[str, list[Any]]]:
    """Run code as a script, after `HEAD`; return by codec whether all was kept, and the losses."""
    file = directory / "script.py"
    file.write_text(HEAD + textwrap.dedent(code), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, check=False, cwd=directory
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def one(obj: Any, codec: Any = "pickle", **options: Any) -> Case:
    (case,) = compare(obj, [codec], seconds=0, rounds=1, **options)
    return case


def test_what_only_the_script_can_load_is_lost(tmp_path: Path) -> None:
    """An object of a class of `__main__`, a member of an enumeration, the class itself."""
    code = """
    @dataclass
    class Point:
        x: int
    class Colour(enum.Enum):
        RED = 1
    result = told([Point(1)])
    assert {each.codec for each in result.recommendations} == {"cloudpickle", "dill"} or (
        "pickle" not in {each.codec for each in result.recommendations}
    )
    told([Colour.RED])
    told([{"class": Point}])
    """
    for found in script(tmp_path, code):
        assert found["pickle"][0] is False
        assert "cannot be imported there" in found["pickle"][1][0]
        assert found["cloudpickle"] == found["dill"] == [True, []]


BY_VALUE = """
def account():
    total = 0
    class Account:
        def pay(self, n):
            nonlocal total
            total += n
    def balance():
        return total
    return [Account(), balance]
def config():
    options = ["a"]
    class Config:
        chosen = options
    return [Config(), options]
def alone():
    class Alone:
        limit = 3
        def half(self): return self.limit / 2
        @property
        def double(self): return 2 * self.limit
        @staticmethod
        def zero(): return 0
    return [Alone(), Alone]
told(alone(), "cloudpickle,dill")
"""
USE = """
from brinery import FilesystemStore
def elsewhere(make, use):
    import subprocess, sys
    with FilesystemStore(make.__name__, codec="cloudpickle") as store:
        store.save(make(), "x")
    code = f"from brinery import FilesystemStore; graph = FilesystemStore({make.__name__!r}).load('x'); {use}"
    print(json.dumps({"cloudpickle": [subprocess.run([sys.executable, "-c", code]).returncode == 0, []]}))
told(account(), "cloudpickle")
elsewhere(account, "graph[0].pay(7); assert graph[1]() == 7")
told(config(), "cloudpickle")
elsewhere(config, "assert graph[0].chosen is graph[1]")
"""


def test_what_a_class_by_value_loses_is_told_and_nothing_else(tmp_path: Path) -> None:
    """The benchmark says the same as a process that loads the record and uses it."""
    alone, *rest = script(tmp_path, BY_VALUE + USE)
    assert alone["cloudpickle"] == alone["dill"] == [True, []]
    for said, found in zip(rest[::2], rest[1::2], strict=True):
        assert said["cloudpickle"][0] == found["cloudpickle"][0], said


class Standard(PickleCodec):
    """Writes what the standard pickle does, and so what that loses."""

    name = "standard"

    def encoder(self, links: Any) -> Any:
        return lambda obj: ([pickle.dumps(obj)], 0, False)

    def renews(self, encode: Any) -> bool:
        return False


class Measured(np.ndarray):
    """An array with a unit, which numpy does not keep."""


def test_attributes_of_arrays_are_lost() -> None:
    """By pickle itself; the place is named.  The codec refuses them."""
    array = np.arange(3.0).view(Measured)
    array.unit = "m"  # type: ignore[attr-defined]
    case = one([array], Standard())
    assert case.is_whole is False
    assert "lost .unit" in case.fidelity.losses[0]
    assert one([array]).status == "refused"
    assert one([np.arange(3.0).view(Measured)]).is_whole


def test_views_that_become_arrays_of_their_own_are_lost() -> None:
    """Of an array that is in the graph, by pickle itself; a view alone loses nothing."""
    base = np.arange(10.0)
    case = one([base, {"part": base[2:4]}], Standard())
    assert case.fidelity.identity is False
    assert "shared its memory" in case.fidelity.losses[0]
    assert one([base, {"part": base[2:4]}]).is_whole
    assert one([base[2:4], np.arange(10.0)]).is_whole
    assert one([base, base]).is_whole


def test_the_cause_of_an_exception_is_lost() -> None:
    """By pickle itself, and not by the codecs."""
    error = ValueError("x")
    assert one([error], Standard()).is_whole
    error.__cause__ = KeyError(1)
    case = one([error], Standard())
    assert case.is_whole is False
    assert "<cause>" in case.fidelity.losses[0]
    assert one([error], "dill").is_whole


class Storage:
    """Is reduced to bytes with its address, as the storages of torch are."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __reduce__(self) -> Any:
        return _storage, (f"{id(self):020d}".encode() + b"#" * 20 + pickle.dumps(self.data),)


def _storage(text: bytes) -> Storage:
    return Storage(pickle.loads(text[40:]))


class Changes(PickleCodec):
    """Gives other data back."""

    name = "changes"

    def load(self, source: Any, links: Any, buffers: Any = ()) -> Any:
        found = super().load(source, links, buffers)
        if type(found[0]) is Storage:
            found[0].data = found[0].data[:30] + b"?" + found[0].data[31:]
        return found


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill"])
def test_bytes_that_hold_addresses_are_not_a_loss(codec: str) -> None:
    """They differ for each copy of the object; data that differ are a loss all the same."""
    assert one([Storage(b"data")], codec).is_whole
    assert one({"model": [Storage(bytes(1000)), Storage(b"abc" * 300)]}, codec).is_whole
    assert one([Storage(b"abcdefghijklmnopqrstuvwxyz" * 4)], Changes()).is_whole is False


class Table:
    """Fills in an attribute when it is looked at, and says itself what is identical."""

    def __init__(self, values: list[int]) -> None:
        self.values, self._notes = values, None

    @property
    def notes(self) -> Any:
        self._notes = self._notes or {}  # type: ignore[assignment]
        return self._notes

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)
        assert self.notes == {}

    def identical(self, other: Any) -> bool:
        return type(other) is Table and self.values == other.values


def test_a_class_that_compares_its_objects_is_asked() -> None:
    """As the data sets of xarray and the masked arrays of numpy are."""
    assert one([Table([1])]).is_whole
    masked = np.ma.array([1, 2], mask=[False, True])
    assert one([masked]).is_whole


class Member(enum.Enum):
    ONE = 1


@pytest.mark.parametrize("obj", [[Member.ONE, Member], [len, os.path.join], {"a": {1, (2, 3)}}])
def test_what_is_importable_is_kept(obj: Any) -> None:
    """No other process is asked for it."""
    assert one(obj).is_whole


LOCK = threading.Lock()


class Waiting:
    """Waits for a thread, as models do that have used OpenMP."""

    def __reduce__(self) -> Any:
        if os.getpid() != PARENT:
            with LOCK:
                pass
        return Waiting, ()


PARENT = os.getpid()


def test_a_case_that_waits_for_threads_ends_and_says_why() -> None:
    """And the way that works; the other codecs are tried as well."""
    ready, end = threading.Event(), threading.Event()

    def hold() -> None:
        with LOCK:
            ready.set()
            end.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        ready.wait()
        first, second = compare(
            [Waiting()], "pickle,dill", seconds=0, rounds=1, timeout=3, progress=False
        )
    finally:
        end.set()
        thread.join()
    assert first.status == second.status == "timeout"
    for case in (first, second):
        assert "threads" in (case.error or "")
        assert "brinery bench path/to/file.py:function" in (case.error or "")
