"""The transform zstd: Zstandard frames (RFC 8878), by the package zstandard."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import zstandard

from brinery.codec import Buffer
from brinery.transforms.compressor import Compressor

# Up to this size the working memory of a compressor is small, and kept; a new one takes 8 µs.
_SMALL = 1 << 17


class ZstdTransform(Compressor):
    """Compresses by Zstandard: faster and smaller than gzip."""

    name = "zstd"
    levels = range(1, 23)
    default_level = 3
    most_expansion = 1 << 15  # a block is 128 KiB at most, and 4 bytes at least

    def __init__(self, level: int | None = None) -> None:
        super().__init__(level)
        self._contexts = _Contexts(self.level)

    def encode(self, pieces: Sequence[Buffer]) -> Sequence[bytes]:
        """Return one frame, with size and checksum."""
        payload = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        is_small = len(payload) < _SMALL
        compressor = self._contexts.compressor if is_small else _compressor(self.level)
        return [compressor.compress(payload)]

    def decode(self, data: Buffer, size: int) -> bytes:
        """Return the content of one frame."""
        if not size:
            # The library answers for an empty content without looking at what follows the header.
            if bytes(data) != self.encode([b""])[0]:
                raise ValueError("not one frame of 0 bytes")
            return b""
        self.check_possible(data, size)
        # The library sets aside what the frame announces: that must be what the record announces.
        announced = zstandard.get_frame_parameters(data).content_size
        if announced != size:
            raise ValueError(f"the frame announces {announced} bytes, not {size}")
        return self._contexts.decompressor.decompress(data, allow_extra_data=False)


class _Contexts(threading.local):
    # What works for one thread at a time; each thread makes its own.
    def __init__(self, level: int) -> None:
        self.compressor = _compressor(level)
        self.decompressor = zstandard.ZstdDecompressor()


def _compressor(level: int) -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(level=level, write_checksum=True)
