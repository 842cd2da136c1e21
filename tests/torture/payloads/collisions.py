"""Integers of one hash: each key is compared with all that came before."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator

from tests.torture.opcodes import Case, call, name, whole


def collisions() -> Iterator[Case]:
    modulus, count = sys.hash_info.modulus, 30_000
    numbers = [n * modulus for n in range(1, count)]
    data = b"".join(pickle.dumps(n, 2)[2:-1] for n in numbers)
    items = b"".join(pickle.dumps(n, 2)[2:-1] + b"N" for n in numbers)
    lines = b"".join(b"I%d\nN" % n for n in numbers)
    yield Case("colliding keys by SETITEMS", whole(b"}(", items, b"u"))
    yield Case(
        "colliding keys one by one",
        whole(b"}", b"".join(pickle.dumps(n, 2)[2:-1] + b"Ns" for n in numbers)),
    )
    yield Case("colliding keys by DICT", whole(b"(", items, b"d"))
    yield Case("colliding keys in lines", whole(b"(", lines, b"d"))
    yield Case(
        "colliding keys in LONG lines", whole(b"(", b"".join(b"L%dL\nN" % n for n in numbers), b"d")
    )
    yield Case("colliding elements by ADDITEMS", whole(b"\x8f(", data, b"\x90"))
    yield Case("colliding elements by FROZENSET", whole(b"(", data, b"\x91"))
    for module, qualname in (
        ("builtins", "set"),
        ("builtins", "frozenset"),
        ("collections", "Counter"),
    ):
        for way, listed in (
            ("a list", b"](" + data + b"e"),
            ("a list of LIST", b"(" + data + b"l"),
            ("a tuple", b"(" + data + b"t"),
        ):
            yield Case(
                f"colliding elements of {way} by {qualname}",
                whole(call(name(module, qualname), listed)),
            )
    pairs = b"](" + b"".join(pickle.dumps(n, 2)[2:-1] + b"N\x86" for n in numbers) + b"e"
    yield Case(
        "colliding keys by OrderedDict", whole(call(name("collections", "OrderedDict"), pairs))
    )
