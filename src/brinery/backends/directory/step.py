"""A commit of one record: its file gets or loses its name by one step, which is atomic by itself.

So it needs no journal.  The lock keeps other writers out while expectations are checked; where a program
ignores the lock, link(2) decides, which fails if the name exists.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from brinery.backend import ABSENT, ANY, PRESENT, Conflict, Delete, Expect, Version
from brinery.backends.directory import files
from brinery.backends.directory.layout import Layout, failure
from brinery.backends.directory.pieces import NO_LINKS
from brinery.backends.directory.staging import Staged, Staging
from brinery.errors import storage_error


class Step:
    """The one step of a commit: that of a put, or of a deletion."""

    __slots__ = ("_layout", "_staging", "_touched")

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self._layout = staging.layout
        self._touched: str | None = None

    def run(self, deletes: Sequence[Delete]) -> bool:
        """Do it; return False, with nothing done, if it takes two.  Raise `Conflict`, `StorageError`."""
        if deletes:
            return self._delete(deletes[0])
        for staged in self._staging.staged.values():
            self._put(staged)
        return True

    def _put(self, staged: Staged) -> None:
        """Give a staged file its name."""
        name, home, expect = staged.name, staged.home, staged.expect
        try:
            if expect is ABSENT:
                found, fits = self._layout.elsewhere(name), True
            else:
                found, fits = located(self._layout, name, home, expect)
            if not fits:
                raise Conflict([name])
            if found is None and self._show(staged):
                self._touched = home
            elif expect is ABSENT:
                raise Conflict([name])
            else:
                self._replace(staged, found or home)
        except OSError as error:
            raise failure("write", error, name, home) from error

    def _show(self, staged: Staged) -> bool:
        """Give a staged file a new name; return False if a file has that name."""
        temporary = self._staging.path_of(staged.number)
        try:
            try:
                return self._link(staged, temporary)
            except FileNotFoundError:
                self._layout.prepare(staged.home.rpartition("/")[0])
                return self._link(staged, temporary)
        except BaseException:
            if files.same(temporary, staged.home):  # interrupted
                os.unlink(staged.home)
            raise

    def _link(self, staged: Staged, temporary: str) -> bool:
        try:
            os.link(temporary, staged.home)
        except OSError as error:
            if error.errno not in NO_LINKS and not isinstance(error, FileExistsError):
                raise
            if self._layout.has_file(staged.home):
                return False
            self._replace(staged, staged.home)
        return True

    def _replace(self, staged: Staged, path: str) -> None:
        require_own(self._layout, "write", staged.name, path)
        os.replace(self._staging.path_of(staged.number), path)
        self._staging.forget(staged.number)
        self._touched = path

    def _delete(self, delete: Delete) -> bool:
        """Remove a file.  Return False if there is one in both layouts."""
        name, expect = delete
        layout = self._layout
        home = layout.home(name)
        try:
            found, fits = located(layout, name, home, expect)
            if not fits:
                raise Conflict([name])
            if found is None:
                return True
            if found is home and layout.elsewhere(name) is not None:
                return False
            require_own(layout, "remove", name, found)
            self._touched = found
            os.unlink(found)
        except OSError as error:
            raise failure("remove", error, name, home) from error
        return True

    def sync(self) -> None:
        """Make the change of a name durable; it is visible already."""
        if self._touched is None or not self._layout.durable:
            return
        try:
            files.sync_directory(self._touched.rpartition("/")[0])
        except OSError as error:
            raise storage_error(
                "make a record durable (it is visible, but a power cut may lose it)",
                error,
                path=self._layout.root,
            ) from error


def located(
    layout: Layout, name: str, home: str, expect: Version | Expect
) -> tuple[str | None, bool]:
    """Return the path of the file of a name, None if there is none, and whether it is as expected."""
    if isinstance(expect, Expect):
        found = home if layout.has_file(home) else layout.elsewhere(name)
        return found, expect is ANY or (found is not None) == (expect is PRESENT)
    try:
        return home, files.version_at(home) == expect
    except OSError as error:
        if not layout.is_absence(error):
            raise
    found = layout.elsewhere(name)
    return found, found is not None and files.version_at(found) == expect


def require_own(layout: Layout, action: str, name: str, path: str) -> None:
    """Raise `StorageError` if the file at `path` is that of a name that differs in case."""
    if layout.ignores_case:
        from brinery.backends.directory.alias import require_own as require

        require(action, name, path)
