"""Whatever is done to a directory and to the reference backend, both answer the same."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from brinery.backend import ABSENT, ANY, Backend, Conflict, Missing, Put, Version
from brinery.backends.directory import DirectoryBackend
from brinery.backends.memory import MemoryBackend
from brinery.ids import name_of
from brinery.testing.backend import HOSTILE_IDS, body

Layout = Literal["flat", "sharded"]
Expectation = Literal["any", "absent", "current", "stale"]

NAMES = [*(f"Task.{number}" for number in range(6)), ".settings", *map(name_of, HOSTILE_IDS[::5])]
names = st.sampled_from(NAMES)
layouts = st.sampled_from(["flat", "sharded"])
expectations = st.sampled_from(["any", "absent", "current", "stale"])
deletes = st.lists(names, max_size=3)


class Abandoned(Exception):
    """What the puts of an abandoned commit raise."""


class LockStep(RuleBasedStateMachine):
    """A directory, opened now in one layout and now in the other, beside a `MemoryBackend`."""

    def __init__(self) -> None:
        super().__init__()
        self.root = tempfile.mkdtemp(prefix="brinery-lockstep-")
        self.memory = MemoryBackend()
        self.directory: Backend = DirectoryBackend(self.root, durability="process")
        self.states = itertools.count()
        # The versions that each name has had, in memory and in the directory; the last is current.
        self.versions: dict[str, list[tuple[Version, Version]]] = {}

    def teardown(self) -> None:
        """Remove the directory."""
        self.directory.close()
        shutil.rmtree(self.root)

    @initialize(layout=layouts)
    def begin(self, layout: Layout) -> None:
        """Start in either layout."""
        self.open(layout)

    @rule(layout=layouts)
    def open(self, layout: Layout) -> None:
        """Close the directory and open it again, perhaps in the other layout."""
        self.directory.close()
        self.directory = DirectoryBackend(self.root, layout=layout, durability="process")

    @rule(name=names, expectation=expectations, length=st.integers(0, 5))
    def put(self, name: str, expectation: Expectation, length: int) -> None:
        """Put one name."""
        data, expected = body(next(self.states)) * length or self.unique(), self.expected(name)
        ours, theirs = self.both(
            lambda: self.memory.put(name, data, expected[expectation][0]),
            lambda: self.directory.put(name, data, expected[expectation][1]),
        )
        if ours is not None:
            self.versions.setdefault(name, []).append((ours, theirs))

    @rule(
        chosen=st.dictionaries(names, expectations, max_size=5),
        removed=deletes,
        abandoned=st.booleans(),
    )
    def commit(self, chosen: dict[str, Expectation], removed: list[str], abandoned: bool) -> None:
        """Put several names and delete some, or raise at the end of the puts."""
        data = {name: self.unique() for name in chosen}

        def puts(side: Literal[0, 1]) -> Iterator[Put]:
            for name, expectation in chosen.items():
                yield Put(name, (data[name], b""), self.expected(name)[expectation][side])
            if abandoned:
                raise Abandoned

        ours, theirs = self.both(
            lambda: self.memory.commit(puts(0), removed),
            lambda: self.directory.commit(puts(1), iter(removed)),
        )
        if ours is not None:
            assert ours.keys() == theirs.keys() == chosen.keys()
            for name in chosen:
                self.versions.setdefault(name, []).append((ours[name], theirs[name]))

    @rule(name=names)
    def delete(self, name: str) -> None:
        """Delete one name, whether it is there or not."""
        self.both(lambda: self.memory.delete(name), lambda: self.directory.delete(name))

    @rule(name=names, count=st.integers(0, 200))
    def read_tail(self, name: str, count: int) -> None:
        """Read the end of a record."""
        ours, theirs = self.both(
            lambda: self.memory.get_tail(name, count), lambda: self.directory.get_tail(name, count)
        )
        if ours is not None:
            assert ours[:2] == theirs[:2]
            assert (ours[2], theirs[2]) == self.versions[name][-1]

    @rule(prefix=st.sampled_from(["", "Task", "Task.1", "%", ".", "x", "T_"]))
    def list(self, prefix: str) -> None:
        """List names."""
        assert sorted(self.directory.list(prefix)) == [*self.memory.list(prefix)]

    @invariant()
    def both_hold_the_same(self) -> None:
        """Every name has the same bytes, and the version that its last put returned."""
        ours = {name: (data, version) for name, data, version in self.memory.get_many(NAMES)}
        theirs = {name: (data, version) for name, data, version in self.directory.get_many(NAMES)}
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert ours[name][0] == theirs[name][0]
            assert (ours[name][1], theirs[name][1]) == self.versions[name][-1]

    def unique(self) -> bytes:
        """Return bytes that were not put before: the versions of a directory are its contents'."""
        return body(next(self.states))

    def expected(self, name: str) -> dict[Expectation, tuple[Any, Any]]:
        """Return, for memory and directory, what each expectation of a name is."""
        known = self.versions.get(name) or [(-1, (0, b"never"))]
        return {
            "any": (ANY, ANY),
            "absent": (ABSENT, ABSENT),
            "current": known[-1],
            "stale": known[0],
        }

    @staticmethod
    def both(ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple[Any, Any]:
        """Call both; return both results, or two times None if both raise the same."""
        outcomes: list[tuple[Any, Any]] = []
        for call in (ours, theirs):
            try:
                outcomes.append((call(), None))
            except Conflict as error:
                outcomes.append((None, sorted(error.names)))
            except (Missing, Abandoned) as error:
                outcomes.append((None, type(error)))
        assert outcomes[0][1] == outcomes[1][1]
        return outcomes[0][0], outcomes[1][0]


TestLockStep = LockStep.TestCase
TestLockStep.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
