"""The transform gzip: DEFLATE in the gzip format (RFC 1951, RFC 1952), by the standard library."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from brinery.codec import Buffer
from brinery.transforms.compressor import Compressor

_GZIP = 16 + zlib.MAX_WBITS  # with header and checksum; zlib sets no time, so equal bytes come out


class GzipTransform(Compressor):
    """Compresses by zlib; what it stores opens with gzip."""

    name = "gzip"
    levels = range(1, 10)
    default_level = 6
    most_expansion = 1032  # 258 bytes for a length and a distance of one bit each

    def encode(self, pieces: Sequence[Buffer]) -> Sequence[bytes]:
        """Return one gzip member."""
        compressor = zlib.compressobj(self.level, zlib.DEFLATED, _GZIP)
        return [*filter(None, map(compressor.compress, pieces)), compressor.flush()]

    def decode(self, data: Buffer, size: int) -> bytes:
        """Return the content of one gzip member."""
        self.check_possible(data, size)
        decompressor = zlib.decompressobj(_GZIP)
        # One byte more than there should be: only past the last one is the checksum read.
        found = decompressor.decompress(data, size + 1)
        if len(found) != size or not decompressor.eof or decompressor.unused_data:
            raise ValueError(f"not one gzip member of {size} bytes")
        return found
