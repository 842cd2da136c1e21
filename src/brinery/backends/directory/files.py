"""Operations on single files that never follow a link, hang on a FIFO or lose a short write.

All of them raise `OSError`.  Where a path leads to something other than a regular file, that is
`NotRegularError`, which names the kind.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections import deque
from collections.abc import Callable
from functools import partial

from brinery.record.format import MAGIC
from brinery.typing import Final, NamedTuple

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

# A system that lacks a flag lacks the danger, or offers no remedy.
_COMMON: Final = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)
# Without O_NONBLOCK, opening a FIFO waits for a writer.
_READ: Final = (os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _COMMON,)
_CREATE: Final = (os.O_WRONLY | os.O_CREAT | os.O_EXCL | _COMMON,)

VERSION_TAIL: Final = 64
"""The number of bytes at the end of a file that are its version."""
_PAGE: Final = 4096  # bytes

_KINDS: Final[tuple[tuple[Callable[[int], bool], str], ...]] = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISCHR, "a character device"),
)


class Access(NamedTuple):
    """The modes of new directories and files: who may use them."""

    directory: int
    file: int
    shared: bool = False
    """Whether the modes hold whatever the umask is; else the umask restricts them."""


PRIVATE: Final = Access(0o700, 0o600)
GROUP: Final = Access(0o770, 0o660, shared=True)

# What file systems without F_FULLFSYNC answer, as those of a network.
_NO_FULL_SYNC: Final = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS)


class NotRegularError(OSError):
    """A path of a record leads to something other than a regular file."""

    def __init__(self, path: str, mode: int) -> None:
        kind = next((name for test, name in _KINDS if test(mode)), "something unknown")
        super().__init__(f"expected a regular file, got {kind}: move it elsewhere")
        self.path = path


def kind_of(path: str) -> int | None:
    """Return the mode of the file at `path`, without following links; None if there is none."""
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return None


def is_record_file(path: str) -> bool:
    """Return whether there is a regular file at `path`.  Raise `NotRegularError` for any other kind."""
    mode = kind_of(path)
    if mode is None:
        return False
    if not stat.S_ISREG(mode):
        raise NotRegularError(path, mode)
    return True


def opened(path: str, flags: int, mode: int = 0) -> int:
    """Return the descriptor of `os.open`, which no interrupt can lose.

    Python handles signals after each call.  So a descriptor that a call has returned, and that is not in a
    variable yet, would stay open.  Unpacking an iterator is no call.
    """
    (fd,) = map(os.open, (path,), (flags,), (mode,))
    return fd


def close_each(descriptors: list[int], keep: int = 0) -> None:
    """Close descriptors, and take them from the list, each in one step that no interrupt divides."""
    while len(descriptors) > keep:
        deque(map(os.close, map(descriptors.pop, (-1,))), maxlen=0)


def open_regular(path: str) -> tuple[int, int]:
    """Open a regular file for reading; return the descriptor and the size in bytes."""
    try:
        (fd,) = map(os.open, (path,), _READ)  # as in `opened`; a call would take longer than this
    except OSError as error:
        # ELOOP: a link.  ENXIO: a socket, or a device without a driver.  BSD: EMLINK, EOPNOTSUPP.
        if error.errno not in (errno.ENOENT, errno.EACCES):
            is_record_file(path)
        raise
    try:
        return fd, _size_of_regular(fd, path)
    except BaseException:
        os.close(fd)
        raise


def _size_of_regular(fd: int, path: str) -> int:
    info = os.fstat(fd)
    if not stat.S_ISREG(info.st_mode):
        raise NotRegularError(path, info.st_mode)
    return info.st_size


class LargeFileError(OSError):
    """A file is larger than `read_small` reads."""


def read_small(path: str, most: int) -> bytes:
    """Return the content of a regular file of at most `most` bytes.  Raise `LargeFileError`."""
    try:
        (fd,) = map(os.open, (path,), _READ)  # as in `opened`; a call would take longer than this
    except OSError:
        fd, _ = open_regular(path)  # raises why
    try:
        data = os.read(fd, _PAGE + 1)
        if len(data) <= _PAGE and data.endswith(
            MAGIC
        ):  # a whole record: not worth a look at the size
            return data
        size = _size_of_regular(fd, path)
        if size > most:
            raise LargeFileError(errno.EFBIG, "it has to be looked at first")
        return data if len(data) == size else data + _read_all(fd)
    finally:
        os.close(fd)


def read_file(
    path: str, look: Callable[[Callable[[int, int], bytes], int], object] | None = None
) -> bytes:
    """Return the content of a regular file.

    `look` is called before that, with a function that reads from one position to another, and the size.
    """
    fd, size = open_regular(path)
    try:
        if look is not None:
            look(partial(read_from, fd), size)
            os.lseek(fd, 0, os.SEEK_SET)
        return _read_all(fd)
    finally:
        os.close(fd)


def _read_all(fd: int) -> bytes:
    # One read returns at most 2 GiB on Linux.  This reads into one buffer.
    with io.FileIO(fd, closefd=False) as file:
        return file.readall()


def read_tail(path: str, count: int) -> tuple[bytes, int]:
    """Return the last `count` bytes of a regular file, or all, and its size."""
    fd, size = open_regular(path)
    try:
        return read_from(fd, max(0, size - count), size), size
    finally:
        os.close(fd)


def read_ends(path: str, count: int) -> tuple[bytes, bytes, int]:
    """Return the first and the last `count` bytes of a regular file, or all, and its size."""
    fd, size = open_regular(path)
    try:
        head = read_from(fd, 0, min(count, size))
        return head, read_from(fd, max(0, size - count), size), size
    finally:
        os.close(fd)


def read_from(fd: int, start: int, stop: int) -> bytes:
    """Return the bytes of an open file from one position to another, fewer if it ends before that."""
    pieces: list[bytes] = []
    while start < stop:
        data: bytes = _pread(fd, stop - start, start)
        if not data:  # it was truncated since: the rest is its end
            break
        if not pieces and len(data) == stop - start:
            return data
        pieces.append(data)
        start += len(data)
    return b"".join(pieces)


def _seek_and_read(fd: int, count: int, start: int) -> bytes:
    os.lseek(fd, start, os.SEEK_SET)
    return os.read(fd, count)


_pread: Final = getattr(os, "pread", _seek_and_read)  # Windows lacks it


def version_of(data: bytes, size: int) -> tuple[int, bytes]:
    """Return the version of a file of `size` bytes that ends in `data`.

    The end of a record has a digest over a nonce, so each write gives a new version.  The same bytes have
    the same version.
    """
    return size, data[-VERSION_TAIL:]


def version_at(path: str) -> tuple[int, bytes]:
    """Return the version of the file at `path`."""
    return version_of(*read_tail(path, VERSION_TAIL))


def create(path: str, access: Access) -> int:
    """Create a file that does not exist; return a descriptor to write to it."""
    (fd,) = map(os.open, (path,), _CREATE, (access.file,))  # as in `opened`
    if access.shared:
        try:
            os.fchmod(fd, access.file)
        except BaseException:
            os.close(fd)
            raise
    return fd


def exists(path: str) -> bool:
    """Return whether `path` exists.  Unlike `os.path.lexists`, raise where that is not known."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def same(path: str, other: str) -> bool:
    """Return whether both paths lead to one file."""
    try:
        return os.path.samestat(os.lstat(path), os.lstat(other))
    except (FileNotFoundError, NotADirectoryError):
        return False


def sync(fd: int) -> None:
    """Make the content of an open file durable.

    On macOS fsync(2) leaves it in the cache of the disk; F_FULLFSYNC does not.
    """
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        try:
            fcntl.fcntl(fd, full)
            return
        except OSError as error:
            if error.errno not in _NO_FULL_SYNC:
                raise
    os.fsync(fd)


def sync_directory(path: str) -> None:
    """Make the names in a directory durable."""
    if os.name == "nt":  # directories have no descriptor there; NTFS journals the names
        return
    fd = opened(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        sync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # CIFS, some FUSE file systems
            raise
    finally:
        os.close(fd)


def make_directories(path: str, durable: bool, access: Access) -> None:
    """Make a directory and its parents, as far as they are missing."""
    try:
        made = _make_directory(path, access)
    except FileNotFoundError:
        parent = os.path.dirname(path)
        if parent == path:
            raise
        make_directories(parent, durable, access)
        # Try only once more: /proc and its like report a missing parent for ever.
        made = _make_directory(path, access)
    if made and durable:
        sync_directory(os.path.dirname(path))


def _make_directory(path: str, access: Access) -> bool:
    """Make a directory; return False if it exists."""
    try:
        os.mkdir(path, access.directory)
    except FileExistsError:
        if not os.path.isdir(path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
        return False
    if access.shared:
        # Keep the set-group-ID bit, which a new directory inherits.
        os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) | access.directory)
    return True
