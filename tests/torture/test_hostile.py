"""Hostile payloads: refused or bounded; no crash, no side effect, no error of anybody else."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import pytest
from tests.torture import fuzz, hostile, results
from tests.torture.payloads import GROUPS

SECONDS = float(os.environ.get("BRINERY_FUZZ_SECONDS", "660"))
"""How long the parsers are fed by the long version, all together."""

each_target = pytest.mark.parametrize("target", fuzz.TARGETS, ids=lambda target: target.name)


def test_a_sample_of_hostile_payloads_does_nothing() -> None:
    """The short version: one case of 41, by all codecs and policies in turn."""
    found = hostile.torture(every=41)
    assert {name: tally.violations for name, tally in found.items() if tally.violations} == {}
    assert {*found} == {*GROUPS}
    assert sum(tally.cases for tally in found.values()) > 100
    assert found["calls"].refused["TrustError"] > 50


@each_target
def test_parsers_raise_nothing_of_others(target: fuzz.Target) -> None:
    """The short version: the same some hundred examples each time."""
    tally = fuzz.fuzz(target, 0, seed=1, examples=200)
    assert tally.violations == []
    assert tally.passed < tally.cases


@pytest.mark.torture
@pytest.mark.timeout(SECONDS + 3600)
def test_no_hostile_payload_does_anything() -> None:
    """The long version: all payloads, the parsers for minutes meanwhile; what was found is kept."""
    with results.kept("hostile") as keep, ThreadPoolExecutor(1) as pool:
        trying = pool.submit(hostile.torture)
        seed = time.time_ns() % 2**32
        fed = {
            target.name: fuzz.fuzz(target, SECONDS / len(fuzz.TARGETS), seed)
            for target in fuzz.TARGETS
        }
        tried = trying.result()
        keep("payloads", {name: asdict(tally) for name, tally in tried.items()})
        keep("parsers", {name: asdict(tally) for name, tally in fed.items()})
    assert [line for tally in tried.values() for line in tally.violations] == []
    assert [line for tally in fed.values() for line in tally.violations] == []
