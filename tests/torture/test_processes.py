"""Eight workers on one store: no update is lost, no ID given twice, no state seen that never was."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.torture import results
from tests.torture.processes import ENGINES, WORKERS, Engine, Outcome, torture

SECONDS = float(os.environ.get("BRINERY_TORTURE_SECONDS", "90"))
"""How long each engine is tried by the long version."""


@pytest.fixture
def database(engine: Engine, request: pytest.FixtureRequest) -> str | None:
    """The URL of an empty database, for the engine that needs one; no other starts a server."""
    return request.getfixturevalue("postgres_url") if engine.needs_database else None


each_engine = pytest.mark.parametrize(
    "engine",
    [
        pytest.param(engine, marks=[pytest.mark.server] if engine.needs_database else [])
        for engine in ENGINES
    ],
    ids=lambda engine: engine.name,
)


@pytest.mark.thorough
@each_engine
def test_nothing_is_lost_in_a_few_seconds(
    engine: Engine, tmp_path: Path, database: str | None
) -> None:
    """The short version: each kind of operation is tried, and conflicts happen."""
    outcome = torture(engine, tmp_path, seconds=1.5, seed=1, database=database)
    assert outcome.violations == []
    assert {*outcome.operations} == {"transfer", "count", "order", "audit", "peek"}
    assert outcome.cases > 40


@pytest.fixture(scope="module")
def note() -> Iterator[Callable[[Engine, Outcome, float], None]]:
    """Give a function that collects outcomes; they are written when all engines were tried."""
    tried: dict[str, dict[str, Any]] = {}
    begun = time.monotonic()

    def noted(engine: Engine, outcome: Outcome, seconds: float) -> None:
        tried[engine.name] = {"seconds": round(seconds, 1), **outcome.figures()}

    yield noted
    if len(tried) < len(ENGINES):
        return  # only some were asked for
    command = "python -m pytest -m torture tests/torture/test_processes.py"
    results.write(
        "processes",
        {"engines": tried},
        time.monotonic() - begun,
        command=f"BRINERY_TORTURE_SECONDS={SECONDS:g} {command}",
        workers=WORKERS,
    )


@pytest.mark.torture
@pytest.mark.timeout(SECONDS + 300)
@each_engine
def test_nothing_is_lost_in_minutes(
    engine: Engine,
    tmp_path: Path,
    database: str | None,
    note: Callable[[Engine, Outcome, float], None],
) -> None:
    """The long version: the results are kept in `benchmarks/results`."""
    begun = time.monotonic()
    seed = time.time_ns() % 2**32
    outcome = torture(engine, tmp_path, seconds=SECONDS, seed=seed, database=database)
    note(engine, outcome, time.monotonic() - begun)
    assert outcome.violations == []
