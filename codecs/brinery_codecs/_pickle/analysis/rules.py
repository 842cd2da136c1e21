"""What a pickle names and calls, as far as `_scanning` can tell: the rules for both.

Slots stand for objects: see `brinery_codecs._pickle.analysis.scan`.
"""

from __future__ import annotations

import _compat_pickle
import builtins
import copyreg
import re
from collections.abc import Callable, Sequence
from typing import Final

from brinery_codecs._pickle.analysis.opcodes import (
    FLOAT_LINE,
    LONG_LINE,
    SIZES,
    STRING_LINE,
    UNICODE_LINE,
)
from brinery_codecs._pickle.analysis.values import (
    DATA,
    EXTERNAL,
    FIRST,
    FRESH_LIST,
    MODULUS,
    MOST_EQUAL,
    MOST_WEIGHT,
    NUMBER,
    SHARED,
    SHARED_LIST,
    Admits,
    Made,
    Slot,
    Tuple,
    is_unknown,
    refused,
    refused_name,
)
from brinery_codecs._pickle.members import COMBINE

_MOST_BLOBS: Final = 8  # classes by value within classes by value
_LONGEST_NAME: Final = 4_096
_LEAST_COPIES: Final = 1 << 16
_FRACTION: Final = re.compile(rb"-?[0-9]{1,4300}(?:/[0-9]{1,4300})?")

_REFERENCE: Final = "brinery.reference"
_ID: Final = ("brinery.ids", "Id")
_GETATTR: Final = ("builtins", "getattr")
OWN: Final = frozenset(
    {
        _ID,
        (_REFERENCE, "external"),
        (_REFERENCE, "root"),
        (_REFERENCE, "new_root"),
        (_REFERENCE, "hashable_root"),
        (_REFERENCE, "named"),
        _GETATTR,
        COMBINE,
        ("copyreg", "_reconstructor"),
        ("copyreg", "__newobj__"),
        ("copyreg", "__newobj_ex__"),
    }
)
"""Globals that records name for their own purposes: admitted always, with arguments that are checked."""

_FUNCTIONS: Final = OWN - {_ID}
_OF_MEMBERS: Final = frozenset({_GETATTR, COMBINE})
"""Functions that make members of enumerations, which may have a record of their own."""

_BY_VALUE: Final = ("<class>", "<by value>")


class Calls:
    """The names of one payload, and the rules for what is called."""

    def __init__(self, data: bytes, admits: Admits | None, level: int = 0) -> None:
        self._data = data
        self._admits = admits
        self._level = level
        self._names: list[tuple[str, str]] = []
        self._index: dict[tuple[str, str], int] = {}
        self._copied = 0
        self._hashes: dict[int, set[int]] = {}
        self._hashed = self._listed = self._nested = self._keyed = self._reused = (
            self._copied_arguments
        ) = 0
        self._may_name_arguments: bool | None = None
        self._blobs: set[int] = set()
        self.needed: dict[tuple[str, str], None] = {}
        """Module and qualname of what is imported, in the order met."""
        self.extensions: list[tuple[str, str]] = []
        """What is named by a code of `copyreg`: an unpickler may find it without being asked."""

    def run(self) -> None:
        """Go through the payload; raise `TrustError`."""
        raise NotImplementedError

    # -- names

    def _global(self, module: str, name: str, protocol: int) -> int:
        if protocol < 3:
            # As an unpickler does for what Python 2 may have written.
            if (module, name) in _compat_pickle.NAME_MAPPING:
                module, name = _compat_pickle.NAME_MAPPING[module, name]
            elif module in _compat_pickle.IMPORT_MAPPING:
                module = _compat_pickle.IMPORT_MAPPING[module]
        return self._named(module, name)

    def _named(self, module: str, name: str) -> int:
        key = (module, name)
        index = self._index.get(key)
        if index is None:
            if len(module) + len(name) > _LONGEST_NAME:
                raise refused(f"it has a name of {len(module) + len(name)} characters")
            if key not in OWN:
                self.needed[key] = None
                if self._admits is not None and not self._admits(module, name):
                    raise refused_name(module, name)
            index = self._index[key] = len(self._names)
            self._names.append(key)
        return FIRST - index

    def _extension(self, code: int) -> int:
        found = copyreg._inverted_registry.get(code)  # type: ignore[attr-defined]
        if found is None:
            raise refused(f"it has the code {code} of copyreg, under which nothing is registered")
        if found in _FUNCTIONS:
            # An unpickler that has it already would not ask for what stands for it here.
            raise refused(f"it names {':'.join(found)} by a code of copyreg, as no record does")
        self.extensions.append(found)
        return self._named(*found)

    def _text(self, slot: Slot) -> str:
        # A string that stands in the payload.
        if type(slot) is not int or slot <= 0:
            raise refused("it makes up a name while it is decoded")
        start, stop = self._extent(slot)
        if stop - start > _LONGEST_NAME:
            raise refused(f"it has a name of {stop - start} bytes")
        text = self._data[start:stop]
        code = self._data[slot - 1]
        if code == STRING_LINE or (code == UNICODE_LINE and (b"\\" in text or not text.isascii())):
            raise refused("it has a name with escapes")
        return text.decode("utf-8", "surrogatepass")

    def _literal(self, position: int) -> bytes:
        start, stop = self._extent(position)
        return self._data[start:stop]

    def _extent(self, position: int) -> tuple[int, int]:
        data = self._data
        size = SIZES[data[position - 1]]
        if size == 0:  # a line
            return position, data.index(b"\n", position)
        start = position + size
        return start, start + int.from_bytes(data[position:start], "little")

    def _line(self, code: int, line: bytes, position: int) -> Slot:
        if code in (STRING_LINE, UNICODE_LINE):
            return position
        if code == FLOAT_LINE:
            float(line)
            return NUMBER
        number = int(line.rstrip(b"L") if code == LONG_LINE else line)
        if -MODULUS < number < MODULUS:
            return NUMBER
        return self._large(number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True))

    def _large(self, integer: bytes) -> bytes:
        # Wherever it stands: lists become sets, too.
        number = int.from_bytes(integer, "little", signed=True)
        equal = self._hashes.setdefault(hash(number), set())
        equal.add(number)
        if len(equal) > MOST_EQUAL:
            raise refused(f"more than {MOST_EQUAL} of its integers have one hash")
        return integer

    # -- calls

    def _name_of(self, slot: Slot) -> tuple[str, str]:
        if type(slot) is not int or slot > FIRST:
            raise refused("it calls what is not a class or function that it names")
        return self._names[FIRST - slot]

    def _call(self, callee: Slot, arguments: Slot) -> Slot:
        if self._admits is None:
            return self._followed(callee, arguments)
        name = self._name_of(callee)
        rule = _RULES.get(name)
        return DATA if rule is None else rule(self, name, self._items(arguments))

    def _followed(self, callee: Slot, arguments: Slot) -> Slot:
        # Where nothing is refused: what the call makes is of interest only if it is a global again.
        known = type(callee) is int and callee <= FIRST
        name = self._names[FIRST - callee] if known else None
        items = self._items(arguments)
        if name == _GETATTR and items and len(items) == 2:
            known = type(items[0]) is int and items[0] <= FIRST
            return self._attribute(name, items) if known else DATA
        if name in (_SHARED_CLASS, (_REFERENCE, "named")):
            assert name is not None
            return _RULES[name](self, name, items)
        return DATA

    def _items(self, arguments: Slot) -> Sequence[Slot] | None:
        # Going through them counts as a copy, so that all of this takes linear time.
        if type(arguments) is not Tuple:
            return None
        self._count(len(arguments.items))
        return arguments.items

    def _new(self, cls: Slot, arguments: Slot, *, has_keywords: bool = False) -> Slot:
        if self._admits is None:
            return DATA
        name = self._name_of(cls)
        rule = _RULES.get(name)
        if rule is None:
            return DATA
        if name in _FUNCTIONS or name == _SHARED_CLASS:
            raise refused(f"it makes an object of {':'.join(name)}, which is no class")
        if has_keywords:
            raise refused(
                f"it makes an object of {':'.join(name)} with keywords, as no pickle does"
            )
        return rule(self, name, self._items(arguments))

    def _external(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        return EXTERNAL

    def _root(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        place = 1 if name[1] == "hashable_root" else 0
        if items is None or len(items) <= place:
            raise refused("it has a root without a constructor")
        constructor = self._name_of(items[place])
        if constructor in _OF_MEMBERS and name[1] == "root":
            # Not what the call gives: the root may have been made before, by another one.
            self._call(items[place], Tuple(items[1:]))
            return EXTERNAL
        if constructor in _FUNCTIONS and constructor[0] != "copyreg":
            raise refused(f"it has a root that {':'.join(constructor)} makes")
        make = self._new if name[1] == "new_root" else self._call
        return make(items[place], Tuple(items[place + 1 :]))

    def _newobj(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        if not items:
            raise refused("it makes an object of no class")
        return self._new(items[0], Tuple(items[1:]))

    def _newobj_ex(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        if items is None or len(items) != 3:
            raise refused("it makes an object of no class")
        return self._new(items[0], items[1], has_keywords=True)

    def _reconstructor(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        if items is None or len(items) != 3:
            raise refused("it reconstructs an object of no class")
        cls, base, state = items
        if self._name_of(cls) in _FUNCTIONS or self._name_of(base) in _FUNCTIONS:
            raise refused("it reconstructs an object of what is no class")
        kind = self._name_of(base)
        if kind != ("builtins", "object"):
            self._charge([state])
            if is_unknown(state) or type(state) is Made:
                raise refused("it copies an object that it has made before")
            if kind == self._name_of(cls):
                raise refused(f"it reconstructs an object of {':'.join(kind)} itself")
            if kind in _OF_TEXT and not (type(state) is int and state > 0):
                raise refused(f"it reconstructs {':'.join(kind)} of what is no string or bytes")
            if kind == _FRACTION_CLASS:
                raise refused("it reconstructs a Fraction, which has attributes of its own")
        return Made((state,)) if _RULES.get(self._name_of(cls)) in _FREED_DEEPLY else DATA

    def _attribute(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        # How nested classes are named below protocol 4, and members of enumerations: see `members`.
        if items is None or len(items) != 2:
            raise refused("it asks for an attribute with getattr")
        module, qualname = self._name_of(items[0])
        return self._named(module, f"{qualname}.{self._text(items[1])}")

    def _combine(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        # Flags, as far as they can be told from here; the rest is checked when they are combined.
        assert self._admits is not None
        if self._admits(*name):
            return DATA
        if items is None or len(items) != 2 or not all(map(_may_be_flag, items)):
            raise refused("it combines what are no flags of one class")
        return EXTERNAL

    def _by_name(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        if items is None or len(items) != 2:
            raise refused("it has a name that is none")
        return self._named(self._text(items[0]), self._text(items[1]))

    def _shared_class(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        if items is None or len(items) != 4 or type(items[3]) is not int or items[3] <= 0:
            raise refused("it has a class by value that is none")
        if self._level >= _MOST_BLOBS:
            raise refused("it has classes by value, too deep in each other")
        if items[3] not in self._blobs:
            self._blobs.add(items[3])
            inner = type(self)(self._literal(items[3]), self._admits, self._level + 1)
            inner.run()
            self.needed.update(inner.needed)
            self.extensions += inner.extensions
        self._index.setdefault(_BY_VALUE, len(self._names))
        if self._index[_BY_VALUE] == len(self._names):
            self._names.append(_BY_VALUE)
        return FIRST - self._index[_BY_VALUE]

    # -- what values of the standard library are made of

    def _charge(self, items: Sequence[Slot]) -> None:
        # Copies of one piece of a payload, many times, would be much more than the payload.
        for item in items:
            if type(item) is int and item > 0:
                start, stop = self._extent(item)
                self._count(stop - start)
            elif type(item) is Tuple:
                self._count(8 * item.weight)
            elif type(item) is bytes:
                self._count(len(item))

    def _check_hashed(self, weight: int) -> None:
        if weight > MOST_WEIGHT + 16 * len(self._data):
            raise refused("its keys are tuples that reach too many items")

    def _count(self, size: int) -> None:
        self._copied += size
        if self._copied > _LEAST_COPIES + 4 * len(self._data):
            raise refused("it makes many copies of one object")

    def _value(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        if items is None or any(is_unknown(item) or type(item) is Made for item in items):
            raise refused(f"it calls {':'.join(name)} with what is no plain value")
        self._charge(items)
        if FRESH_LIST in items:
            # It may become a set.  No other call gets the same list.
            self._check_hashed(self._hashed + self._listed)
        return DATA

    def _loose(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        if items is None:
            raise refused(f"it calls {':'.join(name)} without a tuple of arguments")
        self._charge(items)
        return DATA

    def _nesting(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        self._loose(name, items)
        return Made(items or ())

    def _slice(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        self._loose(name, items)
        return Made(items or (), is_slice=True)

    def _deque(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        if items is None or any(item is not NUMBER and type(item) is not Tuple for item in items):
            raise refused("it has a deque of other arguments than pickles have")
        return self._nesting(name, items)

    def _plain(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        # Their errors show what they got, and that may be a list that reaches itself a million times.
        if items is None or not all(
            item is NUMBER or type(item) is bytes or (type(item) is int and item > 0)
            for item in items
        ):
            raise refused(f"it calls {':'.join(name)} with what is neither text nor number")
        self._charge(items)
        return DATA

    def _bytes(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        if items is None or len(items) > 2:
            raise refused(f"it calls {':'.join(name)} with other arguments than pickles do")
        if items and not (type(items[0]) is int and items[0] > 0):
            raise refused(f"it calls {':'.join(name)} with what is no string or bytes")
        if len(items) == 2 and self._text(items[1]) not in ("latin1", "latin-1"):
            raise refused(f"it calls {':'.join(name)} with an encoding that no pickle has")
        self._charge(items)
        # The result may go into another call: bytes of proto 2 are made of a string, bytearrays of bytes.
        return items[0] if items else SHARED_LIST

    def _encode(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        if items is None or len(items) != 2:
            raise refused("it encodes what is no string")
        return self._bytes(name, items)

    def _fraction(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        # "1e999999999" has a billion digits.
        if items is None or not 1 <= len(items) <= 2:
            raise refused("it has a Fraction of other arguments than pickles have")
        if type(items[0]) is int and items[0] > 0:
            text = self._literal(items[0])
            if len(items) != 1 or not _FRACTION.fullmatch(text):
                raise refused("it has a Fraction of a string that no Fraction writes")
        elif any(
            item is not NUMBER and (type(item) is not bytes or len(item) > 1 << 13)
            for item in items
        ):
            raise refused("it has a Fraction of more than 65,536 bits")
        return DATA

    def _argument_only(self, name: tuple[str, str], items: Sequence[Slot] | None) -> Slot:
        raise refused(f"it calls {':'.join(name)}, which pickles name and do not call")


def _may_be_flag(slot: Slot) -> bool:
    # A member that is named, the result of a call, one in a record of its own, or bits without a name.
    if type(slot) is not int:
        return type(slot) is bytes
    return slot <= FIRST or slot in (DATA, SHARED, EXTERNAL, NUMBER)


Rule = Callable[[Calls, tuple[str, str], "Sequence[Slot] | None"], Slot]
_SHARED_CLASS: Final = ("brinery_codecs.shared_classes", "shared_class")


def _builtins(*names: str) -> list[tuple[str, str]]:
    return [("builtins", name) for name in names]


_EXCEPTIONS: Final = [
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
]
_FREED_DEEPLY: Final = (Calls._nesting, Calls._deque)
_OF_TEXT: Final = frozenset(_builtins("bytes", "bytearray"))
_FRACTION_CLASS: Final = ("fractions", "Fraction")

_RULES: Final[dict[tuple[str, str], Rule]] = {
    (_REFERENCE, "external"): Calls._external,
    (_REFERENCE, "root"): Calls._root,
    (_REFERENCE, "new_root"): Calls._root,
    (_REFERENCE, "hashable_root"): Calls._root,
    (_REFERENCE, "named"): Calls._by_name,
    _SHARED_CLASS: Calls._shared_class,
    _ID: Calls._value,
    _GETATTR: Calls._attribute,
    COMBINE: Calls._combine,
    ("copyreg", "_reconstructor"): Calls._reconstructor,
    ("copyreg", "__newobj__"): Calls._newobj,
    ("copyreg", "__newobj_ex__"): Calls._newobj_ex,
    ("_codecs", "encode"): Calls._encode,
    ("decimal", "Decimal"): Calls._value,
    _FRACTION_CLASS: Calls._fraction,
    **dict.fromkeys(_builtins("bytes", "bytearray"), Calls._bytes),
    **dict.fromkeys(_builtins("set", "frozenset", "complex", "object"), Calls._value),
    ("builtins", "slice"): Calls._slice,
    **dict.fromkeys(_builtins(*_EXCEPTIONS), Calls._nesting),
    ("collections", "deque"): Calls._deque,
    ("uuid", "SafeUUID"): Calls._plain,
    ("zoneinfo", "ZoneInfo"): Calls._plain,
    ("zoneinfo", "ZoneInfo._unpickle"): Calls._plain,
    **dict.fromkeys(
        (
            ("ipaddress", f"IPv{n}{kind}")
            for n in (4, 6)
            for kind in ("Address", "Interface", "Network")
        ),
        Calls._plain,
    ),
    **dict.fromkeys(
        _builtins("bool", "dict", "float", "int", "list", "str", "tuple"), Calls._argument_only
    ),
    **dict.fromkeys(
        (("collections", name) for name in ("Counter", "OrderedDict", "defaultdict")),
        Calls._value,
    ),
    **dict.fromkeys(
        (
            (module, name)
            for module in ("pathlib", "pathlib._local")
            for name in (
                "PosixPath",
                "PurePosixPath",
                "WindowsPath",
                "PureWindowsPath",
                "Path",
                "PurePath",
            )
        ),
        Calls._loose,
    ),
}
