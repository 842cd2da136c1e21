"""The machine of a scan: an unpickler's stack, marks and memo, with values in place of objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from brinery.typing import Final
from brinery_codecs._pickle.analysis.opcodes import STRING_LINE, UNICODE_LINE
from brinery_codecs._pickle.analysis.rules import Rules
from brinery_codecs._pickle.analysis.values import (
    BUILT,
    DATA,
    EXTERNAL,
    FIRST,
    FRESH,
    FRESH_LIST,
    NUMBER,
    SHARED,
    SHARED_LIST,
    Admits,
    IsEnumeration,
    Made,
    Tuple,
    Value,
    is_unknown,
    refused,
)

_HOOKS: Final = frozenset({b"__setstate__", b"append", b"extend", b"add"})
"""The methods that an unpickler calls to fill an object."""
_LARGE: Final = 1 << 20
_OBJECTS: Final = frozenset({DATA, BUILT, SHARED, EXTERNAL})
"""Values of objects that may be called, or may be mappings."""


class Machine(Rules):
    """A payload with the state of the machine that goes through it."""

    def __init__(self, data: bytes, admits: Admits | None, is_enumeration: IsEnumeration) -> None:
        super().__init__(data, admits, is_enumeration)
        self.protocol = 0
        self.stack: list[Value] = []
        """The values since the last mark."""
        # Nearly no payload has these names, and to look at all its keys would take half of the time again.
        self.may_name_hooks = admits is not None and (
            len(data) > _LARGE or any(hook in data for hook in _HOOKS)
        )
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
        if value is FRESH or value is FRESH_LIST:
            return
        if self.has_hooks and (
            value is SHARED or value is BUILT or (type(value) is Made and value.is_built)
        ):
            raise refused(f"it sets {part} on an object that may have a method of its choice")
        if is_unknown(value):
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
        if self.may_name_hooks:
            self.note_hooks(items)

    def note_hooks(self, items: Sequence[Value]) -> None:
        """Note whether a mapping, used as a state, may hang a method on an object."""
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(value) is int and (value in _OBJECTS or value <= FIRST) and self._is_hook(key):
                self.has_hooks = True
                return

    def note_state(self, state: Value) -> None:
        """Note whether a state is an object that may be a mapping, whose keys are not known."""
        parts = state.items if type(state) is Tuple else (state,)
        if self.admits is not None and any(
            type(part) is int and part in _OBJECTS and part is not SHARED for part in parts
        ):
            self.has_hooks = True

    def _is_hook(self, key: Value) -> bool:
        if type(key) is not int or key is NUMBER:
            return False
        if key <= 0:
            return True  # not known: it may be a string of a class of its own
        start, stop = self.extent(key)
        name = self.data[start:stop]
        has_escapes = self.data[key - 1] in (STRING_LINE, UNICODE_LINE) and b"\\" in name
        # Protocol 0 has some strings in quotes.
        return has_escapes or name.strip(b"'\"\r ") in _HOOKS


Handler = Callable[[Machine, int], int]
"""Carries out one opcode: gets the position of its argument, returns that of the next opcode."""
