"""The files of a commit, until they get their names.

Each put is written immediately, to a file in the store's own directory.  So memory stays bounded, and no lock
is held while the puts are consumed.  Files in that directory are never listed.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

from brinery.backend import Expect, Put, Version
from brinery.backends.directory import files, sync
from brinery.backends.directory.journal import JOURNAL, UNDO
from brinery.backends.directory.layout import Layout, unlinked
from brinery.backends.directory.lock_state import host
from brinery.errors import InvalidArgumentError, StorageError, storage_error
from brinery.ids import id_of


def failure(action: str, cause: OSError, name: str, path: str) -> StorageError:
    """Return the error for a file that could not be read, written or removed."""
    id = id_of(name)
    place = cause.path if isinstance(cause, files.NotRegularError) else path
    return storage_error(action, cause, id=name if id is None else id, path=place)


@dataclass(slots=True)
class Staged:
    """A put whose bytes are in a temporary file."""

    name: str
    expect: Version | Expect
    number: int
    temporary: str
    home: str
    version: tuple[int, bytes]
    found: str | None = None
    """The path of the file that has the name now, if any."""


def _end(stem: str, descriptors: list[int]) -> None:
    """Close and remove what a commit has left, whose paths begin with `stem`; not what a journal needs."""
    while descriptors:
        with suppress(OSError):
            files.close_each(descriptors)
    directory, _, prefix = stem.rpartition("/")
    token = prefix.removesuffix("-")
    with suppress(OSError):
        names = [name for name in os.listdir(directory) if name.startswith(token)]
        if not {f"{token}{JOURNAL}", f"{token}{UNDO}"} & {*names}:
            for name in names:
                with suppress(OSError):
                    os.unlink(f"{directory}/{name}")


class Staging:
    """Writes puts to temporary files; a context manager that removes those without a name at the end.

    An interrupt may come in the middle of that end, too.  What it leaves is removed by the next commit of
    this process, which knows all that have begun and not ended.
    """

    # By the beginning of their paths: the commit, dead if no thread is in it any more, and its descriptors.
    _begun: ClassVar[dict[str, tuple[weakref.ref[Staging], list[int]]]] = {}

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.staged: dict[str, Staged] = {}
        self.token = f"{host().decode()}-{os.getpid()}-{os.urandom(6).hex()}"
        self._stem = f"{layout.staging}/{self.token}-"
        self._leftovers: dict[str, None] = {}  # in order, so that the directory is walked once
        self._unsynced: list[int] = []
        self._whole_file_system: Callable[[int], None] | None = None
        self._closes_at_once = not layout.durable

    def __enter__(self) -> Staging:
        begun = self._begun
        begun[self._stem] = weakref.ref(self), self._unsynced
        if len(begun) > 1:
            for stem, (staging, descriptors) in [*begun.items()]:
                if staging() is None:
                    _end(stem, descriptors)
                    begun.pop(stem, None)
        return self

    def __exit__(self, *_: object) -> None:
        while self._unsynced:
            with suppress(OSError):
                files.close_each(self._unsynced)
        for path in self._leftovers:
            try:
                os.unlink(path)
            except OSError:
                pass  # a file that stays does no harm: no listing shows it
        self._begun.pop(self._stem, None)

    def add(self, put: Put) -> None:
        """Write one put to a temporary file."""
        name, data, expect, _ = put
        if name in self.staged:
            raise InvalidArgumentError(f"{name!r} is put twice in one commit: put it once")
        home = self.layout.home(name)
        number = len(self.staged)
        if not number:
            unlinked(self.layout.housekeeping)
            unlinked(self.layout.staging)
        temporary = self.path(number)
        try:
            fd = self.create(temporary)
            try:
                version = files.write_pieces(fd, data)
            except BaseException:
                os.close(fd)
                raise
            if self._closes_at_once:
                os.close(fd)
            else:
                self._unsynced.append(fd)
                if len(self._unsynced) > sync.MOST_SINGLY:
                    self._sync_early()
        except OSError as error:
            raise failure("write", error, name, home) from error
        self.staged[name] = Staged(name, expect, number, temporary, home, version)

    def path(self, number: int | str) -> str:
        """Return the path of a file of this commit, which is removed at the end."""
        path = f"{self._stem}{number}"
        self._leftovers[path] = None  # before it exists: an interrupt may come at any time
        return path

    def create(self, path: str) -> int:
        """Create a file of this commit; return a descriptor to write to it."""
        try:
            return files.create(path, self.layout.access)
        except FileNotFoundError:
            self.layout.prepare(self.layout.staging)
            return files.create(path, self.layout.access)

    def _sync_early(self) -> None:
        self._whole_file_system = sync.syncfs()
        if self._whole_file_system is None:
            self.sync()
            return
        self._closes_at_once = True
        # Keep the first one open: an error since it was opened makes its syncfs fail.
        files.close_each(self._unsynced, keep=1)

    def sync(self) -> None:
        """Make the content of the files durable, before they get their names."""
        try:
            if self._whole_file_system is not None:
                self._whole_file_system(self._unsynced[0])
            else:
                sync.sync_files(self._unsynced)
            files.close_each(self._unsynced)
        except OSError as error:
            raise storage_error("write", error, path=self.layout.root) from error

    def expect(self, paths: Iterable[str]) -> None:
        """Remove these files at the end, if they exist."""
        self._leftovers.update(dict.fromkeys(paths))

    def forget(self, paths: Iterable[str]) -> None:
        """Do not remove these files: they were renamed."""
        for path in paths:
            self._leftovers.pop(path, None)

    def forget_all(self) -> None:
        """Remove no file: a journal that was left needs them."""
        self._leftovers.clear()
