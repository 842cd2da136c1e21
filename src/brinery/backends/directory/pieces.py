"""Writing what comes in pieces to a file, however many they are, and however few bytes each call takes."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from brinery.backend import Data, Stream
from brinery.backends.directory import files
from brinery.codec import Buffer
from brinery.typing import Final

_IOV_MAX: Final = 1024  # limits.h: the limit of Linux, macOS and the BSDs
_SMALL: Final = 1 << 14  # bytes up to which one copy costs less than the bookkeeping of a loop
# What file systems without hard links answer; Android forbids them with EACCES, AFS links between
# directories with EXDEV.
NO_LINKS: Final = frozenset(
    (
        errno.EPERM,
        errno.EACCES,
        errno.EOPNOTSUPP,
        errno.ENOTSUP,
        errno.ENOSYS,
        errno.EMLINK,
        errno.EXDEV,
    )
)


def write_pieces(fd: int, data: Data) -> tuple[int, bytes]:
    """Write the pieces one after the other, whatever their number; return the version of the file."""
    if isinstance(data, Stream):
        return _write_stream(fd, data)
    pieces = [piece if type(piece) is bytes else _as_bytes(piece) for piece in data]
    size = sum(map(len, pieces))
    if size <= _SMALL:
        whole = b"".join(pieces)
        if os.write(fd, whole) == size:
            return size, whole[-files.VERSION_TAIL :]
        os.lseek(fd, 0, os.SEEK_SET)  # a short write: start again, in the loop
    version = _version_of_pieces(pieces)
    _write_all(fd, pieces)
    return version


def _write_stream(fd: int, data: Stream) -> tuple[int, bytes]:
    # Each piece is written before the next one is made.
    end = b""
    for piece in map(_as_bytes, data):
        end = (end + piece[-files.VERSION_TAIL :])[-files.VERSION_TAIL :]
        _write_all(fd, [piece])
    return data.size, end


def _write_all(fd: int, pieces: list[bytes | memoryview]) -> None:
    start = 0
    while start < len(pieces):
        batch = pieces[start : start + _IOV_MAX]
        written = os.write(fd, batch[0]) if len(batch) == 1 else _writev(fd, batch)
        before = start
        while start < len(pieces) and written >= len(pieces[start]):
            written -= len(pieces[start])
            start += 1
        if written:
            pieces[start] = memoryview(pieces[start])[written:]
        elif start == before:
            raise OSError(errno.EIO, "the file system did not write a single byte")


def _as_bytes(piece: Buffer) -> bytes | memoryview:
    view = memoryview(piece)
    return view.cast("B") if view.nbytes else b""  # cast refuses a shape with a zero


def _version_of_pieces(pieces: Sequence[bytes | memoryview]) -> tuple[int, bytes]:
    tail = b""
    for piece in reversed(pieces):
        tail = bytes(piece[-files.VERSION_TAIL :]) + tail
        if len(tail) >= files.VERSION_TAIL:
            break
    return files.version_of(tail, sum(map(len, pieces)))


def _writev(fd: int, pieces: Sequence[bytes | memoryview]) -> int:
    return os.writev(fd, pieces) if hasattr(os, "writev") else os.write(fd, pieces[0])


def link_or_copy(source: str, target: str, access: files.Access) -> None:
    """Give the file at `source` a second, new name: by a link, or else as a copy."""
    try:
        os.link(source, target)
        return
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
    fd = files.create(target, access)
    try:
        write_pieces(fd, (files.read_file(source),))
    finally:
        os.close(fd)
