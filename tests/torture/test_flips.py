"""Damaged records: an error of brinery or the right object, whatever was damaged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.torture import results
from tests.torture.flips import KINDS, Kind, Outcome, torture

STEP = int(os.environ.get("BRINERY_FLIPS_STEP", "1"))
"""Only each so many-th damage is tried by the long version."""

SHORT = [
    kind
    for kind in KINDS
    if kind.compress == "none" or (kind.compress == "zstd" and not kind.sealed)
]


@pytest.mark.parametrize("kind", SHORT, ids=str)
def test_no_damage_goes_unseen(kind: Kind, tmp_path: Path) -> None:
    """The short version: one bit of each byte of tail and metadata, and of some of the payload."""
    outcome = torture(kind, tmp_path, every=29, bits=(3,), step=29)
    assert outcome.violations == []
    assert outcome.cases > 80
    assert {"CorruptRecordError", "TruncatedRecordError"} <= {*outcome.errors}


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_no_bit_goes_unseen(tmp_path: Path) -> None:
    """The long version: all bits of all bytes; what it tried and found is kept in `benchmarks/results`."""
    with results.kept("flips", step=STEP) as keep:
        tried: dict[str, Outcome] = {}
        for number, kind in enumerate(KINDS):
            place = tmp_path / str(number)
            place.mkdir()
            tried[str(kind)] = torture(kind, place, step=STEP)
        keep("kinds", {name: outcome.figures() for name, outcome in tried.items()})
    assert {name: outcome.violations for name, outcome in tried.items() if outcome.violations} == {}
