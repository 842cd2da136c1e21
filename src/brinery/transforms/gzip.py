"""The transform gzip: DEFLATE in the gzip format (RFC 1951, RFC 1952), by the standard library."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence

from brinery.codec import Buffer
from brinery.transform import expanded
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
        return [*self.encode_in_parts(pieces, 0)]

    def decode(self, data: Buffer, size: int) -> bytes:
        """Return the content of one gzip member."""
        self.check_possible(data, size)
        decompressor = zlib.decompressobj(_GZIP)
        # One byte more than there should be: only past the last one is the checksum read.
        found = decompressor.decompress(data, size + 1)
        if len(found) != size or not decompressor.eof or decompressor.unused_data:
            raise ValueError(f"not one gzip member of {size} bytes")
        return found

    def encode_in_parts(self, pieces: Iterable[Buffer], size: int) -> Iterator[bytes]:
        """Yield one gzip member."""
        compressor = zlib.compressobj(self.level, zlib.DEFLATED, _GZIP)
        yield from filter(None, map(compressor.compress, pieces))
        yield compressor.flush()

    def decode_in_parts(self, pieces: Iterable[Buffer], size: int) -> Iterator[bytes]:
        """Yield the content of one gzip member."""
        return expanded(_Decompressor(), pieces, size)


class _Decompressor:
    # That of zlib as the other libraries have theirs.
    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(_GZIP)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: Buffer, max_length: int) -> bytes:
        found = self._zlib.decompress(data or self._zlib.unconsumed_tail, max_length)
        self.needs_input = len(found) < max_length or self._zlib.eof
        return found
