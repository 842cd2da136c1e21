"""The format of a record, stated once more: the tests take nothing of it from the code that they test."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import msgpack
from hypothesis import strategies as st
from xxhash import xxh3_64_digest, xxh3_128_digest

from brinery.record.record import Metadata, new_metadata
from brinery.record.writer import build

# size of the kind and of the text, time, nonce, flags, digest of the payload; digest of the end, version,
# magic
TAIL = struct.Struct("<IId16sH16s8sH8s")
HEAD = TAIL.size - 18
MAGIC = b"\x8bBRINERY"
SIMPLE, SEALED = 1, 2
PROOF = 64

TEXT = st.text(st.characters(exclude_categories=[]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | TEXT | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


class Parts(NamedTuple):
    """A record in pieces, without any check."""

    payload: bytes
    text: bytes
    kind: bytes
    proof: bytes
    created: float
    nonce: bytes
    flags: int
    digest: bytes
    version: int = 2

    def joined(self) -> bytes:
        """Return the record, with the digest of its end made to fit."""
        sizes = len(self.kind), len(self.text)
        head = struct.pack("<IId16sH16s", *sizes, self.created, self.nonce, self.flags, self.digest)
        end = self.text + self.kind + self.proof + head
        digest = xxh3_64_digest(end)
        return self.payload + end + digest + self.version.to_bytes(2, "little") + MAGIC


def taken_apart(data: bytes) -> Parts:
    """Return the pieces of a record."""
    kind, text, created, nonce, flags, digest, _, version, magic = TAIL.unpack(data[-TAIL.size :])
    assert magic == MAGIC
    end = len(data) - TAIL.size
    proof_at = end - (PROOF if flags & SEALED else 0)
    kind_at, text_at = proof_at - kind, proof_at - kind - text
    return Parts(
        data[:text_at],
        data[text_at:kind_at],
        data[kind_at:proof_at],
        data[proof_at:end],
        created,
        nonce,
        flags,
        digest,
        version,
    )


def described(payload: Sequence[bytes] = (b"payload",), **changes: Any) -> Metadata:
    """Return metadata of a record, with some fields changed."""
    given: dict[str, Any] = {
        "id": "Task.1",
        "codec": "pickle",
        "config": {},
        "codec_version": "1",
        "protocol": 5,
        "class_name": "tests:Task",
    }
    return new_metadata(**(given | {"payload": payload} | changes))


def built(payload: Sequence[bytes] = (b"payload",), **changes: Any) -> bytes:
    """Return the bytes of a record."""
    return b"".join(build(described(payload, **changes), payload))


def kind_in(data: bytes) -> dict[str, Any]:
    """Return the kind of a record as a map."""
    found = msgpack.unpackb(taken_apart(data).kind, unicode_errors="surrogatepass")
    assert isinstance(found, dict)
    return found


def packed(value: Any) -> bytes:
    """Return a value as msgpack."""
    done: bytes = msgpack.packb(value, unicode_errors="surrogatepass")
    return done


def with_kind(data: bytes, **changes: Any) -> bytes:
    """Return a record with fields of its kind changed, and digests that fit, as an attacker could make it."""
    return taken_apart(data)._replace(kind=packed(kind_in(data) | changes)).joined()


def with_text(data: bytes, text: Any) -> bytes:
    """Return a record with another text, and digests that fit."""
    return taken_apart(data)._replace(text=packed(text)).joined()


def with_payload(data: bytes, payload: bytes) -> bytes:
    """Return a record with another payload, and digests that fit."""
    changed = taken_apart(data)._replace(payload=payload, digest=xxh3_128_digest(payload))
    return changed.joined()


def of_format_1(payload: bytes = b"payload") -> bytes:
    """Return a record as the first format had it: one map of metadata, and a tail of 56 bytes."""
    digest = blake2b(payload, digest_size=16).digest()
    fields = {
        "codec": "pickle",
        "config": {},
        "codec_version": "1",
        "protocol": 5,
        "python": "3.11.2",
        "transform": None,
        "id": "Task.1",
        "class": "tests:Task",
        "references": [],
        "size": len(payload),
        "digest": digest,
        "buffers": [],
        "created": 1.0,
        "nonce": bytes(12),
    }
    metadata = packed(fields)
    of_metadata = blake2b(metadata, digest_size=16).digest()
    tail = struct.pack("<I16s26sH8s", len(metadata), of_metadata, bytes(26), 1, MAGIC)
    return payload + metadata + tail
