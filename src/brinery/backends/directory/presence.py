"""The presence of a store: what must be in its directory, and what it means that it is missing."""

from __future__ import annotations

from collections.abc import Iterable

from brinery.backend import ABSENT, ANY, Conflict, Delete
from brinery.backends.directory import files
from brinery.backends.directory.layout import Layout, is_found
from brinery.errors import StorageError, storage_error


class Presence:
    """Knows what must be in the directory of a store, and raises `StorageError` where it is missing."""

    __slots__ = ("_layout", "_path")

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._path: str | None = None

    def require(self, name: str) -> None:
        """Note that the store is gone where the file of `name` is gone."""
        self._path = self._layout.home(name)

    def check(self, action: str) -> None:
        """Raise `StorageError` if the store is gone."""
        if self._path is None or is_found(self._path):
            return
        try:
            if files.exists(self._path):
                return
        except OSError as error:
            raise storage_error(action, error, path=self._path) from error
        raise StorageError(
            action,
            "the store is gone: the settings that it was opened with are missing. Its directory was removed, "
            "renamed, emptied or unmounted: put it back, or open the store again to begin a new one there",
            path=self._layout.root,
        )

    def prepare(self, directory: str) -> None:
        """Make a directory of the store's own files.  Raise `StorageError` where the store is gone.

        A store that is gone has lost these, too; so a write need not look before it misses them.
        """
        self.check("write")
        self._layout.prepare(directory)

    def check_read(self) -> None:
        """Raise `StorageError` if a read finds nothing because the store, or its directory, is gone."""
        self.check_root("read")
        self.check("read")

    def check_root(self, action: str) -> None:
        """Raise `StorageError` if there is no directory, and none is to be made."""
        try:
            self._layout.require_root()
        except FileNotFoundError as error:
            raise storage_error(action, error, path=self._layout.root) from error

    def allows(self, removed: Iterable[Delete]) -> bool:
        """Return whether there is a directory.  Raise `Conflict` if deletions expect records in it."""
        # What `require` asks for is looked for where the lock is missing.
        if self._path is not None or is_found(self._layout.root):
            return True
        self.check_root("remove")
        try:
            if files.kind_of(self._layout.root) is not None:
                return True
        except OSError as error:
            raise storage_error("remove", error, path=self._layout.root) from error
        wrong = [name for name, expect in removed if expect not in (ANY, ABSENT)]
        if wrong:
            raise Conflict(wrong)
        return False
