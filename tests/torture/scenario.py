"""An operation on a store, and a check that it was done completely or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Scenario:
    """An operation, and the store for it.

    All three functions get the path of a directory.  `prepare` makes the store, before anything goes
    wrong.  `operate` is called in a process of its own.  `observe` looks at the store as the next user
    does, returns all there is to be seen, and raises `AssertionError` for what must not be.
    """

    name: str
    prepare: Callable[[str], Any]
    operate: Callable[[str], Any]
    observe: Callable[[str], Any]
    durable: bool = True
    """Whether the effect of `operate` survives a power cut."""
    writes: bool = True
    """Whether there is anything to be killed in, or to be lost."""
    is_modelled: bool = True
    """Whether the disk of `tests.torture.disk` knows all that it does; SQLite maps files into memory."""

    def __str__(self) -> str:
        return self.name


@dataclass
class Stage:
    """A prepared store, and its expected state before and after the operation."""

    scenario: Scenario
    prepared: Path
    old: Any
    new: Any

    @classmethod
    def of(cls, scenario: Scenario, scratch: Path) -> Stage:
        """Prepare a store below `scratch`, and do the operation once without trouble."""
        prepared = scratch / "prepared"
        prepared.mkdir(parents=True)
        scenario.prepare(str(prepared / "store"))
        stage = cls(scenario, prepared, None, None)
        stage.old = scenario.observe(str(stage.copy(scratch / "old")))
        after = str(stage.copy(scratch / "new"))
        scenario.operate(after)
        stage.new = scenario.observe(after)
        return stage

    def copy(self, target: Path) -> Path:
        """Copy the prepared store into a new directory; return its path there."""
        shutil.copytree(self.prepared, target, symlinks=True)
        return target / "store"

    def problem(self, root: Path | str, *, done: bool) -> str | None:
        """Return the problem of a store after the operation, which was `done` or may have been."""
        try:
            seen = self.scenario.observe(str(root))
        except Exception as error:  # noqa: BLE001 - any error is a problem to report
            return f"{type(error).__name__}: {error}"
        if seen == self.new or (seen == self.old and not done):
            return None
        kind = "the old state, though it was done" if seen == self.old else "a mixture"
        return f"{kind}: {seen}"


@dataclass
class Tally:
    """The number of trials, and the problems found."""

    cases: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def count(self, outcome: str, problem: str | None, where: str) -> None:
        """Count one case."""
        self.cases += 1
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        if problem is not None:
            self.violations.append(f"{where}: {problem}"[:600])
