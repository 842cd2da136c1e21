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

from _blake2 import blake2b  # the same as that of hashlib, which loads OpenSSL: 5 ms
from collections.abc import Iterable, Sequence

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

    def proof(self, pieces: Iterable[Buffer], described: Buffer, head: Buffer) -> bytes:
        """Return the proof of a record: its payload in pieces, text and kind, and the head of its tail."""
        found = Content(self._keys[0])
        for piece in pieces:
            found.update(piece)
        content = found.digest()
        return content + _seal(self._keys[0], described, content, head)

    def content(self, proof: bytes, described: Buffer, head: Buffer) -> Content | None:
        """Return the content that a payload with this proof must have; None if no key made the seal."""
        expected, seal = proof[:CONTENT_SIZE], proof[CONTENT_SIZE:]
        found = None
        for key in self._keys:
            if _same(_seal(key, described, expected, head), seal):
                found = Content(key, expected)
        return found


class Content:
    """The keyed digest of a payload, taken while it is read."""

    __slots__ = ("_expected", "_state")

    def __init__(self, key: bytes, expected: bytes = b"") -> None:
        """`expected` is the digest that the seal covers."""
        self._state = blake2b(key=key, digest_size=CONTENT_SIZE, person=b"brinery content")
        self._expected = expected

    def update(self, piece: Buffer) -> None:
        """Take the next bytes of the payload."""
        self._state.update(piece)

    def digest(self) -> bytes:
        """Return the digest of all bytes taken so far."""
        return self._state.digest()

    def is_right(self) -> bool:
        """Return whether the payload is the one that was sealed."""
        return _same(self.digest(), self._expected)


def _same(one: bytes, other: bytes) -> bool:
    # In a time that does not tell where they differ.
    from hmac import compare_digest

    return compare_digest(one, other)


def _derived(secret: bytes, identity: bytes) -> bytes:
    key = secret if len(secret) <= _LONGEST_KEY else blake2b(secret).digest()
    return blake2b(identity, key=key, digest_size=_LONGEST_KEY, person=b"brinery seal").digest()


def _seal(key: bytes, *pieces: Buffer) -> bytes:
    state = blake2b(key=key, digest_size=_SEAL_SIZE, person=b"brinery record")
    for piece in pieces:
        state.update(piece)
    return state.digest()
