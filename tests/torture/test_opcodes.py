"""Hostile payloads: each is refused or bounded, and none ends the interpreter or does harm."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.torture import opcodes
from tests.torture.counting import keep_counts

from brinery import Trust, TrustError
from brinery_codecs._scanning import scan

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="limits of memory are those of Linux"
)

PICKLES = ("reaching", "escaping", "bombs", "broken", "controls")


def tried(collection: str, codec: str, policy: str, scratch: Path) -> list[dict[str, Any]]:
    """Try a collection in a process of its own; return what came of each case."""
    command = [sys.executable, "-m", "tests.torture.trial", collection, codec, policy]
    done = subprocess.run(
        [*command, str(scratch / "canary")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found
    return found


def violations(collection: str, found: list[dict[str, Any]]) -> list[str]:
    """Return the cases that came to something else than they must."""
    good = {
        "reaching": ("refused",),
        "escaping": ("refused",),
        "bombs": ("refused",),
        "broken": ("refused", "error", "loaded"),
        "controls": ("loaded",),
        "messages": ("refused", "error", "loaded"),
        "some messages": ("refused", "error", "loaded"),
    }[collection]
    return [f"{c['name']}: {c['outcome']}" for c in found if not c["outcome"].startswith(good)]


@pytest.mark.parametrize("collection", ["reaching", "escaping", "controls"])
def test_a_restricted_reader_refuses_what_reaches_further(collection: str, tmp_path: Path) -> None:
    """By every opcode and function that names or calls; honest payloads of the same forms load."""
    assert violations(collection, tried(collection, "pickle", "restricted", tmp_path)) == []


def test_the_hostile_payloads_do_harm_where_nothing_is_restricted(tmp_path: Path) -> None:
    """So it is the restriction that stops them, and not a mistake in the payloads."""
    found = tried("reaching", "pickle", "open", tmp_path)
    outcomes = Counter(case["outcome"] for case in found if case["alive"])
    assert outcomes["harmed"] > 60
    assert outcomes.total() - outcomes["harmed"] <= 2  # what dill offers changes


def test_bombs_are_refused_by_the_look_alone() -> None:
    """The short version: without processes, because nothing of them is decoded."""
    restriction = Trust(classes=[f"{opcodes.ALLOWED}.*"]).restriction(lambda *name: name)
    assert restriction is not None
    for case in opcodes.bombs():
        begun = time.process_time()
        with pytest.raises(TrustError):
            scan(case.payload, restriction.admits)
        assert time.process_time() - begun < 10, case.name


def test_hostile_messages_are_refused_or_bounded(tmp_path: Path) -> None:
    """Of msgpack: claims, depths, marks, types and numbers."""
    found = tried("some messages", "msgpack", "restricted", tmp_path)
    assert violations("some messages", found) == []


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_all_hostile_payloads_by_all_codecs(tmp_path: Path) -> None:
    """The long version, which leaves its counts."""
    begun = time.monotonic()
    parts = []
    plan = [(c, codec) for codec in ("pickle", "cloudpickle", "dill") for c in PICKLES]
    plan += [("messages", "msgpack"), ("messages", "json"), ("broken", "json")]
    for collection, codec in plan:
        found = tried(collection, codec, "restricted", tmp_path)
        outcomes = Counter(case["outcome"].partition(":")[0] for case in found)
        part = {"name": f"{collection}, {codec}", "cases": len(found), "outcomes": dict(outcomes)}
        parts.append(part | {"violations": violations(collection, found)})
    command = "pytest -m torture tests/torture/test_opcodes.py"
    keep_counts("f", "hostile payloads", command, time.monotonic() - begun, parts)
    assert [part["violations"] for part in parts if part["violations"]] == []
