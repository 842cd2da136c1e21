"""Places of the memo, lengths and lines that are not there."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.torture.opcodes import Case, whole

HUGE = ((1 << 31) - 1, (1 << 32) - 1)
_BITS = (30, 31, 32, 40, 62, 63)


def claims() -> Iterator[Case]:
    for index in (*HUGE, 1 << 27, 1 << 24):
        for protocol in (2, 4):
            put = b"Nr" + struct.pack("<I", index)
            yield Case(f"LONG_BINPUT {index}, protocol {protocol}", whole(put, protocol=protocol))
        yield Case(f"PUT {index}", f"Np{index}\n.".encode())
    yield Case("PUT of 80 bits", b"Np1208925819614629174706176\n.")
    yield Case("PUT below zero", b"Np-1\n.")
    yield Case("BINPUT", whole(b"Nq\xff"), "bounded")
    yield Case(
        "LONG_BINPUT, doubling", whole(*(b"Nr" + struct.pack("<I", 1 << n) for n in range(31)))
    )
    yield Case("LONG_BINGET", whole(b"j" + struct.pack("<I", HUGE[1])))
    yield Case("GET", b"g99999999999999999999\n.")
    for label, code in (
        ("BINBYTES8", b"\x8e"),
        ("BINUNICODE8", b"\x8d"),
        ("BYTEARRAY8", b"\x96"),
        ("FRAME", b"\x95"),
    ):
        for size in (
            1 << 29,
            1 << 33,
            1 << 40,
            1 << 63,
            *(2**bits - 1 for bits in _BITS),
            2**64 - 1,
        ):
            yield Case(f"{label} of {size}", whole(code + struct.pack("<Q", size), b"few"))
    for label, code in (
        ("BINBYTES", b"B"),
        ("BINUNICODE", b"X"),
        ("BINSTRING", b"T"),
        ("LONG4", b"\x8b"),
    ):
        for size in (*HUGE, 1 << 31, 1 << 29, (1 << 30) - 1):
            yield Case(f"{label} of {size}", whole(code + struct.pack("<I", size), b"few"))
    for label, code in (
        ("SHORT_BINBYTES", b"C"),
        ("SHORT_BINUNICODE", b"\x8c"),
        ("SHORT_BINSTRING", b"U"),
        ("LONG1", b"\x8a"),
    ):
        yield Case(f"{label} past the end", b"\x80\x04" + code + b"\xff")
    for label, line in {
        "LONG of 100,000 digits": b"L" + b"9" * 100_000 + b"L\n",
        "INT of 100,000 digits": b"I" + b"9" * 100_000 + b"\n",
        "INT of no digits": b"Ix\n",
        "FLOAT of no digits": b"Fx\n",
        "STRING without quotes": b"Sx\n",
        "STRING with a broken escape": b"S'\\x'\n",
        "UNICODE with a broken escape": b"V\\u12\n",
        "GLOBAL without an end": b"cos\n",
        "a line without an end": b"V" + b"x" * 1000,
        "NEXT_BUFFER of none": b"\x97",
        "a million buffers": b"\x97" * 1_000_000,
        "READONLY_BUFFER of none": b"\x98",
        "protocol 255": b"\x80\xff",
        "pop of nothing": b"0" * 10,
        "marks of nothing": b"1" * 10,
        "no stop": b"N" * 1000,
        "a tuple of nothing": b"\x87",
        "nothing": b"",
    }.items():
        yield Case(
            label,
            line + b"." if label not in ("no stop", "nothing", "a line without an end") else line,
        )
    yield Case(
        "LONG4 of a megabyte",
        whole(b"\x8b" + struct.pack("<I", 1 << 20), b"\x7f" * (1 << 20)),
        "bounded",
    )
