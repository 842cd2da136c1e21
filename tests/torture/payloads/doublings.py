"""Payloads that are small in bytes, and endless to walk, to copy or to compute."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.torture.opcodes import THINGS, Case, call, name, stack_name, text, whole


def doublings() -> Iterator[Case]:
    """Shared objects inside shared objects: small in memory, and endless to walk."""
    n = 60
    tuples = b")\x85" + b"2\x86" * n
    lists = b"]q\x00" + b"".join(b"]h\x00ah\x00aq\x00" for _ in range(n))
    heavy = b")\x85" + b"2\x86" * 20 + b"q\x00"
    yield Case("doubled tuples", whole(tuples), "bounded")
    yield Case("doubled tuples as a key", whole(b"}", tuples, b"Ns"))
    yield Case("doubled tuples as a frozenset", whole(b"(", tuples, b"\x91"))
    yield Case("doubled lists", whole(lists), "bounded")
    yield Case("doubled lists as a key", whole(b"}", lists, b"Ns"), "bounded")
    for module, qualname in (
        *(
            ("ipaddress", f"IPv{n}{what}")
            for n in (4, 6)
            for what in ("Address", "Network", "Interface")
        ),
        *(("uuid", each) for each in ("SafeUUID", "UUID")),
        *(("zoneinfo", each) for each in ("ZoneInfo", "ZoneInfo._unpickle")),
        *(("datetime", each) for each in ("date", "time", "datetime", "timedelta", "timezone")),
        *(("collections", each) for each in ("Counter", "OrderedDict", "deque", "defaultdict")),
        *(
            ("builtins", each)
            for each in (
                "bytes",
                "bytearray",
                "complex",
                "set",
                "frozenset",
                "slice",
                "ValueError",
                "OSError",
                "object",
            )
        ),
        *(("pathlib", each) for each in ("Path", "PurePosixPath")),
        ("decimal", "Decimal"),
        ("fractions", "Fraction"),
        ("types", "SimpleNamespace"),
        ("_codecs", "encode"),
        (THINGS, "Numbers"),
        (THINGS, "Colour"),
    ):
        if qualname == "Colour":
            continue  # an enumeration of one's own says what it got
        for what, argument in (
            ("lists", lists),
            ("tuples", tuples),
            ("a list of tuples", b"]" + heavy + b"a" + b"h\x00a" * 2000),
        ):
            yield Case(
                f"{module}:{qualname} of doubled {what}",
                whole(call(stack_name(module, qualname), argument)),
                "bounded",
            )
    yield Case("a heavy key, often", whole(b"}", heavy, b"N", b"s", b"h\x00Ns" * 5000), "bounded")
    yield Case(
        "a heavy element, often", whole(b"\x8f(", heavy, b"h\x00" * 5000, b"\x90"), "bounded"
    )
    yield Case(
        "a heavy error, often",
        whole(
            name("builtins", "OSError"), b"q\x01", heavy, b"0" + b"h\x01h\x00N\x86R0" * 5000, b"N"
        ),
        "bounded",
    )
    big = b"B" + struct.pack("<I", 1 << 20) + bytes(1 << 20)
    for module, qualname in (
        ("builtins", "bytearray"),
        ("builtins", "bytes"),
        ("builtins", "set"),
        ("collections", "deque"),
        ("decimal", "Decimal"),
    ):
        for copies in (4000,):
            yield Case(
                f"{copies} copies by {qualname}",
                whole(
                    name(module, qualname),
                    b"q\x00",
                    big,
                    b"q\x01(" + b"h\x00h\x01\x85R" * copies,
                    b"l",
                ),
                "bounded",
            )
    yield Case(
        "4000 decoded copies",
        whole(
            name("_codecs", "encode"),
            b"q\x00",
            b"X" + struct.pack("<I", 1 << 20),
            b"a" * (1 << 20),
            b"q\x01",
            text("latin1"),
            b"q\x02(" + b"h\x00h\x01h\x02\x86R" * 4000,
            b"l",
        ),
        "bounded",
    )
    yield Case(
        "an encoding that expands",
        whole(call(name("_codecs", "encode"), text("a" * 100), text("zip"))),
    )
    yield Case("a huge bytes", whole(call(name("builtins", "bytes"), b"J\xff\xff\xff\x7f")))
    yield Case(
        "a huge bytearray",
        whole(call(name("builtins", "bytearray"), b"\x8a\x05" + (1 << 33).to_bytes(5, "little"))),
    )
    yield Case(
        "a huge range",
        whole(
            call(
                name("collections", "deque"), call(name("builtins", "range"), b"J\xff\xff\xff\x7f")
            )
        ),
    )
    yield Case(
        "a Fraction of a billion digits",
        whole(call(name("fractions", "Fraction"), text("1e999999999"))),
    )
    yield Case(
        "a Decimal of a billion digits",
        whole(call(name("decimal", "Decimal"), text("1e999999999"))),
        "bounded",
    )
    yield Case(
        "a Fraction of a Decimal",
        whole(
            call(
                name("fractions", "Fraction"), call(name("decimal", "Decimal"), text("1e999999999"))
            )
        ),
    )
    yield Case("a list that holds itself", whole(b"]q\x00h\x00a"), "bounded")
    yield Case(
        "a tuple of a list that holds it, as a key",
        whole(b"}]q\x00\x85q\x010h\x00h\x01ah\x01Ns"),
        "bounded",
    )
