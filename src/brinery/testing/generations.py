"""Numbered states of many records, which a commit takes from one to the next.

A reader can see which state each record is in, that it is complete, and so whether a commit
was seen in part.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from brinery.backend import Backend, Put
from brinery.testing.records import body


@dataclass(frozen=True)
class Generations:
    """States of `count` records."""

    count: int

    @property
    def names(self) -> list[str]:
        """The names of the records, in order."""
        return sorted(f"Generation.{number}" for number in range(self.count))

    def puts(self, number: int) -> Iterator[Put]:
        """Yield what takes all records to a state."""
        return (Put(name, (_state(name, number),)) for name in self.names)

    def commit(self, backend: Backend, number: int) -> None:
        """Take all records to a state."""
        backend.commit(self.puts(number))

    def seen(self, backend: Backend) -> set[int]:
        """Return the numbers of the states that the records are in: one, if the engine can read one.

        Raise `AssertionError` when one is missing, or is not a whole record of its name.
        """
        return self.states_of(backend.read_one_state(self._read))

    def states_of(self, found: Mapping[str, bytes]) -> set[int]:
        """Return the numbers of the states of what was read, by name; raise as `seen` does."""
        assert sorted(found) == self.names, f"there are {len(found)} records of {self.count}"
        return {self._number(name, data) for name, data in found.items()}

    def watch(self, backend: Backend, last: int, limit: float, *, at_once: bool) -> int:
        """Read until the state `last` is there; return how many readings it took.

        No record may go back to an earlier state, and `at_once` all have to be in one state at each
        reading.  Raise `AssertionError` when they do not, or after `limit` seconds.
        """
        until = time.monotonic() + limit
        before = readings = 0
        while before < last:
            seen = self.seen(backend)
            assert len(seen) == 1 or not at_once, f"a reading saw the states {sorted(seen)}"
            assert min(seen) >= before, f"after state {before}, {min(seen)} was seen"
            assert time.monotonic() < until, f"state {last} was not seen within {limit:.0f} s"
            before = min(seen)
            readings += 1
        return readings

    def _read(self, backend: Backend) -> dict[str, bytes]:
        """Read all records, in two calls."""
        names = self.names
        half = len(names) // 2
        return {
            name: data
            for some in (names[:half], names[half:])
            for name, data, _ in backend.get_many(some)
        }

    @staticmethod
    def _number(name: str, data: bytes) -> int:
        try:
            number = int(data.split(maxsplit=9)[8])
        except (IndexError, ValueError):
            number = -1
        assert data == _state(name, number), f"{name} holds {data[:80]!r}…, {len(data)} bytes"
        return number


def commit_all(generations: Generations, last: int, backend: Backend, _: object) -> None:
    """Commit the states from 1 to `last`, one after the other."""
    for number in range(1, last + 1):
        generations.commit(backend, number)


def commit_for_ever(
    generations: Generations, first: int, backend: Backend, tell: Callable[[object], None]
) -> None:
    """Commit the states from `first` on, and report each when it is committed."""
    while True:
        generations.commit(backend, first)
        tell(first)
        first += 1


def commit_halfway(
    generations: Generations, number: int, backend: Backend, tell: Callable[[object], None]
) -> None:
    """Begin to commit a state, report after half of the records, and stop."""

    def puts() -> Iterator[Put]:
        for index, put in enumerate(generations.puts(number)):
            if index == generations.count // 2:
                tell(index)
                time.sleep(3600)
            yield put

    backend.commit(puts())


def _state(name: str, number: int) -> bytes:
    """Return bytes that no other record or state has, and not always as many."""
    return body(f"{number} {name}") * (1 + number % 3)
