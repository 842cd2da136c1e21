"""Changed records give a clear error or the right object, whatever was changed."""

from __future__ import annotations

import time

import pytest
from tests.torture.changes import Target, targets, tried
from tests.torture.counting import keep_counts


@pytest.mark.parametrize("codec", ["pickle", "msgpack"])
@pytest.mark.parametrize("is_sealed", [False, True], ids=["unsealed", "sealed"])
def test_some_bytes_changed(codec: str, is_sealed: bool) -> None:
    """The short version: every byte of metadata and tail, some of the payload."""
    cases, violations = tried(Target(codec, is_sealed=is_sealed), 20)
    assert violations == []
    assert cases > 1_000


@pytest.mark.parametrize("codec", ["pickle", "msgpack"])
def test_without_a_key_forgeries_are_not_found(codec: str) -> None:
    """So it is the seal that finds them: an unsealed record with fitting digests is what it says."""
    target = Target(codec, is_sealed=False)
    outcomes = [target.violation(changed) for _, changed in target.forgeries()]
    assert any(outcome is not None and "wrong object" in outcome for outcome in outcomes)


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_all_bytes_changed() -> None:
    """The long version: every byte of metadata and tail, a thousand of the payload, all codecs."""
    begun, parts = time.monotonic(), []
    for target in targets():
        cases, violations = tried(target, 1_000)
        parts.append({"name": target.name, "cases": cases, "violations": violations})
    command = "pytest -m torture tests/torture/test_changes.py"
    keep_counts("e", "changed records", command, time.monotonic() - begun, parts)
    assert [part["name"] for part in parts if part["violations"]] == []
