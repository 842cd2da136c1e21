"""Where in a directory the file of a name is.

    flat       ROOT/NAME
    sharded    ROOT/HH/NAME, HH being the first byte, in hexadecimal, of the BLAKE2b digest of the name
    the store's own names (".settings")    ROOT/.brinery/settings
    files being written, and journals      ROOT/.brinery/staging/…

A name that looks like HH itself ("ab") is in a shard in either layout, so no record can take the name
of a shard's directory.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import time
from _blake2 import blake2b  # the same as that of hashlib, which loads OpenSSL: 5 ms
from collections.abc import Iterator

from brinery.backends.directory import files
from brinery.errors import InvalidArgumentError, StorageError, storage_error
from brinery.ids import MAX_NAME, id_of
from brinery.typing import Final

HOUSEKEEPING: Final = ".brinery"
LOCK: Final = "lock"
STAGING: Final = "staging"
JOURNAL: Final = ".journal"
UNDO: Final = ".undo"

_ORDINARY: Final = re.compile(rf"[A-Za-z0-9_\-][A-Za-z0-9_.\-]{{0,{MAX_NAME - 1}}}")
SHARD: Final = re.compile(r"[0-9a-f]{2}")
LIKE_SHARD: Final = re.compile(r"[0-9a-fA-F]{2}")  # "AB" is "ab" to some file systems


def check_name(name: str) -> None:
    """Raise `InvalidArgumentError` for a name that could leave the directory or cannot be a file.

    A second line of defence: `brinery.ids.name_of` makes no such name.
    """
    if _ORDINARY.fullmatch(name):
        return
    bare = name[1:] if name.startswith(".") else name
    reason = ""
    if not bare:
        reason = "it is empty"
    elif bare.startswith("."):
        reason = "it starts with a dot"
    elif set(bare) & set("/\\\0"):
        reason = "it contains a separator or a NUL"
    elif bare in (LOCK, STAGING) and name != bare:
        reason = "the directory uses it itself"
    else:
        try:
            if len(name.encode()) > MAX_NAME:
                reason = f"it is longer than {MAX_NAME} bytes"
        except UnicodeEncodeError:
            reason = "it cannot be encoded in UTF-8"
    if reason:
        raise InvalidArgumentError(f"cannot use {name!r} as the name of a file: {reason}")


_IS_UTF_8: Final = sys.getfilesystemencoding().lower() in ("utf-8", "utf8")


def path_of(name: str) -> str:
    """Return a name as a part of a path: files are named in UTF-8, whatever the locale of the process is."""
    return name if _IS_UTF_8 or name.isascii() else os.fsdecode(name.encode())


def name_in(path: str) -> str:
    """Return the name whose part of a path this is."""
    if _IS_UTF_8 or path.isascii():
        return path
    return os.fsencode(path).decode("utf-8", "surrogateescape")


def shard_of(name: str) -> str:
    """Return the sub-directory of a name in the sharded layout."""
    return blake2b(name.encode(), digest_size=16).hexdigest()[:2]


_CHECK_FOR: Final = 1.0
"""Seconds for which it holds that no link replaces the directories of the store's own files."""


def unlinked(directory: str) -> str:
    """Return the path of a directory of a store.  Raise `StorageError` if it is a link.

    A planted link would lead reading, writing and removing out of the store.
    """
    if os.path.islink(directory):
        raise StorageError(
            "use",
            "expected a directory of the store, got a symbolic link: move it elsewhere",
            path=directory,
        )
    return directory


_AS_USED: Final = {"effective_ids": True} if os.access in os.supports_effective_ids else {}


def is_found(path: str) -> bool:
    """Return whether something is found at `path`, behind links, in half the time of an lstat(2)."""
    return os.access(path, os.F_OK, **_AS_USED)


class Layout:
    """The paths of names in the directory `root`, an absolute path."""

    __slots__ = (
        "_checked",
        "_ignores_case",
        "access",
        "create",
        "durable",
        "housekeeping",
        "lock",
        "root",
        "sharded",
        "staging",
    )

    def __init__(
        self, root: str, *, sharded: bool, create: bool, durable: bool, access: files.Access
    ) -> None:
        self.root = root
        self.sharded = sharded
        self.create = create
        self.durable = durable
        self.access = access
        self.housekeeping = f"{root}/{HOUSEKEEPING}"
        self.lock = f"{self.housekeeping}/{LOCK}"
        self.staging = f"{self.housekeeping}/{STAGING}"
        self._ignores_case: bool | None = None  # not known
        self._checked = -_CHECK_FOR

    @property
    def ignores_case(self) -> bool:
        """Whether the file system takes names that differ in case alone for one."""
        if self._ignores_case is None and files.exists(self.housekeeping):
            other = f"{self.root}/{HOUSEKEEPING.upper()}"
            self._ignores_case = files.same(self.housekeeping, other)
        return bool(self._ignores_case)

    def check_links(self) -> None:
        """Raise `StorageError` if a link replaces a directory of the store's own files.

        Each look costs 4 µs of the 30 that a small record takes, so there is one in a second at most.
        """
        now = time.monotonic()
        if now - self._checked >= _CHECK_FOR:
            unlinked(self.housekeeping)
            unlinked(self.staging)
            self._checked = now

    def home(self, name: str) -> str:
        """Return the path for a new file of this name."""
        if _ORDINARY.fullmatch(name) and len(name) > 2 and not self.sharded:
            return f"{self.root}/{name}"  # a shortcut: the rest would give the same
        check_name(name)
        if name[0] == ".":
            return f"{unlinked(self.housekeeping)}/{path_of(name[1:])}"
        if self.sharded or (len(name) == 2 and LIKE_SHARD.fullmatch(name)):
            return f"{unlinked(f'{self.root}/{shard_of(name)}')}/{path_of(name)}"
        return f"{self.root}/{path_of(name)}"

    def other(self, name: str) -> str | None:
        """Return the path of a name in the other layout."""
        if name[0] == "." or (len(name) == 2 and LIKE_SHARD.fullmatch(name)):
            return None
        if self.sharded:
            return f"{self.root}/{path_of(name)}"
        return f"{unlinked(self.shard(name))}/{path_of(name)}"

    def shard(self, name: str) -> str:
        """Return the path of the shard of a name."""
        return f"{self.root}/{shard_of(name)}"

    def name_at(self, path: str) -> str:
        """Return the name that has a path of this directory."""
        parent, _, last = path.rpartition("/")
        return f".{last}" if parent == self.housekeeping else name_in(last)

    def is_place(self, path: str) -> bool:
        """Return whether a path is that of a name, in either layout.

        Raise `InvalidArgumentError` for a name that cannot be a file, and `StorageError` if the path leads
        through a link.
        """
        name = self.name_at(path)
        return path in (self.home(name), self.other(name))

    def shards(self) -> Iterator[str]:
        """Yield the paths of all shards, whether they exist or not."""
        return (f"{self.root}/{number:02x}" for number in range(256))

    def directories(self) -> Iterator[str]:
        """Yield the paths of all directories inside; of the shards, those that exist."""
        yield self.housekeeping
        yield self.staging
        yield from filter(is_found, self.shards())  # most are missing, which takes a stat longer

    def has_file(self, path: str) -> bool:
        """Return whether there is a regular file at a path of this directory."""
        try:
            return files.is_record_file(path)
        except NotADirectoryError as error:
            if self.is_absence(error):
                return False
            raise

    def find(self, name: str) -> str | None:
        """Return the path of the file of a name, None if there is none."""
        path = self.home(name)
        return path if self.has_file(path) else self.elsewhere(name)

    def elsewhere(self, name: str) -> str | None:
        """Return the path of the file of a name in the other layout, None if there is none."""
        # Most directories do not even have that shard.
        if not self.sharded and not is_found(self.shard(name)):
            return None
        other = self.other(name)
        return other if other is not None and self.has_file(other) else None

    def is_absence(self, error: OSError) -> bool:
        """Return whether an error means that a path does not exist.

        It does for a stray file with the name of a shard, but not if the root itself is a file.
        """
        if isinstance(error, NotADirectoryError):
            return os.path.isdir(self.root)
        return isinstance(error, FileNotFoundError)

    def require_root(self) -> None:
        """Raise `FileNotFoundError` if the directory is missing and `create` is false."""
        if not self.create and not os.path.isdir(self.root):
            raise FileNotFoundError(
                errno.ENOENT,
                "there is no such directory, and none may be made: check the path",
            )

    def prepare(self, directory: str) -> None:
        """Make a directory of this store."""
        self.require_root()
        files.make_directories(directory, self.durable, self.access)


def pending(layout: Layout) -> list[str]:
    """Return the paths of all journals.  Raise `StorageError`."""
    try:
        names = os.listdir(layout.staging)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise storage_error("read", error, path=layout.staging) from error
    return [f"{layout.staging}/{name}" for name in sorted(names) if name.endswith((JOURNAL, UNDO))]


def failure(action: str, cause: OSError, name: str, path: str) -> StorageError:
    """Return the error for a file that could not be read, written or removed."""
    id = id_of(name)
    place = cause.path if isinstance(cause, files.NotRegularError) else path
    return storage_error(action, cause, id=name if id is None else id, path=place)
