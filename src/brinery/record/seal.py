"""Seals: keyed digests, which cannot be made without the key.

The key of a store's seals is derived from the opener's secret and from the identity of the store, so that
a seal is not valid in another store:

    key      = BLAKE2b(identity, key=secret, 64 bytes, person="brinery seal")
    content  = BLAKE2b(payload as it is stored, key=key, 32 bytes, person="brinery content")
    seal     = BLAKE2b(text, kind, content, head of the tail, key=key, 32 bytes, person="brinery record")

Content and seal are the *proof* of a record.  The seal covers the content, so that a reader of the end of a
record needs no payload.  BLAKE2b is a keyed digest by itself (RFC 7693, section 2.9).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from brinery.codec import Buffer
from brinery.typing import Final

CONTENT_SIZE: Final = 32
_SEAL_SIZE: Final = 32
PROOF_SIZE: Final = CONTENT_SIZE + _SEAL_SIZE
_LONGEST_KEY: Final = 64


class Seals:
    """Makes and checks the seals of one store."""

    __slots__ = ("_keys",)

    def __init__(self, secrets: Sequence[bytes], identity: bytes) -> None:
        """Derive the keys; the first one seals, and all of them verify."""
        self._keys = tuple(_derived(secret, identity) for secret in secrets)

    def __repr__(self) -> str:
        return f"<Seals of {len(self._keys)} keys>"

    def proof(self, pieces: Sequence[Buffer], described: Buffer, head: Buffer) -> bytes:
        """Return the proof of a record: its payload in pieces, text and kind, and the head of its tail."""
        content = _content(self._keys[0], pieces)
        return content + _seal(self._keys[0], described, content, head)

    def owner(self, proof: bytes, described: Buffer, head: Buffer) -> int | None:
        """Return the number of the key that made the seal in a proof; None if no key did."""
        content, seal = proof[:CONTENT_SIZE], proof[CONTENT_SIZE:]
        found = None
        for place, key in enumerate(self._keys):
            if _same(_seal(key, described, content, head), seal):
                found = place
        return found

    def is_content(self, content: bytes, pieces: Sequence[Buffer], owner: int) -> bool:
        """Return whether the key `owner` has sealed these pieces."""
        return _same(_content(self._keys[owner], pieces), content)


def _same(one: bytes, other: bytes) -> bool:
    # In a time that does not tell where they differ.
    from hmac import compare_digest

    return compare_digest(one, other)


def _derived(secret: bytes, identity: bytes) -> bytes:
    key = secret if len(secret) <= _LONGEST_KEY else blake2b(secret).digest()
    return blake2b(identity, key=key, digest_size=_LONGEST_KEY, person=b"brinery seal").digest()


def _content(key: bytes, pieces: Sequence[Buffer]) -> bytes:
    state = blake2b(key=key, digest_size=CONTENT_SIZE, person=b"brinery content")
    for piece in pieces:
        state.update(piece)
    return state.digest()


def _seal(key: bytes, *pieces: Buffer) -> bytes:
    state = blake2b(key=key, digest_size=_SEAL_SIZE, person=b"brinery record")
    for piece in pieces:
        state.update(piece)
    return state.digest()
