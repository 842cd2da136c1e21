"""Fingerprints: the sizes and tails of records, which identify them without reading them whole.

The tail of a record has a nonce, which no other record has, and the digests of all other bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Final, NamedTuple

from brinery.backend import Backend
from brinery.catalog.sequence import NumberSequence
from brinery.ids import Id, id_of, is_hashed
from brinery.record.format import TAIL_SIZE

_MOST_RECORDS: Final = 500
_MOST_BYTES: Final = 16 << 20  # of the records of a batch, except for a single larger record


class Fingerprint(NamedTuple):
    """Identifies one writing of a record: no other has the same size and tail."""

    size: int
    tail: bytes


Fingerprints = Mapping[str, Fingerprint]


def fingerprint_of(data: bytes) -> Fingerprint:
    """Return the fingerprint of a record."""
    return Fingerprint(len(data), data[-TAIL_SIZE:])


def fingerprints_of(backend: Backend) -> dict[str, Fingerprint]:
    """Return the fingerprints of all records by name; names without an ID are left out."""
    names = [name for name in backend.list() if id_of(name) is not None or is_hashed(name)]
    return {
        name: Fingerprint(size, tail) for name, tail, size, _ in backend.get_tails(names, TAIL_SIZE)
    }


def batches(names: Iterable[str], fingerprints: Fingerprints) -> Iterator[list[str]]:
    """Yield the names in batches whose records fit into memory."""
    batch: list[str] = []
    size = 0
    for name in names:
        if batch and (len(batch) == _MOST_RECORDS or size + fingerprints[name].size > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(name)
        size += fingerprints[name].size
    if batch:
        yield batch


def last_number(backend: Backend, names: Iterable[str]) -> int:
    """Return the highest number that the store has given out, according to its counter and records."""
    numbers = (Id(id_of(name) or "").number or 0 for name in names)
    return max(NumberSequence(backend, lambda: 0).last(), max(numbers, default=0))


def set_digest(fingerprints: Fingerprints) -> str:
    """Return a digest of names and fingerprints, in hexadecimal."""
    state = blake2b(digest_size=16)
    for name in sorted(fingerprints):
        size, tail = fingerprints[name]
        state.update(b"%s\0%d\0%s" % (name.encode(), size, tail))
    return state.hexdigest()
