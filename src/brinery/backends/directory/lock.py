"""The lock that lets one writer at a time into a directory.

On POSIX it is flock(2) on a descriptor that is opened for each use: the system releases it when its
holder dies, however it dies, and threads exclude each other as processes do.  `filelock.FileLock`
takes the same lock on the same file, but one use of it costs 75-150 µs instead of 4 (measured with
filelock 4.2, ext4 and tmpfs; the write itself takes 20-50 µs).  So it is used only where there is no
flock: on Windows, and on file systems that refuse it (Lustre without ``-o flock``).

The lock only orders the writers.  If another program ignores it, the atomic steps of a commit decide.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from brinery.backends.directory.files import PRIVATE, Access, NotRegularError, opened
from brinery.backends.directory.lock_state import Turn, holder_in
from brinery.errors import LockedError, ReentrantWriteError, storage_error
from brinery.typing import Any, ClassVar, Final

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

_SAFE: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_WRITE: Final = (os.O_RDWR | os.O_CREAT | os.O_APPEND | _SAFE,)
_NO_FLOCK: Final = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)  # the last: NFS without lockd
_FIRST_WAIT: Final = 0.0001
_LONGEST_WAIT: Final = 0.005
EMPTY_FOR: Final = 2.0
"""Seconds after which a soft lock that is an empty file counts as left by a writer that was killed."""


class _Used(threading.local):
    # The descriptors of the locks that a thread holds or waits for.  One that an interrupt leaves here does
    # no harm: it is closed, or leads to another file.
    def __init__(self) -> None:
        self.descriptors: set[int] = set()


class WritersLock:
    """A context manager, for one use, that holds the lock on the file `path` and gives a `Turn`.

    `prepare` is called when the directory of the file is missing.  With `changing`, names change from
    the beginning of the turn on.  Raise `LockedError` when the lock is not free within `timeout` seconds,
    `StorageError` when the file cannot be opened.

    A signal handler or a `__del__` may run anywhere in a turn.  If it wants the lock that its own thread has,
    it would wait for itself: it gets a `ReentrantWriteError` at once.
    """

    _used: ClassVar[_Used] = _Used()

    __slots__ = ("_access", "_changing", "_fd", "_other", "_path", "_prepare", "_timeout", "_turn")

    def __init__(
        self,
        path: str,
        timeout: float,
        prepare: Callable[[], None],
        *,
        access: Access = PRIVATE,
        changing: bool = False,
    ) -> None:
        self._fd = -1  # at first, for `__del__`
        self._path = path
        self._timeout = timeout
        self._prepare = prepare
        self._access = access
        self._changing = changing
        self._turn: Turn | None = None
        self._other: Any = None

    def __enter__(self) -> Turn:
        try:
            while self._turn is None:
                self._acquire()
        except OSError as error:
            raise storage_error("lock", error, path=self._path) from error
        return self._turn

    def __exit__(self, *_: object) -> None:
        assert self._turn is not None
        try:
            try:
                self._turn.end()
            finally:
                try:
                    # Closing is not enough: a child forked in the turn has a copy of the descriptor.
                    self._release()
                finally:
                    self._close()
        except OSError:
            # It undoes nothing: the next writer looks for something to finish and finds nothing, and the
            # system closes a descriptor even if it reports an error.  An interrupt may come after any call,
            # and must not leave the lock taken.
            pass

    def __del__(self) -> None:
        # An interrupt came before `__enter__` or `__exit__` could do anything.
        if self._fd >= 0:
            with suppress(OSError):
                self._close()

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        os.close(fd)
        self._used.descriptors.discard(fd)

    def _acquire(self) -> None:
        """Take the lock; return without it if the file was removed, so that a new one is needed."""
        self._fd = fd = self._open()
        try:
            self._used.descriptors.add(fd)
            self._wait()
            try:
                info = os.fstat(fd)
                if not stat.S_ISREG(info.st_mode):
                    raise NotRegularError(self._path, info.st_mode)
                if info.st_nlink > 0:
                    if self._access.shared:
                        self._share(info.st_mode)
                    self._turn = Turn(fd, info.st_size, self._changing)
            finally:
                if self._turn is None:
                    self._release()
        finally:
            if self._turn is None:
                self._close()

    def _check_reentrance(self) -> None:
        for fd in self._used.descriptors - {self._fd}:
            with suppress(OSError):
                if os.path.sameopenfile(fd, self._fd):
                    raise ReentrantWriteError(self._path)

    def _open(self) -> int:
        # Windows prevents writing to locked bytes: the turns are in a file of their own.
        path = self._path if fcntl is not None else f"{self._path}.turns"
        try:
            (fd,) = map(os.open, (path,), _WRITE, (self._access.file,))  # as in `opened`
        except FileNotFoundError:
            self._prepare()
            (fd,) = map(os.open, (path,), _WRITE, (self._access.file,))
        return fd

    def _share(self, mode: int) -> None:
        if mode & self._access.file != self._access.file:
            with suppress(PermissionError):  # another user owns the file, and has to do it
                os.fchmod(self._fd, self._access.file)

    def _wait(self) -> None:
        if fcntl is None:  # pragma: no cover - Windows
            self._acquire_other()
            return
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                wait_for(self._fd, fcntl.LOCK_EX, self._timeout, self._check_reentrance)
            except BlockingIOError:
                raise _locked(self._path, self._timeout) from None
        except OSError as error:
            if error.errno not in _NO_FLOCK:
                raise
            self._acquire_other()

    def _acquire_other(self) -> None:
        import filelock

        self._check_reentrance()
        until = time.monotonic() + self._timeout

        # A file of its own: a soft lock belongs to the process that created the file.
        path = self._path if fcntl is None else f"{self._path}.soft"
        lock: Any = filelock.FileLock(path) if fcntl is None else filelock.SoftFileLock(path)
        seen = None
        while self._other is None:
            # Whoever creates the file writes into it at once, unless it is killed before that.
            seen = _take_away_empty(path, seen)
            left = until - time.monotonic()
            try:
                lock.acquire(timeout=max(0.0, min(left, EMPTY_FOR)))
            except filelock.Timeout:
                if left <= EMPTY_FOR:
                    raise _locked(self._path, self._timeout) from None
            else:
                self._other = lock

    def _release(self) -> None:
        if self._other is not None:
            self._other.release()
        else:
            fcntl.flock(self._fd, fcntl.LOCK_UN)


def _take_away_empty(path: str, seen: os.stat_result | None) -> os.stat_result | None:
    """Remove a soft lock that nobody holds: an empty file that is old, or the one that was `seen` before.

    Return what is there and empty.  Its age counts only where the clocks of the two machines agree.
    """
    try:
        found = os.lstat(path)
        if found.st_size or not stat.S_ISREG(found.st_mode):
            return None
        is_seen = seen is not None and (found.st_ino, found.st_mtime) == (
            seen.st_ino,
            seen.st_mtime,
        )
        if not is_seen and time.time() - found.st_mtime < EMPTY_FOR:
            return found
        # Another writer may do the same, and have the lock by now: look at what was taken away.
        aside = f"{path}.{os.urandom(6).hex()}"
        os.rename(path, aside)
        if os.lstat(aside).st_ino != found.st_ino:
            with suppress(FileExistsError):
                os.link(aside, path)
        os.unlink(aside)
    except OSError:
        pass  # the next try, or the time limit, decides
    return None


class ReadersLock:
    """A context manager, for one use, that keeps writers out while a user without write access reads.

    Where there is no file to lock, or no flock, it does nothing.
    """

    __slots__ = ("_fd", "_path", "_timeout")

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._fd = -1

    def __enter__(self) -> None:
        try:
            self._fd = opened(self._path, os.O_RDONLY | _SAFE)
            if fcntl is not None:
                wait_for(self._fd, fcntl.LOCK_SH, self._timeout)
        except (FileNotFoundError, PermissionError):
            return
        except BlockingIOError:
            self.__exit__()
            raise _locked(self._path, self._timeout) from None
        except OSError as error:
            self.__exit__()
            if error.errno not in _NO_FLOCK:
                raise storage_error("lock", error, path=self._path) from error

    def __exit__(self, *_: object) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _locked(path: str, timeout: float) -> LockedError:
    holder = holder_in(path)
    if holder is None:
        return LockedError(path, timeout)
    return LockedError(path, timeout, holder.pid, holder.host, holder.since)


def wait_for(fd: int, how: int, timeout: float, check: Callable[[], object] = lambda: None) -> None:
    """Take a flock by polling, because a waiting flock() has no time limit.  Raise `BlockingIOError`.

    The waits are random, so that many waiters do not try at the same moments.  `check` is called before each.
    """
    until, wait = -1.0, _FIRST_WAIT
    while True:
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            check()
            now = time.monotonic()
            until = now + timeout if until < 0 else until
            if now >= until:
                raise
            from random import uniform

            time.sleep(wait * uniform(0.5, 1.5))
            wait = min(2 * wait, _LONGEST_WAIT)
