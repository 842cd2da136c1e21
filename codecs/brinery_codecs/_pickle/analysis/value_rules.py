"""The rules for values of the standard library: the arguments that their constructors may get.

Each rule gets the payload, the global that is called and its arguments (None if they are not a tuple).  It
returns the value of the result, or raises `TrustError`.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Sequence

from brinery.typing import Final
from brinery_codecs._pickle.analysis.budget import Budget
from brinery_codecs._pickle.analysis.payload import ID
from brinery_codecs._pickle.analysis.values import (
    DATA,
    EXTERNAL,
    FRESH_LIST,
    NUMBER,
    SHARED_LIST,
    Made,
    Tuple,
    Value,
    is_unknown,
    refused,
)

_FRACTION: Final = re.compile(rb"-?[0-9]{1,4300}(?:/[0-9]{1,4300})?")

Rule = Callable[[Budget, tuple[str, str], Sequence[Value] | None], Value]


def _plain_value(payload: Budget, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
    if items is None or any(is_unknown(item) or type(item) is Made for item in items):
        raise refused(f"it calls {':'.join(name)} with an argument that is not a plain value")
    payload.charge(items)
    if FRESH_LIST in items:
        # It may become a set.  No other call gets the same list.
        payload.check_hashed(payload.hashed + payload.listed)
    return DATA


def _any_arguments(payload: Budget, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
    if items is None:
        raise refused(f"it calls {':'.join(name)} without a tuple of arguments")
    payload.charge(items)
    return DATA


def _nesting(payload: Budget, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
    _any_arguments(payload, name, items)
    return Made(items or ())


def _no_arguments(payload: Budget, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
    if items is None or items:
        raise refused(f"it calls {':'.join(name)} with arguments, which pickles set as a state")
    return DATA


def _slice(payload: Budget, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
    _any_arguments(payload, name, items)
    return Made(items or (), is_slice=True)


def _deque(payload: Budget, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
    if items is None or any(item is not NUMBER and type(item) is not Tuple for item in items):
        raise refused("it has a deque of other arguments than pickles have")
    return _nesting(payload, name, items)


def _text_or_number(payload: Budget, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
    # Their errors show the argument, and that may be a list that reaches itself a million times.
    if items is None or not all(
        item is NUMBER or type(item) is bytes or (type(item) is int and item > 0) for item in items
    ):
        raise refused(f"it calls {':'.join(name)} with an argument that is neither text nor number")
    payload.charge(items)
    return DATA


def _member(payload: Budget, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
    _text_or_number(payload, name, items)
    return EXTERNAL


def _bytes(payload: Budget, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
    if items is None or len(items) > 2:
        raise refused(f"it calls {':'.join(name)} with other arguments than pickles do")
    if items and not (type(items[0]) is int and items[0] > 0):
        raise refused(f"it calls {':'.join(name)} with an argument that is not a string or bytes")
    if len(items) == 2 and payload.text_of(items[1]) not in ("latin1", "latin-1"):
        raise refused(f"it calls {':'.join(name)} with an encoding that no pickle has")
    payload.charge(items)
    # The result may go into another call: bytes of proto 2 are made of a string, bytearrays of bytes.
    return items[0] if items else SHARED_LIST


def _encode(payload: Budget, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
    if items is None or len(items) != 2:
        raise refused("it encodes something that is not a string")
    return _bytes(payload, name, items)


def _fraction(payload: Budget, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
    # "1e999999999" has a billion digits.
    if items is None or not 1 <= len(items) <= 2:
        raise refused("it has a Fraction of other arguments than pickles have")
    if type(items[0]) is int and items[0] > 0:
        text = payload.literal(items[0])
        if len(items) != 1 or not _FRACTION.fullmatch(text):
            raise refused("it has a Fraction of a string that no Fraction writes")
    elif any(
        item is not NUMBER and (type(item) is not bytes or len(item) > 1 << 13) for item in items
    ):
        raise refused("it has a Fraction of more than 65,536 bits")
    return DATA


def _argument_only(payload: Budget, name: tuple[str, str], items: Sequence[Value] | None) -> Value:
    raise refused(f"it calls {':'.join(name)}, which pickles name and do not call")


def _builtins(*names: str) -> list[tuple[str, str]]:
    return [("builtins", name) for name in names]


_EXCEPTIONS: Final = [
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
]
FREED_DEEPLY: Final = (_nesting, _deque)
OF_TEXT: Final = frozenset(_builtins("bytes", "bytearray"))
FRACTION_CLASS: Final = ("fractions", "Fraction")

VALUE_RULES: Final[dict[tuple[str, str], Rule]] = {
    ID: _plain_value,
    ("_codecs", "encode"): _encode,
    ("decimal", "Decimal"): _plain_value,
    FRACTION_CLASS: _fraction,
    **dict.fromkeys(_builtins("bytes", "bytearray"), _bytes),
    **dict.fromkeys(_builtins("set", "frozenset", "complex", "object"), _plain_value),
    ("builtins", "slice"): _slice,
    **dict.fromkeys(_builtins(*_EXCEPTIONS), _nesting),
    ("collections", "deque"): _deque,
    ("types", "SimpleNamespace"): _no_arguments,
    ("uuid", "SafeUUID"): _member,
    ("zoneinfo", "ZoneInfo"): _text_or_number,
    ("zoneinfo", "ZoneInfo._unpickle"): _text_or_number,
    **dict.fromkeys(
        (
            ("ipaddress", f"IPv{n}{kind}")
            for n in (4, 6)
            for kind in ("Address", "Interface", "Network")
        ),
        _text_or_number,
    ),
    **dict.fromkeys(
        _builtins("bool", "dict", "float", "int", "list", "str", "tuple"), _argument_only
    ),
    **dict.fromkeys(
        (("collections", name) for name in ("Counter", "OrderedDict", "defaultdict")),
        _plain_value,
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
        _any_arguments,
    ),
}
