"""Prefixes: the first bytes of all payloads of one class, which name the globals that each of them needs.

A pickler writes a global by importing its module and comparing the object that it finds there, again for
each pickle, which is half of what a small object costs: 5.5 µs for one with two references, 2.0 where its
globals are known.  So the globals of a class are pickled once, and the bytes begin the payload of each of
its objects; the pickler starts with the memo that belongs to them.

Reading goes the same way: the memo that an unpickler has after a prefix is found once.  A payload that
names nothing else is read by `pickle.loads`, without a file and without a call for each global: 2.4 µs,
where an unpickler that does all that takes 3.9.
"""

from __future__ import annotations

import copyreg
import functools
import pickle
import struct
import sys
from typing import Any, Final, NamedTuple

from brinery.codec import Sink
from brinery.evolution.placeholder import Placeholder
from brinery.reference import external, hashable_root, new_root
from brinery_codecs._pickle.reducers import hashes_by_value

FRAMED = 4
"""The first protocol that writes globals, which then are short, and frames."""
_NEW = copyreg.__newobj__  # type: ignore[attr-defined]


class Prefix(NamedTuple):
    """The first bytes of a payload, and the memo of a pickler that goes on from there."""

    head: bytes
    memo: Any


def prefix_of(cls: type, protocol: int) -> Prefix | None:
    """Return the prefix for the objects of a class.

    None if these may be reduced to anything but a call of ``__new__``.  It depends on the class alone, so
    that an object that has not changed is written as before.
    """
    if not _is_ordinary(cls):
        return None
    names = (
        (hashable_root, external, _NEW, cls) if hashes_by_value(cls) else (new_root, external, cls)
    )
    sink = Sink()
    pickler = pickle.Pickler(sink, protocol)
    try:
        pickler.dump(names)
    except Exception:  # noqa: BLE001 - the object fails in the same way, with the place in the error
        return None
    # The tuple is dropped again; its items stay in the memo of the unpickler.
    return Prefix(b"".join(sink.pieces)[: -len(pickle.STOP)] + pickle.POP, pickler.memo)


def is_in_place(cls: type) -> bool:
    """Return whether a class is still found under the name in its prefix."""
    found: Any = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is cls


def _is_ordinary(cls: Any) -> bool:
    return (
        type(cls) not in copyreg.dispatch_table
        and cls not in copyreg.dispatch_table
        and cls.__reduce_ex__ is object.__reduce_ex__
        and cls.__reduce__ is object.__reduce__
        and not hasattr(cls, "__getnewargs_ex__")
        and not issubclass(cls, Placeholder)
    )


# The prefix that `prefix_of` makes of ``(new_root, external, cls)`` at protocol 5, in parts: between them
# are the length of a frame, and the module and the name of the class, each behind its length.
_START: Final = b"\x80\x05\x95"
_FRAME: Final = 8
_length_at: Final = struct.Struct("<Q").unpack_from
_REFERENCES: Final = (
    b"\x8c\x11brinery.reference\x94\x8c\x08new_root\x94\x93\x94h\x00\x8c\x08external\x94\x93\x94"
)
_END: Final = b"\x94\x93\x94\x87\x940"
_AFTER: Final = _END + _START
_CALL: Final = b"h\x02h\x07\x85\x94R"
"""Calls the root function with the class alone."""
_LONGEST: Final = 600  # bytes; both names are shorter than 256


def end_of_prefix(source: bytes) -> int:
    """Return where the prefix of a payload of protocol 5 ends, 0 if it has none."""
    at = source.find(_AFTER, 0, _LONGEST)
    return at + len(_END) if at > 0 else 0


def calls_root(source: bytes, end: int) -> bool:
    """Return whether a payload, after its prefix, makes the root from its class alone."""
    start = end + len(_START) + _FRAME
    return source[start : start + len(_CALL)] == _CALL


def refilled(source: bytes, end: int) -> bytes | None:
    """Return a pickle that begins with `REFILL` in place of the prefix that ends at `end`.

    None if it may name further globals, which `pickle.loads` would import by itself, or if it is more than
    one frame: an unpickler sees whether bytes follow the end.
    """
    start = end + len(_START) + _FRAME
    body = source[start:]
    if _length_at(source, start - _FRAME)[0] != len(body):
        return None
    # Any of them may be part of a value; then nothing but time is lost.
    if b"\x93" in body or b"\x82" in body or b"\x83" in body or b"\x84" in body:
        return None
    return REFILL + body


@functools.lru_cache(maxsize=256)
def class_of(prefix: bytes) -> tuple[str, str] | None:
    """Return module and name of the class of a prefix, None if the bytes are not such a prefix."""
    start = len(_START) + _FRAME
    if not prefix.startswith(_START) or not prefix.startswith(_REFERENCES, start):
        return None
    names, at = [], start + len(_REFERENCES)
    for mark in (b"\x8c", b"\x94\x8c"):
        if not prefix.startswith(mark, at) or len(prefix) <= (at := at + len(mark)):
            return None
        names.append(prefix[at + 1 : at + 1 + prefix[at]])
        at += 1 + prefix[at]
    if prefix[at:] != _END:
        return None
    try:
        module, name = (name.decode() for name in names)
    except UnicodeDecodeError:
        return None
    return module, name


def memo_after(named: tuple[str, str], new_root: Any, external: Any, cls: Any) -> tuple[Any, ...]:
    """Return the contents of the memo after a prefix that names the class `named`.

    `new_root`, `external` and `cls` are the globals that the reader uses.
    """
    functions = ("brinery.reference", "new_root", new_root, "external", external)
    return (*functions, *named, cls, (new_root, external, cls))


REFILL: Final = pickle.MARK + (pickle.NEXT_BUFFER + pickle.MEMOIZE) * 9 + pickle.POP_MARK
"""Replaces a prefix: puts the objects of `memo_after` into the memo, passed in as out-of-band buffers.

An unpickler in C offers no other way to fill its memo: assigning to it does not move the place of
the next entry (CPython 3.11 to 3.13).
"""
