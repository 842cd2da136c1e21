"""Feeds the parsers of records and of their metadata with data from Hypothesis.

Half of the data has correct digests, so that it passes the first check.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import hypothesis
import msgpack
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from tests.torture.opcodes import FAMILY

from brinery import BrineryError, MemoryStore, Trust
from brinery.record.digest import digest_of
from brinery.record.format import MAGIC, TAIL_SIZE
from brinery.record.reader import parse, parse_metadata
from brinery.record.record import Metadata
from brinery.record.seal import Seals

KEY = b"a key of the tests of parsers"
_SEALS = Seals([KEY], b"identity")
_LONGEST = 4_000


class Target(NamedTuple):
    """A parser, and its input."""

    name: str
    strategy: Callable[[], st.SearchStrategy[bytes]]
    check: Callable[[bytes], bool]
    """Returns whether the bytes passed; raises any error that is not brinery's."""


@dataclass
class Tally:
    """The results of one target."""

    cases: int = 0
    passed: int = 0
    """The input that the parser accepted."""
    seconds: float = 0
    violations: list[str] = field(default_factory=list)


def fuzz(target: Target, seconds: float, seed: int, examples: int) -> Tally:
    """Feed a parser with so many examples, again and again for so long; return the results."""
    tally, begun = Tally(), time.monotonic()

    def tried(data: bytes) -> None:
        tally.cases += 1
        tally.passed += target.check(data)

    test = settings(
        max_examples=examples,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )(hypothesis.given(target.strategy())(tried))
    while not tally.cases or time.monotonic() - begun < seconds:
        try:
            hypothesis.seed(seed)(test)()
        except Exception as error:  # noqa: BLE001 - it may be any error; it is reported
            tally.violations.append(f"seed {seed}: {type(error).__name__}: {error}"[:300])
        seed += 1
    tally.seconds = round(time.monotonic() - begun, 1)
    return tally


def _check_message(error: BrineryError) -> None:
    assert 0 < len(str(error)) < _LONGEST


# -- records


def _whole_records() -> list[bytes]:
    found = []
    for codec in ("pickle", "msgpack"):
        for key in (None, KEY):
            for compress in ("none", "zstd"):
                trust = Trust(key=key) if key else None
                store = MemoryStore(codec=codec, compress=compress, trust=trust)
                store.save(["text" * 50, 1, None], "victim")
                found.append(store.backend.get("victim")[0])
    return found


def _edited(whole: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return records with some stretches replaced; the digest of half of them is made good."""
    edit = st.tuples(st.integers(0, 600), st.integers(0, 12), st.binary(max_size=12))

    def apply(
        data: bytes, edits: list[tuple[int, int, bytes]], from_end: bool, repairs: bool
    ) -> bytes:
        for at, count, new in edits:
            start = max(0, len(data) - at) if from_end else min(at, len(data))
            data = data[:start] + new + data[start + count :]
        return _repaired(data) if repairs else data

    edits = st.lists(edit, max_size=4)
    return st.builds(apply, st.sampled_from(whole), edits, st.booleans(), st.booleans())


def _repaired(data: bytes) -> bytes:
    # With the digest of what its tail says are the metadata.
    if len(data) < TAIL_SIZE:
        return data
    tail = data[-TAIL_SIZE:]
    described = _described(data)
    return data[:-TAIL_SIZE] + tail[:4] + digest_of((described,)) + tail[20:-8] + MAGIC


def _described(data: bytes) -> bytes:
    length = min(int.from_bytes(data[-TAIL_SIZE : 4 - TAIL_SIZE], "little"), len(data) - TAIL_SIZE)
    return data[-TAIL_SIZE - length : -TAIL_SIZE]


def _is_record(data: bytes) -> bool:
    passed = False
    for seals in (None, _SEALS):
        for id_ in (None, "victim"):
            try:
                record = parse(data, id=id_, seals=seals)
            except BrineryError as error:
                _check_message(error)
                continue
            _check_metadata(record.metadata, len(data))
            assert len(record.stored) == record.metadata.payload_size
            assert digest_of((record.stored,)) == record.metadata.payload_digest
            assert [len(b) for b in record.buffers] == [n for n, _ in record.metadata.buffers]
            assert record.data == data
            passed = True
    _read(data, in_all_ways=passed)
    return passed


def _read(data: bytes, *, in_all_ways: bool) -> None:
    # Bytes that the parser has refused are refused by every reader: then one of them is tried, because each
    # costs as much as all checks before.
    store = MemoryStore(trust=Trust(classes=(), codecs=FAMILY))
    store.backend.put("victim", data)
    readers = (store.load, store.info, store.references, store.needs)
    for read in readers if in_all_ways else readers[len(data) % 4 :][:1]:
        try:
            read("victim")
        except BrineryError as error:
            _check_message(error)


def _check_metadata(metadata: Metadata, size: int) -> None:
    assert type(metadata.id) is str
    assert type(metadata.codec) is str
    assert all(type(reference) is str for reference in metadata.references)
    assert 0 <= metadata.payload_size <= size


# -- metadata


def _metadata() -> st.SearchStrategy[bytes]:
    """Return records whose metadata are made up, in part or wholly, with digests that fit."""
    record = _whole_records()[0]
    whole = msgpack.unpackb(_described(record))
    payload = record[: whole["size"]]
    scalar = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats()
    anything = st.recursive(
        scalar | st.text(max_size=20) | st.binary(max_size=40) | st.sampled_from([*whole]),
        lambda each: (
            st.lists(each, max_size=5)
            | st.dictionaries(st.text(max_size=8) | st.integers(0, 9), each, max_size=5)
        ),
        max_leaves=16,
    )
    keys = st.sampled_from([*whole, "versions", "libraries", "seal", "more"])
    seal = st.fixed_dictionaries(
        {"algorithm": st.sampled_from(["blake2b", "none"]), "content": st.binary(max_size=40)}
    )
    transform = st.fixed_dictionaries(
        {
            "name": st.sampled_from(["gzip", "zstd", "none", "x"]) | st.text(max_size=5),
            "config": st.dictionaries(st.sampled_from(["level", "x"]), anything, max_size=2),
            "size": st.integers(-1, 2**64 - 1),
            "digest": st.binary(max_size=20),
        }
    )
    changed = st.dictionaries(keys | st.text(max_size=8), anything | seal | transform, max_size=4)
    mixed = st.builds(
        lambda new, gone: {k: v for k, v in {**whole, **new}.items() if k not in gone},
        changed,
        st.lists(keys, max_size=1),
    )
    packed = st.one_of(mixed, mixed, anything).map(lambda value: bytes(msgpack.packb(value)))
    versions = st.sampled_from([1, 1, 1, 0, 2, 3])
    return st.builds(_with_tail, st.just(payload), packed | st.binary(max_size=200), versions)


def _with_tail(payload: bytes, described: bytes, version: int) -> bytes:
    head = len(described), digest_of((described,))
    return payload + described + struct.pack("<I16s26sH8s", *head, bytes(26), version, MAGIC)


def _is_metadata(data: bytes) -> bool:
    passed = False
    for seals in (None, _SEALS):
        try:
            metadata = parse_metadata(data, len(data), seals=seals)
        except BrineryError as error:
            _check_message(error)
            continue
        _check_metadata(metadata, len(data))
        passed = True
    return _is_record(data) or passed


# -- anything


def _anything() -> st.SearchStrategy[bytes]:
    data, version = st.binary(max_size=300), st.integers(0, 3)
    return data | st.builds(_with_tail, st.just(b""), data, version)


def _is_nothing(data: bytes) -> bool:
    assert not _is_record(data), "random bytes are a record"
    return False


TARGETS: Sequence[Target] = (
    Target("records", lambda: _edited(_whole_records()), _is_record),
    Target("metadata", _metadata, _is_metadata),
    Target("bytes", _anything, _is_nothing),
)
"""The kinds of input."""
