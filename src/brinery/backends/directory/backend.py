"""Records as files in a directory: the name of the file is the name of the record."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from copy import copy

from brinery.backend import (
    Backend,
    BackendCapabilities,
    Delete,
    Missing,
    Put,
    Ranges,
    Version,
)
from brinery.backends.directory import files
from brinery.backends.directory.large_files import CheckOutline, FileRanges, LargeFiles
from brinery.backends.directory.layout import Layout, failure, pending
from brinery.backends.directory.lock_state import LockState, lock_state_at
from brinery.backends.directory.presence import Presence
from brinery.backends.permissions import PermissionCheck
from brinery.backends.read_only import refuse
from brinery.errors import InvalidArgumentError, LockedError, StorageError, storage_error
from brinery.record.outline import LARGE
from brinery.typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeVar

if TYPE_CHECKING:
    from brinery.backends.directory.journal_view import JournalView
    from brinery.backends.directory.listing import Listing
    from brinery.backends.directory.writer import Writer

T = TypeVar("T")

LOCK_TIMEOUT: Final = 60.0
"""Seconds that a writer waits for another one."""

_LEAST_IN_PARTS: Final = 1 << 20
"""A larger file is read in parts by who can do that."""
_TRIES: Final = 5
"""How often one state is read without the lock."""
_FIRST_WAIT: Final = 0.0005
_NOT_ALLOWED: Final = (errno.EACCES, errno.EPERM, errno.EROFS)


class DirectoryBackend(Backend):
    """Keeps each record in a file of its own.

    `root`
        The directory.  With `create` it is made, parents included, on the first write; until then
        it is read as an empty one.
    `layout`
        ``"flat"`` (`root/name`) or ``"sharded"`` (`root/hh/name`), for new records.  Both are read,
        and a record is replaced where it is.
    `durability`
        ``"full"``: after a call returns, a power cut does not lose what it wrote.  ``"process"``: the
        end of the process, however it comes, does not lose it; the system writes it to the disk later.
        A power cut may then lose some records of a commit and keep others.
    `shared`
        ``"private"``: new files belong to their user alone (0700 and 0600, less the umask).  ``"group"``:
        the group may read and write them, too (0770 and 0660, whatever the umask).
    `trusts_group`
        Whether `is_open_to_others` ignores the group of the directory.
    `lock_timeout`
        Seconds that a writer waits for another one before it raises `LockedError`.
    `mode`
        ``"r"`` reads only: nothing is changed, commits that were cut off included, and no lock is taken.
        The directory must exist, and a commit is a `ReadOnlyError`.
    `check_outline`
        Looks at both ends of a large file before it is read as a record, and raises what `get` then raises;
        see `brinery.record.outline`.

    Writers of any thread or process come one at a time, readers at any time; neither waits for the
    other.  A commit is all or nothing, also when the process is killed in its middle; with ``"full"``,
    also when the power is cut.  The next process that uses the directory finishes it or takes it back.
    Files that a dead process was writing (in ``.brinery/staging``) are never listed; the first commit of a
    backend removes those that are older than an hour.

    A version is the size and the last 64 bytes of a record, which contain a digest over a nonce.
    """

    capabilities: ClassVar[BackendCapabilities] = BackendCapabilities(
        atomic_batch=True, snapshot_reads=True, maps_files=True
    )

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        layout: Literal["flat", "sharded"] = "flat",
        durability: Literal["full", "process"] = "full",
        shared: Literal["private", "group"] = "private",
        trusts_group: bool = False,
        create: bool = True,
        lock_timeout: float = LOCK_TIMEOUT,
        mode: Literal["rw", "r"] = "rw",
        check_outline: CheckOutline | None = None,
    ) -> None:
        path = os.fspath(root)
        if not isinstance(path, str) or not path or "\0" in path:
            raise InvalidArgumentError(f"root: expected the path of a directory, got {root!r:.80}")
        _check("layout", layout, ("flat", "sharded"))
        _check("durability", durability, ("full", "process"))
        _check("shared", shared, ("private", "group"))
        _check("mode", mode, ("rw", "r"))
        if not path.isascii():
            from brinery.url import encodable

            path = encodable(path)
        self.location = os.path.abspath(path)
        self.layout = layout
        self.durability = durability
        self.shared = shared
        self.trusts_group = trusts_group
        self.mode = mode
        self._layout = Layout(
            self.location,
            sharded=layout == "sharded",
            create=create and mode == "rw",
            durable=durability == "full",
            access=files.GROUP if shared == "group" else files.PRIVATE,
        )
        self._presence = Presence(self._layout)
        self._listed: Listing | None = None
        self._lock_timeout = lock_timeout
        self._large_files = LargeFiles(check_outline)
        # The rights to the root decide who can make directories inside.  Recovery obeys journals, so a user
        # who can write to the staging directory can write everywhere.
        self._permissions = PermissionCheck([self.location], self._layout.directories)
        self._opened = False  # whether commits that were cut off have been looked for
        self._writer: Writer | None = None
        self._unfinished = False  # whether there is a commit that this user may not finish
        if mode == "r":
            self._presence.check_root("open")

    def get(self, name: str) -> tuple[bytes, Version]:
        """Return the bytes under `name`, and their version.  Raise `Missing` or `StorageError`."""
        if not self._opened and (view := self._open()) is not None:
            return view.get(name)
        data = self._get(name)
        return data, files.version_of(data, len(data))

    def _get(self, name: str) -> bytes:
        try:
            return files.read_small(self._layout.home(name), LARGE)
        except OSError:  # `_read` looks in the other layout, and translates the error
            return self._read(
                name, lambda path: files.read_file(path, self._large_files.look_at(name, path))
            )

    def get_record(self, name: str) -> tuple[bytes, Version] | Ranges:
        """Return the bytes under `name` and their version, or the file, where it is large."""
        if not self._opened and (view := self._open()) is not None:
            return view.get_record(name)
        try:
            data = files.read_small(self._layout.home(name), _LEAST_IN_PARTS)
        except OSError:
            ranges = self.open_ranges(name)
            if ranges.size > _LEAST_IN_PARTS:
                return ranges
            with ranges:
                return ranges.read(0, ranges.size), ranges.version
        return data, files.version_of(data, len(data))

    def get_records(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | Ranges, Version]]:
        """Yield records as `get_many` does; the files of large ones."""
        names = iter(names)
        if not self._opened and (view := self._open()) is not None:
            yield from view.get_records(names)
        read, home, tail = files.read_small, self._layout.home, -files.VERSION_TAIL
        for name in names:
            try:
                data = read(home(name), _LEAST_IN_PARTS)
            except OSError:
                with suppress(Missing):
                    found = self.get_record(name)
                    yield name, *(found if isinstance(found, tuple) else (found, found.version))
                continue
            yield name, data, (len(data), data[tail:])

    def get_as_is(self, name: str) -> tuple[bytes, Version]:
        """Return the bytes under `name` without a look at their end, and their version."""
        data = self._read(name, files.read_file)
        return data, files.version_of(data, len(data))

    def where(self, name: str) -> str:
        """Return the path of the file of `name`: where it is, or else where it would be made."""
        try:
            return self._layout.find(name) or self._layout.home(name)
        except OSError:
            return self._layout.home(name)

    def get_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes, Version]]:
        """Yield name, bytes and version for each of `names` that exists."""
        for name in names:
            try:
                data, version = self.get(name)
            except Missing:
                continue
            yield name, data, version

    def get_tail(self, name: str, count: int) -> tuple[bytes, int, Version]:
        """Return the last `count` bytes (or all), the full size in bytes, and the version."""
        if not self._opened and (view := self._open()) is not None:
            return view.get_tail(name, count)
        most = max(count, files.VERSION_TAIL)
        if most > LARGE:
            self._read(name, lambda path: self._large_files.check(name, path))
        try:
            data, size = files.read_tail(self._layout.home(name), most)
        except OSError:  # as in `_get`
            data, size = self._read(name, lambda path: files.read_tail(path, most))
        return data[-count:] if count else b"", size, files.version_of(data, size)

    def open_ranges(self, name: str) -> Ranges:
        """Return the record `name`, to be read in parts, as a context that closes its file."""
        if not self._opened and (view := self._open()) is not None:
            return view.open_ranges(name)
        return self._read(
            name, lambda path: FileRanges(name, path, self._large_files.look_at(name, path))
        )

    def has(self, name: str) -> bool:
        """Return whether there is an object under `name`: a file that `list` shows."""
        if not self._opened:
            self._open()
        try:
            path = self._layout.find(name)
            if path is not None:
                return self._listing().has(name, path)
        except OSError as error:
            if not self._layout.is_absence(error):
                raise failure("read", error, name, self._layout.home(name)) from error
        self._presence.check_read()
        return False

    def _read(self, name: str, read: Callable[[str], T]) -> T:
        path = self._layout.home(name)
        try:
            try:
                return read(path)
            except (FileNotFoundError, NotADirectoryError) as error:
                if not self._layout.is_absence(error):
                    raise
            other = self._layout.elsewhere(name)
            if other is not None:
                path = other
                return read(path)
        except OSError as error:
            if not self._layout.is_absence(error):
                raise failure("read", error, name, path) from error
        self._presence.check_read()
        raise Missing(name)

    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        """Make all puts, then all deletes; return the new versions by name.  Raise `Conflict`."""
        if self.mode == "r":
            return refuse(self.location, puts, deletes)
        return self._writes().commit(puts, deletes)

    def _writes(self) -> Writer:
        if self._writer is None:
            from brinery.backends.directory.writer import Writer

            self._writer = Writer(self._layout, self._presence, self._lock_timeout)
        return self._writer

    def _listing(self) -> Listing:
        if self._listed is None:
            from brinery.backends.directory.listing import Listing

            self._listed = Listing(self._layout, self._presence)
        return self._listed

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the names of objects that start with `prefix`, each once, in any order."""
        if not self._opened and (view := self._open()) is not None:
            return view.list(prefix)
        return self._listing().names(prefix)

    def doubtful(self) -> Iterator[str]:
        """Yield the names of files that are listed because they look like the remains of a record."""
        return (name for name in self.list() if not self._listing().is_certain(name))

    def strays(self) -> Iterator[str]:
        """Yield the paths, from the directory, of files that are not records; without dotted names."""
        return self._listing().strays()

    def is_open_to_others(self) -> str | None:
        """Return why other users can write here, or None if they cannot."""
        reason = self._permissions.reason(trusts_group=self.trusts_group)
        if reason is not None and self.shared == "group" and not self.trusts_group:
            reason += ' (give shared="group" as an argument if you trust its group)'
        return reason

    def require(self, name: str) -> None:
        """Note that the store is gone where the file of `name` is; a write looks where `.brinery` is gone."""
        self._presence.require(name)

    # -- one state

    def read_one_state(self, read: Callable[[Backend], T]) -> T:
        """Call `read` with a backend whose reads all see one state; it may be called again.

        It is called without a lock, and again if a commit changed names during the call.  After some tries
        it is called under the writers' lock; so it must not write.
        """
        if self.mode == "r":
            from brinery.backends.directory.journal_view import read_unlocked

            plain = copy(self)
            plain._opened = True
            return read_unlocked(plain, self._layout, read, self._lock_timeout)
        if not self._opened:
            self._open()
        for tries in range(0 if self._unfinished else _TRIES):
            before = self._lock_state()
            if before is not None and before.changing:
                time.sleep(_FIRST_WAIT * 2**tries)
                continue
            try:
                result = read(self)
            except Exception:
                if self._lock_state() == before:
                    raise
            else:
                if self._lock_state() == before:
                    return result
        return self._read_alone(read)

    def _lock_state(self) -> LockState | None:
        try:
            return lock_state_at(self._layout.lock)
        except OSError as error:
            raise storage_error("read", error, path=self._layout.lock) from error

    def _read_alone(self, read: Callable[[Backend], T]) -> T:
        writer = self._writes()
        with ExitStack() as held:
            try:
                turn = held.enter_context(writer.lock())
            except StorageError as error:
                if error.errno not in _NOT_ALLOWED:
                    raise
                from brinery.backends.directory.journal_view import JournalView
                from brinery.backends.directory.lock import ReadersLock

                held.enter_context(ReadersLock(self._layout.lock, self._lock_timeout))
                return read(JournalView(self, self._layout))
            writer.finish(turn)
            self._opened = True
            self._unfinished = False
            return read(self)

    def _open(self) -> JournalView | None:
        """Finish or take back commits that were cut off before this backend was made.

        In mode "r" nothing is finished: return a view of the state after that, None where there is none.
        """
        if self.mode == "r":
            from brinery.backends.directory.journal_view import JournalView

            plain = copy(self)
            plain._opened = True
            view = JournalView(plain, self._layout)
            self._opened = not view.has_commits
            return view if view.has_commits else None
        try:
            cut_off = pending(self._layout)
        except StorageError as error:
            if error.errno not in _NOT_ALLOWED:
                raise
            cut_off = []  # a user who may not look there can still read records
        if cut_off:
            try:
                writer = self._writes()
                with writer.lock(timeout=0) as turn:
                    writer.finish(turn)
            except LockedError:
                pass  # a living writer holds it, and finishes them first
            except StorageError as error:
                if error.errno not in _NOT_ALLOWED:
                    raise
                self._unfinished = True
        self._opened = True
        return None


def _check(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidArgumentError(
            f"{name}: expected {' or '.join(map(repr, known))}, got {value!r:.60}"
        )
