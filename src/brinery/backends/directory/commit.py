"""A commit of several records, made visible wholly or not at all.

Under the writers' lock, expectations are checked and the staged files get their names, by a journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from brinery.backend import ABSENT, ANY, Conflict, Delete
from brinery.backends.directory import files, recovery
from brinery.backends.directory.journal import UNREADABLE, Entry, How, Journal, backup, check_of
from brinery.backends.directory.layout import Layout, failure, is_found
from brinery.backends.directory.lock_state import Turn
from brinery.backends.directory.staging import Staged, Staging
from brinery.backends.directory.step import located, require_own
from brinery.errors import StorageError, storage_error
from brinery.typing import Final

_MANY: Final = 512


class Commit:
    """The steps that give staged files their names, and remove others."""

    def __init__(self, staging: Staging, deletes: Sequence[Delete]) -> None:
        self._staging = staging
        self._layout = staging.layout
        self._deletes = deletes
        self._removed = dict.fromkeys(name for name, _ in deletes)
        self._count = 0
        self._has_shards = True

    def run(self, turn: Turn) -> None:
        """Give the files their names and remove those that are deleted, or raise with nothing changed."""
        new, old = self._checked(trust_links=True)
        removals = list(self._removals())
        try:
            if new or old or removals:
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
            self._has_shards = any(map(is_found, self._layout.shards()))
        for staged in self._staging.staged.values():
            name, expect = staged.name, staged.expect
            try:
                if trust_links and expect is ABSENT and name not in self._removed:
                    if not self._has_shards:
                        new.append(staged)
                        continue
                    staged.found = self._layout.elsewhere(name)
                    fits = staged.found is None
                else:
                    staged.found, fits = located(self._layout, name, staged.home, expect)
                if not fits:
                    wrong.append(name)
                elif staged.found is not None:
                    require_own(self._layout, "write", name, staged.found)
            except OSError as error:
                raise failure("write", error, name, staged.home) from error
            (new if staged.found is None else old).append(staged)
        wrong += not_as_expected(self._layout, self._deletes)
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

    def _removals(self) -> Iterator[Entry]:
        for name in self._removed:
            for path in (self._layout.other(name), self._layout.home(name)):
                try:
                    if path is not None and self._layout.has_file(path):
                        require_own(self._layout, "remove", name, path)
                        self._count += 1
                        yield _removal(path, f"r{self._count}")
                except OSError as error:
                    raise failure("remove", error, name, self._layout.home(name)) from error

    # -- several steps, which a journal makes atomic

    def _publish(
        self, new: list[Staged], old: list[Staged], removals: list[Entry], turn: Turn
    ) -> None:
        # Where case is ignored, a file that was not there may be that of another name of this commit.
        replaceable = ANY if not self._layout.ignores_case else None
        entries: list[Entry] = []
        for staged in (*new, *old):
            size, tail = staged.version
            how: How = "=" if staged.found else "~" if staged.expect is replaceable else "+"
            home = staged.found or staged.home
            entries.append(Entry(how, home, str(staged.number), size, check_of(tail)))
        journal = Journal(self._layout, self._staging.token, entries + removals)
        # Before they exist: an interrupt may come at any time.
        self._staging.expect(backup(entry.number) for entry in journal.entries if entry.how != "+")
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
        for staged in old:
            self._staging.forget(staged.number)

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


def _removal(path: str, number: str) -> Entry:
    try:
        size, tail = files.version_at(path)
    except OSError:  # damaged, or reading is forbidden: it is deleted all the same
        size, tail = UNREADABLE, b""
    return Entry("-", path, number, size, check_of(tail))


def _reason(error: BaseException) -> str:
    cause = error.cause if isinstance(error, recovery.MoveError) else error
    return f"{type(cause).__name__}: {cause}"


def not_as_expected(layout: Layout, deletes: Iterable[Delete]) -> list[str]:
    """Return the names that are not as their deletions expect."""
    wrong = []
    for name, expect in deletes:
        home = layout.home(name)
        try:
            if expect is not ANY and not located(layout, name, home, expect)[1]:
                wrong.append(name)
        except OSError as error:
            raise failure("remove", error, name, home) from error
    return wrong
