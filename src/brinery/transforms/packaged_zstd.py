"""Zstandard by the package zstandard."""

from __future__ import annotations

import threading

import zstandard

from brinery.codec import Buffer

# Up to this size the working memory of a compressor is small, and kept; a new one takes 8 µs.
_SMALL = 1 << 17


class ZstdEngine:
    """Compresses at one level."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._contexts = _Contexts(level)

    def compress(self, payload: Buffer) -> bytes:
        """Return one frame, with size and checksum."""
        is_small = len(payload) < _SMALL
        compressor = self._contexts.compressor if is_small else _compressor(self._level)
        return compressor.compress(payload)

    def announced(self, data: Buffer) -> int:
        """Return the size that a frame announces."""
        return zstandard.get_frame_parameters(data).content_size

    def decompress(self, data: Buffer, size: int) -> bytes:
        """Return the content of one frame."""
        return self._contexts.decompressor.decompress(data, allow_extra_data=False)


class _Contexts(threading.local):
    # What works for one thread at a time; each thread makes its own.
    def __init__(self, level: int) -> None:
        self.compressor = _compressor(level)
        self.decompressor = zstandard.ZstdDecompressor()


def _compressor(level: int) -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(level=level, write_checksum=True)
