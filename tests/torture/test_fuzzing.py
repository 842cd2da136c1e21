"""Random bytes where records, metadata and pickles should be: errors of brinery, or what was written."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from tests.torture.counting import keep_counts

from brinery import BrineryError
from brinery.record import MAGIC, TAIL_SIZE, build, digest_of, new_metadata, parse, parse_metadata

PAYLOAD = b"\x80\x04]\x94K\x01a."
SAMPLE = b"".join(
    build(
        new_metadata(
            id="Task.1",
            codec="pickle",
            config={"protocol": 4},
            codec_version="3.11.7",
            protocol=4,
            class_name="builtins:list",
            references=["Task.2"],
            payload=[PAYLOAD],
            created=1.0,
            nonce=bytes(12),
        ),
        [PAYLOAD],
    )
)
FIELDS: dict[str, Any] = msgpack.unpackb(SAMPLE[len(PAYLOAD) : -TAIL_SIZE])

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=40)
    | st.sampled_from(list(FIELDS)),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=10) | st.integers(0, 9), inner, max_size=5)
    ),
    max_leaves=20,
)
edits = st.lists(
    st.tuples(st.integers(0, len(SAMPLE)), st.integers(0, 4), st.binary(max_size=8)), max_size=6
)


def check_record(changes: list[tuple[int, int, bytes]]) -> None:
    """Cut and insert at some places of a record: an error, or the record."""
    data = SAMPLE
    for place, cut, inserted in changes:
        data = data[:place] + inserted + data[place + cut :]
    try:
        found = parse(data, id="Task.1")
    except BrineryError:
        return
    assert data == SAMPLE or found.data == data
    assert bytes(found.payload) == PAYLOAD


def check_metadata(changed: dict[str, Any], removed: set[str], raw: bytes) -> None:
    """Put any values into metadata, and make all digests fit: an error, or values of the right types."""
    fields = {name: value for name, value in (FIELDS | changed).items() if name not in removed}
    described: bytes = raw or msgpack.packb(fields)
    head = len(described).to_bytes(4, "little") + digest_of((described,))
    data = PAYLOAD + described + head + bytes(26) + b"\x01\x00" + MAGIC
    try:
        metadata = parse_metadata(data, len(data))
        parse(data)
    except BrineryError:
        return
    assert isinstance(metadata.id, str)
    assert isinstance(metadata.codec, str)
    assert all(type(reference) is str for reference in metadata.references)
    assert 0 <= metadata.payload_size <= len(data)


def check_bytes(data: bytes, tail: bool) -> None:
    """Take any bytes for a record, also with a tail that fits: an error."""
    if tail:
        head = len(data).to_bytes(4, "little") + digest_of((data,))
        data = data + head + bytes(26) + b"\x01\x00" + MAGIC
    with pytest.raises(BrineryError):
        parse(data)


CHECKS: dict[str, tuple[Callable[..., None], dict[str, Any]]] = {
    "records": (check_record, {"changes": edits}),
    "metadata": (
        check_metadata,
        {
            "changed": st.dictionaries(st.sampled_from(list(FIELDS)) | st.text(max_size=8), values),
            "removed": st.sets(st.sampled_from(list(FIELDS)), max_size=1),
            "raw": st.just(b"") | st.binary(max_size=60),
        },
    ),
    "bytes": (check_bytes, {"data": st.binary(max_size=300), "tail": st.booleans()}),
}


def run(name: str, examples: int, number: int) -> None:
    """Run one check on random examples."""
    check, strategies = CHECKS[name]
    options = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    # Hypothesis replaces what it is given: each run gets a function of its own.
    seed(number)(options(given(**strategies)(lambda **drawn: check(**drawn))))()


def watched(seconds: float, number: int) -> dict[str, Any]:
    """Load random pickles in a process of its own; return the counts."""
    command = [sys.executable, "-m", "tests.torture.fuzzing", str(seconds), str(number)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"the process ended with {done.returncode}: {done.stderr[-2000:]}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", CHECKS)
def test_some_examples(name: str) -> None:
    """The short version."""
    run(name, 300, 0)


def test_some_pickles() -> None:
    """The short version; some load, most are refused."""
    counts = watched(3, 0)
    assert counts["violations"] == []
    assert counts["cases"] > 100
    assert counts["loaded"] > 0
    assert counts["refused"] > 0


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_ten_minutes() -> None:
    """The long version, which leaves its counts: half for the parsers, half for pickles."""
    begun, parts, batch = time.monotonic(), [], 1_000
    for name in CHECKS:
        end, cases = time.monotonic() + 105, 0
        while time.monotonic() < end:
            run(name, batch, cases)
            cases += batch
        parts.append({"name": f"fuzzing of {name}", "cases": cases, "violations": []})
    counts = watched(315, 7)
    parts.append({"name": "fuzzing of pickles", **counts})
    command = "pytest -m torture tests/torture/test_fuzzing.py"
    keep_counts("fuzz", "fuzzing", command, time.monotonic() - begun, parts)
    assert counts["violations"] == []
