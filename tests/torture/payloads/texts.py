"""Payloads of JSON that nest deeply, or are none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.torture.opcodes import Case, Expected


def texts() -> Iterator[Case]:
    """Yield payloads of the codec json."""
    n = 300_000
    json = ("json",)
    cases: Sequence[tuple[str, bytes, Expected]] = (
        ("arrays", b"[" * n + b"]" * n, "refused"),
        ("objects", b'{"a":' * n + b"1" + b"}" * n, "refused"),
        ("arrays without end", b"[" * n, "refused"),
        ("1000 arrays", b"[" * 1000 + b"]" * 1000, "bounded"),
        ("900 references", b'[{"$$ref":' * 450 + b"1" + b"}]" * 450, "bounded"),
        ("number of a million digits", b"9" * 1_000_000, "bounded"),
        ("exponent", b"1e999999999", "bounded"),
        ("number of a million digits, negative", b"-" + b"9" * 1_000_000, "bounded"),
        ("fraction of a million digits", b"0." + b"0" * 1_000_000 + b"1", "bounded"),
        ("string without end", b'"' + b"a" * 1_000_000, "refused"),
        ("broken UTF-8", b'"\xff"', "refused"),
        ("lone surrogate", b'"\\ud800"', "refused"),
        ("reference that is a list", b'[{"$ref":[]}]', "refused"),
        ("reference to nothing", b'{"$ref":"nobody"}', "refused"),
        ("reference out of the store", b'{"$ref":"../../etc/passwd"}', "refused"),
        ("empty reference", b'{"$ref":""}', "refused"),
        ("zero in a reference", b'{"$ref":"\\u0000"}', "refused"),
        ("NaN", b"NaN", "refused"),
        ("two values", b"1 2", "refused"),
        ("keys twice", b'{"a":1,"a":2}', "bounded"),
        ("deep reference", b"[" * 900 + b'{"$ref":"nobody"}' + b"]" * 900, "refused"),
    )
    for label, payload, expects in cases:
        yield Case(f"JSON: {label}", payload, expects, codecs=json)
