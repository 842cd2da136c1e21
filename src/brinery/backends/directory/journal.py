"""The journal of a commit: which files get which names, and which are removed.

A commit of several records is decided by one rename: that of its journal, beside the staged files, from

    TOKEN-journal  to  TOKEN.journal    the commit is made: its moves may begin, and must be finished
    TOKEN.journal  to  TOKEN.undo       it is taken back: files that have been moved must be moved back

A process that finds a journal does the rest, in whatever state the files are, as often as necessary: each
step first looks at the files.  The token is unique to its writer, so no journal overwrites another.

The content is a magic, a digest of the rest, and five fields for each file, each ended by a NUL: how (see
`Entry`), path below the root, number, and two numbers that identify the file.

A user who can write to the directory can write a journal.  So a journal that names anything but places of
records is refused: it would make the next process that opens the store create and remove other files.
"""

from __future__ import annotations

import os
import re
import zlib
from _blake2 import blake2b  # the same as that of hashlib, which loads OpenSSL: 5 ms
from collections.abc import Iterator, Sequence
from contextlib import suppress

from brinery.backends.directory import files, sync
from brinery.backends.directory.layout import JOURNAL, UNDO, Layout
from brinery.backends.directory.pieces import write_pieces
from brinery.errors import InvalidArgumentError, StorageError
from brinery.typing import Final, Literal, NamedTuple

_MAGIC: Final = b"brinery journal 1\n"
_DIGEST: Final = 16
_FIELDS: Final = 5
_NUMBER: Final = re.compile(r"r?[0-9]{1,20}")

UNREADABLE: Final = -1
"""The size of a file that is removed but cannot be read: then any file under its name is meant."""

How = Literal["+", "~", "=", "-"]


class Entry(NamedTuple):
    """One file of a commit.

    `how`: a new name (``+``), a new name that may replace another file (``~``), an existing name that is
    replaced (``=``), or one that is removed (``-``).  `size` and `check` are the size of the new file, or
    of the removed one, and the CRC-32 of its end.  (Not inode numbers: a copy has others.)
    """

    how: How
    home: str
    number: str
    size: int
    check: int


def backup(number: str) -> str:
    """Return what ends the path of the file that had the name of a file before."""
    return f"{number}.old"


class Journal:
    """The entries of a commit, and where their files are."""

    def __init__(self, layout: Layout, token: str, entries: Sequence[Entry]) -> None:
        self.layout = layout
        self.entries = entries
        self.token = token
        self._stem = f"{layout.staging}/{token}"
        self.path = f"{self._stem}{JOURNAL}"
        self.undo_path = f"{self._stem}{UNDO}"

    def staged(self, entry: Entry) -> str:
        """Return the path of the file that gets the name."""
        return f"{self._stem}-{entry.number}"

    def backup(self, entry: Entry) -> str:
        """Return the path of the file that had the name before."""
        return f"{self._stem}-{backup(entry.number)}"

    def is_home(self, entry: Entry) -> bool:
        """Return whether the file that the entry describes is under its name."""
        if entry.size == UNREADABLE:
            return files.exists(entry.home)
        try:
            tail, size = files.read_tail(entry.home, files.VERSION_TAIL)
        except (FileNotFoundError, NotADirectoryError, files.NotRegularError):
            return False
        return (size, check_of(tail)) == (entry.size, entry.check)

    def is_whole(self) -> bool:
        """Return whether every new file exists, still staged or under its name.

        One is missing if the power was cut before the names of all staged files were on the disk; then
        no file has been moved.
        """
        return all(entry.how == "-" or self._is_there(entry) for entry in self.entries)

    def _is_there(self, entry: Entry) -> bool:
        try:
            return os.lstat(self.staged(entry)).st_size == entry.size
        except FileNotFoundError:
            return self.is_home(entry)

    def write(self, temporary: str) -> None:
        """Write the journal and give it its name: the commit is made."""
        start = len(self.layout.root) + 1
        lines = [
            f"{how}\0{home[start:]}\0{number}\0{size}\0{check}\0"
            for how, home, number, size, check in self.entries
        ]
        body = os.fsencode("".join(lines))
        fd = files.create(temporary, self.layout.access)
        try:
            write_pieces(fd, (_MAGIC, _digest(body), body))
            if self.layout.durable:
                files.sync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, self.path)
        self._sync_staging()

    def take_back(self) -> None:
        """Rename the journal: from now on, moved files must be moved back."""
        os.rename(self.path, self.undo_path)
        with suppress(OSError):  # it matters only if the power is cut now as well
            self._sync_staging()

    def prepare_homes(self) -> None:
        """Make the directories of new files."""
        homes = {entry.home.rpartition("/")[0] for entry in self.entries if entry.how in "+~"}
        for directory in homes - {self.layout.root, self.layout.housekeeping}:
            self.layout.prepare(directory)

    def sync_homes(self) -> None:
        """Make the names durable."""
        if self.layout.durable:
            homes = {entry.home.rpartition("/")[0] for entry in self.entries}
            # A directory is missing if it could not be made.
            sync.sync_directories({home for home in homes if files.exists(home)})

    def exists(self) -> bool:
        """Return whether the journal exists, under either name."""
        return files.exists(self.path) or files.exists(self.undo_path)

    def remove(self) -> None:
        """Remove the journal: its work is done."""
        for path in (self.path, self.undo_path):
            with suppress(FileNotFoundError):
                os.unlink(path)
        # Before anything else changes: a journal that came back after a power cut would undo it.
        self._sync_staging()

    def remove_files(self) -> None:
        """Remove the files that the commit no longer needs."""
        for entry in self.entries:
            for path in (self.staged(entry), self.backup(entry)):
                with suppress(FileNotFoundError):
                    os.unlink(path)

    def _sync_staging(self) -> None:
        if self.layout.durable:
            files.sync_directory(self.layout.staging)


def read(layout: Layout, path: str) -> Journal | None:
    """Return the journal at `path`; None if it was removed, or is incomplete.

    A power cut leaves an incomplete journal if it was not synced.  Raise `StorageError` for a complete one
    that no writer of this directory has made.
    """
    try:
        if files.read_ends(path, len(_MAGIC))[0] != _MAGIC:
            return None
        data = files.read_file(path)
    except FileNotFoundError:
        return None
    start = len(_MAGIC) + _DIGEST
    body = data[start:]
    token = os.path.basename(path).removesuffix(JOURNAL).removesuffix(UNDO)
    if data[:start] != _MAGIC + _digest(body):
        return None
    try:
        return Journal(layout, token, list(_entries(layout, body.split(b"\0"))))
    except (ValueError, KeyError, InvalidArgumentError) as error:
        raise StorageError(
            "finish a commit that was cut off",
            f"brinery does not write such a journal ({error}). Nothing of it was done. If the directory is "
            "from another user, do not use it; else move the journal elsewhere",
            path=path,
        ) from error


def _entries(layout: Layout, fields: Sequence[bytes]) -> Iterator[Entry]:
    for start in range(0, len(fields) - 1, _FIELDS):
        how, below, number, size, check = fields[start : start + _FIELDS]
        home = f"{layout.root}/{os.fsdecode(below)}"
        if not layout.is_place(home):
            raise ValueError(f"expected the place of a record, got {os.fsdecode(below)!r:.80}")
        if not _NUMBER.fullmatch(number.decode()):
            raise ValueError(f"expected the number of a file, got {number!r:.80}")
        yield Entry(_HOW[how], home, number.decode(), int(size), int(check))


_HOW: Final[dict[bytes, How]] = {b"+": "+", b"~": "~", b"=": "=", b"-": "-"}


def check_of(tail: bytes) -> int:
    """Return the checksum that an entry has of the end of a file."""
    return zlib.crc32(tail)


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=_DIGEST).digest()
