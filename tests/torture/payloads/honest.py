"""Honest payloads of the forms that hostile ones have; they load."""

from __future__ import annotations

from collections.abc import Iterator

from tests.torture.opcodes import THINGS, Case, name, text, whole
from tests.torture.payloads.calls import plain_names, ways_to_call


def honest() -> Iterator[Case]:
    """Yield payloads of an admitted class, of deep and of large values."""
    plain = name(THINGS, "Plain")
    yield Case("an object", whole(plain + b")\x81}" + text("value") + b"K\x05sb"))
    for how, body in ways_to_call(plain, b"K\x05").items():
        yield Case(f"a call by {how}", whole(body))
    for how, body in plain_names(THINGS, "Plain").items():
        if how in ("STACK_GLOBAL of escapes", "STACK_GLOBAL of STRING"):
            continue  # nobody writes such, and it is refused
        yield Case(f"a class by {how}", whole(body))
    yield Case("deep lists", whole(b"]" * 100_000 + b"a" * 99_999))
    yield Case("many marks", whole(b"(" * 500_000 + b"1" * 500_000 + b"N"))
    yield Case(
        "lists that hold each other many times",
        whole(
            b"]\x94"
            + b"".join(b"]\x94(h" + bytes((n,)) + b"h" + bytes((n,)) + b"e" for n in range(100))
        ),
    )
    digits = name("decimal", "Decimal") + text("1E+999999999")
    yield Case("a number of many digits", whole(digits, b"\x85R"))
    yield Case(
        "large keys",
        whole(
            b"}("
            + b"".join(
                b"\x8a\x09" + (n * n * 1234567891 + 2**62).to_bytes(9, "little") + b"N"
                for n in range(20_000)
            )
            + b"u"
        ),
    )
