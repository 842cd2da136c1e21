"""Compressed payloads that expand to much, or to something else than they claim."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator

import lz4.frame
from tests.torture.opcodes import Case, whole

from brinery.registry.transforms import make_transform

_MAGIC = b"\x28\xb5\x2f\xfd"
"""The first bytes of a frame of zstd."""


def expansions() -> Iterator[Case]:
    size = 1 << 30
    makers: dict[str, Callable[[bytes], bytes]] = {
        "gzip": lambda data: gzip.compress(data, 9, mtime=0),
        "lz4": lambda data: lz4.frame.compress(data, content_checksum=True),
        "zstd": lambda data: bytes(make_transform("zstd").encode([data])[0]),
    }
    content = whole(b"B" + struct.pack("<I", 1 << 27), bytes(1 << 27), protocol=5)
    for transform, make in makers.items():
        bomb = make(content)
        twice = make(bomb)
        for claimed in (len(content), 1000, 0, 1, size, size + 1, 1 << 62):
            yield Case(
                f"{transform} that claims {claimed}",
                bomb,
                transform=(transform, claimed),
                codecs=("pickle", "json", "msgpack"),
            )
        yield Case(
            f"{transform} twice", twice, transform=(transform, len(bomb)), codecs=("pickle",)
        )
        yield Case(
            f"{transform}, cut off",
            bomb[: len(bomb) // 2],
            transform=(transform, len(content)),
            codecs=("pickle",),
        )
        yield Case(
            f"{transform}, and more",
            bomb + b"x",
            transform=(transform, len(content)),
            codecs=("pickle",),
        )
        yield Case(
            f"{transform} of members",
            make(bytes(1 << 20)) * 100,
            transform=(transform, 100 << 20),
            codecs=("pickle",),
        )
        yield Case(f"{transform} of nothing", b"", transform=(transform, 0), codecs=("pickle",))
        yield Case(
            f"{transform} of noise",
            zlib.compress(bytes(1000)),
            transform=(transform, 1000),
            codecs=("pickle",),
        )
        for claimed in (1, 1 << 20, 1 << 24):
            yield Case(
                f"{transform} of 4 bytes that claims {claimed}",
                b"\0\0\0\0",
                transform=(transform, claimed),
                codecs=("pickle",),
            )
    for window in (1 << 31, 1 << 27):
        # A frame without its size, and with a window that is large.
        header = _MAGIC + b"\x00" + bytes((((window.bit_length() - 1 - 10) << 3),))
        yield Case(
            f"zstd with a window of {window}",
            header + b"\x01\x00\x00",
            transform=("zstd", 100),
            codecs=("pickle",),
        )
    header = _MAGIC + b"\xe0" + struct.pack("<Q", 1 << 24)
    yield Case(
        "zstd that announces what it has not",
        header + b"\x01\x00\x00" + bytes(600),
        transform=("zstd", 1 << 24),
        codecs=("pickle",),
    )
