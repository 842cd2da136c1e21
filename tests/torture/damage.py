"""Damages records in every way that a disk may: bits flipped, bytes lost, added, zeroed; and forges them.

Each damaged record replaces the undamaged one and is read through a store.  The result must be the object
as it was, or an error of brinery.  With a key, that must also be so if a forger has recomputed the digests
that need no key.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from xxhash import xxh3_64_digest

from brinery import BrineryError, FilesystemStore, MemoryStore, Persistable, SqlStore, Store, Trust
from brinery.record.buffers import LargeBuffer, around, chunk_digests, digest_around
from brinery.record.format import END, UNCOVERED
from brinery.record.payload import MAX_EXPANDED, PayloadExpander
from brinery.record.reader import parse
from brinery.record.seal import Seals
from brinery.record.writer import build

Engine = Literal["memory", "directory", "SQLite"]

KEY = b"a key of the tests of damage"
COMPRESSIONS = ("none", "gzip", "lz4", "zstd")
CODECS: Sequence[tuple[str, int | None]] = (
    *(("pickle", protocol) for protocol in range(6)),
    ("cloudpickle", 5),
    ("dill", 5),
    ("msgpack", None),
    ("json", None),
)


class Part(Persistable):
    """The object that the damaged records refer to."""

    def __init__(self, name: str) -> None:
        self.name = name


class Whole(Persistable):
    """The object whose record is damaged, for codecs that keep instances."""

    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass(frozen=True)
class Kind:
    """A kind of record."""

    codec: str
    protocol: int | None
    compress: str
    sealed: bool
    buffers: bool = False
    """Whether a part of its payload is described as a large buffer."""
    engine: Engine = "memory"

    def __str__(self) -> str:
        name = self.codec if self.protocol is None else f"{self.codec}:{self.protocol}"
        more = [self.compress] * (self.compress != "none") + ["sealed"] * self.sealed
        place = [f"in {self.engine}"] * (self.engine != "memory")
        return ", ".join([name, *more, *["with buffers"] * self.buffers, *place])


KINDS: Sequence[Kind] = tuple(
    Kind(codec, protocol, compress, sealed, buffers)
    for codec, protocol in CODECS
    for compress in COMPRESSIONS
    for sealed in (False, True)
    for buffers in (False, True)
    if not buffers or (codec == "pickle" and protocol == 5)
)
"""The forms tried in memory, where each damage takes a tenth of a millisecond."""

PLACES: Sequence[Engine] = ("directory", "SQLite")
ELSEWHERE: Sequence[Kind] = tuple(
    Kind(codec, protocol, "none", sealed, engine=engine)
    for codec, protocol in CODECS
    if protocol in (5, None)
    for sealed in (False, True)
    for engine in PLACES
)
"""The forms tried in other engines, where each damage takes up to one."""


@dataclass
class Outcome:
    """The results for damaged records."""

    cases: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    unharmed: int = 0
    """Loaded, and as it was."""
    violations: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """Return the results in the form that is stored."""
        return {**vars(self), "errors": dict(sorted(self.errors.items()))}


class Damage(NamedTuple):
    """A damaged record."""

    name: str
    data: bytes


def torture(
    kind: Kind, place: Path, every: int = 1, bits: Sequence[int] = range(8), step: int = 1
) -> Outcome:
    """Damage a record of this kind; return the results.

    Of the payload, each `every`-th byte is damaged; of all that describes it, each.  Only each `step`-th
    damage is tried.  A sealed record is forged as well.
    """
    subject = Subject(kind, place)
    outcome = Outcome()
    whole = subject.whole
    start = parse(whole).metadata.payload_size
    positions = [n for n in range(len(whole)) if n >= start or n % every == 0]
    tried = damages(whole, positions, bits, subject.other)
    if kind.sealed:
        tried = chain(tried, forgeries(whole, positions, bits, subject.other))
    for damage in islice(tried, 0, None, step):
        if damage.data != whole:
            subject.read(damage, outcome)
    subject.put(whole)
    if not subject.is_whole():
        outcome.violations.append("the record that is not damaged cannot be loaded")
    subject.store.close()
    return outcome


def damages(
    whole: bytes, positions: Sequence[int], bits: Sequence[int], other: bytes
) -> Iterator[Damage]:
    """Yield damaged forms of a record; `other` is another record of the same store."""
    chance = random.Random(len(whole))
    for at in positions:
        head, byte, rest = whole[:at], whole[at], whole[at + 1 :]
        for bit in bits:
            yield Damage(f"bit {bit} of byte {at}", head + bytes((byte ^ 1 << bit,)) + rest)
        for value in (0, 255, chance.randrange(256)):
            yield Damage(f"byte {at} is {value}", head + bytes((value,)) + rest)
        yield Damage(f"byte {at} is inverted", head + bytes((byte ^ 255,)) + rest)
        yield Damage(f"a zero before byte {at}", head + b"\0" + whole[at:])
        yield Damage(f"without byte {at}", head + rest)
        yield Damage(f"byte {at} twice", whole[: at + 1] + whole[at:])
        yield Damage(f"cut before {at}", head)
        yield Damage(f"zeros from {at}", head + bytes(len(whole) - at))
        yield Damage(f"the end from {at}", whole[at:])
    for size in (1, 8, 16, 26, 64, 68, 512):
        for at in positions[::16]:
            here, there = whole[at : at + size], chance.randrange(len(whole))
            yield Damage(
                f"{size} zeros at {at}", whole[:at] + bytes(len(here)) + whole[at + size :]
            )
            yield Damage(f"{size} bytes fewer at {at}", whole[:at] + whole[at + size :])
            yield Damage(
                f"{size} bytes of {there} at {at}",
                whole[:at] + whole[there : there + len(here)] + whole[at + size :],
            )
            yield Damage(
                f"{size} bytes of another record at {at}",
                whole[:at] + other[at : at + size] + whole[at + size :],
            )
    for label, more in (
        ("a zero", b"\0"), ("a block of zeros", bytes(4096)), ("a line", b"\n"), ("itself", whole),
        ("its end", whole[-68:]), ("another record", other), ("its magic", whole[-8:]),
    ):  # fmt: skip
        yield Damage(f"{label} behind it", whole + more)
        yield Damage(f"{label} before it", more + whole)
    for at in positions[::8]:
        yield Damage(
            f"the end of another record from {at}", whole[:at] + other[-(len(whole) - at) :]
        )
        yield Damage(f"another record from {at} on", whole[:at] + other[at:])
    yield Damage("another record", other)


def forgeries(
    whole: bytes, positions: Sequence[int], bits: Sequence[int], other: bytes
) -> Iterator[Damage]:
    """Yield changed records whose digests without a key were made to fit."""
    size = parse(whole).metadata.payload_size
    payload, end = whole[:size], whole[size:-UNCOVERED]
    for at in range(len(end)):
        for mask in (*(1 << bit for bit in bits), 255):
            changed = end[:at] + bytes((end[at] ^ mask,)) + end[at + 1 :]
            yield Damage(f"byte {at} of the end with {mask:#x}", _fitted(payload, changed))
    for at in (n for n in positions if n < size):
        changed = payload[:at] + bytes((payload[at] ^ 1,)) + payload[at + 1 :]
        yield Damage(f"payload byte {at}", _with_payload(whole, changed))
    taken = other[: parse(other).metadata.payload_size]
    yield Damage("the payload of another record", _with_payload(whole, taken))


def _with_payload(whole: bytes, payload: bytes) -> bytes:
    metadata = parse(whole).metadata
    end = whole[metadata.payload_size : -UNCOVERED]
    buffers = metadata.buffers if metadata.transform is None else ()
    fitting = [_digested(payload, offset, size) for offset, size, _ in buffers]
    for old, new in zip(buffers, fitting, strict=True):
        end = end.replace(old.digests, new.digests)
    digest = digest_around([*around(payload, fitting)], fitting)
    return _fitted(payload, end.replace(metadata.payload_digest, digest))


def _digested(payload: bytes, offset: int, size: int) -> LargeBuffer:
    return LargeBuffer(offset, size, chunk_digests(payload[offset : offset + size]))


def _fitted(payload: bytes, end: bytes) -> bytes:
    return payload + end + xxh3_64_digest(end) + END


class Subject:
    """A store with a record to damage, and one that it refers to."""

    def __init__(self, kind: Kind, place: Path) -> None:
        """Save both in the empty directory `place`."""
        self._path = place / "damaged" if kind.engine == "directory" else None
        self.store = _made(kind, place)
        self.part = Part("a part")
        self.store.save(self.part, "part")
        for name, text in (("other", "another text"), ("damaged", "some text")):
            self.store.save(self._value(text, kind), name)
        if kind.buffers:
            self._add_buffers(kind)
        self.whole, _ = self.store.backend.get("damaged")
        self.other, _ = self.store.backend.get("other")
        metadata = parse(self.whole).metadata
        assert metadata.codec == kind.codec
        assert (metadata.transform is not None) == (kind.compress != "none")
        assert (metadata.content is not None) == kind.sealed
        self._expected = self._found()
        self._info = self.store.info("damaged")

    def put(self, data: bytes) -> None:
        """Put bytes in the place of the record; in a directory behind the back of the store."""
        if self._path is None:
            self.store.backend.put("damaged", data)
            return
        # Not truncated: some file systems flush data that is written after that.
        self._path.unlink(missing_ok=True)
        self._path.write_bytes(data)

    def _value(self, text: str, kind: Kind) -> Any:
        content = [text * 12, list(range(40)), 1.5, None, {"part": self.part, "deep": [[text]]}]
        return content if kind.codec in ("msgpack", "json") else Whole(content)

    def _add_buffers(self, kind: Kind) -> None:
        # Any part of a payload may be described as a large buffer.  Real ones are too large for this test.
        data = self.store.backend.get("damaged")[0]
        record = PayloadExpander(MAX_EXPANDED).restored(parse(data))
        payload = bytes(record.payload)
        buffers = (_digested(payload, 64, 70),)
        digest = digest_around([*around(payload, buffers)], buffers)
        metadata = record.metadata._replace(buffers=buffers)
        if metadata.transform is None:
            metadata = metadata._replace(payload_digest=digest)
        else:
            done = metadata.transform._replace(digest=digest)
            metadata = metadata._replace(transform=done)
        seals = None
        if kind.sealed:
            assert self.store.store_id is not None
            seals = Seals([KEY], bytes.fromhex(self.store.store_id))
        self.put(b"".join(build(metadata, [bytes(record.stored)], seals)))

    def is_whole(self) -> bool:
        """Return whether the record gives the object that was saved."""
        return bool(self._found() == self._expected)

    def read(self, damage: Damage, outcome: Outcome) -> None:
        """Put a damaged record in place, and read it in all ways."""
        self.put(damage.data)
        outcome.cases += 1
        try:
            if self.is_whole():
                outcome.unharmed += 1
            else:
                outcome.violations.append(f"{damage.name}: another object")
        except BrineryError as error:
            outcome.errors[type(error).__name__] += 1
            if error.id != "damaged":
                outcome.violations.append(f"{damage.name}: an error of {error.id!r}: {error}")
        except Exception as error:  # noqa: BLE001 - it may be any error; it is reported
            outcome.violations.append(f"{damage.name}: {type(error).__name__}: {error}")
        self._read_info(damage, outcome)

    def _read_info(self, damage: Damage, outcome: Outcome) -> None:
        # The end of the record alone is read: a damaged payload is not seen.  If it has lost or gained bytes,
        # its size is what the file has.
        grown = len(damage.data) - len(self.whole)
        expected = self._info._replace(size=len(damage.data))
        if expected.transform is None:
            expected = expected._replace(raw_size=expected.raw_size + grown)
        try:
            if self.store.info("damaged") != expected:
                outcome.violations.append(f"{damage.name}: other information")
        except BrineryError:
            pass
        except Exception as error:  # noqa: BLE001
            outcome.violations.append(f"{damage.name}: info: {type(error).__name__}: {error}")

    def _found(self) -> Any:
        self.store.invalidate_cache()
        found = self.store.load("damaged")
        return _plain(found.value if isinstance(found, Whole) else found)


def _made(kind: Kind, place: Path) -> Store:
    chain_of = [kind.codec, "pickle"] if kind.codec in ("msgpack", "json") else kind.codec
    options: dict[str, Any] = {
        "codec": chain_of,
        "compress": kind.compress,
        "trust": Trust(key=KEY) if kind.sealed else None,
        "protocol": kind.protocol,
    }
    if kind.engine == "memory":
        return MemoryStore(**options)
    if kind.engine == "SQLite":
        return SqlStore(f"sqlite:///{place}/store.db", durability="process", **options)
    return FilesystemStore(place, durability="process", **options)


def _plain(value: Any) -> Any:
    # Objects that compare by their content.
    if isinstance(value, Part):
        return ("part", value.name, value.persistent_id)
    if isinstance(value, dict):
        return {key: _plain(held) for key, held in value.items()}
    if isinstance(value, list):
        return [_plain(held) for held in value]
    return (type(value), value)
