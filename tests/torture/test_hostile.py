"""Hostile payloads: refused or bounded; no crash, no side effect, no error of anybody else."""

from __future__ import annotations

import os
import time
from dataclasses import asdict

import pytest
from tests.torture import hostile, results
from tests.torture.opcodes import THINGS
from tests.torture.payloads import GROUPS

from brinery import Trust, TrustError
from brinery_codecs._pickle.analysis.scan import scan


@pytest.mark.thorough
def test_a_sample_of_hostile_payloads_does_nothing() -> None:
    """The short version: one case of 67, by all codecs and policies in turn."""
    found = hostile.torture(every=67)
    assert {name: tally.violations for name, tally in found.items() if tally.violations} == {}
    assert {*found} == {*GROUPS}
    assert sum(tally.cases for tally in found.values()) > 300
    assert found["calls"].refused["TrustError"] > 50


@pytest.mark.thorough
def test_escapes_are_refused_and_honest_pickles_load() -> None:
    """A quarter of them: the same forms, and the other outcome."""
    found = hostile.torture(every=4, groups=["escapes", "honest pickles"])
    assert [line for tally in found.values() for line in tally.violations] == []
    assert found["escapes"].refused == {"TrustError": found["escapes"].cases}
    assert found["honest pickles"].loaded == found["honest pickles"].cases > 15


def test_what_costs_much_is_refused_by_the_look_alone() -> None:
    """Before anything is decoded, within seconds."""
    restriction = Trust(classes=[f"{THINGS}.*"]).restriction(lambda *name: name)
    assert restriction is not None
    for case in GROUPS["costs"]():
        begun = time.process_time()
        with pytest.raises(TrustError):
            scan(case.payload, restriction.admits)
        assert time.process_time() - begun < 10, case.name


@pytest.mark.thorough
def test_the_payloads_do_harm_where_nothing_is_restricted() -> None:
    """So it is the restriction that stops them, and not a mistake in the payloads."""
    tally = hostile.torture(groups=["calls"], policies=[hostile.NO_POLICY])["calls"]
    assert tally.cases > 60
    harmless = [line for line in tally.violations if ": it made ['CANARY']" not in line]
    assert harmless == []
    assert len(tally.violations) == tally.cases


@pytest.mark.torture
@pytest.mark.timeout(7200)
def test_no_hostile_payload_does_anything() -> None:
    """The long version: all payloads; the results are kept in `benchmarks/results`."""
    with results.kept("hostile") as keep:
        tried = hostile.torture(processes=os.cpu_count() or 1)
        keep("payloads", {name: asdict(tally) for name, tally in tried.items()})
    assert [line for tally in tried.values() for line in tally.violations] == []
