"""Random bytes in place of records, metadata and pickles: errors of brinery, or the written object."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import pytest
from tests.torture import fuzz, results

SECONDS = float(os.environ.get("BRINERY_FUZZ_SECONDS", "600"))
"""How long the long version takes."""

each_target = pytest.mark.parametrize("target", fuzz.TARGETS, ids=lambda target: target.name)


def watched(seconds: float, seed: int) -> dict[str, Any]:
    """Load random pickles in a process of its own; return the counts."""
    command = [sys.executable, "-m", "tests.torture.programs", str(seconds), str(seed)]
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **path}
    )
    assert done.returncode == 0, f"the process ended with {done.returncode}: {done.stderr[-2000:]}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.thorough
@each_target
def test_parsers_raise_nothing_of_others(target: fuzz.Target) -> None:
    """The short version: the same some hundred examples each time."""
    tally = fuzz.fuzz(target, 0, seed=1, examples=300)
    assert tally.violations == []
    assert tally.passed < tally.cases
    assert tally.passed > 0 or target.name == "bytes"


@pytest.mark.thorough
def test_some_pickles() -> None:
    """The short version; some load, most are refused."""
    counts = watched(3, 0)
    assert counts["violations"] == []
    assert counts["cases"] > 100
    assert counts["loaded"] > 0
    assert counts["refused"] > 0


@pytest.mark.torture
@pytest.mark.timeout(SECONDS + 3600)
def test_ten_minutes() -> None:
    """The long version: parsers in this process, pickles in another one at the same time."""
    with results.kept("fuzz", seconds_asked=SECONDS) as keep, ThreadPoolExecutor(1) as pool:
        seed = time.time_ns() % 2**32
        loading = pool.submit(watched, SECONDS, seed)
        share = SECONDS / len(fuzz.TARGETS)
        fed = {each.name: fuzz.fuzz(each, share, seed, 2_000) for each in fuzz.TARGETS}
        loaded = loading.result()
        keep("parsers", {name: asdict(tally) for name, tally in fed.items()})
        keep("pickles", {"random programs": loaded})
    assert [line for tally in fed.values() for line in tally.violations] == []
    assert loaded["violations"] == []
