"""Where in a directory the file of a name is, and which files of a directory are objects.

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
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

from brinery.backends.directory import files
from brinery.errors import InvalidArgumentError, StorageError
from brinery.ids import MAX_NAME, id_of, is_hashed
from brinery.record import record

HOUSEKEEPING: Final = ".brinery"
LOCK: Final = "lock"
STAGING: Final = "staging"

_ORDINARY: Final = re.compile(rf"[A-Za-z0-9_\-][A-Za-z0-9_.\-]{{0,{MAX_NAME - 1}}}")
_SHARD: Final = re.compile(r"[0-9a-f]{2}")
_LIKE_SHARD: Final = re.compile(r"[0-9a-fA-F]{2}")  # "AB" is "ab" to some file systems
_GENERATED: Final = re.compile(r"[^\W\d]\w*\.[0-9]+")
_UUID: Final = re.compile(r"(?:.+-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


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


def shard_of(name: str) -> str:
    """Return the sub-directory of a name in the sharded layout."""
    return blake2b(name.encode(), digest_size=16).hexdigest()[:2]


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


class Layout:
    """The paths of names in the directory `root`, an absolute path."""

    __slots__ = (
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

    def home(self, name: str) -> str:
        """Return the path for a new file of this name."""
        if _ORDINARY.fullmatch(name) and len(name) > 2 and not self.sharded:
            return f"{self.root}/{name}"  # a shortcut: the rest would give the same
        check_name(name)
        if name[0] == ".":
            return f"{unlinked(self.housekeeping)}/{name[1:]}"
        if self.sharded or (len(name) == 2 and _LIKE_SHARD.fullmatch(name)):
            return f"{unlinked(f'{self.root}/{shard_of(name)}')}/{name}"
        return f"{self.root}/{name}"

    def other(self, name: str) -> str | None:
        """Return the path of a name in the other layout."""
        if name[0] == "." or (len(name) == 2 and _LIKE_SHARD.fullmatch(name)):
            return None
        if self.sharded:
            return f"{self.root}/{name}"
        return f"{unlinked(self.shard(name))}/{name}"

    def shard(self, name: str) -> str:
        """Return the path of the shard of a name."""
        return f"{self.root}/{shard_of(name)}"

    def name_at(self, path: str) -> str:
        """Return the name that has a path of this directory."""
        parent, _, last = path.rpartition("/")
        return f".{last}" if parent == self.housekeeping else last

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
        """Yield the paths of all directories inside, whether they exist or not."""
        yield self.housekeeping
        yield self.staging
        yield from self.shards()

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
        if self.has_file(path):
            return path
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


class Listing:
    """Finds the objects among the files of a directory, without a stat for each.

    A file is an object if `name_of` can have made its name, and if either the name has a form that other
    files hardly have, or the content ends like a record.  So a damaged ``Task.12`` is listed (loading it
    reports the damage), and ``notes.txt`` is not.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        # Inode numbers by name of files whose end was checked: the next listing need not open them.
        self._verified: dict[str, int] = {}

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names of objects that start with `prefix`, each once."""
        shards = []
        seen = set()
        with os.scandir(self._root) as entries:
            for entry in entries:
                name = entry.name
                if _LIKE_SHARD.fullmatch(name):
                    if _SHARD.fullmatch(name) and entry.is_dir(follow_symlinks=False):
                        shards.append(name)
                elif self._is_listed(entry, prefix):
                    seen.add(name)
                    yield name
        for shard in shards:
            for name in self._in_shard(shard, prefix):
                if name not in seen:
                    yield name

    def strays(self) -> Iterator[str]:
        """Yield the paths, from the root, that `names` leaves out, except those that begin with a dot."""
        with os.scandir(self._root) as entries:
            for entry in entries:
                if _SHARD.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                    listed = set(self._in_shard(entry.name, ""))
                    with os.scandir(entry.path) as inner:
                        names = [each.name for each in inner]
                    yield from (
                        f"{entry.name}/{name}"
                        for name in names
                        if name[0] != "." and name not in listed
                    )
                elif entry.name[0] != "." and (
                    _LIKE_SHARD.fullmatch(entry.name) or not self._is_listed(entry, "")
                ):
                    yield entry.name

    def _in_shard(self, shard: str, prefix: str) -> Iterator[str]:
        try:
            entries = os.scandir(f"{self._root}/{shard}")
        except FileNotFoundError:  # removed since the root was read
            return
        with entries:
            for entry in entries:
                if self._is_listed(entry, prefix) and shard_of(entry.name) == shard:
                    yield entry.name

    def _is_listed(self, entry: os.DirEntry[str], prefix: str) -> bool:
        name = entry.name
        return (
            name[0] != "."
            and name.startswith(prefix)
            and entry.is_file(follow_symlinks=False)
            and self._is_object(name, entry)
        )

    def _is_object(self, name: str, entry: os.DirEntry[str]) -> bool:
        if id_of(name) is None and not is_hashed(name):
            return False
        if _GENERATED.fullmatch(name) or _UUID.fullmatch(name):
            return True
        number = entry.inode()
        if self._verified.get(name) != number:
            if not _ends_as_record(entry.path):
                return False
            self._verified[name] = number
        return True


def _ends_as_record(path: str) -> bool:
    try:
        return record.has_magic(files.read_tail(path, len(record.MAGIC))[0])
    except (
        FileNotFoundError,
        files.NotRegularError,
    ):  # removed or replaced since the directory was read
        return False
    except PermissionError:
        return True  # rather show a stray file than hide a record: loading it reports the kind
