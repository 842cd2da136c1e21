"""Probes of values: what data consist of, at their limits, and types of the standard library."""

from __future__ import annotations

import io
import math
import random
import re
import struct
import sys
from array import array
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, defaultdict, deque
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType, SimpleNamespace
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from brinery.testing.league.objects import Colour, Right
from brinery.testing.league.probe import BY_USE, Probe

PLAIN: Final = {
    "None, True, False": Probe(lambda: [None, True, False]),
    "True beside 1 and 1.0": Probe(lambda: [True, 1, 1.0, False, 0, 0.0]),
    "small integers": Probe(lambda: [0, 1, -1, 255, -128, 2**31, 2**53]),
    "floats": Probe(lambda: [0.5, -2.25, 1e300, 1 / 3]),
    "whole floats": Probe(lambda: [1.0, -7.0, 1e15, 1e16, 1e22]),
    "text": Probe(lambda: ["", "text", "Grüße", "日本語", "\U0001f600"]),
    "lists": Probe(lambda: [[], [1, [2, [3]]]]),
    "dicts with text as keys": Probe(lambda: {"b": {}, "a": {"d": [1], "c": None}, "": 0}),
    "dicts in their order": Probe(lambda: {str(n * 7 % 50): n for n in range(50)}),
    "keys that are integers": Probe(lambda: {1: "a", -5: "b", 2**40: "c"}),
    "keys of several types": Probe(lambda: {1: 0, "1": 1, None: 2, "None": 3, 2.5: 4, (1, 2): 5}),
    "keys that are tuples": Probe(lambda: {(1, 2): "a", (1, ("b",)): "c"}),
    "tuples": Probe(lambda: [(), (1,), (1, (2, [3])), ([],)]),
    "sets": Probe(lambda: [set(), {1, "a", (2, 3)}, {*"abcdefgh"}]),
    "frozensets": Probe(lambda: [frozenset(), frozenset({frozenset({1}), "x"})]),
    "bytes": Probe(lambda: [b"", b"\0\xff" * 50]),
    "bytearrays": Probe(lambda: [bytearray(b"abc"), bytearray()]),
}
"""What data consist of."""


def _bits(numbers: Any) -> list[str]:
    return [struct.pack(">d", number).hex() for number in numbers]


_ZONE: Final = timezone(timedelta(hours=-3, minutes=-30), "name")

LIMITS: Final = {
    "integers of 64 bits": Probe(lambda: [2**63 - 1, -(2**63), 2**62, -(2**62)]),
    "integers of 64 bits without sign": Probe(lambda: [2**63, 2**64 - 1]),
    "integers beyond 64 bits": Probe(lambda: [2**64, -(2**64), -(2**63) - 1, 10**100]),
    "integers of thousands of digits": Probe(lambda: [1 << 20_000], lambda obj: hash(obj[0])),
    "the least and greatest floats": Probe(
        lambda: [sys.float_info.max, sys.float_info.min, 5e-324, 0.1 + 0.2], _bits
    ),
    "NaN": Probe(lambda: [math.nan]),
    "infinities": Probe(lambda: [math.inf, -math.inf]),
    "a negative zero": Probe(lambda: [-0.0, 0.0], _bits),
    "complex numbers": Probe(lambda: [1j, complex(-0.0, math.inf)]),
    "surrogates alone": Probe(lambda: ["\ud800", "a\udfffb"]),
    "text with NUL and line ends": Probe(lambda: ["a\0b", "\r\n", "\r", "\x85\u2028", "\ufeffx"]),
    "text that is not normalized": Probe(lambda: ["e\u0301", "\u00e9", "\ufb01", "\u212b"]),
    "long text": Probe(lambda: ["x" * 100_000, "é" * 70_000]),
    "dates": Probe(lambda: [date(2024, 2, 29), date.min, date.max]),
    "times": Probe(lambda: [time(1, 2, 3, 4), time.min, time.max]),
    "times with a zone": Probe(lambda: [time(6, tzinfo=UTC), time(6, tzinfo=_ZONE)]),
    "dates with time, without zone": Probe(
        lambda: [datetime(2024, 1, 2, 3, 4, 5, 6), datetime.min, datetime.max]
    ),
    "dates with time, in UTC": Probe(lambda: [datetime(2024, 1, 2, 3, 4, 5, 6, UTC)]),
    "dates with time, with an offset": Probe(
        lambda: [
            datetime(1, 1, 2, tzinfo=_ZONE),
            datetime(2024, 1, 2, tzinfo=timezone(timedelta(seconds=3601))),
        ]
    ),
    "dates with time, in a city": Probe(
        lambda: [datetime(2024, 7, 2, 3, tzinfo=ZoneInfo("Europe/Zurich"))],
        requires=("tzdata",),
    ),
    "the second of two equal hours": Probe(lambda: [datetime(2024, 1, 2, 3, fold=1)]),
    "differences of times": Probe(lambda: [timedelta(), timedelta(-1, 2, 3), timedelta.max]),
    "decimals": Probe(lambda: [Decimal("1.10"), Decimal("-0"), Decimal("1E+400")]),
    "decimals that are no numbers": Probe(
        lambda: [Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity")]
    ),
}
"""Numbers, text and dates."""


def _advanced() -> Any:
    numbers = iter([1, 2, 3])
    next(numbers)
    return numbers


def _stream(stream: Any) -> Any:
    stream.seek(2)
    return stream


OTHERS: Final = {
    "fractions": Probe(lambda: [Fraction(1, 3), Fraction(-(10**40), 7)]),
    "UUIDs": Probe(lambda: [UUID(int=0), UUID("12345678-1234-5678-1234-567812345678")]),
    "addresses of networks": Probe(lambda: [IPv4Address("10.0.0.1"), IPv6Network("2001:db8::/32")]),
    "paths": Probe(lambda: [Path("a/b"), PurePosixPath("/c"), PureWindowsPath("c:/d")]),
    "regular expressions": Probe(
        lambda: [re.compile(r"(\w+)\s*", re.IGNORECASE), re.compile(rb"a")]
    ),
    "ranges": Probe(lambda: [range(3), range(10, 0, -3), range(2**70)]),
    "slices": Probe(lambda: [slice(1, None, -2)]),
    "Ellipsis and NotImplemented": Probe(lambda: [..., NotImplemented]),
    "members of enumerations": Probe(lambda: [Colour.RED, Colour.CRIMSON, Colour.BLUE]),
    "combined flags": Probe(lambda: [Right.READ | Right.WRITE, Right(0)]),
    "OrderedDict": Probe(lambda: OrderedDict([("b", 1), ("a", 2)])),
    "defaultdict": Probe(lambda: defaultdict(list, {"a": [1]}), lambda obj: obj["new"]),
    "Counter": Probe(lambda: Counter("abracadabra"), lambda obj: obj.most_common(1)),
    "deque with a limit": Probe(lambda: deque([1, 2, 3], maxlen=3), lambda obj: obj.maxlen),
    "ChainMap": Probe(lambda: ChainMap({"a": 1}, {"a": 2, "b": 3})),
    "UserDict and UserList": Probe(lambda: [UserDict({"a": 1}), UserList([1])]),
    "SimpleNamespace": Probe(lambda: SimpleNamespace(a=1, b=[2])),
    "array.array": Probe(lambda: [array("d", [1.5, 2.5]), array("h"), array("Q", [2**64 - 1])]),
    "memoryview": Probe(lambda: memoryview(b"abc"), bytes, BY_USE),
    "mappingproxy": Probe(lambda: MappingProxyType({"a": [1]}), dict, BY_USE),
    "errors": Probe(lambda: [ValueError("text", 1), KeyError("k"), OSError(2, "no", "name")]),
    "a generator of random numbers": Probe(lambda: random.Random(7), lambda obj: obj.random()),
    "an iterator that has begun": Probe(_advanced, list),
    "streams in memory": Probe(
        lambda: [_stream(io.StringIO("text")), _stream(io.BytesIO(b"data"))],
        lambda obj: [stream.read() for stream in obj],
        BY_USE,
    ),
}
"""Other types of the standard library."""
