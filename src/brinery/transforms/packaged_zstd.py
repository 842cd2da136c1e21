"""Zstandard by the package zstandard."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

import zstandard

from brinery.codec import Buffer
from brinery.typing import Final

# Up to this size the working memory of a compressor is small, and kept; a new one takes 8 µs.
_SMALL = 1 << 17

_LONGEST_HEADER: Final = 18
_BLOCK_HEADER: Final = 3
_RLE: Final = 1
"""The kind of a block that repeats one byte."""


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

    def compress_in_parts(
        self, pieces: Iterable[Buffer], size: int, window_log: int | None
    ) -> Iterator[bytes]:
        """Yield one frame, with size and checksum."""
        options = {} if window_log is None else {"window_log": window_log}
        parameters = zstandard.ZstdCompressionParameters.from_level(
            self._level, source_size=size, write_checksum=True, **options
        )
        compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj(size=size)
        yield from filter(None, map(compressor.compress, pieces))
        yield compressor.flush()

    def decompress_in_parts(self, pieces: Iterable[Buffer], size: int) -> Iterator[bytes]:
        """Yield the content of one frame."""
        decompressor = zstandard.ZstdDecompressor().decompressobj()
        left = size
        for block in filter(None, _blocks(pieces)):
            if decompressor.eof:
                raise ValueError(f"more follows the {size} bytes")
            found = decompressor.decompress(block)
            left -= len(found)
            if left < 0:
                break
            yield found
        if left or not decompressor.eof or decompressor.unused_data:
            raise ValueError(f"not one frame of {size} bytes")


def _blocks(pieces: Iterable[Buffer]) -> Iterator[bytes]:
    # Yield a frame cut into its header, its blocks and what follows.  The library has no limit for what it
    # makes of the bytes of a call; of one block that is 128 KiB.
    data, at, is_begun = b"", 0, False
    for piece in pieces:
        data, at = data[at:] + piece, 0
        while (end := _end(data, at, is_begun)) <= len(data):
            yield data[at:end]
            at, is_begun = end, True
    yield data[at:]


def _end(data: bytes, at: int, is_begun: bool) -> int:
    if not is_begun:
        is_known = len(data) >= _LONGEST_HEADER
        return zstandard.frame_header_size(data) if is_known else _LONGEST_HEADER
    header = int.from_bytes(data[at : at + _BLOCK_HEADER], "little")
    return at + _BLOCK_HEADER + (1 if header >> 1 & 3 == _RLE else header >> 3)


class _Contexts(threading.local):
    # What works for one thread at a time; each thread makes its own.
    def __init__(self, level: int) -> None:
        self.compressor = _compressor(level)
        self.decompressor = zstandard.ZstdDecompressor()


def _compressor(level: int) -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(level=level, write_checksum=True)
