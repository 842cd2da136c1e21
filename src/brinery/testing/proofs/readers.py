"""Readers of formats that many languages have; none uses the library of a codec."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final


def _read_json(payload: bytes) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(payload.decode("utf-8"), parse_constant=refuse)


def _read_msgpack(payload: bytes) -> Any:
    source = io.BytesIO(payload)
    found = _msgpack_value(source)
    if source.read(1):
        raise ValueError("bytes behind the value")
    return found


def _msgpack_value(source: io.BytesIO) -> Any:
    """Decode what MessagePack's specification says of plain data; written from it, for these proofs."""

    def number(format: str) -> Any:
        return struct.unpack(">" + format, source.read(struct.calcsize(format)))[0]

    def text(length: int) -> str:
        return source.read(length).decode("utf-8")

    def array(length: int) -> list[Any]:
        return [_msgpack_value(source) for _ in range(length)]

    def mapping(length: int) -> dict[Any, Any]:
        return {_msgpack_value(source): _msgpack_value(source) for _ in range(length)}

    code = number("B")
    if code < 0x80:
        return code
    if code >= 0xE0:
        return code - 0x100
    read: Callable[[int], Any]
    short: list[tuple[int, int, Callable[[int], Any]]]
    short = [(15, 0x80, mapping), (15, 0x90, array), (31, 0xA0, text)]
    for mask, first, read in short:
        if first <= code <= first + mask:
            return read(code & mask)
    if code in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[code]
    if 0xCA <= code <= 0xD3:
        return number("fdBHIQbhiq"[code - 0xCA])
    lengths: dict[int, tuple[str, Callable[[int], Any]]] = {
        0xD9: ("B", text),
        0xDA: ("H", text),
        0xDB: ("I", text),
        0xDC: ("H", array),
        0xDD: ("I", array),
        0xDE: ("H", mapping),
        0xDF: ("I", mapping),
    }
    if code not in lengths:
        raise ValueError(f"0x{code:02x} does not begin a plain value")
    format, read = lengths[code]
    return read(number(format))


READERS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "JSON": _read_json,
    "MessagePack": _read_msgpack,
}
"""Readers of formats that many languages have; none uses the library of a codec."""
