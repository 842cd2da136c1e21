"""What the payloads of one class begin with: the globals that each of them names.

A pickler writes a global by importing its module and comparing what stands there, anew for each pickle,
which is half of what a small object costs: 5.5 µs for one with two references, 2.0 where its globals
are known.  So the globals of a class are pickled once, and the bytes begin the payload of each of its
objects; the pickler starts with the memo that belongs to them.
"""

from __future__ import annotations

import copyreg
import pickle
import sys
from typing import Any, NamedTuple

from brinery.codec import Sink
from brinery.placeholder import Placeholder
from brinery.reference import external, hashable_root, new_root
from brinery_codecs._reduction import hashes_by_value

FRAMED = 4
"""The first protocol that writes globals, which then are short, and frames."""
_NEW = copyreg.__newobj__  # type: ignore[attr-defined]


class Opening(NamedTuple):
    """The first bytes of a payload, and what a pickler that goes on from there has in its memo."""

    head: bytes
    memo: Any


def opening_of(cls: type, protocol: int) -> Opening | None:
    """Return the opening for the objects of a class.

    None where these may be reduced to anything but a call of ``__new__``.  It goes by the class alone: an
    object that has not changed is written as it was.
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
    except Exception:  # noqa: BLE001 - the object fails in the same way, and tells where
        return None
    # The tuple is dropped again; what it holds stays in the memo of whoever decodes.
    return Opening(b"".join(sink.pieces)[: -len(pickle.STOP)] + pickle.POP, pickler.memo)


def is_in_place(cls: type) -> bool:
    """Tell whether a class still stands where its opening says."""
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
