"""Records as files in a directory: the name of the file is the name of the record."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import ClassVar, Final, Literal, TypeVar

from brinery.backend import (
    ABSENT,
    ANY,
    Backend,
    BackendCapabilities,
    Conflict,
    Delete,
    Missing,
    Put,
    Version,
    as_delete,
)
from brinery.backends.directory import files
from brinery.backends.directory.commit import Publication
from brinery.backends.directory.journal import pending
from brinery.backends.directory.journal_view import JournalView
from brinery.backends.directory.layout import Listing, Places, check_name, unlinked
from brinery.backends.directory.lock import ReadersLock, WritersLock
from brinery.backends.directory.lock_state import Mark, Turn, mark_at
from brinery.backends.directory.recovery import recover
from brinery.backends.directory.staging import Staging, failure
from brinery.backends.directory.stale import sweep
from brinery.backends.permissions import Openness
from brinery.errors import InvalidArgumentError, LockedError, StorageError, storage_error

T = TypeVar("T")

LOCK_TIMEOUT: Final = 60.0
"""Seconds that a writer waits for another one."""

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
        ``"flat"`` (`root/name`) or ``"sharded"`` (`root/hh/name`), for new records: both are read,
        and a record is replaced where it stands.
    `durability`
        ``"full"``: what a call has written when it returns outlives a power cut.  ``"process"``: it
        outlives the process, however that ends; the system writes it to the disk when it likes.
    `shared`
        ``"private"``: what is made is its user's own (0700 and 0600, less the umask).  ``"group"``: the
        group may read and write it, too (0770 and 0660, whatever the umask).
    `trusts_group`
        Whether `is_open_to_others` leaves the group of the directory out.
    `lock_timeout`
        Seconds that a writer waits for another one before it raises `LockedError`.

    Writers of any thread or process come one at a time, readers at any time; neither waits for the
    other.  A commit is all or nothing, also when the process is killed in its middle; with ``"full"``,
    also when the power is cut.  Whoever uses the directory next finishes it or takes it back.  Files that a
    dead process was writing (in ``.brinery/staging``) are never listed; a backend removes, with its first
    commit, those that are older than an hour.

    A version is the size and the last 64 bytes of a record, which has a digest over a nonce there.
    """

    capabilities: ClassVar[BackendCapabilities] = BackendCapabilities(
        atomic_batch=True, snapshot_reads=True
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
    ) -> None:
        path = os.fspath(root)
        if not isinstance(path, str) or not path or "\0" in path:
            raise InvalidArgumentError(f"cannot use {root!r} as a directory: give its path")
        _check("layout", layout, ("flat", "sharded"))
        _check("durability", durability, ("full", "process"))
        _check("shared", shared, ("private", "group"))
        self.location = os.path.abspath(path)
        self.layout = layout
        self.durability = durability
        self.shared = shared
        self.trusts_group = trusts_group
        self._places = Places(
            self.location,
            sharded=layout == "sharded",
            create=create,
            durable=durability == "full",
            access=files.GROUP if shared == "group" else files.PRIVATE,
        )
        self._listing = Listing(self.location)
        self._lock_timeout = lock_timeout
        # What is inside is as the root has let it be made.  Journals are followed, so whoever can write to
        # the staged files can write everywhere.
        self._openness = Openness([self.location], self._places.directories)
        self._opened = False  # whether what was cut off before has been looked for
        self._swept = False
        self._unfinished = False  # whether there is something that may not be finished from here

    def get(self, name: str) -> tuple[bytes, Version]:
        """Return what stands under `name`, and its version.  Raise `Missing` or `StorageError`."""
        if not self._opened:
            self._open()
        try:
            data = files.read_file(self._places.home(name))
        except OSError:  # looked for elsewhere, or told of
            data = self._read(name, files.read_file)
        return data, files.version_of(data, len(data))

    def where(self, name: str) -> str:
        """Return the path of the file of `name`: where it stands, or else where it would go."""
        try:
            return self._places.find(name) or self._places.home(name)
        except OSError:
            return self._places.home(name)

    def get_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes, Version]]:
        """Yield name, bytes and version for those of `names` that there are."""
        for name in names:
            try:
                data, version = self.get(name)
            except Missing:
                continue
            yield name, data, version

    def get_tail(self, name: str, count: int) -> tuple[bytes, int, Version]:
        """Return the last `count` bytes (or all), the full size in bytes, and the version."""
        if not self._opened:
            self._open()
        most = max(count, files.VERSION_TAIL)
        data, size = self._read(name, lambda path: files.read_tail(path, most))
        return data[-count:] if count else b"", size, files.version_of(data, size)

    def _read(self, name: str, read: Callable[[str], T]) -> T:
        path = self._places.home(name)
        try:
            try:
                return read(path)
            except (FileNotFoundError, NotADirectoryError) as error:
                if not self._places.is_absence(error):
                    raise
            path = self._places.other(name) or path
            return read(path)
        except OSError as error:
            if not self._places.is_absence(error):
                raise failure("read", error, name, path) from error
        self._require_root("read")
        raise Missing(name)

    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        """Make all puts, then all deletes; return the new versions by name.  Raise `Conflict`."""
        with Staging(self._places) as staging:
            for put in puts:
                staging.add(put)
            removed = tuple(map(as_delete, deletes))
            for name, _ in removed:
                check_name(name)
            if staging.staged or (removed and self._is_there(removed)):
                staging.sync()
                publication = Publication(staging, removed)
                changing = len(staging.staged) + len(removed) == 1
                with self._lock(changing=changing, looked=bool(staging.staged)) as turn:
                    if turn.interrupted or not self._opened:
                        self._finish(turn)
                    self._run(publication, turn)
                publication.sync_directories()
                if not self._swept:
                    self._swept = True
                    sweep(self._places.staging)
            return {name: staged.version for name, staged in staging.staged.items()}

    def _run(self, publication: Publication, turn: Turn) -> None:
        try:
            publication.run(turn)
        except OSError as error:  # of the file of the lock: all others tell of their own
            raise storage_error("write", error, path=self._places.lock) from error

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the names of objects that start with `prefix`, each once, in any order."""
        if not self._opened:
            self._open()
        try:
            yield from self._listing.names(prefix)
        except FileNotFoundError as error:
            if not self._places.create:
                raise storage_error("list", error, path=self.location) from error
        except OSError as error:
            raise storage_error("list", error, path=self.location) from error

    def strays(self) -> Iterator[str]:
        """Yield the paths, from the directory, of what is no record, without what has a leading dot."""
        try:
            yield from self._listing.strays()
        except FileNotFoundError:
            return
        except OSError as error:
            raise storage_error("list", error, path=self.location) from error

    def is_open_to_others(self) -> str | None:
        """Return in which way others than whoever runs this can write here, None where they cannot."""
        reason = self._openness.reason(trusts_group=self.trusts_group)
        if reason is not None and self.shared == "group" and not self.trusts_group:
            reason += ' (shared="group", given as an argument, says that you trust its group)'
        return reason

    def _require_root(self, action: str) -> None:
        try:
            self._places.require_root()
        except FileNotFoundError as error:
            raise storage_error(action, error, path=self.location) from error

    def _is_there(self, removed: Iterable[Delete]) -> bool:
        """Tell whether there is a directory to remove from; raise `Conflict` if that is expected."""
        if self._has_root():
            return True
        wrong = [name for name, expect in removed if expect not in (ANY, ABSENT)]
        if wrong:
            raise Conflict(wrong)
        return False

    def _has_root(self) -> bool:
        self._require_root("remove")
        try:
            return files.kind_of(self.location) is not None
        except OSError as error:
            raise storage_error("remove", error, path=self.location) from error

    # -- one state

    def read_one_state(self, read: Callable[[Backend], T]) -> T:
        """Call `read` with a backend on which all reads see one state; it may be called again.

        It is called without a lock, and again where somebody's commit changed names meanwhile.  After
        some tries it is called under the writers' lock; so it must not write.
        """
        if not self._opened:
            self._open()
        for tries in range(0 if self._unfinished else _TRIES):
            before = self._mark()
            if before is not None and before.changing:
                time.sleep(_FIRST_WAIT * 2**tries)
                continue
            try:
                result = read(self)
            except Exception:
                if self._mark() == before:
                    raise
            else:
                if self._mark() == before:
                    return result
        return self._read_alone(read)

    def _mark(self) -> Mark | None:
        try:
            return mark_at(self._places.lock)
        except OSError as error:
            raise storage_error("read", error, path=self._places.lock) from error

    def _read_alone(self, read: Callable[[Backend], T]) -> T:
        with ExitStack() as held:
            try:
                turn = held.enter_context(self._lock())
            except StorageError as error:
                if error.errno not in _NOT_ALLOWED:
                    raise
                held.enter_context(ReadersLock(self._places.lock, self._lock_timeout))
                return read(JournalView(self, self._places))
            self._finish(turn)
            self._unfinished = False
            return read(self)

    def _open(self) -> None:
        """Finish or take back what was cut off before this backend was made."""
        try:
            cut_off = pending(self._places)
        except StorageError as error:
            if error.errno not in _NOT_ALLOWED:
                raise
            cut_off = []  # who may not look there finds records all the same
        if cut_off:
            try:
                with self._lock(timeout=0) as turn:
                    self._finish(turn)
            except LockedError:
                pass  # by a living writer, who finishes it first
            except StorageError as error:
                if error.errno not in _NOT_ALLOWED:
                    raise
                self._unfinished = True
        self._opened = True

    def _finish(self, turn: Turn) -> None:
        """Finish or take back what was cut off, under the lock."""
        try:
            recover(self._places)
            if turn.interrupted:
                turn.restart()
        except BaseException as error:
            turn.abandoned = True
            if isinstance(error, OSError):
                raise storage_error("write", error, path=self._places.lock) from error
            raise
        self._opened = True

    def _lock(
        self, *, changing: bool = False, timeout: float | None = None, looked: bool = False
    ) -> WritersLock:
        # `looked`: that no link stands in the place of a directory has been seen by the staging.
        places = self._places
        if not looked:
            unlinked(places.housekeeping)
            unlinked(places.staging)
        return WritersLock(
            places.lock,
            self._lock_timeout if timeout is None else timeout,
            lambda: places.prepare(places.housekeeping),
            access=places.access,
            changing=changing,
        )


def _check(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidArgumentError(f"{what} {value!r}: choose one of {', '.join(map(repr, known))}")
