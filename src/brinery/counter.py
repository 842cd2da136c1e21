"""Numbers that a store never gives twice.

The next number stands in the backend under a dotted name, as decimal digits; a process takes a block of
numbers by compare-and-swap and gives them out by itself.  Blocks double while one process goes on asking,
so that 100,000 objects take some twenty swaps, and what is left of a block goes back when nobody else
has taken one since.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Final

from brinery.backend import ABSENT, Backend, Conflict, Expect, Missing, Version
from brinery.errors import StorageError

NAME: Final = ".next"
_LARGEST_BLOCK: Final = 8192


class Counter:
    """The numbers of one store, in one process.

    `highest` returns the highest number in use; it is asked when the counter is missing or damaged.
    """

    def __init__(self, backend: Backend, highest: Callable[[], int]) -> None:
        self._backend = backend
        self._highest = highest
        self._block = range(0)
        self._size = 1
        self._pid = os.getpid()

    def __call__(self, n: int | None = None) -> int | list[int]:
        """Return one number, or a list of `n`."""
        if self._pid != os.getpid():
            # The rest of the block belongs to the parent.
            self._block, self._size, self._pid = range(0), 1, os.getpid()
        if n is None:
            return self._take(1)[0]
        return self._take(n)

    def _take(self, n: int) -> list[int]:
        taken = list(self._block[:n])
        self._block = self._block[n:]
        if len(taken) < n:
            missing = n - len(taken)
            size = max(missing, self._size)
            self._size = min(2 * size, _LARGEST_BLOCK)
            self._block = self._swap(lambda first: (first, first + size))
            taken += self._block[:missing]
            self._block = self._block[missing:]
        return taken

    def give_back(self) -> None:
        """Return the rest of the block, if no number after it has been taken."""
        rest, self._block, self._size = self._block, range(0), 1
        if not rest or self._pid != os.getpid():
            return
        try:
            data, version = self._backend.get(NAME)
            if data == b"%d\n" % rest.stop:
                self._backend.put(NAME, b"%d\n" % rest.start, version)
        except (Conflict, Missing):
            pass  # somebody else took numbers: these stay unused
        except StorageError:
            pass  # the numbers stay unused, and that is all that is lost

    def skip(self, used: Iterable[int]) -> None:
        """Go on after the numbers `used`, which were found in the store unexpectedly."""
        beyond = max([self._highest(), *used]) + 1
        self._block = range(0)
        self._swap(lambda first: (max(first, beyond), max(first, beyond)))

    def _swap(self, plan: Callable[[int], tuple[int, int]]) -> range:
        while True:
            expect: Version | Expect
            try:
                data, expect = self._backend.get(NAME)
                first = int(data)
            except Missing:
                expect, first = ABSENT, self._highest() + 1
            except ValueError:
                first = self._highest() + 1  # damaged: never below what is in use
            start, stop = plan(max(first, 1))
            try:
                self._backend.put(NAME, b"%d\n" % stop, expect)
            except Conflict:
                continue
            return range(start, stop)
