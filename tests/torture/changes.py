"""Changed records: each byte flipped, the record cut off, extended, or put together from two.

What comes of it must be a clear error or the right object, and never a wrong one.  With a key that is so
also where the changer makes the digests fit that need none.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from typing import Any

from brinery import BrineryError, Store, Trust
from brinery.backends.memory import MemoryBackend
from brinery.record import TAIL_SIZE, digest_of, metadata_length, parse

KEY = b"a key for the torture"
CODECS = ("pickle", "cloudpickle", "dill", "msgpack", "json")
VALUE: list[Any] = [{"name": f"row {n}", "values": [n, n + 0.5, None]} for n in range(40)]
VALUE += ["ü" * 50, {"deep": [[[["x"]]]]}]


class Target:
    """A record that is to be changed, in a store of its own."""

    def __init__(self, codec: str, *, is_sealed: bool, compress: str = "none") -> None:
        self.name = f"{codec}, {'sealed' if is_sealed else 'unsealed'}" + (
            f", {compress}" if compress != "none" else ""
        )
        self.is_sealed = is_sealed
        self.trust = Trust(key=KEY) if is_sealed else None
        self.backend = MemoryBackend()
        self.store = Store(self.backend, codec=codec, compress=compress, trust=self.trust)
        self.store.save(VALUE, "value")
        self.store.save([*VALUE, "another"], "another")
        self.data, _ = self.backend.get("value")
        self.other, _ = self.backend.get("another")
        self.payload_size = parse(self.data).metadata.payload_size

    def violation(self, changed: bytes) -> str | None:
        """Return what is wrong with loading a changed record, None where nothing is."""
        self.backend.put("value", changed)
        self.store.invalidate_cache()
        try:
            found = self.store.load("value")
        except BrineryError as error:
            return None if "'value'" in str(error) else f"an error that is not clear: {error}"
        except BaseException as error:  # noqa: BLE001 - that is the violation
            return f"raised {type(error).__name__}: {error}"
        return None if found == VALUE else f"a wrong object: {found!r:.200}"

    def changes(self, most: int) -> Iterator[tuple[str, bytes]]:
        """Yield changed records: every byte behind the payload, and about `most` in the payload."""
        data, size = self.data, self.payload_size
        step = max(1, size // most)
        places = [*range(0, size, step), *range(size, len(data))]
        draw = random.Random(zlib.crc32(self.name.encode()))
        for place in places:
            for mask in (0x01, 0x80, 0xFF, draw.randrange(1, 256)):
                flipped = data[:place] + bytes((data[place] ^ mask,)) + data[place + 1 :]
                yield f"byte {place} with {mask:#x}", flipped
            yield f"cut off at {place}", data[:place]
            yield f"without byte {place}", data[:place] + data[place + 1 :]
            yield f"a zero before {place}", data[:place] + b"\0" + data[place:]
            yield f"zeros from {place}", data[:place] + bytes(len(data) - place)
        for end in (b"\0", b"\n", bytes(4096), data[-TAIL_SIZE:], data):
            yield f"extended by {len(end)} bytes", data + end
            yield f"behind {len(end)} bytes", end + data
        for place in range(0, min(len(data), len(self.other)), step):
            yield f"from {place} on another", data[:place] + self.other[place:]

    def forgeries(self) -> Iterator[tuple[str, bytes]]:
        """Yield changed records whose digests without a key were made to fit."""
        data = self.data
        length = metadata_length(data, len(data), id=None, path=None)
        described = data[len(data) - length : -TAIL_SIZE]
        old = parse(data).metadata.payload_digest
        for place in range(len(described)):
            for mask in (0x01, 0x20, 0xFF):
                changed = bytearray(described)
                changed[place] ^= mask
                yield f"metadata byte {place}", self._fitted(data[: self.payload_size], changed)
        for place in range(0, self.payload_size, max(1, self.payload_size // 100)):
            payload = bytearray(data[: self.payload_size])
            payload[place] ^= 0x01
            fitting = described.replace(old, digest_of((payload,)))
            yield f"payload byte {place}", self._fitted(bytes(payload), fitting)
        yield (
            "another payload",
            self._fitted(self.other[: parse(self.other).metadata.payload_size], described),
        )

    def _fitted(self, payload: bytes, described: bytes | bytearray) -> bytes:
        tail = self.data[-TAIL_SIZE:]
        head = len(described).to_bytes(4, "little") + digest_of((described,))
        return payload + bytes(described) + head + tail[len(head) :]


def targets() -> Iterator[Target]:
    """Yield a record of each codec, sealed and not, and of each transform."""
    for codec in CODECS:
        for is_sealed in (False, True):
            yield Target(codec, is_sealed=is_sealed)
    for compress in ("gzip", "lz4", "zstd"):
        for is_sealed in (False, True):
            yield Target("pickle", is_sealed=is_sealed, compress=compress)


def tried(target: Target, most: int) -> tuple[int, list[str]]:
    """Try all changes of a record; return the number of cases, and the violations."""
    cases, found = 0, []
    changes = list(target.changes(most))
    if target.is_sealed:
        changes += target.forgeries()
    for name, changed in changes:
        if changed == target.data:
            continue
        cases += 1
        violation = target.violation(changed)
        if violation is not None:
            found.append(f"{name}: {violation}")
    assert target.violation(target.data) is None
    return cases, found
