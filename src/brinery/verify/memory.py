"""Which arrays of a graph share their memory."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any


def lost_views(first: Sequence[Any], second: Sequence[Any]) -> str | None:
    """Return how arrays that shared memory came back; None if all do that shared it.

    `first` and `second` are the nodes of two graphs in one order.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    ones, others = (
        [each for each in nodes if isinstance(each, numpy.ndarray) and each.size]
        for nodes in (first, second)
    )
    if [(a.dtype, a.shape) for a in ones] != [(a.dtype, a.shape) for a in others]:
        return None
    holders: dict[int, int] = {}
    for place, array in enumerate(ones):
        holder = holders.setdefault(id(_memory_of(array, numpy)), place)
        if (
            holder != place
            and numpy.may_share_memory(ones[holder], array)
            and not numpy.may_share_memory(others[holder], others[place])
        ):
            return (
                f"an array of shape {array.shape} that shared its memory with one of shape "
                f"{ones[holder].shape} came back with memory of its own"
            )
    return None


def _memory_of(array: Any, numpy: Any) -> Any:
    while isinstance(array.base, numpy.ndarray):
        array = array.base
    return array if array.base is None else array.base
