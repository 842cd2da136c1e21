"""Which files of a directory are objects."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

from brinery.backends.directory import files
from brinery.backends.directory.layout import LIKE_SHARD, SHARD, Layout, name_in, shard_of
from brinery.backends.directory.presence import Presence
from brinery.errors import storage_error
from brinery.ids import id_of, is_hashed, unlike
from brinery.record import format
from brinery.record.remains import WINDOW, is_remains
from brinery.typing import Final

_GENERATED: Final = re.compile(r"[^\W\d]\w*\.[0-9]+")
_END_NUMBERED: Final = r"(?:\.[0-9]{1,99}|(?<=[0-9]))"
_NUMBERED: Final = re.compile(rf"[A-Za-z_][A-Za-z0-9_\-]{{0,149}}{_END_NUMBERED}")
_UUIDS: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_UUID: Final = re.compile(rf"(?:.+-)?{_UUIDS}")
# Nearly all names are of these forms, which no system reserves, and which are their own IDs.
_COMMON: Final = (
    rf"(?:[A-Za-z_][A-Za-z0-9_\-]{{4,99}}|[BD-KMOQ-Zbd-kmoq-z_][A-Za-z0-9_\-]{{0,3}}){_END_NUMBERED}"
    rf"|(?:[A-Za-z0-9_]{{1,99}}-)?{_UUIDS}"
)

_AT_ONCE: Final = 2048
"""Entries of a directory that are looked at together."""


class Listing:
    """Finds the objects among the files of a directory, without a stat for each.

    A file is an object if `name_of` can have made its name, and if one of these holds: the name has a form
    that other files seldom have, with a number at its end and no extension; the content ends as a record
    does; the content looks like what is left of a record (see `brinery.record.remains`).  So damaged records
    are listed, and loading one reports the damage.  ``notes.txt`` is not listed.
    """

    def __init__(self, layout: Layout, presence: Presence) -> None:
        self._root = layout.root
        self._layout = layout
        self._presence = presence
        # Inode numbers by name of files whose end was checked: the next listing need not open them.
        self._verified: dict[str, int] = {}

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names of objects that start with `prefix`, each once.  Raise `StorageError`."""
        return chain.from_iterable(self._parts(prefix))

    def _parts(self, prefix: str) -> Iterator[list[str]]:
        is_empty = True
        try:
            shards: list[str] = []
            for part in self._in_root(prefix, shards):
                is_empty = is_empty and not part
                yield part
            if shards:
                seen = {*chain.from_iterable(self._in_root(prefix, []))}
                for shard in shards:
                    part = [name for name in self._in_shard(shard, prefix) if name not in seen]
                    is_empty = is_empty and not part
                    yield part
        except FileNotFoundError as error:
            if not self._layout.create:
                raise storage_error("list", error, path=self._root) from error
        except OSError as error:
            raise storage_error("list", error, path=self._root) from error
        if is_empty:
            self._presence.check("list")

    def _in_root(self, prefix: str, shards: list[str]) -> Iterator[list[str]]:
        """Yield the names in the root itself, some at a time.  Add its shards to a list."""
        with os.scandir(self._root) as entries:
            while some := [*islice(entries, _AT_ONCE)]:
                found = [entry for entry in some if entry.is_file(follow_symlinks=False)]
                if len(found) < len(some):
                    shards += (
                        entry.name
                        for entry in some
                        if SHARD.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
                    )
                names = self._objects(found, prefix, self._is_in_root)
                yield [name for name in names if len(name) != 2 or not LIKE_SHARD.fullmatch(name)]

    def _objects(
        self,
        found: Sequence[os.DirEntry[str]],
        prefix: str,
        is_listed: Callable[[str, os.DirEntry[str]], bool],
    ) -> list[str]:
        """Return the names of the objects among regular files of one directory."""
        if prefix:
            found = [entry for entry in found if name_in(entry.name).startswith(prefix)]
        names = [entry.name for entry in found]
        others = {*unlike(_COMMON, names)}
        if not others:
            return names
        return [
            name_in(entry.name)
            for entry in found
            if entry.name not in others or is_listed(name_in(entry.name), entry)
        ]

    def has(self, name: str, path: str) -> bool:
        """Return whether the file at `path` is listed, and under the name `name`.  Raise `OSError`."""
        if not _is_object(name, path):
            return False
        if not self._layout.ignores_case:
            return True
        from brinery.backends.directory.alias import other_name_at

        return other_name_at(path, name) is None

    def is_certain(self, name: str) -> bool:
        """Return whether a name that was listed is that of a record, by its form or its end."""
        if is_generated(name) or name in self._verified:
            return True
        try:
            path = self._layout.find(name)
            return path is None or _ends_as_record(path)
        except OSError:
            return False

    def strays(self) -> Iterator[str]:
        """Yield the paths, from the root, that `names` leaves out, except those that begin with a dot."""
        try:
            yield from self._strays()
        except FileNotFoundError:
            return
        except OSError as error:
            raise storage_error("list", error, path=self._root) from error

    def _strays(self) -> Iterator[str]:
        with os.scandir(self._root) as entries:
            for entry in entries:
                name = name_in(entry.name)
                if SHARD.fullmatch(name) and entry.is_dir(follow_symlinks=False):
                    listed = set(self._in_shard(name, ""))
                    with os.scandir(entry.path) as inner:
                        names = [name_in(each.name) for each in inner]
                    yield from (
                        f"{name}/{each}" for each in names if each[0] != "." and each not in listed
                    )
                elif name[0] != "." and not (
                    entry.is_file(follow_symlinks=False) and self._is_in_root(name, entry)
                ):
                    yield name

    def _in_shard(self, shard: str, prefix: str) -> list[str]:
        try:
            entries = os.scandir(f"{self._root}/{shard}")
        except FileNotFoundError:  # removed since the root was read
            return []
        with entries:
            found = [entry for entry in entries if entry.is_file(follow_symlinks=False)]
            names = self._objects(found, prefix, self._is_object)
            return [name for name in names if shard_of(name) == shard]

    def _is_in_root(self, name: str, entry: os.DirEntry[str]) -> bool:
        return not LIKE_SHARD.fullmatch(name) and self._is_object(name, entry)

    def _is_object(self, name: str, entry: os.DirEntry[str]) -> bool:
        if is_named_like_record(name):
            return True
        if name[0] == "." or id_of(name) is None:
            return False
        number = entry.inode()
        if self._verified.get(name) == number:
            return True
        try:
            if _ends_as_record(entry.path):
                self._verified[name] = number
                return True
            return _is_remains(entry.path)
        except (FileNotFoundError, files.NotRegularError):
            return False  # removed or replaced since the directory was read
        except PermissionError:
            return True  # rather show a stray file than hide a record: loading it reports the kind


def _is_object(name: str, path: str) -> bool:
    if is_named_like_record(name):
        return True
    return id_of(name) is not None and (_ends_as_record(path) or _is_remains(path))


def is_named_like_record(name: str) -> bool:
    """Return whether a name has a form that other files seldom have."""
    return is_generated(name) or bool(_NUMBERED.fullmatch(name) and id_of(name) is not None)


def is_generated(name: str) -> bool:
    """Return whether a name has the form of an ID from a factory, or is that of an ID that is too long."""
    if _GENERATED.fullmatch(name) or _UUID.fullmatch(name):
        return id_of(name) is not None
    return is_hashed(name)


def _ends_as_record(path: str) -> bool:
    return format.has_magic(files.read_tail(path, len(format.MAGIC))[0])


def _is_remains(path: str) -> bool:
    return is_remains(*files.read_ends(path, WINDOW))
