"""Feeds the parsers of records and of their metadata with data from Hypothesis.

Half of the data has correct digests, so that it passes the first check.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import hypothesis
import msgpack
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from tests.record.forms import PROOF, Parts, taken_apart
from tests.torture.opcodes import FAMILY
from xxhash import xxh3_64_digest

from brinery import BrineryError, MemoryStore, Trust
from brinery.record.buffers import around, digest_around
from brinery.record.digest import digest_of
from brinery.record.format import MAGIC, TAIL_SIZE, UNCOVERED
from brinery.record.reader import parse, parse_metadata
from brinery.record.record import Metadata, Record
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
    # With the digest of what its tail says is its end.
    if len(data) < TAIL_SIZE:
        return data
    kind, text, *_, flags = struct.unpack_from("<IId16sH", data, len(data) - TAIL_SIZE)
    size = min(kind + text + TAIL_SIZE + PROOF * (flags >> 1 & 1), len(data))
    end = data[len(data) - size : -UNCOVERED]
    return data[: len(data) - size] + end + xxh3_64_digest(end) + data[-10:-8] + MAGIC


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
            if seals is None:
                _check_digest(record)
            assert record.data == data
            passed = True
    _read(data, in_all_ways=passed)
    return passed


def _check_digest(record: Record) -> None:
    metadata, stored = record.metadata, bytes(record.stored)
    buffers = metadata.buffers if metadata.transform is None else ()
    assert digest_around([*around(stored, buffers)], buffers) == metadata.payload_digest


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
    """Return records whose text and kind are made up, in part or wholly, with digests that fit."""
    parts = taken_apart(_whole_records()[0])
    kind = msgpack.unpackb(parts.kind)
    scalar = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats()
    anything = st.recursive(
        scalar | st.text(max_size=20) | st.binary(max_size=40) | st.sampled_from([*kind]),
        lambda each: (
            st.lists(each, max_size=5)
            | st.dictionaries(st.text(max_size=8) | st.integers(0, 9), each, max_size=5)
        ),
        max_leaves=16,
    )
    keys = st.sampled_from([*kind, "versions", "libraries", "opening", "more"])
    changed = st.dictionaries(keys | st.text(max_size=8), anything, max_size=4)
    kinds = st.builds(
        lambda new, gone: {k: v for k, v in {**kind, **new}.items() if k not in gone},
        changed,
        st.lists(keys, max_size=1),
    )
    return st.builds(
        _assembled,
        st.just(parts) | st.just(parts._replace(payload=b"")),
        _packed(_texts(anything), anything) | st.just(parts.text),
        _packed(kinds, anything) | st.just(parts.kind),
        st.integers(0, 3) | st.integers(0, 2**16 - 1),
        st.sampled_from([2, 2, 2, 0, 1, 3]),
    )


def _texts(anything: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    transform = st.fixed_dictionaries(
        {
            "name": st.sampled_from(["gzip", "zstd", "none", "x"]) | st.text(max_size=5),
            "config": st.dictionaries(st.sampled_from(["level", "x"]), anything, max_size=2),
            "size": st.integers(-1, 2**64 - 1),
            "digest": st.binary(max_size=20),
        }
    )
    places = st.integers(-1, 3).map(lambda n: 64 * n) | st.integers(0, 2**64 - 1)
    buffer = st.tuples(places, places, st.binary(max_size=32))
    more = {"transform": transform | anything, "buffers": st.lists(buffer, max_size=2) | anything}
    fields = st.fixed_dictionaries({}, optional={**more, "later": anything})
    groups = st.sampled_from([[], ["a:B", ["other"]], ["a:B", ["x"], "", ["y"]]])
    id_ = st.just("victim") | anything
    return st.tuples(id_, groups | anything, fields) | st.tuples(id_, groups | anything)


def _packed(
    values: st.SearchStrategy[Any], anything: st.SearchStrategy[Any]
) -> st.SearchStrategy[bytes]:
    packed = st.one_of(values, values, anything).map(lambda value: bytes(msgpack.packb(value)))
    return packed | st.binary(max_size=200)


def _assembled(parts: Parts, text: bytes, kind: bytes, flags: int, version: int) -> bytes:
    proof = bytes(PROOF * (flags >> 1 & 1))
    digest = digest_of((parts.payload,))
    changed = parts._replace(text=text, kind=kind, proof=proof, flags=flags, digest=digest)
    return changed._replace(version=version).joined()


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
    some, sixteen = st.binary(max_size=100), st.binary(min_size=16, max_size=16)
    flags, version = st.integers(0, 3), st.integers(0, 3)
    whole = st.builds(
        Parts, some, some, some, st.just(b""), st.floats(), sixteen, flags, sixteen, version
    ).map(Parts.joined)
    return st.binary(max_size=300) | whole


def _is_nothing(data: bytes) -> bool:
    assert not _is_record(data), "random bytes are a record"
    return False


TARGETS: Sequence[Target] = (
    Target("records", lambda: _edited(_whole_records()), _is_record),
    Target("metadata", _metadata, _is_metadata),
    Target("bytes", _anything, _is_nothing),
)
"""The kinds of input."""
