"""Whatever is done to the engines and to the reference backend, all answer the same."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from brinery.backend import ABSENT, ANY, Backend, Conflict, Delete, Missing, Put, Version
from brinery.backends.directory.backend import DirectoryBackend
from brinery.backends.memory import MemoryBackend
from brinery.backends.sql import SqlBackend
from brinery.ids import name_of
from brinery.testing.backend import HOSTILE_IDS, Opener, body

T = TypeVar("T")
Expectation = Literal["any", "absent", "current", "stale"]

NAMES = [*(f"Task.{number}" for number in range(6)), ".settings", *map(name_of, HOSTILE_IDS[::5])]
names = st.sampled_from(NAMES)
prefixes = st.sampled_from(["", "Task", "Task.1", "%", ".", "x", "T_"])
expectations = st.sampled_from(["any", "absent", "current", "stale"])
choices = st.integers(0, 1)
deletes = st.lists(st.tuples(names, expectations), max_size=3)


class Abandoned(Exception):
    """What the puts of an abandoned commit raise."""


# -- engines

Place = Callable[[str], Sequence[Opener]]
"""Returns what opens one empty place, in each way that there is; may use a path that is free."""


def a_directory(path: str) -> Sequence[Opener]:
    """Open a directory, now in one layout, now in the other."""
    opened = partial(DirectoryBackend, path, durability="process")
    return [partial(opened, layout="flat"), partial(opened, layout="sharded")]


def a_database(path: str) -> Sequence[Opener]:
    """Open an SQLite file, now by its driver, now by SQLAlchemy alone."""
    opened = partial(SqlBackend, f"sqlite:///{path}.db", durability="process")
    return [partial(opened, native=True), partial(opened, native=False)]


def tables_of(request: pytest.FixtureRequest) -> Place:
    """Open a new table of one PostgreSQL database, by either way."""
    url = request.getfixturevalue("postgres_url")
    numbers = itertools.count()

    def a_table(path: str) -> Sequence[Opener]:
        opened = partial(SqlBackend, url, f"t{next(numbers)}")
        return [partial(opened, native=True), partial(opened, native=False)]

    return a_table


ENGINES: Final[Mapping[str, Callable[[pytest.FixtureRequest], Place]]] = {
    "directory": lambda _: a_directory,
    "SQLite": lambda _: a_database,
    "PostgreSQL": tables_of,
}
"""Each may ask for a fixture, and is left out where that is skipped."""


@dataclass
class Engine:
    """One engine that goes in step, with the versions that its names have had; the last is current."""

    openers: Sequence[Opener]
    backend: Backend
    versions: dict[str, list[Version]] = field(default_factory=dict)

    def expected(self, name: str, expectation: Expectation) -> Any:
        """Return what an expectation of a name is for this engine."""
        if expectation == "any":
            return ANY
        known = self.versions.get(name)
        if expectation == "absent":
            return ABSENT
        if not known:
            return (-1, b"never")
        return known[-1 if expectation == "current" else 0]

    def current(self, name: str) -> Version:
        """Return the version that the last put of a name gave."""
        assert name in self.versions, f"{name!r} is there, and no put of it has succeeded"
        return self.versions[name][-1]

    def note(self, versions: Mapping[str, Version]) -> None:
        """Note the versions that a commit gave."""
        for name, version in versions.items():
            self.versions.setdefault(name, []).append(version)


class LockStep(RuleBasedStateMachine):
    """A `MemoryBackend`, and beside it an engine in each place that does all that the first one does."""

    def __init__(self, places: Sequence[Place]) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp(prefix="brinery-lockstep-")
        self.states = itertools.count()
        self.engines = [Engine([], MemoryBackend())]
        for number, place in enumerate(places):
            openers = place(f"{self.directory}/{number}")
            self.engines.append(Engine(openers, openers[0]()))

    def teardown(self) -> None:
        """Close the engines and remove the directory."""
        for engine in self.engines:
            engine.backend.close()
        shutil.rmtree(self.directory)

    @rule(choice=choices, index=st.integers(0, 9))
    def reopen(self, choice: int, index: int) -> None:
        """Close an engine and open it again, perhaps in another way; the reference stays open."""
        engine = self.engines[index % len(self.engines)]
        if engine.openers:
            engine.backend.close()
            engine.backend = engine.openers[choice % len(engine.openers)]()

    @rule(name=names, expectation=expectations, length=st.integers(0, 5))
    def put(self, name: str, expectation: Expectation, length: int) -> None:
        """Put one name."""
        data = body(next(self.states)) * length or self.unique()

        def put(engine: Engine) -> Mapping[str, Version]:
            return {name: engine.backend.put(name, data, engine.expected(name, expectation))}

        self.write(put)

    @rule(
        chosen=st.dictionaries(names, expectations, max_size=5),
        removed=deletes,
        abandoned=st.booleans(),
    )
    def commit(
        self,
        chosen: dict[str, Expectation],
        removed: list[tuple[str, Expectation]],
        abandoned: bool,
    ) -> None:
        """Put several names and delete some, or raise at the end of the puts."""
        data = {name: self.unique() for name in chosen}

        def puts(engine: Engine) -> Iterator[Put]:
            for name, expectation in chosen.items():
                yield Put(name, (data[name], b""), engine.expected(name, expectation))
            if abandoned:
                raise Abandoned

        def removals(engine: Engine) -> Iterator[str | Delete]:
            for name, expectation in removed:
                expect = engine.expected(name, expectation)
                yield name if expect is ANY else Delete(name, expect)

        def commit(engine: Engine) -> Mapping[str, Version]:
            versions = engine.backend.commit(puts(engine), removals(engine))
            assert versions.keys() == chosen.keys()
            return versions

        self.write(commit)

    @rule(name=names)
    def delete(self, name: str) -> None:
        """Delete one name, whether it is there or not."""
        self.all_answer(lambda engine: engine.backend.delete(name))

    @rule(name=names, count=st.integers(0, 200))
    def read_tail(self, name: str, count: int) -> None:
        """Read the end of a record."""

        def read(engine: Engine) -> tuple[bytes, int]:
            end, size, version = engine.backend.get_tail(name, count)
            assert version == engine.current(name)
            return end, size

        self.all_answer(read)

    @rule(name=names)
    def read(self, name: str) -> None:
        """Read one name, and in a view of one state."""

        def read(engine: Engine) -> bytes:
            data, version = engine.backend.get(name)
            assert version == engine.current(name)
            assert engine.backend.read_one_state(lambda view: view.get(name)) == (data, version)
            return data

        self.all_answer(read)

    @rule(prefix=prefixes)
    def list(self, prefix: str) -> None:
        """List names, in order where the engine says so."""

        def names_of(engine: Engine) -> Sequence[str]:
            found = [*engine.backend.list(prefix)]
            ordered = engine.backend.capabilities.ordered_list
            return found if ordered else sorted(found)

        self.all_answer(names_of)

    @invariant()
    def all_hold_the_same(self) -> None:
        """Every name has the same bytes, and the version that its last put returned."""

        def held(engine: Engine) -> dict[str, bytes]:
            found = [*engine.backend.get_many(NAMES)]
            for name, _, version in found:
                assert version == engine.current(name)
            assert len({name for name, _, _ in found}) == len(found)
            return {name: data for name, data, _ in found}

        self.all_answer(held)

    def unique(self) -> bytes:
        """Return bytes that were not put before: the versions of a directory are its contents'."""
        return body(next(self.states))

    def write(self, call: Callable[[Engine], Mapping[str, Version]]) -> None:
        """Call it for all engines, and note the versions, of which each has its own."""
        for engine, versions in zip(self.engines, self.all_do(call), strict=True):
            engine.note(versions or {})

    def all_answer(self, call: Callable[[Engine], Any]) -> None:
        """Call it for all engines; all have to give the same answer."""
        answers = self.all_do(call)
        for engine, answer in zip(self.engines, answers, strict=True):
            assert answer == answers[0], engine.backend.location

    def all_do(self, call: Callable[[Engine], T]) -> Sequence[T | None]:
        """Call it for all engines; return the answers, or as many times None if all raise the same."""
        outcomes: Sequence[tuple[T | None, Any]] = [*map(partial(outcome, call), self.engines)]
        for engine, (_, raised) in zip(self.engines, outcomes, strict=True):
            assert raised == outcomes[0][1], engine.backend.location
        return [answer for answer, _ in outcomes]


def outcome(call: Callable[[Engine], T], engine: Engine) -> tuple[T | None, Any]:
    """Call it; return the answer and what was raised, in a form that is the same for all engines."""
    try:
        return call(engine), None
    except Conflict as error:
        return None, sorted(set(error.names))
    except (Missing, Abandoned) as error:
        return None, repr(error)


@pytest.mark.server
@pytest.mark.thorough
def test_all_engines_answer_the_same(request: pytest.FixtureRequest) -> None:
    """In whatever order they are written, read, closed and opened again."""
    places, left_out = [], []
    for name, engine in ENGINES.items():
        try:
            places.append(engine(request))
        except pytest.skip.Exception as skipped:
            left_out.append(f"{name} ({skipped.msg})")

    class InThesePlaces(LockStep):
        def __init__(self) -> None:
            super().__init__(places)

    run_state_machine_as_test(
        InThesePlaces,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    if left_out:
        pytest.skip(f"all the same, but without {', '.join(left_out)}")
