"""Which arrays of numpy lie in the same memory."""

from __future__ import annotations

import sys
from bisect import bisect_left, insort
from collections.abc import Sequence
from itertools import combinations
from operator import attrgetter

from brinery.typing import Any, Final

_END: Final = attrgetter("end")


class Span:
    """A piece of memory in which arrays lie that reach into each other."""

    __slots__ = ("arrays", "end", "owner", "start", "whole")

    def __init__(self, owner: Any, array: Any) -> None:
        self.owner = owner
        """The object that the memory belongs to."""
        self.start, self.end = extent(array)
        self.arrays = [array]
        self.whole: Any = None
        """An array of its bytes, once somebody has asked for it."""

    def join(self, other: Span) -> None:
        """Take in another span."""
        self.start, self.end = min(self.start, other.start), max(self.end, other.end)
        self.arrays += other.arrays

    def is_shared(self) -> bool:
        """Return whether two of the arrays have an element in the same place: columns of a grid have not."""
        if len(self.arrays) > _MOST_COMPARED:
            return True
        return any(map(_share, *zip(*combinations(self.arrays, 2), strict=True)))

    def bytes(self) -> Any:
        """Return an array of all bytes; raise TypeError where that cannot be had."""
        if self.whole is None:
            import numpy

            if not isinstance(self.owner, numpy.ndarray):
                try:
                    flat = numpy.frombuffer(self.owner, "u1")
                except (TypeError, ValueError, BufferError) as error:
                    raise TypeError(f"{_SHARED}: {error}") from None
            elif self.owner.dtype.hasobject or not self.owner.flags.forc:
                raise TypeError(_SHARED)
            else:
                flat = self.owner.reshape(-1, order="A").view("u1")
            first = self.start - extent(flat)[0]
            if first < 0 or first + self.end - self.start > flat.size:
                raise TypeError(_SHARED)
            self.whole = flat[first : first + self.end - self.start]
        return self.whole


_SHARED: Final = (
    "this array shares its memory with another one of the object, and would come back with memory of "
    "its own: put a copy in one of the two places"
)


_MOST_COMPARED: Final = 50
_MOST_WORK: Final[Any] = 10_000


def _share(one: Any, other: Any) -> bool:
    import numpy

    try:
        return bool(numpy.shares_memory(one, other, max_work=_MOST_WORK))
    except (RuntimeError, OverflowError):  # too hard to find out
        return True


class Memory:
    """The arrays of one record, by the memory that they lie in."""

    def __init__(self) -> None:
        self._arrays: dict[int, Any] = {}
        self._first: dict[int, Any] = {}
        self._spans: dict[int, list[Span]] = {}

    def add(self, array: Any) -> bool:
        """Take in an array; return whether it reaches into another one."""
        key = id(array)
        if key in self._arrays:
            return False
        self._arrays[key] = array
        if array.base is not None:
            key = id(_owner(array))
        first = self._first.setdefault(key, array)
        if first is array or not array.size:
            return False
        spans = self._spans.get(key)
        if spans is None:
            spans = self._spans[key] = [Span(_owner(array), first)]
        return _insert(spans, Span(_owner(array), array))

    def settle(self) -> Sequence[Span]:
        """Forget all but the spans whose arrays share an element, and return these."""
        for key, spans in self._spans.items():
            self._spans[key] = [span for span in spans if len(span.arrays) > 1 and span.is_shared()]
        return [span for spans in self._spans.values() for span in spans]

    def shared(self, array: Any) -> Span | None:
        """Return the span of an array, once they are settled; None if it shares nothing."""
        spans = self._spans.get(id(_owner(array)), ())
        start, end = extent(array)
        at = bisect_left(spans, end, key=_END)
        return spans[at] if at < len(spans) and spans[at].start <= start and array.size else None


def _insert(spans: list[Span], span: Span) -> bool:
    # The spans are sorted, and none reaches into another.
    at = bisect_left(spans, span.start + 1, key=_END)
    is_shared = False
    while at < len(spans) and spans[at].start < span.end:
        span.join(spans.pop(at))
        is_shared = True
    insort(spans, span, key=_END)
    return is_shared


def extent(array: Any) -> tuple[int, int]:
    """Return the addresses at which an array begins and ends."""
    start = array.__array_interface__["data"][0]
    end = start + array.itemsize
    for length, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            start += (length - 1) * stride
        else:
            end += (length - 1) * stride
    return start, end


def _owner(array: Any) -> Any:
    kind = sys.modules["numpy"].ndarray
    owner = array
    while (base := owner.base) is not None:
        owner = base
        # What `as_strided` puts between is not an array.
        if not isinstance(owner, kind) and not hasattr(owner, "__array_interface__"):
            break
    return owner
