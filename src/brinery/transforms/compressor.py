"""The common base of the compressing transforms: a level, and a bound on expansion."""

from __future__ import annotations

from brinery.codec import Buffer
from brinery.errors import InvalidArgumentError
from brinery.transform import Transform
from brinery.typing import Any, ClassVar


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
