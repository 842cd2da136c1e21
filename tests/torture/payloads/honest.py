"""Honest payloads of the forms that hostile ones have; they load."""

from __future__ import annotations

from collections.abc import Iterator

from tests.torture.opcodes import THINGS, Case, call, name, text, whole
from tests.torture.payloads.calls import plain_names, ways_to_call


def honest() -> Iterator[Case]:
    """Yield payloads of an admitted class, of deep and of large values."""
    plain = name(THINGS, "Plain")
    yield Case("an object", whole(plain + b")\x81}" + text("value") + b"K\x05sb"))
    for how, body in ways_to_call(plain, b"K\x05").items():
        yield Case(f"a call by {how}", whole(body))
    for how, body in plain_names(THINGS, "Plain").items():
        if how in ("STACK_GLOBAL of escapes", "STACK_GLOBAL of STRING"):
            continue  # no program writes this, and it is refused
        yield Case(f"a class by {how}", whole(body))
    yield from _members()
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


def _members() -> Iterator[Case]:
    # Of enumerations, as all Pythons write them.
    getter, combine, root = (
        name("builtins", "getattr"), name("_operator", "or_"), name("brinery.reference", "root")
    )  # fmt: skip
    rights, modes = name(THINGS, "Rights"), name(THINGS, "Modes")
    read, write = (call(getter, rights, text(each)) for each in ("READ", "WRITE"))
    mode = call(getter, modes, text("READ"))
    yield Case("a member by value", whole(call(name(THINGS, "Colour"), b"K\x01")))
    yield Case("a member by name", whole(call(getter, name(THINGS, "Colour"), text("RED"))))
    yield Case("a member as a global", whole(name(THINGS, "RED")))
    yield Case("a member as a root", whole(call(root, getter, rights, text("READ"))))
    yield Case("flags", whole(call(combine, read, write)))
    yield Case("flags of flags", whole(call(combine, call(combine, read, write), read)))
    yield Case("flags as a root", whole(call(root, combine, read, write)))
    yield Case("flags, by name and by value", whole(call(combine, read, call(rights, b"K\x02"))))
    yield Case("flags with bits that have no name", whole(call(combine, mode, b"M\x00\x01")))
    yield Case("flags as keys", whole(b"}", call(combine, read, write), b"Ns"))
