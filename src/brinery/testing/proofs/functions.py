"""Proofs of functions and classes by value."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from brinery.codec import Codec
from brinery.testing import samples
from brinery.testing.proofs.processes import CODEC, described, output_of
from brinery.testing.proofs.proof import BY_REFERENCE, CHANGED, KEPT, REFUSED, Fate, fate_of


def lambdas_row(codec: Codec) -> Fate:
    """Save a lambda, load it and call it."""

    def check(first: Any, second: Any) -> None:
        assert [function(20) for function in second] == [21]

    return fate_of(codec, [lambda x: x + 1], check, evidence="called, it gives what it gave")


def closures_row(codec: Codec) -> Fate:
    """Save two closures, load them and call them."""

    def check(first: Any, second: Any) -> None:
        assert (second[0](), second[0](), second[1]()) == (4, 5, [1, 2])

    obj = [samples.counter(3)[1], samples.getter([1, 2])]
    return fate_of(codec, obj, check, evidence="with their own copy of what they captured")


def recursive_row(codec: Codec) -> Fate:
    """Save a function that calls itself."""

    def factorial(n: int) -> int:
        return n * factorial(n - 1) if n else 1

    def check(first: Any, second: Any) -> None:
        assert second[0](5) == 120
        assert second[0].__closure__[0].cell_contents is second[0]

    return fate_of(codec, [factorial], check, evidence="a nested function that calls itself")


def by_value_row(codec: Codec) -> Fate:
    """Save a class that was made in a function, and two instances."""
    cls = samples.local_class()

    def check(first: Any, second: Any) -> None:
        assert type(second[0]) is type(second[1]) is second[2]
        assert [second[0].capped(), second[1].capped()] == [2, 3]

    return fate_of(codec, [cls(2), cls(5), cls], check, evidence="a class made in a function")


_MAIN_SAVE = (
    CODEC
    + """
from brinery import EncodeError, FilesystemStore
class Point:
    def __init__(self, x): self.x = x
    def double(self): return 2 * self.x
with FilesystemStore(sys.argv[2], codec=codec) as store:
    try:
        store.save([Point(21)], "proof")
    except EncodeError:
        print("refused", store.list())
    else:
        print("saved")
"""
)
_MAIN_LOAD = """
import sys
from brinery import DecodeError, FilesystemStore
if sys.argv[2] == "same":
    class Point:
        def double(self): return 2 * self.x
with FilesystemStore(sys.argv[1]) as store:
    try:
        print(store.load("proof")[0].double())
    except DecodeError:
        print("not found")
"""


def main_classes_row(codec: Codec) -> Fate:
    """Save an instance of a class of `__main__`, and load it in two other processes."""
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory, "store"))
        said = output_of("-c", _MAIN_SAVE, described(codec), path)
        if said == "refused []":
            return Fate(REFUSED, "`EncodeError`")
        loaded = [output_of("-c", _MAIN_LOAD, path, main) for main in ("other", "same")]
    match (said, loaded):
        case ("saved", ["42", "42"]):
            return Fate(KEPT, "a process whose `__main__` has no such class loads the object")
        case ("saved", ["not found", "42"]):
            return Fate(
                BY_REFERENCE,
                "loads where `__main__` has a class of this name; elsewhere it is an error",
            )
    return Fate(CHANGED, f"a fresh process said {said!r}, and then {loaded!r}")


def generators_row(codec: Codec) -> Fate:
    """Save a generator that has begun."""

    def check(first: Any, second: Any) -> None:
        assert list(second[0]) == [1, 4]

    generator = (n * n for n in range(3))
    next(generator)
    return fate_of(codec, [generator], check, evidence="it goes on where it stood")
