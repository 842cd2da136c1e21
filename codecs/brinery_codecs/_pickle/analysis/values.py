"""Values, which replace objects while a pickle is scanned, and the errors that end a scan.

`brinery_codecs._pickle.analysis.scan` has the table of values.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import ModuleType

from brinery.errors import TrustError, danger_of
from brinery.typing import Any, Final

Admits = Callable[[str, str], bool]
IsEnumeration = Callable[[str, str], bool | None]
Value = Any

DATA: Final = 0
FRESH: Final = -1
NUMBER: Final = -2
EXTERNAL: Final = -3
FRESH_LIST: Final = -4
SHARED: Final = -5
SHARED_LIST: Final = -6
BUILT: Final = -7
FIRST: Final = -10

SHARED_FORMS: Final = {DATA: SHARED, BUILT: SHARED, FRESH: SHARED, FRESH_LIST: SHARED_LIST}
"""The value of an object once two places refer to it."""

MOST_DEPTH: Final = 1_000
"""Tuples within tuples: to hash one takes a level of the stack of C for each."""
MOST_WEIGHT: Final = 1 << 24
"""Items of a tuple, counted as often as they are reached: to hash it takes as many steps."""
MOST_REUSED: Final = 1 << 20
"""Items of states that are set on several objects, each of which takes a copy."""
HEAVY: Final = 64
"""A tuple that reaches more items is counted in every place."""
MOST_EQUAL: Final = 1_000
"""Different integers of one hash: as keys, each is compared with all before it."""
MODULUS: Final = sys.hash_info.modulus
LARGE: Final = 8  # bytes of an integer that may be greater than the modulus


def is_unknown(value: Value) -> bool:
    """Return whether a value is an object that may hold any number of others."""
    return value is DATA or value is SHARED or value is SHARED_LIST or value is BUILT


def refused(reason: str, names: Sequence[str] = ()) -> TrustError:
    return TrustError(reason, names=names)


def refused_name(module: str, name: str) -> TrustError:
    """Return the error for a global that is not admitted."""
    text = f"{module}:{name}"
    if (danger := danger_of(module, name)) is not None:
        return _refused_dangerous(f"it names {text}", danger, text)
    return refused(
        f"it names {text}, which the trust policy does not admit. If you trust it with any argument, "
        f"add {text!r} to trust=Trust(classes=[…]), or the whole package "
        f"({module.partition('.')[0] + '.*'!r}) for its classes",
        [text],
    )


def refused_object(module: str, name: str, found: Any) -> TrustError:
    """Return the error for an object that is not admitted, under a name that is."""
    text = f"{module}:{name}"
    # Under the name that it has in its own module: `app.tools:os.system` is that of posix.
    own = str(getattr(found, "__module__", None)), str(getattr(found, "__qualname__", None))
    if isinstance(found, ModuleType):
        own = found.__name__, ""
    if (danger := danger_of(*own) or danger_of(module, name)) is not None:
        return _refused_dangerous(f"it names {text}", danger, text)
    return refused(
        f"{text} is a {type(found).__name__}, and the name of a package admits only classes that are "
        f"defined in it. If you trust it with any argument, add {text!r} itself to "
        "trust=Trust(classes=[…])",
        [text],
    )


def _refused_dangerous(what: str, danger: str, name: str) -> TrustError:
    return refused(
        f"{what}, which is dangerous: a record that may call it can {danger}. Do not admit it. If you do not "
        "know who wrote this record, do not load anything from this store",
        [name],
    )


def refused_attribute(name: str) -> TrustError:
    """Return the error for an attribute of an object that is not a class."""
    return refused(f"it asks for the attribute {name[:80]!r} of an object that is not a class")


class Made:
    """An object that is freed by recursion in C: a slice, a deque, an exception of Python.

    Python ends when it frees some ten thousand of them in each other.
    """

    __slots__ = ("depth", "is_built", "is_inside", "is_slice")

    depth: int
    is_built: bool
    """Whether a state was set on it."""
    is_inside: bool
    """Whether it is in another one already, whose depth does not grow any more with its own."""
    is_slice: bool

    def __init__(self, items: Sequence[Value], *, is_slice: bool = False) -> None:
        self.depth = 1
        self.is_built = self.is_inside = False
        self.is_slice = is_slice
        self.hold(items)

    def hold(self, items: Sequence[Value]) -> bool:
        """Take in items; return whether any of them is deep itself."""
        deepest = 0
        for item in items:
            if type(item) is Made:
                item.is_inside = True
                deepest = max(deepest, item.depth)
            elif type(item) is Tuple:
                deepest = max(deepest, item.depth)
        if deepest >= self.depth:
            self.depth = deepest + 1
        if self.depth > MOST_DEPTH:
            raise refused(f"it has objects in objects, more than {MOST_DEPTH} deep")
        return deepest > 0


class Tuple:
    """A tuple, with the number of items that it reaches."""

    __slots__ = ("depth", "items", "weight")

    depth: int
    items: Sequence[Value]
    weight: int

    def __init__(self, items: Sequence[Value]) -> None:
        self.items = items
        weight, depth = 1 + len(items), 1
        for item in items:
            if type(item) is Tuple:
                weight += item.weight
                if item.depth >= depth:
                    depth = item.depth + 1
            elif type(item) is Made:
                item.is_inside = True
                if item.depth >= depth:
                    depth = item.depth + 1
        if depth > MOST_DEPTH:
            raise refused(f"it has tuples in tuples, more than {MOST_DEPTH} deep")
        if weight > MOST_WEIGHT:
            raise refused(f"it has a tuple that reaches more than {MOST_WEIGHT} items")
        self.weight = weight
        self.depth = depth


EMPTY: Final = Tuple(())
