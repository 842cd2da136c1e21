"""Records as files in a directory: the name of the file is the name of the record."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from brinery.backends import _files
from brinery.backends._commit import Publication
from brinery.backends._lock import WritersLock
from brinery.backends._openness import open_to_others
from brinery.backends._places import LOCK, Listing, Places, check_name, unlinked
from brinery.backends._staging import Staging, failure
from brinery.errors import InvalidArgumentError, storage_error

T = TypeVar("T")

LOCK_TIMEOUT: Final = 60.0
"""Seconds that a writer waits for another one."""


class DirectoryBackend(Backend):
    """Keeps each record in a file of its own.

    `root`
        The directory.  With `create` it is made, parents included, on the first write; until then
        it is read as an empty one.
    `layout`
        ``"flat"`` (`root/name`) or ``"sharded"`` (`root/hh/name`), for new records: both are read,
        and a record is replaced where it stands.
    `durability`
        ``"full"``: what a call has written when it returns outlives a power cut.  ``"none"``: it
        outlives the process; the system writes it to the disk when it likes.
    `lock_timeout`
        Seconds that a writer waits for another one before it raises `StorageError`.

    Writers of any thread or process come one at a time, readers at any time; neither waits for the
    other.  A commit is all or nothing unless the process is killed, or the machine stops, in its last
    phase, while files get their names: then each name holds its old bytes or its new ones, whole.
    The next writer needs no repair.  Temporary files of a killed process (``.tmp-…``) stay, are never
    listed, and may be deleted.

    A version is the size and the last 64 bytes of a record, which has a digest over a nonce there.
    """

    capabilities: ClassVar[BackendCapabilities] = BackendCapabilities(fork_safe=True)

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        layout: Literal["flat", "sharded"] = "flat",
        durability: Literal["full", "none"] = "full",
        create: bool = True,
        lock_timeout: float = LOCK_TIMEOUT,
    ) -> None:
        path = os.fspath(root)
        if not isinstance(path, str) or not path or "\0" in path:
            raise InvalidArgumentError(f"cannot use {root!r} as a directory: give its path")
        _check("layout", layout, ("flat", "sharded"))
        _check("durability", durability, ("full", "none"))
        self.location = os.path.abspath(path)
        self.layout = layout
        self.durability = durability
        self._places = Places(
            self.location,
            sharded=layout == "sharded",
            create=create,
            durable=durability == "full",
        )
        self._listing = Listing(self.location)
        self._lock_timeout = lock_timeout
        self._are_shards_closed = False

    def get(self, name: str) -> tuple[bytes, Version]:
        """Return what stands under `name`, and its version.  Raise `Missing` or `StorageError`."""
        try:
            data = _files.read_file(self._places.home(name))
        except OSError:  # looked for elsewhere, or told of
            data = self._read(name, _files.read_file)
        return data, _files.version_of(data, len(data))

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
        most = max(count, _files.VERSION_TAIL)
        data, size = self._read(name, lambda path: _files.read_tail(path, most))
        return data[-count:] if count else b"", size, _files.version_of(data, size)

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
                with self._lock():
                    publication.run()
                publication.sync_directories()
            return {name: staged.version for name, staged in staging.staged.items()}

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the names of objects that start with `prefix`, each once, in any order."""
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
        # Shards are as the root has let them be made: they are looked at once, and the root each time.
        within = () if self._are_shards_closed else self._places.shards()
        reason = open_to_others(self.location, within)
        self._are_shards_closed = reason is None
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
            return _files.kind_of(self.location) is not None
        except OSError as error:
            raise storage_error("remove", error, path=self.location) from error

    def _lock(self) -> WritersLock:
        housekeeping = unlinked(self._places.housekeeping)
        return WritersLock(
            f"{housekeeping}/{LOCK}",
            self._lock_timeout,
            lambda: self._places.prepare(housekeeping),
        )


def _check(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidArgumentError(f"{what} {value!r}: choose one of {', '.join(map(repr, known))}")
