"""Zstandard by the standard library, which has it from Python 3.14 on."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator

from brinery.codec import Buffer
from brinery.transform import expanded
from brinery.typing import Any

# Imported by its name: the type checker looks at Python 3.11.
_zstd: Any = importlib.import_module("compression.zstd")


class ZstdEngine:
    """Compresses at one level."""

    def __init__(self, level: int) -> None:
        parameters = _zstd.CompressionParameter
        self._options = {parameters.compression_level: level, parameters.checksum_flag: 1}

    def compress(self, payload: Buffer) -> bytes:
        """Return one frame, with size and checksum."""
        made: bytes = _zstd.compress(payload, options=self._options)
        return made

    def announced(self, data: Buffer) -> int:
        """Return the size that a frame announces, -1 for none."""
        size = _zstd.get_frame_info(data).decompressed_size
        return -1 if size is None else int(size)

    def decompress(self, data: Buffer, size: int) -> bytes:
        """Return the content of one frame."""
        decompressor = _zstd.ZstdDecompressor()
        content: bytes = decompressor.decompress(data, max_length=size)
        if not decompressor.eof:
            # The checksum may be left.
            content += decompressor.decompress(b"", max_length=1)
        if not decompressor.eof or decompressor.unused_data or len(content) != size:
            raise ValueError(f"not one frame of {size} bytes")
        return content

    def compress_in_parts(
        self, pieces: Iterable[Buffer], size: int, window_log: int | None
    ) -> Iterator[bytes]:
        """Yield one frame, with size and checksum."""
        options = dict(self._options)
        if window_log is not None:
            options[_zstd.CompressionParameter.window_log] = window_log
        compressor = _zstd.ZstdCompressor(options=options)
        compressor.set_pledged_input_size(size)
        yield from filter(None, map(compressor.compress, pieces))
        yield compressor.flush()

    def decompress_in_parts(self, pieces: Iterable[Buffer], size: int) -> Iterator[bytes]:
        """Yield the content of one frame."""
        return expanded(_zstd.ZstdDecompressor(), pieces, size)
