"""The form of a record: the stored bytes of one object.

    payload    the codec's own byte stream, from offset 0, or what a transform makes of it; large buffers
               are inside it, at multiples of 64 bytes
    text       what is the record's own: a msgpack array
    kind       what the records of a class share: a msgpack map
    proof      64 bytes, only if the record is sealed: see `brinery.record.seal`
    tail       68 bytes, see `TAIL`

All of it comes after the payload for two reasons.  A codec streams straight into the sink, so that lengths
and references are known only afterwards.  And a record of the pickle codec is still a plain pickle file:
`pickle.load` stops at the end of the payload.

The tail has two digests.  One is that of the payload: it shows whether an object has changed.  The other
covers everything between the payload and itself, so that a reader of the end needs no other byte.  Both are
XXH3 (https://xxhash.com): they find damage, and protect from nobody.  Seals do that.

The format is specified in `docs/design/record-format.md`.
"""

from __future__ import annotations

import functools
import struct
import sys
from collections.abc import Callable

from brinery.codec import Buffer
from brinery.typing import Any, Final

FORMAT_VERSION: Final = 2
MAGIC: Final = b"\x8bBRINERY"
MAX_DESCRIPTION: Final = 1 << 30
"""The most bytes of text and kind."""

# size of the kind, size of the text, time, nonce, flags, digest of the payload, digest of the end, format
# version, magic; little-endian.  Every version has the last two at this place.
TAIL: Final = struct.Struct("<IId16sH16s8sH8s")
TAIL_SIZE: Final = TAIL.size
HEAD: Final = struct.Struct("<IId16sH16s")
"""The part of the tail that the digest of the end covers."""
UNCOVERED: Final = TAIL_SIZE - HEAD.size
"""The size in bytes of the last part: the digest, version and magic."""
END: Final = FORMAT_VERSION.to_bytes(2, "little") + MAGIC
"""The last bytes of a record of this version."""
NONCE_SIZE: Final = 16

SIMPLE: Final = 1
"""Flag: the object can be made first and filled later, because decoding it runs no code of the user's."""
SEALED: Final = 2
"""Flag: the record has a proof."""
REFS: Final = 4
"""Flag: the last group of references has those that a load does not follow."""
FLAGS: Final = SIMPLE | SEALED | REFS

SMALL: Final = 1 << 12
"""Below this size in bytes, copying is faster than a view."""
PYTHON: Final = sys.version.partition(" ")[0]
"""The version of this Python, as `platform.python_version` has it, without that module."""


@functools.cache
def packing() -> tuple[Callable[[Any], bytes], Callable[[Buffer], Any]]:
    """Return the functions that pack and unpack msgpack; imported on use, like all codec libraries."""
    import msgpack

    # All threads can share one packer in C: packing plain values runs no Python code, so that no other
    # thread runs in between.  Threads that share the pure-Python packer of msgpack mix up their bytes.
    if msgpack.Packer.__module__ == "msgpack._cmsgpack":
        pack = msgpack.Packer(unicode_errors="surrogatepass").pack
    else:
        pack = functools.partial(msgpack.packb, unicode_errors="surrogatepass")
    unpack = functools.partial(msgpack.unpackb, unicode_errors="surrogatepass")
    return pack, unpack


@functools.cache
def plain_unpacking() -> Callable[[Buffer], Any]:
    """Return a function that unpacks msgpack without options, which would take a fifth of the time.

    It raises `ValueError` for lone surrogates.
    """
    from msgpack import unpackb

    return unpackb  # type: ignore[no-any-return]


def has_magic(tail: Buffer) -> bool:
    """Return whether bytes end as a record does."""
    return bytes(tail[-len(MAGIC) :]) == MAGIC


def typed(value: Any, cls: type) -> Any:
    """Return `value`.  Raise `TypeError` if it is not of exactly this class."""
    if type(value) is not cls:
        raise TypeError(f"expected type {cls.__name__}, got {value!r:.80}")
    return value
