"""A transform of somebody else's: bz2, under the name of its own package."""

from __future__ import annotations

import bz2
from collections.abc import Sequence
from typing import Any

from brinery import Transform
from brinery.codec import Buffer


class SqueezeTransform(Transform):
    """Compresses by bz2, with the size of blocks (in units of 100,000 bytes) as its level."""

    name = "squeeze"

    def __init__(self, level: int = 9) -> None:
        if not 1 <= level <= 9:
            raise ValueError("level is 1 to 9")
        self.level = level

    def config(self) -> dict[str, Any]:
        return {"level": self.level}

    def encode(self, pieces: Sequence[Buffer]) -> Sequence[bytes]:
        return [bz2.compress(b"".join(pieces), self.level)]

    def decode(self, data: Buffer, size: int) -> bytes:
        decompressor = bz2.BZ2Decompressor()
        found = decompressor.decompress(data, size + 1)
        # A bz2 stream ends with a checksum, which is read when more than the content is asked for.
        if len(found) != size or not decompressor.eof or decompressor.unused_data:
            raise ValueError(f"not one bz2 stream of {size} bytes")
        return found
