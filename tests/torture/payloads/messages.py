"""Payloads of MessagePack that claim much, nest deeply, or have wrong fields."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from typing import Any

import msgpack
from tests.torture.opcodes import Case
from tests.torture.payloads.claims import HUGE


def messages() -> Iterator[Case]:
    binary = ("msgpack",)
    n = 300_000
    for label, head in {
        "array 32": b"\xdd",
        "map 32": b"\xdf",
        "str 32": b"\xdb",
        "bin 32": b"\xc6",
        "ext 32": b"\xc9",
    }.items():
        for size in (*HUGE, 1 << 28):
            yield Case(
                f"{label} of {size}", head + struct.pack(">I", size) + b"\x02few", codecs=binary
            )
        claims = (head + struct.pack(">I", HUGE[1])) * 500
        yield Case(f"{label} in {label}", claims, codecs=binary)
    yield Case("array 16 in array 16", b"\xdc\xff\xff" * 1000, codecs=binary)
    yield Case("array 16 in array 16, for long", b"\xdc\xff\xff" * n, codecs=binary)
    for label, head in {
        "arrays": b"\x91",
        "maps": b"\x81\xc0",
        "maps as keys": b"\x81",
        "arrays as keys": b"\x81\x91",
    }.items():
        yield Case(f"{n} {label}", head * n + b"\xc0", codecs=binary)
        yield Case(f"1000 {label}", head * 1000 + b"\xc0", "bounded", codecs=binary)
        yield Case(f"{n} {label} without end", head * n, codecs=binary)
    for code in range(24):
        empty = msgpack.packb(msgpack.ExtType(code, b""))
        for label, fields in {
            "nothing": list[Any](),
            "a huge number": [1 << 62],
            "a negative number": [-1],
            "nil": [None, None, None, None],
            "numbers": [1, 1 << 62, 1 << 62],
            "texts": ["9" * 10_000] * 2,
            "bytes": [b"\xff" * 100_000],
            "lists": [[[]]] * 5,
            "maps": [{}] * 6,
            "an exponent": ["1e999999999"],
            "a huge shape": ["<f8", [1 << 40, 1 << 40], "C", b""],
            "an object array": ["|O", [1], "C", b"12345678"],
            "a negative shape": ["<f8", [-1], "C", b""],
            "zeros in a shape": ["<f8", [0, 1 << 62], "C", b""],
            "an item of nothing": ["|V0", [1 << 40], "C", b""],
        }.items():
            payload = (
                bytes((0x90 | (len(fields) + 1),)) + empty + b"".join(map(msgpack.packb, fields))
            )
            yield Case(f"code {code} of {label}", payload, "bounded", codecs=binary)
        yield Case(
            f"code {code} with data",
            msgpack.packb(msgpack.ExtType(code, b"x" * 100)),
            codecs=binary,
        )
        yield Case(f"code {code} alone", empty, codecs=binary)
    for code in (-128, -1, 100, 127):
        yield Case(
            f"code {code}",
            msgpack.packb([msgpack.ExtType(code, b"x" * 12)])
            if code >= 0
            else b"\xd7" + bytes((code & 255,)) + bytes(8),
            "bounded" if code == -1 else "refused",
            codecs=binary,
        )
    yield Case("a code that is never used", b"\xc1", codecs=binary)
    yield Case("more than one value", b"\xc0\xc0", codecs=binary)
    yield Case("no value", b"", codecs=("msgpack", "json"))
    yield Case(
        "colliding keys of 64 bits",
        b"\xdf"
        + struct.pack(">I", 8)
        + b"".join(
            b"\xcf" + struct.pack(">Q", m * sys.hash_info.modulus) + b"\xc0" for m in range(8)
        ),
        "bounded",
        codecs=binary,
    )
    ints = [
        msgpack.packb(msgpack.ExtType(2, b""))
        + msgpack.packb((m * sys.hash_info.modulus).to_bytes(12, "big"))
        for m in range(1, 20_000)
    ]
    yield Case(
        "colliding large keys",
        b"\xdf"
        + struct.pack(">I", len(ints))
        + b"".join(b"\x92" + each + b"\xc0" for each in ints),
        "bounded",
        codecs=binary,
    )
