"""The common base of the compressing transforms: a level, and a bound on expansion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from brinery.codec import Buffer
from brinery.errors import InvalidArgumentError
from brinery.transform import Transform
from brinery.typing import Any, ClassVar, Final, Protocol

_PART: Final = 1 << 17


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


class Compressor(Transform):
    """A transform whose one option is a level."""

    levels: ClassVar[range]
    default_level: ClassVar[int]
    most_expansion: ClassVar[int]
    """The most bytes that one stored byte can expand to, by the format."""

    def __init__(self, level: int | None = None) -> None:
        """`level` trades time for size, within `levels`."""
        self.level = self.default_level if level is None else level
        if type(self.level) is not int or self.level not in self.levels:
            raise InvalidArgumentError(
                f"the transform {self.name!r} has levels {self.levels[0]} to {self.levels[-1]}, "
                f"got {self.level!r}"
            )

    def config(self) -> dict[str, Any]:
        """Return the level."""
        return {"level": self.level}

    def check_possible(self, data: Buffer, size: int) -> None:
        """Raise `ValueError` if `data` are too short to expand to `size` bytes."""
        if size > len(data) * self.most_expansion:
            raise ValueError(f"{len(data)} bytes cannot expand to {size}")


def in_parts(decompressor: Decompressor, pieces: Iterable[Buffer], size: int) -> Iterator[bytes]:
    """Yield what compressed pieces expand to.  Raise `ValueError` unless that is `size` bytes and all."""
    left = size
    for piece in filter(len, pieces):
        if left < 0 or decompressor.eof:
            raise ValueError(f"more follows the {size} bytes")
        data: Buffer = piece
        while left >= 0 and not decompressor.eof and (len(data) or not decompressor.needs_input):
            found = decompressor.decompress(data, _PART)
            left -= len(found)
            yield found
            data = b""
    if left or not decompressor.eof or decompressor.unused_data:
        raise ValueError(f"not exactly {size} bytes")
