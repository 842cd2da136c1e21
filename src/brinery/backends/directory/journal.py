"""The journal of a commit: which files get which names, and which are removed.

A commit of several records is decided by one rename: that of its journal, beside the staged files, from

    TOKEN-journal  to  TOKEN.journal    the commit is made: its moves may begin, and have to be finished
    TOKEN.journal  to  TOKEN.undo       it is taken back: what has been moved has to be moved back

Whoever finds a journal does the rest, from whatever state the files are in, as often as it takes: each step
looks at what stands where.  The token is its writer's own, so that no journal overwrites another one.

The content is a magic, a digest of what follows, and five fields for each file, each ended by a NUL:
how (see `Entry`), path below the root, number, and two numbers that tell which file is meant.

Whoever can write to the directory can write a journal, so one that names anything but the places of records
is refused: it would have files made and removed elsewhere by whoever opens the store.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Final, Literal, NamedTuple

from brinery.backends.directory import files, sync
from brinery.backends.directory.layout import Places
from brinery.errors import InvalidArgumentError, StorageError, storage_error

JOURNAL: Final = ".journal"
UNDO: Final = ".undo"

_MAGIC: Final = b"brinery journal 1\n"
_DIGEST: Final = 16
_FIELDS: Final = 5
_NUMBER: Final = re.compile(r"r?[0-9]{1,20}")

UNREADABLE: Final = -1
"""The size of a file that is to be removed and cannot be read: whatever stands there is meant."""

How = Literal["+", "~", "=", "-"]


class Entry(NamedTuple):
    """One file of a commit.

    `how`: a new name (``+``), a new name that may replace another file (``~``), a name that stands and is
    replaced (``=``), or one that is removed (``-``).  `size` and `check` are the size of the new file, or
    of the one that is removed, and the CRC-32 of its end.  (No inode numbers: a copy has others.)
    """

    how: How
    home: str
    number: str
    size: int
    check: int


class Journal:
    """The entries of a commit, and where their files are."""

    def __init__(self, places: Places, token: str, entries: Sequence[Entry]) -> None:
        self.places = places
        self.entries = entries
        self._stem = f"{places.staging}/{token}"
        self.path = f"{self._stem}{JOURNAL}"
        self.undo_path = f"{self._stem}{UNDO}"

    def staged(self, entry: Entry) -> str:
        """Return the path of the file that is to get the name."""
        return f"{self._stem}-{entry.number}"

    def backup(self, entry: Entry) -> str:
        """Return the path of the file that had the name before."""
        return f"{self._stem}-{entry.number}.old"

    def is_home(self, entry: Entry) -> bool:
        """Tell whether the file that the entry is about stands under its name."""
        if entry.size == UNREADABLE:
            return files.stands(entry.home)
        try:
            tail, size = files.read_tail(entry.home, files.VERSION_TAIL)
        except (FileNotFoundError, NotADirectoryError, files.NotRegularError):
            return False
        return (size, check_of(tail)) == (entry.size, entry.check)

    def is_whole(self) -> bool:
        """Tell whether every new file is still there, or stands under its name.

        It is not where the power was cut before the names of all staged files were on the disk; then no
        file has been moved.
        """
        return all(entry.how == "-" or self._is_there(entry) for entry in self.entries)

    def _is_there(self, entry: Entry) -> bool:
        try:
            return os.lstat(self.staged(entry)).st_size == entry.size
        except FileNotFoundError:
            return self.is_home(entry)

    def write(self, temporary: str) -> None:
        """Write the journal and give it its name: the commit is made."""
        body = b"".join(map(self._line, self.entries))
        fd = files.create(temporary, self.places.access)
        try:
            files.write_pieces(fd, (_MAGIC, _digest(body), body))
            if self.places.durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, self.path)
        self._sync_staging()

    def _line(self, entry: Entry) -> bytes:
        how, home, number, size, check = entry
        below = home[len(self.places.root) + 1 :]
        return os.fsencode(f"{how}\0{below}\0{number}\0{size}\0{check}\0")

    def take_back(self) -> None:
        """Rename the journal: what has been moved has to be moved back."""
        os.rename(self.path, self.undo_path)
        with suppress(OSError):  # the power would have to be cut now as well
            self._sync_staging()

    def prepare_homes(self) -> None:
        """Make the directories in which new files are to stand."""
        homes = {entry.home.rpartition("/")[0] for entry in self.entries if entry.how in "+~"}
        for directory in homes - {self.places.root, self.places.housekeeping}:
            self.places.prepare(directory)

    def sync_homes(self) -> None:
        """Make the names durable."""
        if self.places.durable:
            homes = {entry.home.rpartition("/")[0] for entry in self.entries}
            # One that was to be made is missing where making it failed.
            sync.sync_directories({home for home in homes if files.stands(home)})

    def stands(self) -> bool:
        """Tell whether the journal is there, under one name or the other."""
        return files.stands(self.path) or files.stands(self.undo_path)

    def remove(self) -> None:
        """Remove the journal: its work is done."""
        for path in (self.path, self.undo_path):
            with suppress(FileNotFoundError):
                os.unlink(path)
        # Before anything else changes: a journal that comes back would undo it.
        self._sync_staging()

    def remove_files(self) -> None:
        """Remove the files that the commit no longer needs."""
        for entry in self.entries:
            for path in (self.staged(entry), self.backup(entry)):
                with suppress(FileNotFoundError):
                    os.unlink(path)

    def _sync_staging(self) -> None:
        if self.places.durable:
            files.sync_directory(self.places.staging)


def pending(places: Places) -> list[str]:
    """Return the paths of all journals.  Raise `StorageError`."""
    try:
        names = os.listdir(places.staging)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise storage_error("read", error, path=places.staging) from error
    return [f"{places.staging}/{name}" for name in sorted(names) if name.endswith((JOURNAL, UNDO))]


def read(places: Places, path: str) -> Journal | None:
    """Return the journal at `path`; None where there is none any more, or only a part of one.

    A part is what a power cut leaves of a journal that was not synced.  Raise `StorageError` for one that is
    whole and that no writer of this directory has made.
    """
    try:
        data = files.read_file(path)
    except FileNotFoundError:
        return None
    start = len(_MAGIC) + _DIGEST
    body = data[start:]
    token = os.path.basename(path).removesuffix(JOURNAL).removesuffix(UNDO)
    if data[:start] != _MAGIC + _digest(body):
        return None
    try:
        return Journal(places, token, list(_entries(places, body.split(b"\0"))))
    except (ValueError, KeyError, InvalidArgumentError) as error:
        raise StorageError(
            "finish a commit that was cut off",
            f"its journal is not one that brinery writes ({error}). Nothing of it was done. If the directory "
            "is from somebody else, do not use it; else move the journal elsewhere",
            path=path,
        ) from error


def _entries(places: Places, fields: Sequence[bytes]) -> Iterator[Entry]:
    for start in range(0, len(fields) - 1, _FIELDS):
        how, below, number, size, check = fields[start : start + _FIELDS]
        home = f"{places.root}/{os.fsdecode(below)}"
        if not places.is_place(home):
            raise ValueError(f"{os.fsdecode(below)!r:.80} is no place of a record")
        if not _NUMBER.fullmatch(number.decode()):
            raise ValueError(f"{number!r:.80} is no number of a file")
        yield Entry(_HOW[how], home, number.decode(), int(size), int(check))


_HOW: Final[dict[bytes, How]] = {b"+": "+", b"~": "~", b"=": "=", b"-": "-"}


def check_of(tail: bytes) -> int:
    """Return what an entry keeps of the end of a file."""
    return zlib.crc32(tail)


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=_DIGEST).digest()
