"""The files of a commit, until they get their names.

Each put is written immediately, to a file in the store's own directory.  So memory stays bounded, and no lock
is held while the puts are consumed.  Files in that directory are never listed.
"""

from __future__ import annotations

import os
import re
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import count

from brinery.backend import Expect, Put, Version
from brinery.backends.directory import files, sync
from brinery.backends.directory.layout import JOURNAL, UNDO, Layout, failure
from brinery.backends.directory.lock_state import host
from brinery.backends.directory.pieces import write_pieces
from brinery.errors import InvalidArgumentError, storage_error
from brinery.typing import ClassVar, Final

_STAGED: Final = re.compile(
    r"[A-Za-z0-9-]+-[0-9]+-[0-9a-f]{12}(?:-r?[0-9]+(?:\.old)?|-journal|\.journal|\.undo)"
)

OLD: Final = 3600.0
"""Seconds after which a commit that writes no more files counts as dead."""

_TOKENS: Final = 1 << 48  # commits of all processes of all time that can be told apart


class Staged:
    """A put whose bytes are in the file of a number."""

    __slots__ = ("expect", "found", "home", "name", "number", "version")

    def __init__(
        self,
        name: str,
        expect: Version | Expect,
        number: int,
        home: str,
        version: tuple[int, bytes],
    ) -> None:
        self.name = name
        self.expect = expect
        self.number = number
        self.home = home
        self.version = version
        self.found: str | None = None  # the path of the file that has the name now, if any


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
    _numbers: ClassVar[Iterator[int]] = count(int.from_bytes(os.urandom(6), "big"))

    def __init__(self, layout: Layout, prepare: Callable[[str], None]) -> None:
        """`prepare` makes the directory of the files."""
        self.layout = layout
        self._prepare = prepare
        self.staged: dict[str, Staged] = {}
        self._stem = ""
        # In order, so that the directory is walked once.
        self._leftovers: dict[int | str, None] = {}
        self._unsynced: list[int] = []
        self._whole_file_system: Callable[[int], None] | None = None
        self._closes_at_once = not layout.durable

    def __enter__(self) -> Staging:
        return self

    def begin(self) -> str:
        """Return the name of this commit, with which its files begin; a single removal has none."""
        # A forked child counts on from the same number, and has another process ID.
        token = f"{host()}-{os.getpid()}-{next(self._numbers) % _TOKENS:012x}"
        self._stem = f"{self.layout.staging}/{token}-"
        begun = self._begun
        begun[self._stem] = weakref.ref(self), self._unsynced
        if len(begun) > 1:
            for stem, (staging, descriptors) in [*begun.items()]:
                if staging() is None:
                    _end(stem, descriptors)
                    begun.pop(stem, None)
        return token

    @property
    def token(self) -> str:
        """The name of this commit, which no other has."""
        return self._stem.rpartition("/")[2][:-1] or self.begin()

    def __exit__(self, *_: object) -> None:
        while self._unsynced:
            with suppress(OSError):
                files.close_each(self._unsynced)
        if len(self._leftovers) >= sync.MANY:
            # Most have been renamed: a listing says which have not.
            _end(self._stem, self._unsynced)
        else:
            for number in self._leftovers:
                try:
                    os.unlink(self.path_of(number))
                except OSError:
                    pass  # a file that stays does no harm: no listing shows it
        self._begun.pop(self._stem, None)

    def add(self, put: Put) -> None:
        """Write one put to a temporary file."""
        name, data, expect, _ = put
        all_staged, layout = self.staged, self.layout
        if name in all_staged:
            raise InvalidArgumentError(f"{name!r} is put twice in one commit: put it once")
        home = layout.home(name)
        number = len(all_staged)
        if not number:
            layout.check_links()
            self.begin()
        self._leftovers[number] = None  # before it exists, as in `path`
        path = f"{self._stem}{number}"
        try:
            try:
                fd = files.create(path, layout.access)
            except FileNotFoundError:
                self._prepare(layout.staging)
                fd = files.create(path, layout.access)
            try:
                version = write_pieces(fd, data)
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
        all_staged[name] = Staged(name, expect, number, home, version)

    def path_of(self, number: int | str) -> str:
        """Return the path of a file of this commit."""
        return f"{self._stem}{number}"

    def path(self, number: int | str) -> str:
        """Return the path of a file of this commit, which is removed at the end."""
        self._leftovers[number] = None  # before it exists: an interrupt may come at any time
        return f"{self._stem}{number}"

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

    def expect(self, numbers: Iterable[int | str]) -> None:
        """Remove these files at the end, if they exist."""
        self._leftovers.update(dict.fromkeys(numbers))

    def forget(self, number: int) -> None:
        """Do not remove this file: it was renamed."""
        self._leftovers.pop(number, None)

    def forget_all(self) -> None:
        """Remove no file: a journal that was left needs them."""
        self._leftovers.clear()


def sweep(staging: str) -> None:
    """Remove the files of commits that have not grown for an hour, and whose process is dead.

    For processes on other machines, only the age decides.  Files that a journal needs stay, and files
    that are not named like staged ones: the directory may have been replaced by a link.  A file that
    cannot be removed stays: it does no harm.
    """
    with suppress(OSError):
        names = [name for name in os.listdir(staging) if _STAGED.fullmatch(name)]
        tokens: dict[str, list[str]] = defaultdict(list)
        for name in names:
            tokens[name.partition(".")[0].rpartition("-")[0]].append(name)
        for token, files in tokens.items():
            needed = {f"{token}{JOURNAL}", f"{token}{UNDO}"} & set(names)
            if token and not needed and not _is_alive(token) and _is_old(staging, files):
                for name in files:
                    with suppress(OSError):
                        os.unlink(f"{staging}/{name}")


def _is_alive(token: str) -> bool:
    where, pid = token.split("-")[:-2], token.split("-")[-2:-1]
    if os.name == "nt" or "-".join(where) != host() or not pid or not pid[0].isdecimal():
        return False
    try:
        os.kill(int(pid[0]), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _is_old(staging: str, names: list[str]) -> bool:
    before = time.time() - OLD
    return all(os.lstat(f"{staging}/{name}").st_ctime < before for name in names)
