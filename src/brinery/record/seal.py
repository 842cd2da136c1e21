"""Seals: keyed digests, which cannot be made without the key.

The key of a store's seals is derived from the opener's secret and from the identity of the store, so that
a seal is not valid in another store:

    key      = BLAKE2b(identity, key=secret, 64 bytes, person="brinery seal")
    content  = BLAKE2b(payload, padding and buffers as they are stored, key=key, 32 bytes,
               person="brinery content")
    seal     = BLAKE2b(metadata, then the tail with zeros in place of the seal, key=key, 26 bytes,
               person="brinery record")

`content` is in the metadata, beside ID, codec, class and references; the seal is in the tail.
BLAKE2b is a keyed digest by itself (RFC 7693, section 2.9).
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from brinery.codec import Buffer

ALGORITHM: Final = "blake2b"
SEAL_SIZE: Final = 26
CONTENT_SIZE: Final = 32
NO_SEAL: Final = bytes(SEAL_SIZE)
_LONGEST_KEY: Final = 64


class Seals:
    """Makes and checks the seals of one store."""

    __slots__ = ("_keys",)

    def __init__(self, secrets: Sequence[bytes], identity: bytes) -> None:
        """Derive the keys; the first one seals, and all of them verify."""
        self._keys = tuple(_derived(secret, identity) for secret in secrets)

    def __repr__(self) -> str:
        return f"<Seals of {len(self._keys)} keys>"

    def content(self, pieces: Sequence[Buffer]) -> bytes:
        """Return the keyed digest of the bytes before the metadata."""
        return _content(self._keys[0], pieces)

    def seal(self, described: Buffer, tail: Buffer) -> bytes:
        """Return the seal of metadata and tail; `tail` has zeros in place of the seal."""
        return _seal(self._keys[0], described, tail)

    def owner(self, seal: bytes, described: Buffer, tail: Buffer) -> int | None:
        """Return the number of the key that made a seal; None if no key did."""
        found = None
        for place, key in enumerate(self._keys):
            if hmac.compare_digest(_seal(key, described, tail), seal):
                found = place
        return found

    def is_content(self, content: bytes, pieces: Sequence[Buffer], owner: int) -> bool:
        """Return whether the key `owner` has sealed these pieces."""
        return hmac.compare_digest(_content(self._keys[owner], pieces), content)


def _derived(secret: bytes, identity: bytes) -> bytes:
    key = secret if len(secret) <= _LONGEST_KEY else blake2b(secret).digest()
    return blake2b(identity, key=key, digest_size=_LONGEST_KEY, person=b"brinery seal").digest()


def _content(key: bytes, pieces: Sequence[Buffer]) -> bytes:
    state = blake2b(key=key, digest_size=CONTENT_SIZE, person=b"brinery content")
    for piece in pieces:
        state.update(piece)
    return state.digest()


def _seal(key: bytes, described: Buffer, tail: Buffer) -> bytes:
    state = blake2b(key=key, digest_size=SEAL_SIZE, person=b"brinery record")
    state.update(described)
    state.update(tail)
    return state.digest()
