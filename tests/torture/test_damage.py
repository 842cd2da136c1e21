"""Damaged and forged records: loading gives an error of brinery or the right object."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.torture import results
from tests.torture.damage import ELSEWHERE, KINDS, Kind, Outcome, Subject, forgeries, torture
from tests.torture.sweep import side_by_side

STEP = int(os.environ.get("BRINERY_DAMAGE_STEP", "1"))
"""Only each so many-th damage is tried by the long version."""

ELSEWHERE_STEP = 7
"""The same on disk, where each takes longer."""

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


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ELSEWHERE, ids=str)
def test_no_engine_overlooks_damage(kind: Kind, tmp_path: Path) -> None:
    """In a directory and in SQLite as well, where there are files and rows to be read."""
    outcome = torture(kind, tmp_path, every=29, bits=(3,), step=101)
    assert outcome.violations == []
    assert outcome.cases > 20


def test_seals_find_what_digests_do_not(tmp_path: Path) -> None:
    """Without a key a forged record loads as it says; with one, each forgery is a `SealError`."""
    found: dict[bool, Outcome] = {}
    for sealed in (False, True):
        place = tmp_path / str(sealed)
        place.mkdir()
        subject, found[sealed] = Subject(Kind("pickle", 5, "none", sealed), place), Outcome()
        for forgery in forgeries(subject.whole, range(len(subject.whole)), (0,), subject.other):
            subject.read(forgery, found[sealed])
    assert any("another object" in violation for violation in found[False].violations)
    assert found[True].violations == []
    assert found[True].errors["SealError"] > 200


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_no_bit_goes_unseen() -> None:
    """The long version: all bits of all bytes; the results are kept in `benchmarks/results`."""
    with results.kept("damage", step=STEP, elsewhere=ELSEWHERE_STEP) as keep:
        tried = dict(side_by_side(_whole, [*KINDS, *ELSEWHERE]))
        ordered: Sequence[Kind] = [*KINDS, *ELSEWHERE]
        keep("kinds", {str(kind): tried[kind].figures() for kind in ordered})
    assert {str(kind): o.violations for kind, o in tried.items() if o.violations} == {}


def _whole(kind: Kind) -> tuple[Kind, Outcome]:
    step = STEP if kind.engine == "memory" else STEP * ELSEWHERE_STEP
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="brinery-damage-", dir=memory) as place:
        return kind, torture(kind, Path(place), step=step)
