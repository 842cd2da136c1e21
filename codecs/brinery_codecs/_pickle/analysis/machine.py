"""The machine of a scan: an unpickler's stack, marks and memo, with values in place of objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from brinery_codecs._pickle.analysis.rules import Rules
from brinery_codecs._pickle.analysis.values import (
    FRESH,
    FRESH_LIST,
    SHARED_LIST,
    Admits,
    IsEnumeration,
    Made,
    Value,
    is_unknown,
    refused,
)


class Machine(Rules):
    """A payload with the state of the machine that goes through it."""

    def __init__(self, data: bytes, admits: Admits | None, is_enumeration: IsEnumeration) -> None:
        super().__init__(data, admits, is_enumeration)
        self.protocol = 0
        self.stack: list[Value] = []
        """The values since the last mark."""
        self.marks: list[list[Value]] = []
        """The stacks below the marks."""
        self.memo: dict[int, Value] = {}
        self.has_heavy = False
        """Whether any tuple reaches many items."""

    def pop_to_mark(self) -> list[Value]:
        """Remove the values since the last mark, and return them."""
        items = self.stack
        self.stack = self.marks.pop()
        return items

    def memo_refusal(self, index: int) -> Exception:
        """Return the error for a place of the memo that no pickler would use."""
        return refused(f"it puts an object into place {index} of a memo of {len(self.memo)}")

    def check_target(self, value: Value, part: str, items: Sequence[Value] = ()) -> None:
        """Raise `TrustError` unless items or a state may be set on the object of a value."""
        if value is FRESH or value is FRESH_LIST or is_unknown(value):
            return
        if type(value) is Made:
            if value.hold(items) and value.is_inside:
                self.count_nested()
        elif self.admits is not None:
            raise refused(f"it sets {part} on an object that it did not make")

    def check_mapping(self, value: Value, items: Sequence[Value]) -> None:
        """Raise `TrustError` unless keys and values may be set on the object of a value."""
        # A list or bytearray takes a slice for a key, and becomes twice as long by each three bytes.
        keys = items[::2]
        if value is FRESH_LIST or value is SHARED_LIST:
            raise refused("it sets items of a list by keys")
        self.check_target(value, "items", items[1::2])
        self.keyed += len(keys)
        self.check_keys(keys)


Handler = Callable[[Machine, int], int]
"""Carries out one opcode: gets the position of its argument, returns that of the next opcode."""
