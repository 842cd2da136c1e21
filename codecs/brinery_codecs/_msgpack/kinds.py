"""The kinds of value that msgpack itself does not have, each with its code and its fields.

The table of codes and fields is in the docstring of `brinery_codecs.msgpack`; both say the same.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction
from itertools import chain
from uuid import UUID, SafeUUID
from zoneinfo import ZoneInfo

import msgpack

from brinery.typing import Any, Final
from brinery_codecs._msgpack import arrays as _numpy

EXTERNAL: Final = 1
"""The code of an external reference; its data are the ID."""

ATOMS: Final = frozenset({type(None), bool, int, float, complex, str, bytes})
"""Types whose values hold no other value and need no identity: nothing is looked up for these."""

# A Fraction is reduced when it is read, which takes time quadratic in its length: 10 ms for this one.
_MAX_FRACTION_BITS: Final = 1 << 16

_MOST_EQUAL: Final = 1_000

_NUMBER: Final = re.compile(r"-?(?:\d+(?:\.\d+)?(?:E[+-]?\d+)?|INFINITY|S?NAN\d*)", re.ASCII)
_ZONE: Final = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")
_STRICT: Final = Context(traps=[InvalidOperation])


class Kind:
    """How values of one type are taken apart and made again.

    `write` returns the fields of a value; `read` makes the value of them once their types agree
    with `signature` (None: any number of fields of any type; `object`: any type).
    `children` returns the children of the values of one batch.  A `mutable` value has an identity to lose.
    """

    __slots__ = ("children", "code", "mark", "mutable", "read", "signature", "write")

    def __init__(
        self,
        code: int | None,
        write: Callable[[Any], Iterable[Any]],
        read: Callable[..., Any],
        signature: Sequence[type] | None = None,
        *,
        children: Callable[[list[Any]], Iterable[Any]] | None = None,
        mutable: bool = False,
    ) -> None:
        self.code = code
        self.mark = None if code is None else msgpack.ExtType(code, b"")
        self.write = write
        self.read = read
        self.signature = signature
        self.children = children
        self.mutable = mutable

    def make(self, fields: list[Any]) -> Any:
        """Return the value that has these fields; raise whatever is wrong with them."""
        if self.signature is None:
            return self.read(fields)
        if len(fields) != len(self.signature):
            raise ValueError(f"expected {len(self.signature)} fields, got {len(fields)}")
        for field, cls in zip(fields, self.signature, strict=True):
            if type(field) is not cls and cls is not object:
                raise TypeError(f"expected a {cls.__name__}, got a {type(field).__name__}")
        return self.read(*fields)


class Hashes:
    """Counts the large integers of a payload that have one hash.

    As keys, each of them is compared with all before.  Within 64 bits no more than eight can be found.
    """

    def __init__(self) -> None:
        self._equal: dict[int, set[int]] = {}

    def check(self, number: int) -> None:
        """Raise `ValueError` where there are too many."""
        equal = self._equal.setdefault(hash(number), set())
        equal.add(number)
        if len(equal) > _MOST_EQUAL:
            raise ValueError(f"more than {_MOST_EQUAL} different integers have one hash")


def _entries(dicts: list[dict[Any, Any]]) -> Iterable[Any]:
    values = chain.from_iterable(map(dict.values, dicts))
    if ATOMS.issuperset(map(type, chain.from_iterable(dicts))):
        return values
    return chain(chain.from_iterable(dicts), values)


def _zones(times: list[Any]) -> Iterable[tzinfo | None]:
    return [value.tzinfo for value in times]


def _distinct(cls: type) -> Callable[[list[Any]], Any]:
    def make(items: list[Any]) -> Any:
        made = cls(items)
        if len(made) != len(items):
            raise ValueError(f"two elements of a {cls.__name__} are equal")
        return made

    return make


def _int_bytes(value: int) -> tuple[bytes]:
    return (value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True),)


def _time_fields(value: time) -> tuple[Any, ...]:
    clock = (value.hour, value.minute, value.second, value.microsecond)
    return (*clock, value.tzinfo, value.fold)


def _timezone_fields(value: timezone) -> tuple[Any, ...]:
    offset, *name = value.__getinitargs__()  # type: ignore[attr-defined]
    return (offset, name[0] if name else None)


def _read_timezone(offset: timedelta, name: str | None) -> timezone:
    return timezone(offset) if name is None else timezone(offset, name)


def _zone_key(zone: ZoneInfo) -> tuple[str]:
    # As pickle does: it raises for a zone that was made from a file and not by its key.
    arguments: Any = zone.__reduce__()[1]
    key = arguments[0]
    if type(key) is not str or not _ZONE.fullmatch(key):
        raise ValueError("a time zone without a key of the IANA form")
    return (key,)


def _read_zone(key: str) -> ZoneInfo:
    if not _ZONE.fullmatch(key):
        raise ValueError("a time zone has a key that is not of the IANA form")
    return ZoneInfo(key)


def _decimal_text(value: Decimal) -> tuple[str]:
    # Not str(), whose "E" depends on the thread's context.
    return (_STRICT.to_sci_string(value).upper(),)


def _read_decimal(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError("a Decimal is not a number")
    return Decimal(text, _STRICT)


def _checked_fraction(numerator: int, denominator: int) -> tuple[int, int]:
    if not type(numerator) is type(denominator) is int:
        raise TypeError("a Fraction whose parts are not of type int")
    if max(numerator.bit_length(), denominator.bit_length()) > _MAX_FRACTION_BITS:
        raise ValueError(f"a Fraction of more than {_MAX_FRACTION_BITS} bits")
    return numerator, denominator


def _read_uuid(data: bytes, safety: int | None) -> UUID:
    return UUID(bytes=data, is_safe=SafeUUID(safety))


_CLOCK: Final = (int, int, int, int, object, int)

KINDS: Final[dict[type, Kind]] = {
    list: Kind(None, tuple, list, children=chain.from_iterable, mutable=True),
    dict: Kind(None, tuple, dict, children=_entries, mutable=True),
    int: Kind(2, _int_bytes, lambda data: int.from_bytes(data, "big", signed=True), (bytes,)),
    complex: Kind(3, lambda value: (value.real, value.imag), complex, (float, float)),
    bytearray: Kind(4, lambda value: (bytes(value),), bytearray, (bytes,), mutable=True),
    tuple: Kind(5, tuple, tuple, children=chain.from_iterable),
    set: Kind(6, tuple, _distinct(set), children=chain.from_iterable, mutable=True),
    frozenset: Kind(7, tuple, _distinct(frozenset), children=chain.from_iterable),
    date: Kind(8, lambda day: (day.year, day.month, day.day), date, (int, int, int)),
    time: Kind(9, _time_fields, lambda *f: time(*f[:5], fold=f[5]), _CLOCK, children=_zones),
    datetime: Kind(
        10,
        lambda value: (value.year, value.month, value.day, *_time_fields(value)),
        lambda *f: datetime(*f[:8], fold=f[8]),
        (int, int, int, *_CLOCK),
        children=_zones,
    ),
    timedelta: Kind(
        11, lambda span: (span.days, span.seconds, span.microseconds), timedelta, (int, int, int)
    ),
    timezone: Kind(12, _timezone_fields, _read_timezone, (timedelta, object)),
    ZoneInfo: Kind(13, _zone_key, _read_zone, (str,)),
    Decimal: Kind(14, _decimal_text, _read_decimal, (str,)),
    Fraction: Kind(
        15,
        lambda value: _checked_fraction(value.numerator, value.denominator),
        lambda *f: Fraction(*_checked_fraction(*f)),
        (int, int),
    ),
    UUID: Kind(16, lambda value: (value.bytes, value.is_safe.value), _read_uuid, (bytes, object)),
}
"""The kind of each type that is known without numpy."""

ARRAY: Final = 17
_ARRAY: Final = Kind(
    ARRAY, _numpy.array_fields, _numpy.read_array, (object, list, str, bytes), mutable=True
)
_SCALAR: Final = Kind(18, _numpy.scalar_fields, _numpy.read_scalar, (object, object))
_RECORD: Final = Kind(18, _numpy.scalar_fields, _numpy.read_scalar, (object, object), mutable=True)

BY_CODE: Final[dict[int, Kind]] = {
    kind.code: kind for kind in (*KINDS.values(), _ARRAY, _SCALAR) if kind.code is not None
}


def kind_of(cls: type) -> Kind | None:
    """Return the kind of the objects of exactly the type `cls`, or None."""
    kind = KINDS.get(cls)
    numpy = sys.modules.get("numpy")
    if kind is not None or numpy is None:
        return kind
    if cls is getattr(numpy, "ndarray", None):
        return _ARRAY
    if cls not in set(getattr(numpy, "sctypeDict", {}).values()):
        return None
    return _RECORD if cls is numpy.void else _SCALAR
