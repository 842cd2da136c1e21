"""Whether two objects are equal that describe themselves differently each time.

Some classes reduce themselves to bytes with addresses in them, or fill in attributes when they are looked at.
Their reductions differ though nothing is lost.  Then the class is asked, and of opaque bytes only those count
that are the same in every copy of one object.
"""

from __future__ import annotations

import copy
import sys
from typing import Any, Final

_COPIES: Final = 4
_NEAR: Final = 8
"""Bytes around one that differs between copies that may belong to the same address."""


def says_equal(first: Any, second: Any) -> bool:
    """Return whether two objects are equal by a method of their class that compares all that they hold."""
    cls = type(first)
    if _is_masked(cls):
        return _are_equal_masked(first, second)
    for name in ("identical", "equals"):
        method = getattr(cls, name, None)
        if callable(method):
            try:
                return method(first, second) is True
            except Exception:  # noqa: BLE001 - then it does not say so
                return False
    # Not `==`, which leaves out much: the fold of a time, the zeros of a Decimal.
    return False


def differ_as_copies(first: Any, second: Any, one: bytes, other: bytes, step: int) -> bool:
    """Return whether the bytes `one` and `other` differ only where those of copies of `first` do.

    They are argument number `step` of the reductions of `first` and `second`.
    """
    if len(one) != len(other):
        return False
    volatile: set[int] = set()
    for _ in range(_COPIES):
        try:
            again = copy.deepcopy(first).__reduce_ex__(4)[1][step]
        except Exception:  # noqa: BLE001 - it cannot be copied, or is reduced otherwise
            return False
        if type(again) is not bytes or len(again) != len(one):
            return False
        volatile |= _places(one, again)
    near = {place + shift for place in volatile for shift in range(-_NEAR, _NEAR + 1)}
    return _places(one, other) <= near


def _places(one: bytes, other: bytes) -> set[int]:
    return {place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b}


def _is_masked(cls: type) -> bool:
    numpy = sys.modules.get("numpy.ma")
    return numpy is not None and issubclass(cls, numpy.MaskedArray)


def _are_equal_masked(first: Any, second: Any) -> bool:
    import numpy

    return (
        first.dtype == second.dtype
        and first.shape == second.shape
        and first.data.tobytes() == second.data.tobytes()
        and numpy.array_equal(numpy.ma.getmaskarray(first), numpy.ma.getmaskarray(second))
        and repr(first.fill_value) == repr(second.fill_value)
    )
