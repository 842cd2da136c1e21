"""Payloads of MessagePack, kind by kind: with marks, fields, types and numbers that are wrong."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Iterator

import msgpack
from tests.torture.opcodes import Case

MODULUS = sys.hash_info.modulus
ZONES = (
    *("../../../etc/passwd", "/etc/passwd", "Europe/../../../../etc/passwd"),
    *("a\0b", "", "x" * 100_000),
)
DTYPES = (
    *("|O", "O", "<f8,O", "|V2147483647", "<U1000000000", "|S2147483647", "x" * 100_000),
    *("(1000000,1000000)f8", "M8[99999999999s]", "{'a': 5}", "f8" * 10_000),
)


def mark(code: int) -> bytes:
    """Return the mark of a kind: an ext value without data."""
    return b"\xc7\x00" + bytes((code,))


def array(*items: bytes) -> bytes:
    """Return an array of packed items."""
    return b"\xdd" + struct.pack(">I", len(items)) + b"".join(items)


def kind(code: int, *fields: object) -> bytes:
    """Return a value of a kind, with these fields."""
    return array(mark(code), *map(msgpack.packb, fields))


def kinds(codes: Iterable[int] = range(256)) -> Iterator[Case]:
    """Yield payloads that claim much, nest deeply, or have wrong fields, in kinds of these codes."""
    heads = {"array": 0xDD, "map": 0xDF, "str": 0xDB, "bin": 0xC6, "ext": 0xC9}
    for name, head in heads.items():
        for claimed in (2**20, 2**31 - 1, 2**31, 2**32 - 1):
            start = bytes((head,)) + struct.pack(">I", claimed)
            yield Case(f"{name} 32 claims {claimed}", start + b"\x01\x02")
        yield Case(f"{name} 16 claims 65535", bytes((head - 1,)) + b"\xff\xff\x01")
    for depth in (100, 1_000, 1_025, 100_000, 3_000_000):
        yield Case(f"arrays {depth} deep", b"\x91" * depth + b"\x01")
        yield Case(f"maps {depth} deep", b"\x81\x01" * depth + b"\x01")
        yield Case(f"tuples {depth} deep", (b"\x92" + mark(5)) * depth + b"\x01")
    yield Case("nested claims", b"\xdd\x00\xff\xff\xff" * 1_000)
    for code in codes:
        yield Case(f"ext {code}", b"\xc7\x03" + bytes((code,)) + b"abc")
        yield Case(f"mark {code} alone", mark(code))
        yield Case(f"mark {code} without fields", array(mark(code)))
        yield Case(f"mark {code} with fields", kind(code, 1, "a", b"b", None, [1]))
        yield Case(f"mark {code} twice", array(mark(code), mark(code)))
        yield Case(f"mark {code} as a key", b"\x81" + mark(code) + b"\x01")
        yield Case(f"the byte {code}", bytes((code,)))
        yield Case(f"the byte {code} and more", bytes((code,)) + b"\x00" * 8)
    for digits in (10, 5_000, 10_000_000):
        yield Case(f"an integer of {digits} bytes", kind(2, b"\x7f" * digits))
        yield Case(f"a Decimal of {digits} digits", kind(14, "9" * digits))
        yield Case(
            f"a Fraction of {digits} digits",
            array(mark(15), kind(2, b"\x7f" * digits), kind(2, b"\x7e" * digits)),
        )
    yield Case("a Decimal with an exponent", kind(14, "1E+999999999999999999"))
    yield Case("a Fraction by nothing", kind(15, 1, 0))
    for key in ZONES:
        yield Case(f"the zone {key[:30]!r}", kind(13, key))
    for dtype in DTYPES:
        for shape in ([1], [2**40], [2**62, 2], [-1], [0, 2**62], [1] * 100, []):
            name = f"an array of {dtype[:20]!r} and {shape!r:.30}"
            yield Case(name, kind(17, dtype, shape, "C", bytes(8)))
        yield Case(f"a scalar of {dtype[:20]!r}", kind(18, dtype, bytes(8)))
    nested: object = "<f8"
    for _ in range(400):
        nested = [nested, [1]]
    yield Case("a dtype of dtypes", kind(17, nested, [1], "C", b"\x00" * 8))
    yield Case("equal elements", kind(6, 1, 1))
    yield Case("elements that have no hash", kind(6, [1], {}))
    keys = b"".join(kind(2, (n * MODULUS).to_bytes(12, "big")) for n in range(10, 20_000))
    yield Case(
        "integers of one hash in a set", b"\xdd" + struct.pack(">I", 19_991) + mark(6) + keys
    )
    pairs = b"".join(
        kind(2, (n * MODULUS).to_bytes(12, "big")) + b"\xc0" for n in range(10, 20_000)
    )
    yield Case("integers of one hash as keys", b"\xdf" + struct.pack(">I", 19_990) + pairs)
    yield Case("two payloads", b"\x01\x02")
    yield Case("no payload", b"")
