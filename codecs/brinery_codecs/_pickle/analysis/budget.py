"""The budget of a scan: the cost of decoding a payload, which its length bounds."""

from __future__ import annotations

from collections.abc import Sequence

from brinery.typing import Final
from brinery_codecs._pickle.analysis.opcodes import FLOAT_LINE, LONG_LINE, STRING_LINE, UNICODE_LINE
from brinery_codecs._pickle.analysis.payload import Payload
from brinery_codecs._pickle.analysis.values import (
    MODULUS,
    MOST_DEPTH,
    MOST_EQUAL,
    MOST_REUSED,
    MOST_WEIGHT,
    NUMBER,
    SHARED,
    Admits,
    IsEnumeration,
    Made,
    Tuple,
    Value,
    refused,
)

_LEAST_COPIES: Final = 1 << 16


class Budget(Payload):
    """A payload whose decoding may cost only so much."""

    def __init__(self, data: bytes, admits: Admits | None, is_enumeration: IsEnumeration) -> None:
        super().__init__(data, admits, is_enumeration)
        self._copied = 0
        self._hashes: dict[int, set[int]] = {}
        self.hashed = self.listed = self._nested = self.keyed = self._reused = (
            self._copied_arguments
        ) = 0
        self._may_name_arguments: bool | None = None
        self.may_name_hooks = False
        """Whether a string of the payload may be the name of a method that an unpickler calls."""

    def line_value(self, code: int, line: bytes, position: int) -> Value:
        """Return the value of an argument that is a line."""
        if code in (STRING_LINE, UNICODE_LINE):
            self.may_name_hooks |= self.admits is not None and b"\\" in line
            return position
        if code == FLOAT_LINE:
            float(line)
            return NUMBER
        number = int(line.rstrip(b"L") if code == LONG_LINE else line)
        if -MODULUS < number < MODULUS:
            return NUMBER
        return self.large_integer(
            number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
        )

    def large_integer(self, integer: bytes) -> bytes:
        """Count an integer that may share its hash with others, and return it."""
        # In every place: lists become sets, too.
        number = int.from_bytes(integer, "little", signed=True)
        equal = self._hashes.setdefault(hash(number), set())
        equal.add(number)
        if len(equal) > MOST_EQUAL:
            raise refused(f"more than {MOST_EQUAL} of its integers have one hash")
        return integer

    def charge(self, items: Sequence[Value]) -> None:
        """Count the copies that a constructor makes of its arguments."""
        # Copies of one piece of a payload, many times, would be much more than the payload.
        for item in items:
            if type(item) is int and item > 0:
                start, stop = self.extent(item)
                self.count(stop - start)
            elif type(item) is Tuple:
                self.count(8 * item.weight)
            elif type(item) is bytes:
                self.count(len(item))

    def check_hashed(self, weight: int) -> None:
        """Raise `TrustError` if hashing keys takes too many steps."""
        if weight > MOST_WEIGHT + 16 * len(self.data):
            raise refused("its keys are tuples that reach too many items")

    def count(self, size: int) -> None:
        """Count bytes or items that are copied."""
        self._copied += size
        if self._copied > _LEAST_COPIES + 4 * len(self.data):
            raise refused("it makes many copies of one object")

    def count_state(self, state: Value) -> None:
        """Count a state that is set on an object, if others may get it too."""
        # Each object takes a copy of the dictionary.
        if state is SHARED or any(item is SHARED for item in state.items[:2]):
            self._reused += 1 + self.keyed
            if self._reused > MOST_REUSED + 4 * len(self.data):
                raise refused("it sets one state on many objects")

    def count_arguments(self) -> None:
        """Count a state that may give arguments to an exception."""
        # An exception copies its "args" into a tuple.
        if self._may_name_arguments is None:
            self._may_name_arguments = b"args" in self.data or b"\\u" in self.data
        if self._may_name_arguments:
            self._copied_arguments += len(self.data)
            if self._copied_arguments > MOST_WEIGHT + 16 * len(self.data):
                raise refused("it sets states with arguments on many exceptions")

    def count_nested(self) -> None:
        """Count a state or a cycle whose depth is not known."""
        # The object may be deeper than its value says: states and earlier holders are not followed.
        self._nested += 1
        if self._nested > MOST_DEPTH:
            raise refused(
                f"it sets more than {MOST_DEPTH} states or cycles on exceptions, deques or slices"
            )

    def count_listed(self, items: Sequence[Value]) -> None:
        """Count the items that the tuples of a list reach."""
        # If the list becomes a set, each item is hashed.
        self.listed += sum(item.weight for item in items if type(item) is Tuple)

    def check_keys(self, keys: Sequence[Value]) -> None:
        """Count the steps that hashing keys takes."""
        for key in keys:
            if type(key) is Made and key.is_slice:
                raise refused("it has a slice for a key")
            if type(key) is Tuple:
                # To hash it takes as many steps as it has items, however few bytes name it.
                self.hashed += key.weight
                self.check_hashed(self.hashed)
