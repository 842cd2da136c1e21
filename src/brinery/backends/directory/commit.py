"""A commit, made visible wholly or not at all.

Under the writers' lock, expectations are checked and the staged files get their names.  A single file gets
or loses its name by one atomic step.  Several files need a journal.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final

from brinery.backend import ABSENT, ANY, PRESENT, Conflict, Delete, Expect, Version
from brinery.backends.directory import files, recovery
from brinery.backends.directory.journal import UNREADABLE, Entry, How, Journal, check_of
from brinery.backends.directory.lock_state import Turn
from brinery.backends.directory.staging import Staged, Staging, failure
from brinery.errors import StorageError, storage_error

_MANY: Final = 512


class Commit:
    """The steps that give staged files their names, and remove others."""

    def __init__(self, staging: Staging, deletes: Sequence[Delete]) -> None:
        self._staging = staging
        self._layout = staging.layout
        self._deletes = deletes
        self._removed = dict.fromkeys(name for name, _ in deletes)
        self._count = 0
        self._touched = ""
        self._shards: dict[str, bool] = {}
        self._has_shards = True

    def run(self, turn: Turn) -> None:
        """Give the files their names and remove those that are deleted, or raise with nothing changed."""
        new, old = self._checked(trust_links=True)
        removals = list(self._removals())
        try:
            if len(new) + len(old) + len(removals) == 1:
                turn.change()
                self._step(new, old, removals)
            elif new or old or removals:
                self._publish(new, old, removals, turn)
        except recovery.Collision:
            self._checked(trust_links=False)  # raises a `Conflict` with all names that are taken
            raise self._collided(new) from None

    def _collided(self, new: Sequence[Staged]) -> Exception:
        names = [staged.name for staged in new if staged.expect is not ANY]
        if names or not self._layout.ignores_case:
            return Conflict(names)
        return StorageError(
            "write",
            "this file system takes two names of this commit for one: use IDs that differ in more than case",
            path=self._layout.root,
        )

    def _checked(self, *, trust_links: bool) -> tuple[list[Staged], list[Staged]]:
        """Check every expectation; return the puts of new names, and those of existing names.

        With `trust_links`, names that must be new are left to link(2), which fails if they exist: looking
        first costs 4 µs of the 30 that a small record takes.
        """
        new: list[Staged] = []
        old: list[Staged] = []
        wrong = []
        if len(self._staging.staged) > _MANY and not self._layout.sharded:
            # A flat directory seldom has a shard: looking for each shard once saves a look for each name.
            self._has_shards = any(map(files.kind_of, self._layout.shards()))
        for staged in self._staging.staged.values():
            try:
                linked = staged.expect is ABSENT and staged.name not in self._removed
                if trust_links and linked:
                    if not self._has_shards:
                        new.append(staged)
                        continue
                    staged.found = self._elsewhere(staged.name)
                else:
                    staged.found = self._layout.find(staged.name)
                if not _fits(staged.found, staged.expect):
                    wrong.append(staged.name)
                elif staged.found is not None:
                    self._require_own("write", staged.name, staged.found)
            except OSError as error:
                raise failure("write", error, staged.name, staged.home) from error
            (new if staged.found is None else old).append(staged)
        wrong += self._not_to_be_deleted()
        if wrong and trust_links:
            return self._checked(trust_links=False)
        if wrong:
            raise Conflict(wrong)
        if not self._removed:
            return new, old
        # A name that is put and deleted in one commit is checked, and then only deleted.
        return (
            [staged for staged in new if staged.name not in self._removed],
            [staged for staged in old if staged.name not in self._removed],
        )

    def _require_own(self, action: str, name: str, path: str) -> None:
        if self._layout.ignores_case:
            from brinery.backends.directory.alias import require_own

            require_own(action, name, path)

    def _not_to_be_deleted(self) -> list[str]:
        """Return the names that are not as their deletions expect."""
        wrong = []
        for name, expect in self._deletes:
            try:
                if expect is not ANY and not _fits(self._layout.find(name), expect):
                    wrong.append(name)
            except OSError as error:
                raise failure("remove", error, name, self._layout.home(name)) from error
        return wrong

    def _elsewhere(self, name: str) -> str | None:
        # The path of the name in the other layout.  Most directories do not even have that shard.
        if not self._layout.sharded:
            shard = self._layout.shard(name)
            if shard not in self._shards:
                self._shards[shard] = files.kind_of(shard) is not None
            if not self._shards[shard]:
                return None
        path = self._layout.other(name)
        return path if path is not None and self._layout.has_file(path) else None

    def _removals(self) -> Iterator[Entry]:
        for name in self._removed:
            for path in (self._layout.other(name), self._layout.home(name)):
                try:
                    if path is not None and self._layout.has_file(path):
                        self._require_own("remove", name, path)
                        self._count += 1
                        yield _removal(path, f"r{self._count}")
                except OSError as error:
                    raise failure("remove", error, name, self._layout.home(name)) from error

    # -- one step, which is atomic by itself

    def _step(self, new: list[Staged], old: list[Staged], removals: list[Entry]) -> None:
        for staged in (*new, *old):
            try:
                self._show(staged) if staged.found is None else self._replace(staged)
            except OSError as error:
                raise failure("write", error, staged.name, staged.home) from error
        for entry in removals:
            self._touched = entry.home.rpartition("/")[0]
            try:
                os.unlink(entry.home)
            except OSError as error:
                raise failure(
                    "remove", error, self._layout.name_at(entry.home), entry.home
                ) from error

    def _show(self, staged: Staged) -> None:
        try:
            try:
                self._link(staged)
            except FileNotFoundError:
                self._layout.prepare(staged.home.rpartition("/")[0])
                self._link(staged)
        except FileExistsError:
            # A program that ignores the lock came first.
            if self._must_be_new(staged):
                raise recovery.Collision from None
            self._replace(staged)
        except BaseException:
            if files.same(staged.temporary, staged.home):  # interrupted
                os.unlink(staged.home)
            raise
        self._touched = staged.home.rpartition("/")[0]

    def _link(self, staged: Staged) -> None:
        try:
            os.link(staged.temporary, staged.home)
        except OSError as error:
            if error.errno not in files.NO_LINKS:
                raise
            if self._must_be_new(staged) and self._layout.has_file(staged.home):
                raise recovery.Collision from None
            self._replace(staged)

    def _must_be_new(self, staged: Staged) -> bool:
        # Where case is ignored, a file that was not there may be that of another name of the same commit.
        return staged.expect is not ANY or self._layout.ignores_case

    def _replace(self, staged: Staged) -> None:
        target = staged.found or staged.home
        self._touched = target.rpartition("/")[0]
        os.replace(staged.temporary, target)
        self._staging.forget((staged.temporary,))

    # -- several steps, which a journal makes atomic

    def _publish(
        self, new: list[Staged], old: list[Staged], removals: list[Entry], turn: Turn
    ) -> None:
        entries = [_entry("+" if self._must_be_new(staged) else "~", staged) for staged in new]
        entries += [_entry("=", staged) for staged in old]
        journal = Journal(self._layout, self._staging.token, entries + removals)
        # Before they exist: an interrupt may come at any time.
        self._staging.expect(journal.backup(entry) for entry in journal.entries if entry.how != "+")
        try:
            journal.write(self._staging.path("journal"))
            turn.change()
            recovery.forward(journal)
            turn.changed()
            journal.sync_homes()
            journal.remove()
        except BaseException as error:
            self._take_back(journal, turn, error)
            if isinstance(error, recovery.MoveError):
                raise self._failure(error) from error.cause
            if isinstance(error, OSError):
                raise storage_error("write", error, path=self._layout.root) from error
            raise
        self._staging.forget(staged.temporary for staged in old)

    def _take_back(self, journal: Journal, turn: Turn, cause: BaseException) -> None:
        try:
            turn.change()
            recovery.take_back(journal)
        except (OSError, recovery.MoveError) as error:
            self._staging.forget_all()
            turn.is_unfinished = True
            raise StorageError(
                "undo a commit that failed",
                f"{_reason(cause)}; then {_reason(error)}. The next writer finishes or undoes it",
                path=self._layout.root,
            ) from cause

    def _failure(self, error: recovery.MoveError) -> StorageError:
        home = error.entry.home
        action = "remove" if error.entry.how == "-" else "write"
        return failure(action, error.cause, self._layout.name_at(home), home)

    def sync_directories(self) -> None:
        """Make the name of a single file durable; it is visible already."""
        if not self._layout.durable or not self._touched:
            return
        try:
            files.sync_directory(self._touched)
        except OSError as error:
            raise storage_error(
                "make a record durable (it is visible, but a power cut may lose it)",
                error,
                path=self._layout.root,
            ) from error


def _entry(how: How, staged: Staged) -> Entry:
    size, tail = staged.version
    home = staged.found or staged.home
    return Entry(how, home, str(staged.number), size, check_of(tail))


def _removal(path: str, number: str) -> Entry:
    try:
        size, tail = files.version_at(path)
    except OSError:  # damaged, or reading is forbidden: it is deleted all the same
        size, tail = UNREADABLE, b""
    return Entry("-", path, number, size, check_of(tail))


def _reason(error: BaseException) -> str:
    cause = error.cause if isinstance(error, recovery.MoveError) else error
    return f"{type(cause).__name__}: {cause}"


def _fits(found: str | None, expect: Version | Expect) -> bool:
    """Return whether the file at the path `found` (None: there is none) is as expected."""
    if expect is ANY:
        return True
    if expect is ABSENT:
        return found is None
    return found is not None and (expect is PRESENT or files.version_at(found) == expect)
