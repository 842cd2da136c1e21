"""Payloads that are not pickles, cut off at each byte, or without the arguments of an opcode."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

from tests.torture.opcodes import Case


def broken() -> Iterator[Case]:
    """Yield each start of a pickle, and each opcode where it may not be."""
    good = pickle.dumps({"a": [1, (2, "three")], 5: {1.5, None}}, 4)
    for end in range(len(good)):
        yield Case(f"the first {end} bytes", good[:end])
    for code in range(256):
        yield Case(f"the opcode {code:#x} alone", bytes((0x80, 4, code)))
        yield Case(f"the opcode {code:#x} on an empty stack", bytes((0x80, 4, code)) + b"....")
        yield Case(f"the opcode {code:#x} after a mark", b"\x80\x04(" + bytes((code,)) + b"\n\n\n.")
        yield Case(
            f"the opcode {code:#x} after numbers",
            b"\x80\x04NNN" + bytes((code, 0, 0)) + bytes(8) + b".",
        )
