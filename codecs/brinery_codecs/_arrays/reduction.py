"""How arrays of numpy are reduced: read-only ones, those with attributes, and those that share their memory.

numpy writes each array with its own bytes.  Where arrays of one record reach into each other, as an array and
a view of it do, a record is written a second time: the bytes that they share become one array, and each
of them is made as a view of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from brinery.typing import Any
from brinery_codecs._arrays.memory import Memory, Span
from brinery_codecs._pickle.bare import OverlapError

Reducer = Callable[[Any], Any]


class Arrays:
    """The arrays of the current record."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Prepare for the next record."""
        self._memory = Memory()
        self._collects = False
        self._is_known = False
        self._overlap = False

    def rewrite(self, write: Callable[[], Any]) -> Any:
        """Write a record whose arrays share memory; `write` does it, and is called twice."""
        self._memory = Memory()
        self._collects = True
        try:
            write()
            self._memory.settle()
            self._is_known = True
            return write()
        finally:
            self.begin()

    def _add(self, array: Any) -> None:
        overlaps = self._memory.add(array)
        if not self._collects:
            # Also at the next attempt to write the record: it meets the same arrays.
            self._overlap = self._overlap or overlaps
            if self._overlap:
                raise OverlapError

    def reducer(self, cls: type, plain: Reducer) -> Reducer:
        """Return the reducer for arrays of a class, which calls `plain`."""
        numpy = sys.modules["numpy"]
        whole = (_whole if cls is numpy.ndarray else _bare)(cls, plain, numpy)

        def reduce_array(array: Any) -> Any:
            if not self._is_known:
                self._add(array)
            elif (span := self._memory.shared(array)) is not None and array is not span.whole:
                return _view(array, span, numpy)
            return whole(array)

        return reduce_array


def _whole(cls: type, plain: Reducer, numpy: Any) -> Reducer:
    # numpy's own reduction keeps the order of bytes and the flag of a read-only array only at protocol 5, and
    # there only for arrays in one piece of the types that buffers have.  An array can be made of bytes in any
    # order, and `numpy.broadcast_to` makes it read-only again.
    def reduce_whole(array: Any) -> Any:
        reduction = plain(array)
        if reduction[0].__name__ == "_frombuffer":
            return reduction
        if not array.flags.writeable:
            return numpy.broadcast_to, (array.copy("K"), array.shape)
        if array.dtype.isnative or array.dtype.hasobject:
            return reduction
        copied = array.copy("F" if array.flags.fnc else "C")
        flat = copied.reshape(-1, order="A").view("u1")
        return numpy.ndarray, (copied.shape, copied.dtype, flat, 0, copied.strides)

    return reduce_whole


def _bare(cls: type, plain: Reducer, numpy: Any) -> Reducer:
    if cls.__reduce__ is not numpy.ndarray.__reduce__:
        return plain
    # The attributes of a mapped file say where this process has it; they are left out as ever.
    is_mapped = cls is numpy.memmap

    def reduce_bare(array: Any) -> Any:
        reduction = plain(array)
        is_of_numpy = reduction[0].__name__ == "_reconstruct"
        if is_of_numpy and not is_mapped and getattr(array, "__dict__", None):
            raise TypeError(
                f"numpy does not keep the attributes of a {cls.__module__}.{cls.__qualname__}, "
                f"{', '.join(array.__dict__)}: give the class a __reduce__ and a __setstate__ that do"
            )
        if not array.dtype.isnative and array.dtype.names is None:
            raise TypeError(
                f"numpy would turn round the bytes of a {cls.__module__}.{cls.__qualname__} of the type "
                f"{array.dtype.str!r}: save it as a numpy.ndarray"
            )
        return reduction

    return reduce_bare


def _view(array: Any, span: Span, numpy: Any) -> Any:
    whole = span.bytes()
    if type(array) is not numpy.ndarray or array.dtype.hasobject or array.dtype.kind == "T":
        raise TypeError(
            f"this {type(array).__name__} of {array.dtype} shares its memory with another array of the "
            "object, and would come back with memory of its own: put a copy in one of the two places"
        )
    offset = array.__array_interface__["data"][0] - span.start
    if whole.flags.writeable and not array.flags.writeable:
        made = numpy.ndarray(array.shape, array.dtype, whole, offset, array.strides)
        return numpy.broadcast_to, (made, array.shape)
    return numpy.ndarray, (array.shape, array.dtype, whole, offset, array.strides)
