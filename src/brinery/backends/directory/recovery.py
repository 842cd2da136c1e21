"""Commits that were cut off: finished if their journal says that they were made, else taken back.

Every step first looks at the files, and does only what is still to do.  So the work may be interrupted at any
point and started again, by its writer or by another process.  The names of new records appear first, in the
reverse order of the puts: a store puts a container before its contents, so a reader of single records never
finds a reference to a record that does not exist.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from brinery.backends.directory import files, sync
from brinery.backends.directory.journal import Entry, Journal, read
from brinery.backends.directory.layout import UNDO, Layout, pending
from brinery.backends.directory.pieces import NO_LINKS, link_or_copy
from brinery.errors import StorageError, storage_error


class Collision(Exception):
    """A name that must be new is taken."""


class MoveError(Exception):
    """A step failed: that of `entry`, because of `cause`."""

    def __init__(self, entry: Entry, cause: OSError) -> None:
        super().__init__(entry.home)
        self.entry = entry
        self.cause = cause


def forward(journal: Journal) -> None:
    """Give the files their names, and remove those to be removed.

    Raise `Collision`, `MoveError` or `OSError`; some files may have been moved.
    """
    journal.prepare_homes()
    shown: Sequence[Entry] = [entry for entry in reversed(journal.entries) if entry.how in "+~"]
    with sync.renames(journal.layout.staging, journal.layout.root, len(shown)) as rename:
        if rename is not None:
            shown = _not_renamed(journal, shown, rename)
        _each(journal, shown, _show)
    _each(journal, reversed([entry for entry in journal.entries if entry.how == "="]), _replace)
    _each(journal, (entry for entry in journal.entries if entry.how == "-"), _remove)


def back(journal: Journal) -> None:
    """Move back the files that have been moved.  Raise `MoveError`."""
    _each(journal, journal.entries, _restore)


def _each(
    journal: Journal, entries: Iterable[Entry], step: Callable[[Journal, Entry], None]
) -> None:
    entry = None
    try:
        for entry in entries:
            step(journal, entry)
    except OSError as error:
        assert entry is not None
        raise MoveError(entry, error) from error


def _not_renamed(
    journal: Journal, entries: Sequence[Entry], rename: sync.Rename
) -> Sequence[Entry]:
    """Give the files their names by one rename each; return those from the first on where it failed."""
    token, start = journal.token, len(journal.layout.root) + 1
    for index, (_, home, number, _, _) in enumerate(entries):
        if rename(f"{token}-{number}".encode(), os.fsencode(home[start:])):
            return entries[index:]
    return ()


def _show(journal: Journal, entry: Entry) -> None:
    staged = journal.staged(entry)
    try:
        os.link(staged, entry.home)
    except FileExistsError:
        _show_despite(journal, entry)
    except FileNotFoundError:
        _require_new(journal, entry)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if not files.exists(staged):
            _require_new(journal, entry)
        elif journal.layout.has_file(entry.home):
            _show_despite(journal, entry)
        else:
            os.replace(staged, entry.home)


def _show_despite(journal: Journal, entry: Entry) -> None:
    """Show a new file where a file exists: this one, or that of a program that ignores the lock."""
    if _was_shown(journal, entry):
        return
    if entry.how == "+":
        raise Collision
    _replace(journal, entry)


def _replace(journal: Journal, entry: Entry) -> None:
    staged, backup = journal.staged(entry), journal.backup(entry)
    try:
        link_or_copy(entry.home, backup, journal.layout.access)
    except (FileExistsError, FileNotFoundError):
        pass  # done before, or a program that ignores the lock has removed it
    try:
        os.replace(staged, entry.home)
    except FileNotFoundError:
        _require_new(journal, entry)


def _require_new(journal: Journal, entry: Entry) -> None:
    """Raise `FileNotFoundError` if a file is neither staged nor under its name."""
    if not journal.is_home(entry):
        raise FileNotFoundError(f"another program removed {journal.staged(entry)!r}")


def _remove(journal: Journal, entry: Entry) -> None:
    # Not by one rename: flushing this directory must be enough to make the removal durable, without the
    # directory into which the file would be renamed.
    if journal.is_home(entry):
        # Where locks are ignored, another process may be finishing the same commit.
        with suppress(FileExistsError, FileNotFoundError):
            link_or_copy(entry.home, journal.backup(entry), journal.layout.access)
        with suppress(FileNotFoundError):
            os.unlink(entry.home)


def _restore(journal: Journal, entry: Entry) -> None:
    backup = journal.backup(entry)
    if files.exists(backup):
        if not files.exists(entry.home) or (entry.how != "-" and journal.is_home(entry)):
            os.replace(backup, entry.home)
    elif entry.how in "+~" and _was_shown(journal, entry):
        os.unlink(entry.home)


def _was_shown(journal: Journal, entry: Entry) -> bool:
    # A copy of the directory has no links: there, the content decides.
    return files.same(journal.staged(entry), entry.home) or journal.is_home(entry)


def take_back(journal: Journal) -> None:
    """Undo a commit, and remove its journal.  Raise `OSError` or `MoveError`."""
    try:
        journal.take_back()
    except FileNotFoundError:
        if not journal.exists():
            return  # it was never made
    back(journal)
    journal.sync_homes()
    journal.remove()


def recover(layout: Layout) -> None:
    """Finish or take back every commit that was cut off.  The caller holds the writers' lock.

    Raise `StorageError`.
    """
    for path in pending(layout):
        try:
            _recover(layout, path)
        except MoveError as error:
            raise _unfinished(error.cause, error.entry.home) from error.cause
        except OSError as error:
            raise _unfinished(error, path) from error


def _recover(layout: Layout, path: str) -> None:
    journal = read(layout, path)
    if journal is None:
        Journal(layout, os.path.basename(path).partition(".")[0], ()).remove()
        return
    if path.endswith(UNDO) or not journal.is_whole() or not _finished(journal):
        take_back(journal)
    journal.remove_files()


def _finished(journal: Journal) -> bool:
    try:
        forward(journal)
    except Collision:
        return False
    journal.sync_homes()
    journal.remove()
    return True


def _unfinished(cause: OSError, place: str) -> StorageError:
    if isinstance(cause, files.NotRegularError):
        place = cause.path
    return storage_error("finish a commit that was cut off", cause, path=place)
