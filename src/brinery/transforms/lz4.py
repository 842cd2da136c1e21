"""The transform lz4: the LZ4 frame format, by the package lz4.

https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import lz4.frame

from brinery.codec import Buffer
from brinery.transform import expanded
from brinery.transforms.compressor import Compressor


class Lz4Transform(Compressor):
    """Compresses by LZ4: the fastest, and the least."""

    name = "lz4"
    levels = range(13)
    default_level = 0
    most_expansion = 255  # each byte of a length adds at most 255

    def encode(self, pieces: Sequence[Buffer]) -> Sequence[bytes]:
        """Return one frame, with checksum."""
        payload = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        level = self.level
        return [lz4.frame.compress(payload, compression_level=level, content_checksum=True)]

    def decode(self, data: Buffer, size: int) -> bytes:
        """Return the content of one frame."""
        self.check_possible(data, size)
        decompressor = lz4.frame.LZ4FrameDecompressor()
        # One byte more than there should be: only past the last one is the checksum read.
        found: bytes = decompressor.decompress(data, max_length=size + 1)
        if len(found) != size or not decompressor.eof or decompressor.unused_data:
            raise ValueError(f"not one frame of {size} bytes")
        return found

    def encode_in_parts(self, pieces: Iterable[Buffer], size: int) -> Iterator[bytes]:
        """Yield one frame, with checksum."""
        compressor = lz4.frame.LZ4FrameCompressor(
            compression_level=self.level, content_checksum=True
        )
        yield compressor.begin(size)
        yield from filter(None, map(compressor.compress, pieces))
        yield compressor.flush()

    def decode_in_parts(self, pieces: Iterable[Buffer], size: int) -> Iterator[bytes]:
        """Yield the content of one frame."""
        return expanded(lz4.frame.LZ4FrameDecompressor(), pieces, size)
