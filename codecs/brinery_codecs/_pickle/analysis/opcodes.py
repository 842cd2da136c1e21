"""The opcodes of pickles whose argument a scan reads again: strings, bytes and lines."""

from __future__ import annotations

from brinery.typing import Final

FLOAT_LINE, LONG_LINE, STRING_LINE, UNICODE_LINE = b"FLSV"

SIZES: Final = {
    **dict.fromkeys(b"CU\x8c", 1),
    **dict.fromkeys(b"BTX", 4),
    **dict.fromkeys(b"\x8d\x8e", 8),
    **dict.fromkeys((STRING_LINE, UNICODE_LINE), 0),
}
"""How many bytes give the length of a string or of bytes, 0 if a line ends it."""
