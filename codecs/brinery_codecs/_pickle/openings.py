"""Openings: the first bytes of all payloads of one class, which make its object.

A pickler writes a global by importing its module and comparing the object that it finds there, again for each
pickle, which is half of what a small object costs.  So the bytes that name the globals of a class and call
its constructor are made once.  After them comes the state, which the pickler writes with the memo that
belongs to the opening, and the opcode that gives the state to the object.

Reading goes the same way: an opening that is known is replaced by bytes that take the object and the function
for references from outside.  A state that names nothing is then read by `pickle.loads`, without a file and
without a call for each global.
"""

from __future__ import annotations

import copyreg
import functools
import pickle
import struct
import sys
from collections.abc import Callable, Sequence
from io import BytesIO

from brinery.evolution.placeholder import Placeholder
from brinery.reference import external
from brinery.typing import Any, Final, NamedTuple

FRAMED: Final = 4
"""The first protocol that writes frames, and a memo without numbers."""
_MOST_ON_TRIAL: Final = 1 << 20  # bytes of a state
_AFTER_FRAME: Final = 11  # bytes: protocol and length of the frame
_AFTER_PROTOCOL: Final = 2
_FRAME_OPCODE: Final = pickle.FRAME
_FRAME: Final = pickle.FRAME[0]

# The globals of brinery; `external` goes into the memo and from the stack again.
_FUNCTIONS: Final = b"cbrinery.reference\nexternal\n\x940cbrinery.reference\nnew_root\nc"
_CALL: Final = b"\n\x85R\x94"
_LONGEST: Final = 600  # bytes

REFILL: Final = (
    pickle.MARK
    + pickle.NEXT_BUFFER
    + pickle.MEMOIZE
    + pickle.POP_MARK
    + pickle.NEXT_BUFFER
    + pickle.MEMOIZE
)
"""Replaces an opening: puts the function for references and the object into the memo.

Both are passed in as out-of-band buffers.  An unpickler in C offers no other way to fill its memo: assigning
to it does not move the place of the next entry (CPython 3.11 to 3.13).
"""
BUILD: Final = pickle.BUILD + pickle.STOP
_STACK_GLOBAL: Final = pickle.STACK_GLOBAL
_EXTENSIONS: Final[Any] = copyreg._extension_registry  # type: ignore[attr-defined]


class Opening(NamedTuple):
    """The first bytes of the payloads of a class."""

    head: bytes
    is_plain: bool
    """Whether an object can be made and its state be set without code of the user's."""
    notes: Sequence[Callable[[], None]] = ()
    """To be called for each object: they note its library, and its version."""


def opening_of(cls: type, protocol: int) -> Opening | None:
    """Return the opening of the objects of a class.

    None if these may be reduced to anything but a call of ``__new__`` and their ``__dict__``, or if their
    class is not found under its name.
    """
    if protocol < FRAMED or not is_ordinary(cls) or not is_in_place(cls):
        return None
    head = _head(cls.__module__, cls.__qualname__, protocol)
    return None if head is None else Opening(head, is_plain(cls))


@functools.lru_cache(maxsize=256)
def _head(module: str, qualname: str, protocol: int) -> bytes | None:
    named = f"{module}\n{qualname}"
    if named.count("\n") != 1:
        return None
    try:
        name = named.encode()
    except UnicodeEncodeError:
        return None
    head = b"\x80%c%s%s%s" % (protocol, _FUNCTIONS, name, _CALL)
    return head if len(head) <= _LONGEST else None


def is_in_place(cls: type) -> bool:
    """Return whether a class is found under its name."""
    found: Any = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is cls


def is_ordinary(cls: Any) -> bool:
    """Return whether the objects of a class are reduced to ``__new__`` and their ``__dict__``."""
    return (
        cls.__reduce_ex__ is object.__reduce_ex__
        and cls.__reduce__ is object.__reduce__
        and cls.__new__ is object.__new__
        and cls.__dictoffset__ != 0
        and cls.__basicsize__ <= _size_of_bare(cls)
        and getattr(cls, "__getstate__", _GET_STATE) is _GET_STATE
        and type(cls) not in copyreg.dispatch_table
        and cls not in copyreg.dispatch_table
        and not hasattr(cls, "__getnewargs_ex__")
        and not hasattr(cls, "__getnewargs__")
        and not copyreg._slotnames(cls)  # type: ignore[attr-defined]
        and not issubclass(cls, Placeholder)
        and not _hashes_by_value(cls)
    )


def _size_of_bare(cls: type) -> int:
    # What C code has in an object beside its attributes cannot be pickled: see `object.__getstate__`.
    own = (cls.__dictoffset__ > 0) + (cls.__weakrefoffset__ > 0)
    return object.__basicsize__ + own * _POINTER


def is_plain(cls: Any) -> bool:
    """Return whether an ordinary object can be made and get its state without code of the user's."""
    return (
        cls.__new__ is object.__new__
        and cls.__getattribute__ is object.__getattribute__
        and not hasattr(cls, "__setstate__")
        and not hasattr(cls, "__getattr__")
        and (
            cls.__hash__ is None
            or (cls.__hash__ is object.__hash__ and cls.__eq__ is object.__eq__)
        )
    )


_POINTER: Final = struct.calcsize("P")
_GET_STATE: Final = getattr(object, "__getstate__", None)
_HashInC: Final[Any] = type(object.__hash__)


def _hashes_by_value(cls: Any) -> bool:
    return cls.__hash__ is not None and type(cls.__hash__) is not _HashInC


def joined(head: bytes, pieces: list[bytes]) -> list[bytes]:
    """Return the pieces of a payload: its opening, and those of the pickle of its state."""
    first = pieces[0]
    if len(pieces) == 1 and first[_AFTER_PROTOCOL] == _FRAME:
        # The frame has one more opcode.
        size = len(first) - _AFTER_FRAME + 1
        return [
            b"".join(
                (head, _FRAME_OPCODE, size.to_bytes(8, "little"), first[_AFTER_FRAME:-1], BUILD)
            )
        ]
    last = pieces.pop()
    return [head, *pieces, last[:-1] + BUILD]


def may_name(state: Any) -> bool:
    """Return whether a state may name a global: only one of a few bytes can, or be part of a value."""
    return _STACK_GLOBAL in state or may_extend(state)


def may_extend(state: Any) -> bool:
    """Return whether a state may name a global by a code of copyreg.

    An unpickler may know that without `find_class`.
    """
    return bool(_EXTENSIONS) and any(
        code in state for code in (pickle.EXT1, pickle.EXT2, pickle.EXT4)
    )


def are_simple(pieces: list[bytes], opening: int) -> bool:
    """Return whether the state in the pieces of a payload, after its opening, runs no code of the user's.

    It names no global, or only harmless ones.
    """
    if len(pieces) == 1 and _STACK_GLOBAL not in pieces[0] and not _EXTENSIONS:
        return True
    if sum(map(len, pieces)) > _MOST_ON_TRIAL:
        return False
    state = b"".join(pieces)[opening:]
    if may_extend(state):
        return False
    try:
        _Trial(BytesIO(REFILL + state), buffers=(_unfilled, _Unfilled())).load()
    except Exception:  # noqa: BLE001 - it names something else, or is not read without what it refers to
        return False
    return True


class _Unfilled:
    """Takes the place of an object that is not filled yet; any use but that of its identity is refused."""

    def _refused(self, *_: Any) -> Any:
        raise LookupError

    __str__ = __repr__ = __bool__ = __len__ = __iter__ = __format__ = __reduce_ex__ = _refused


def _unfilled(id: str) -> _Unfilled:
    return _Unfilled()


class _Trial(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name not in HARMLESS.get(module, ()):
            raise LookupError
        return super().find_class(module, name)


HARMLESS: Final = {
    "builtins": {
        *("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list"),
        *("range", "set", "slice", "str", "tuple"),
    },
    "collections": {"Counter", "OrderedDict", "defaultdict", "deque"},
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "fractions": {"Fraction"},
    "uuid": {"SafeUUID", "UUID"},
}
"""Classes of the standard library that look at nothing but the hashes of what they are made of."""


def end_of_opening(source: bytes) -> int:
    """Return where the opening of a payload ends, 0 if it has none."""
    if not source.startswith(_FUNCTIONS, _AFTER_PROTOCOL):
        return 0
    at = source.find(_CALL, _AFTER_PROTOCOL + len(_FUNCTIONS), _LONGEST)
    return at + len(_CALL) if at > 0 else 0


@functools.lru_cache(maxsize=256)
def class_of(head: bytes) -> tuple[str, str] | None:
    """Return module and name of the class of an opening, None if the bytes are not one."""
    start = _AFTER_PROTOCOL + len(_FUNCTIONS)
    if end_of_opening(head) != len(head) or head[:1] != pickle.PROTO or head[1] not in (4, 5):
        return None
    try:
        module, _, name = head[start : -len(_CALL)].decode().partition("\n")
    except UnicodeDecodeError:
        return None
    return (module, name) if module and name and "\n" not in name else None


FUNCTION_KEY: Final = id(external)
FUNCTION: Final = (0, external)
"""The entry of `external` in the memo of a pickler, after an opening."""
