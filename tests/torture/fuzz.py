"""Feeds the parsers of records, of their metadata and of pickles with what Hypothesis makes up."""

from __future__ import annotations

import pickle
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

import hypothesis
import msgpack
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from tests.torture.hostile import forged
from tests.torture.payloads import FAMILY, Case, name, text

from brinery import BrineryError, MemoryStore, Trust, TrustError
from brinery.record import MAGIC, TAIL_SIZE, parse, parse_metadata
from brinery.seal import Seals
from brinery_codecs._opcodes import KINDS, UNKNOWN
from brinery_codecs._scanning import scan

_EXAMPLES = 500
_SEALS = Seals([b"a key of the tests of parsers"], b"identity")


class Target(NamedTuple):
    """A parser, and what it is fed with."""

    name: str
    strategy: Callable[[], st.SearchStrategy[bytes]]
    check: Callable[[bytes], bool]
    """Tells whether the bytes passed; raises whatever is no error of brinery."""


@dataclass
class Tally:
    """What came of one target."""

    cases: int = 0
    passed: int = 0
    """What was no mistake to the parser."""
    seconds: float = 0
    violations: list[str] = field(default_factory=list)


def fuzz(target: Target, seconds: float, seed: int, examples: int = _EXAMPLES) -> Tally:
    """Feed a parser for so long, and once at least; return what came of it."""
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
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            tally.violations.append(f"seed {seed}: {type(error).__name__}: {error}"[:300])
        seed += 1
    tally.seconds = round(time.monotonic() - begun, 1)
    return tally


def _check_message(error: BrineryError) -> None:
    assert 0 < len(str(error)) < 4_000


# -- records


def _whole_records() -> list[bytes]:
    found = []
    for codec in ("pickle", "msgpack"):
        for key in (None, b"a key of the tests of parsers"):
            for compress in ("none", "zstd"):
                store = MemoryStore(
                    codec=codec, compress=compress, trust=Trust(key=key) if key else None
                )
                store.save(["text" * 50, 1, None], "victim")
                found.append(store.backend.get("victim")[0])
    return found


def _edited(whole: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return records with some stretches replaced; the digest of half of them is made good."""
    place = st.integers(0, 600)
    edit = st.tuples(place, st.integers(0, 12), st.binary(max_size=12))

    def apply(data: bytes, edits: list[tuple[int, int, bytes]], from_end: bool) -> bytes:
        for at, count, new in edits:
            start = max(0, len(data) - at) if from_end else min(at, len(data))
            data = data[:start] + new + data[start + count :]
        return data

    edited = st.builds(apply, st.sampled_from(whole), st.lists(edit, max_size=4), st.booleans())
    return st.one_of(edited, edited.map(_repaired))


def _repaired(data: bytes) -> bytes:
    # With the digest of what its tail says are the metadata.
    if len(data) < TAIL_SIZE:
        return data
    tail = data[-TAIL_SIZE:]
    length = min(int.from_bytes(tail[:4], "little"), len(data) - TAIL_SIZE)
    described = data[len(data) - TAIL_SIZE - length : len(data) - TAIL_SIZE]
    digest = blake2b(described, digest_size=16).digest()
    return data[:-TAIL_SIZE] + tail[:4] + digest + tail[20:-8] + MAGIC


def _is_record(data: bytes) -> bool:
    passed = False
    for seals in (None, _SEALS):
        for id_ in (None, "victim"):
            try:
                record = parse(data, id=id_, seals=seals)
                assert len(record.stored) == record.metadata.payload_size
                assert [len(b) for b in record.buffers] == [n for n, _ in record.metadata.buffers]
                passed = True
            except BrineryError as error:
                _check_message(error)
    store = MemoryStore(trust=Trust(classes=(), codecs=FAMILY))
    store.backend.put("victim", data)
    for read in (store.load, store.info, store.references, store.needs):
        try:
            read("victim")
        except BrineryError as error:
            _check_message(error)
    return passed


# -- metadata


def _metadata() -> st.SearchStrategy[bytes]:
    """Return ends of records whose metadata are made up, in part or wholly."""
    record = _whole_records()[0]
    whole = msgpack.unpackb(_described(record))
    payload = record[: whole["size"]]
    anything = st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats()
        | st.text(max_size=12)
        | st.binary(max_size=40),
        lambda each: (
            st.lists(each, max_size=4)
            | st.dictionaries(st.text(max_size=8) | st.integers(0, 9), each, max_size=4)
        ),
        max_leaves=12,
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
    changed = st.dictionaries(keys, anything | seal | transform, max_size=4)
    mixed = st.builds(
        lambda new, gone: {k: v for k, v in {**whole, **new}.items() if k not in gone},
        changed,
        st.lists(keys, max_size=1),
    )
    packed = (mixed | anything).map(lambda value: bytes(msgpack.packb(value)))
    return st.builds(
        _with_tail, st.just(payload), packed | st.binary(max_size=200), st.integers(0, 3)
    )


def _described(data: bytes) -> bytes:
    length = int.from_bytes(data[-TAIL_SIZE : 4 - TAIL_SIZE], "little")
    return data[-TAIL_SIZE - length : -TAIL_SIZE]


def _with_tail(payload: bytes, described: bytes, version: int) -> bytes:
    digest = blake2b(described, digest_size=16).digest()
    tail = struct.pack("<I16s26sH8s", len(described), digest, bytes(26), version, MAGIC)
    return payload + described + tail


def _is_metadata(data: bytes) -> bool:
    passed = False
    for seals in (None, _SEALS):
        try:
            metadata = parse_metadata(data, len(data), seals=seals)
            assert all(type(reference) is str for reference in metadata.references)
            passed = True
        except BrineryError as error:
            _check_message(error)
    return _is_record(data) or passed


# -- pickles

_CODES = bytes(code for code in range(256) if KINDS[code] != UNKNOWN)
_VALUES = [name(*each.split(":")) for each in Trust.VALUES]


def _pickles() -> st.SearchStrategy[bytes]:
    """Return pickles of opcodes in any order, and real ones with some of theirs changed."""
    push = st.one_of(
        st.sampled_from([b"N", b"K\x01", b"]", b"}", b")", b"\x8f", b"(", text("a"), b"I5\n"]),
        st.sampled_from(_VALUES),
        st.sampled_from([name(*each) for each in _OTHERS]),
        st.binary(max_size=9).map(lambda data: b"\x8a" + bytes((len(data),)) + data),
        st.integers(0, 9).map(lambda n: b"h" + bytes((n,))),
    )
    work = st.sampled_from(
        [bytes((code,)) for code in b"\x85\x86\x87tlRbeausod\x90\x91\x92\x81\x93\x94012"]
        + [b"q\x00", b"q\x01", b"r\x02\0\0\0"]
    )
    anything = st.builds(
        lambda code, data: bytes((code,)) + data, st.sampled_from(_CODES), st.binary(max_size=10)
    )
    parts = st.lists(push | work | push | work | anything, max_size=40)
    made = st.builds(
        lambda protocol, each: b"\x80" + bytes((protocol,)) + b"".join(each) + b".",
        st.integers(0, 5),
        parts,
    )
    real = [pickle.dumps(value, protocol) for value in _REAL for protocol in range(6)]
    return made | _edited(real)


_OTHERS = (
    ("os", "system"),
    ("builtins", "getattr"),
    ("copyreg", "_reconstructor"),
    ("copyreg", "__newobj__"),
    ("brinery.reference", "external"),
    ("brinery.reference", "root"),
    ("brinery.reference", "new_root"),
    ("brinery.reference", "hashable_root"),
    ("brinery.reference", "named"),
    ("brinery_codecs.shared_classes", "shared_class"),
)
_REAL: Sequence[Any] = (
    [1, "text", b"bytes", {"a": (1, 2.5, None)}, {1, 2}, 2**70, True],
    [slice(1, 2), OSError(1, "text"), bytearray(b"x"), frozenset((1, 2)), 1j],
)


def _is_pickle(data: bytes) -> bool:
    passed = False
    for admits in (None, lambda *_: True, lambda *_: False):
        try:
            scan(data, admits)
            passed = True
        except TrustError as error:
            _check_message(error)
    store = MemoryStore(trust=Trust(classes=()))
    store.backend.put("victim", forged(Case("fuzz", data), "pickle"))
    for read in (store.load, store.needs):
        try:
            read("victim")
        except BrineryError as error:
            _check_message(error)
    return passed


TARGETS: Sequence[Target] = (
    Target("records", lambda: _edited(_whole_records()), _is_record),
    Target("metadata", _metadata, _is_metadata),
    Target("pickles", _pickles, _is_pickle),
)
"""What is fed."""
