"""Numbers that a store never gives twice.

The backend holds the next number under a dotted name, as decimal digits; a process takes a block of
numbers by compare-and-swap and gives them out by itself.  Blocks double while one process goes on asking,
so that 100,000 objects take some twenty swaps, and the rest of a block is given back if no other
process has taken one since.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence

from brinery.backend import ABSENT, Backend, Conflict, Expect, Missing, Put, Version
from brinery.errors import StorageError
from brinery.ids import LONGEST_NUMBER
from brinery.typing import Final

NAME: Final = ".next"
_LARGEST_BLOCK: Final = 8192
_LONGEST: Final = LONGEST_NUMBER + 2  # bytes: the number after the highest one, and a newline

_HEADROOM: Final = 40  # calls from C into Python and back


def _check_headroom(calls: int) -> None:
    """Raise `RecursionError` where the limit of recursion is near.

    Codecs ask for IDs at any depth.  In the middle of a write the limit would also interrupt the clean-up,
    and a lock would stay locked.
    """
    if calls:
        list(map(_check_headroom, (calls - 1,)))


class NumberSequence:
    """The numbers of one store, in one process.

    `highest` returns the highest number in use; it is asked when the counter is missing or damaged.
    """

    def __init__(self, backend: Backend, highest: Callable[[], int]) -> None:
        self._backend = backend
        self._highest = highest
        self._next = self._stop = 0
        self._reached = 0  # below it, this process has taken all numbers that it gives out
        self._size = 1
        self._pid = os.getpid()

    def __call__(self, n: int | None = None) -> int | list[int]:
        """Return one number, or a list of `n`."""
        if self._pid != os.getpid():
            # The rest of the block belongs to the parent.
            self._next, self._stop, self._size, self._pid = 0, 0, 1, os.getpid()
        if n is not None:
            return [self._one() for _ in range(n)] if self._has(n) else self._block_of(n)
        return self._one()

    def _has(self, n: int) -> bool:
        return self._stop - self._next >= n

    def _one(self) -> int:
        if self._next == self._stop:
            size = self._size
            self._size = min(2 * size, _LARGEST_BLOCK)
            self._next, self._stop = self._swap(lambda first: (first, first + size))
        number = self._next
        self._next += 1
        return number

    def _block_of(self, n: int) -> list[int]:
        start, stop = self._swap(lambda first: (first, first + n))
        return list(range(start, stop))

    def give_back(self) -> None:
        """Return the rest of the block, if no number after it has been taken."""
        first, stop = self._next, self._stop
        self._next, self._stop, self._size = 0, 0, 1
        if first == stop or self._pid != os.getpid():
            return
        try:
            number, version = self._stored()
            if number == stop:
                self._backend.put(NAME, b"%d\n" % first, version)
                self._reached = first
        except (Conflict, Missing, StorageError, ValueError):
            pass  # the numbers stay unused, and that is all that is lost

    def skip(self, used: Iterable[int]) -> None:
        """Go on after the numbers `used`, which were found in the store unexpectedly."""
        self.reach(max([self._highest(), *used]))

    def reach(self, number: int) -> None:
        """Go on after `number`: it is in use, or is about to be, by records from elsewhere."""
        if self._next <= number:
            self._next = self._stop = 0
        if self.last() < number:
            self._swap(lambda first: (max(first, number + 1), max(first, number + 1)))

    def last(self) -> int:
        """Return the last number that is known to have been given out or reserved; 0 for none."""
        try:
            return self._stored()[0] - 1
        except (Missing, ValueError):
            return 0

    def _swap(self, plan: Callable[[int], tuple[int, int]]) -> tuple[int, int]:
        _check_headroom(_HEADROOM)
        while True:
            expect: Version | Expect
            try:
                first, expect = self._stored()
            except Missing:
                expect, first = ABSENT, self._highest() + 1
            except _DamagedError as damaged:
                expect, first = damaged.version, self._highest() + 1  # never below what is in use
            # The numbers of this process are not in the store before its save is: the counter may have been
            # removed, or an older one put in its place.
            start, stop = plan(max(first, self._reached, 1))
            try:
                self._backend.put(NAME, b"%d\n" % stop, expect)
            except Conflict:
                continue
            self._reached = stop
            return start, stop

    def _stored(self) -> tuple[int, Version]:
        """Return the number that the store has, and its version.  Raise `Missing`, `_DamagedError`."""
        data, size, version = self._backend.get_tail(NAME, _LONGEST)
        try:
            if size > _LONGEST:
                raise ValueError(f"a number of {size} digits")
            return int(data), version
        except ValueError as error:
            raise _DamagedError(version) from error


class _DamagedError(ValueError):
    """The counter is not a number; `version` is its version."""

    def __init__(self, version: Version) -> None:
        super().__init__(version)
        self.version = version


def put_after(backend: Backend, number: int) -> Sequence[Put]:
    """Return the put after which a store in `backend` goes on after `number`, none if it does already.

    For a commit that brings the records with these numbers; other writers must be held off.
    """
    if NumberSequence(backend, lambda: 0).last() >= number:
        return ()
    return (Put(NAME, (b"%d\n" % (number + 1),)),)
