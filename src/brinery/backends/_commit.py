"""Making a commit visible, wholly or not at all.

Under the writers' lock, expectations are checked and the staged files get their names.  The names of
new records appear first, the last put first: a store puts a container before what it contains, so
that a process killed in the middle leaves records that nothing refers to yet, and no reference to a
record that is not there.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from brinery.backend import ABSENT, ANY, Conflict, Delete, Expect, Version
from brinery.backends import _files
from brinery.backends._staging import Staged, Staging, failure
from brinery.errors import StorageError, storage_error

# What file systems without hard links answer; Android forbids them with EACCES.
_NO_LINKS: Final = frozenset(
    (errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
)


_MANY: Final = 512


class _Undo(NamedTuple):
    """How to undo one step: move `backup` back to `home`."""

    home: str
    backup: str


class Publication:
    """The steps that make the files of a staging visible, and how to undo them."""

    def __init__(self, staging: Staging, deletes: Sequence[Delete]) -> None:
        self._staging = staging
        self._places = staging.places
        self._deletes = deletes
        # A single step needs no backup: it fails as a whole.
        self._several = len(staging.staged) + len(deletes) > 1
        self._done: list[Staged | _Undo] = []
        self._touched: set[str] = set()
        self._shards: dict[str, bool] = {}
        self._has_shards = True

    def run(self) -> None:
        """Give the files their names and remove those to be deleted, or raise with nothing changed."""
        new, old = self._checked(trust_links=True)
        try:
            self._steps(reversed(new), self._show)
            self._steps(reversed(old), self._replace)
            for name, _ in self._deletes:
                try:
                    self._remove(name)
                except OSError as error:
                    raise failure("remove", error, name, self._places.home(name)) from error
        except BaseException as error:
            self._undo(error)
            if isinstance(error, Conflict):
                # link(2) has told of one name: tell of all.
                self._checked(trust_links=False)
            raise

    @staticmethod
    def _steps(several: Iterator[Staged], show: Callable[[Staged], None]) -> None:
        staged = None
        try:
            for staged in several:
                show(staged)
        except OSError as error:
            assert staged is not None
            raise failure("write", error, staged.name, staged.home) from error

    def _checked(self, *, trust_links: bool) -> tuple[list[Staged], list[Staged]]:
        """Check every expectation; return the puts of new names, and those of names that stand.

        With `trust_links`, a name that is to be new is left to link(2), which fails where it stands:
        looking first costs 4 µs of the 30 that a small record takes.
        """
        new: list[Staged] = []
        old: list[Staged] = []
        wrong = []
        if len(self._staging.staged) > _MANY and not self._places.sharded:
            # A flat directory seldom has any shard: one look at each saves one for each name.
            self._has_shards = any(map(_files.kind_of, self._places.shards()))
        for staged in self._staging.staged.values():
            try:
                if trust_links and staged.expect is ABSENT:
                    if not self._has_shards:
                        new.append(staged)
                        continue
                    staged.found = self._elsewhere(staged.name)
                else:
                    staged.found = self._places.find(staged.name)
                if not _fits(staged.found, staged.expect):
                    wrong.append(staged.name)
            except OSError as error:
                raise failure("write", error, staged.name, staged.home) from error
            (new if staged.found is None else old).append(staged)
        wrong += self._not_to_be_deleted()
        if wrong and trust_links:
            return self._checked(trust_links=False)
        if wrong:
            raise Conflict(wrong)
        return new, old

    def _not_to_be_deleted(self) -> list[str]:
        """Return the names that are not as their deletions expect."""
        wrong = []
        for name, expect in self._deletes:
            try:
                if expect is not ANY and not _fits(self._places.find(name), expect):
                    wrong.append(name)
            except OSError as error:
                raise failure("remove", error, name, self._places.home(name)) from error
        return wrong

    def _elsewhere(self, name: str) -> str | None:
        # Where the name stands in the other layout.  Most directories have no such shard at all.
        path = self._places.other(name)
        if path is None:
            return None
        if not self._places.sharded:
            shard = path.rpartition("/")[0]
            if shard not in self._shards:
                self._shards[shard] = _files.kind_of(shard) is not None
            if not self._shards[shard]:
                return None
        return path if self._places.stands(path) else None

    def _show(self, staged: Staged) -> None:
        target = staged.home
        if self._places.durable:
            self._touch(target)
        self._done.append(staged)
        try:
            os.link(staged.temporary, target)
        except FileExistsError:
            # Someone who does not honour the lock came first.
            self._done.pop()
            if staged.expect is not ANY:
                raise Conflict([staged.name]) from None
            staged.found = target
            self._replace(staged)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if staged.expect is ABSENT and self._places.stands(target):
                raise Conflict([staged.name]) from None
            self._rename(staged.temporary, target)

    def _replace(self, staged: Staged) -> None:
        assert staged.found is not None
        if self._several:
            self._back_up(staged.found)
        self._rename(staged.temporary, staged.found)

    def _touch(self, path: str) -> None:
        self._touched.add(path.rpartition("/")[0])

    def _rename(self, temporary: str, target: str) -> None:
        self._touch(target)
        os.replace(temporary, target)
        self._staging.forget(temporary)

    def _remove(self, name: str) -> None:
        # The home last: where the second removal fails, the name still holds what it held.
        for path in (self._places.other(name), self._places.home(name)):
            if path is not None and self._places.stands(path):
                if self._several:
                    self._back_up(path)
                self._touch(path)
                os.unlink(path)

    def _back_up(self, path: str) -> None:
        backup = self._staging.temporary(path)
        try:
            os.link(path, backup)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _files.copy(path, backup)
        self._done.append(_Undo(path, backup))

    def _undo(self, cause: BaseException) -> None:
        failed: list[tuple[str, str | None]] = []
        while self._done:
            step = self._done.pop()
            backup = step.backup if isinstance(step, _Undo) else None
            try:
                if isinstance(step, _Undo):
                    os.replace(step.backup, step.home)
                elif _was_shown(step):
                    os.unlink(step.home)
            except OSError:
                failed.append((step.home, backup))
                self._staging.forget(backup or "")
        if failed:
            kept = ", ".join(f"{home!r} (before: {backup})" for home, backup in failed[:5])
            raise StorageError(
                "undo a commit that failed",
                f"{cause}; {len(failed)} files are as after it: {kept}",
                path=self._places.root,
            ) from cause

    def sync_directories(self) -> None:
        """Make the names durable; they are visible already."""
        if not self._places.durable:
            return
        try:
            for directory in self._touched:
                _files.sync_directory(directory)
        except OSError as error:
            raise storage_error(
                "make durable what was written (it is visible, but may not outlive a power cut)",
                error,
                path=self._places.root,
            ) from error


def _fits(found: str | None, expect: Version | Expect) -> bool:
    """Tell whether what stands at the path `found`, None for nothing, is as expected."""
    if expect is ANY:
        return True
    if expect is ABSENT:
        return found is None
    return found is not None and _files.version_at(found) == expect


def _was_shown(step: Staged) -> bool:
    """Tell whether the file at its home is the one that this commit made, not someone else's."""
    try:
        made = os.lstat(step.temporary)
    except FileNotFoundError:
        return True  # renamed
    try:
        return os.path.samestat(made, os.lstat(step.home))
    except FileNotFoundError:
        return False
