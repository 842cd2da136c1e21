"""The transform interface: payloads to smaller bytes and back.

A transform works between codec and backend and knows neither: it gets the bytes that a codec wrote, and
returns them when the record is read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

from brinery.codec import Buffer
from brinery.typing import Any, ClassVar, Final, Protocol

_PART: Final = 1 << 17
"""Bytes of a part: they stay in the cache of the processor."""


class Transform(ABC):
    """Turns the bytes of a payload into others, and back.

    An instance is immutable, may be used by several threads at once, and is made again from
    ``type(transform)(**transform.config())``.  ``compress="name:3"`` makes ``cls(level=3)``.  Both
    methods may raise any exception: the store turns it into `EncodeError` or `CorruptRecordError`.
    """

    name: ClassVar[str]
    """The name in records, URLs and settings; without a colon.  Never re-used for changed bytes."""

    def config(self) -> dict[str, Any]:
        """Return the keyword arguments that make this transform again; JSON types only."""
        return {}

    @abstractmethod
    def encode(self, pieces: Sequence[Buffer]) -> Sequence[bytes]:
        """Return the bytes to be stored for a payload, in pieces.

        `pieces` joined are the payload, and the same payload gives the same bytes, wherever it is
        cut.  A result that is longer than the payload is not stored.
        """

    @abstractmethod
    def decode(self, data: Buffer, size: int) -> bytes:
        """Return the payload, of exactly `size` bytes, from the stored bytes `data`.

        Raise an exception if `data` are not exactly the result of `encode` for `size` bytes.  They may be
        hostile: produce no more than `size` bytes before giving up, and reserve no memory for more bytes
        than `data` can expand to.
        """

    def encode_in_parts(self, pieces: Iterable[Buffer], size: int) -> Iterator[bytes]:
        """Yield the bytes to be stored for a large payload of `size` bytes, whose pieces are taken once.

        They may be others than those of `encode` if `decode` takes both.  A transform overrides this, and
        `decode_in_parts`, in order to hold only a part of a payload in memory.  Pieces and parts have a
        few MiB at most.
        """
        yield from self.encode([b"".join(pieces)])

    def decode_in_parts(self, pieces: Iterable[Buffer], size: int) -> Iterator[bytes]:
        """Yield the payload, of exactly `size` bytes, from stored bytes in pieces.

        What `decode` says of hostile bytes holds here, too.  All parts are taken, and then checked, before
        any of them is used.
        """
        yield self.decode(b"".join(pieces), size)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.config() == other.config()

    def __hash__(self) -> int:
        return hash((type(self), repr(sorted(self.config().items()))))

    def __repr__(self) -> str:
        options = ", ".join(f"{key}={value!r}" for key, value in self.config().items())
        return f"{type(self).__name__}({options})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _made_again, (type(self), self.config())


def _made_again(cls: type[Transform], config: dict[str, Any]) -> Transform:
    return cls(**config)


class Decompressor(Protocol):
    """Decompresses what comes in pieces, as those of the standard library do."""

    @property
    def eof(self) -> bool:
        """Whether the end was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether all is returned that the data so far expand to."""

    @property
    def unused_data(self) -> bytes:
        """What follows the end."""

    def decompress(self, data: Buffer, max_length: int, /) -> bytes:
        """Return at most `max_length` bytes; without `needs_input` there are more of them."""


def expanded(decompressor: Decompressor, pieces: Iterable[Buffer], size: int) -> Iterator[bytes]:
    """Yield what compressed pieces expand to.  Raise `ValueError` unless that is `size` bytes, and all.

    `decompressor` is that of bz2, lzma, or of another library with the same methods.
    """
    left = size
    for piece in filter(len, pieces):
        if decompressor.eof:
            raise ValueError(f"more follows the {size} bytes")
        data: Buffer = piece
        while not decompressor.eof and (len(data) or not decompressor.needs_input):
            found = decompressor.decompress(data, _PART)
            left -= len(found)
            if left < 0:
                raise ValueError(f"more than {size} bytes")
            yield found
            data = b""
    if left or not decompressor.eof or decompressor.unused_data:
        raise ValueError(f"not exactly {size} bytes")
