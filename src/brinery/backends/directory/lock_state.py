"""The state of the lock: who holds it, how many turns there were, and whether names are changing.

The file of the lock grows by 64 bytes in each turn.  So its size alone, by one stat(2), shows a reader
whether the store has changed or is changing:

    61 bytes    when the lock was taken: process, time and host of the holder
     1 byte     before the first file gets its name
     1 byte     when the last file has its name
     1 byte     before the lock is released

A size of 62 modulo 64 means that names are changing, or that a writer died at that point.  If a writer
takes the lock and finds any other size that is not a multiple of 64, the writer before it died in its turn.

At 64 KiB the file is truncated: the same size comes back after 1,024 turns, which take longer than the
coarsest tick of a file's time (10 ms), so size and time together never repeat.

The cost (ext4, in one run): 2.7 µs in addition to 4.7 µs for the lock alone, where the file of a small
record takes 41 µs.  Writing in place costs the same, and a reader would have to open the file.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import time

from brinery.typing import Final, NamedTuple

TURN: Final = 64
LONGEST: Final = 1024 * TURN
_TAKEN: Final = TURN - 3
_CHANGING: Final = TURN - 2
_CHANGED: Final = TURN - 1


class LockState(NamedTuple):
    """The state of the file of the lock at one moment; it differs after each turn."""

    inode: int
    size: int
    time: int

    @property
    def changing(self) -> bool:
        """Return whether names are changing, or were when a writer died."""
        return self.size % TURN == _CHANGING


def lock_state_at(path: str) -> LockState | None:
    """Return the state of the lock at `path`; None if there was no turn yet."""
    try:
        info = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return LockState(info.st_ino, info.st_size, info.st_mtime_ns)


class Holder(NamedTuple):
    """The process that took the lock last."""

    pid: int
    since: float
    """Seconds since the epoch."""
    host: str


def holder_in(path: str) -> Holder | None:
    """Return who took the lock at `path` last; None where that cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(-min(os.fstat(file.fileno()).st_size, 2 * TURN), os.SEEK_END)
            pid, since, host = file.read().rpartition(b"\n")[2].split()
        return Holder(int(pid), float(since), host.decode())
    except (OSError, ValueError):  # only a message needs it
        return None


class Turn:
    """The turn of one writer, on the open file of the lock that it holds."""

    __slots__ = ("_fd", "_size", "interrupted", "is_unfinished")

    def __init__(self, fd: int, size: int, changing: bool = False) -> None:
        """Begin a turn; with `changing`, names change from now on."""
        self._fd = fd
        self.interrupted = size % TURN != 0
        """Whether the writer before died, or left a commit to be finished."""
        self.is_unfinished = False
        """Whether this writer leaves a commit that the next one has to finish."""
        if size >= LONGEST and not self.interrupted:
            os.ftruncate(fd, 0)
            size = 0
        self._size = size
        self._begin(changing or size % TURN == _CHANGING)

    def _begin(self, changing: bool) -> None:
        # Write who holds the lock, and whether names change from now on.
        count = ((_CHANGING if changing else _TAKEN) - self._size) % TURN
        holder = _holder(os.getpid(), int(time.time()))
        self._grow(holder.ljust(count if count >= _TAKEN else count + TURN))

    def restart(self) -> None:
        """Begin again: the commit that the writer before left is finished."""
        self._grow_to(TURN)
        self.interrupted = False
        self._begin(changing=False)

    def change(self) -> None:
        """Write that names change from now on."""
        self._grow_to(_CHANGING)

    def changed(self) -> None:
        """Write that all names have changed."""
        self._grow_to(_CHANGED)

    def end(self) -> None:
        """Write that the turn is over, unless it leaves a commit to be finished."""
        if not self.is_unfinished and (count := -self._size % TURN):
            self._grow(b" " * count)

    def _grow_to(self, remainder: int) -> None:
        count = (remainder - self._size) % TURN
        if count:
            self._grow(b" " * count)

    def _grow(self, text: bytes) -> None:
        try:
            written = os.write(self._fd, text)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            written = 0  # on a full disk it must still be possible to remove something
        self._size += len(text)
        if written != len(text):
            os.ftruncate(self._fd, self._size)


@functools.lru_cache(maxsize=1)
def _holder(pid: int, second: int) -> bytes:
    return f"\n{pid} {second} {host()[: _TAKEN - 30]}".encode()


@functools.cache
def host() -> str:
    """Return the name of this machine: letters, digits and hyphens."""
    import socket

    return re.sub(r"[^A-Za-z0-9]+", "-", socket.gethostname()).strip("-") or "unnamed"
