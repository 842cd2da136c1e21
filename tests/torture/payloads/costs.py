"""Calls that ask for much memory or time, in few bytes; all are seen before the first is carried out."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.torture.opcodes import Case, name, text, whole

NUMBER = b"\x8a\x05" + (10**10).to_bytes(5, "little")


def costs() -> Iterator[Case]:
    """Yield payloads that compute, copy or look up."""
    for made in ("bytes", "bytearray", "list", "tuple", "range"):
        yield Case(f"{made} of a number", whole(name("builtins", made), NUMBER, b"\x85R"))
    many = name("builtins", "range") + NUMBER + b"\x85R\x85R"
    yield Case("a set of a range", whole(name("builtins", "set"), many))
    yield Case("a deque of a range", whole(name("collections", "deque"), many))
    repeated = name("operator", "mul") + text("abc") + NUMBER
    yield Case("a string, repeated", whole(repeated, b"\x86R"))
    yield Case("a power", whole(name("operator", "pow"), b"K\x09", NUMBER, b"\x86R"))
    megabyte = b"B" + struct.pack("<I", 1 << 20) + bytes(1 << 20) + b"\x94"
    yield Case("many copies of bytes", whole(_copies(megabyte, "builtins", "bytearray")))
    listed = b"](" + b"K\x01" * 200_000 + b"e\x94"
    wide = b"(" + b"K\x01" * 200_000 + b"t\x94"
    yield Case("many sets of one list", whole(_copies(listed, "builtins", "set")))
    yield Case("many deques of one list", whole(_copies(listed, "collections", "deque")))
    yield Case("many deques of one tuple", whole(_copies(wide, "collections", "deque")))
    roots = name("brinery.reference", "root") + b"h\x00R0"
    yield Case("many roots of one tuple", whole(wide, roots * 20_000, b"N"))
    for label, fill in {
        "a key": b"}%sNs",
        "an element": b"\x8f(%s\x90",
        "a frozenset": b"(%s\x91",
    }.items():
        pairs = b"".join(b"h%ch%c\x86\x94" % (n, n) for n in range(100))
        yield Case(f"doubled tuples by the memo as {label}", whole(fill % (b"N\x85\x94" + pairs)))
    long = text("a" * 1_000_000)
    yield Case("a long name", whole(long + long + b"\x93"))
    yield Case("a long name, many times", whole(long + b"\x94" + b"h\x00h\x00\x930" * 10_000, b"N"))


def _copies(content: bytes, module: str, qualname: str) -> bytes:
    return content + b"0](" + (name(module, qualname) + b"h\x00\x85R") * 20_000 + b"e"
