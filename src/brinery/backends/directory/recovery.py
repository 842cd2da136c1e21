"""Finishing a commit whose journal stands, or taking it back.

Every step looks at what stands where, and does what is still to be done: so the work may be cut off at any
point and begun again, by its writer or by another process.  The names of new records appear first, the last
put first: a store puts a container before what it contains, so that a reader of single records meets no
reference to a record that is not there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress

from brinery.backends.directory import files
from brinery.backends.directory.journal import UNDO, Entry, Journal, pending, read
from brinery.backends.directory.layout import Places
from brinery.errors import StorageError, storage_error


class Collision(Exception):
    """A name that was to be new is taken."""


class MoveError(Exception):
    """A step failed; `entry` tells which, and `cause` why."""

    def __init__(self, entry: Entry, cause: OSError) -> None:
        super().__init__(entry.home)
        self.entry = entry
        self.cause = cause


def forward(journal: Journal) -> None:
    """Give the files their names, and remove those to be removed.

    Raise `Collision`, `MoveError` or `OSError`; some files may have been moved.
    """
    journal.prepare_homes()
    _each(journal, reversed([entry for entry in journal.entries if entry.how in "+~"]), _show)
    _each(journal, reversed([entry for entry in journal.entries if entry.how == "="]), _replace)
    _each(journal, (entry for entry in journal.entries if entry.how == "-"), _remove)


def back(journal: Journal) -> None:
    """Move back what has been moved.  Raise `MoveError`."""
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


def _show(journal: Journal, entry: Entry) -> None:
    staged = journal.staged(entry)
    try:
        os.link(staged, entry.home)
    except FileExistsError:
        _show_despite(journal, entry)
    except FileNotFoundError:
        _require_new(journal, entry)
    except OSError as error:
        if error.errno not in files.NO_LINKS:
            raise
        if not files.stands(staged):
            _require_new(journal, entry)
        elif journal.places.stands(entry.home):
            _show_despite(journal, entry)
        else:
            os.replace(staged, entry.home)


def _show_despite(journal: Journal, entry: Entry) -> None:
    """Show a new file where one stands: this one, or one of somebody who does not honour the lock."""
    if _was_shown(journal, entry):
        return
    if entry.how == "+":
        raise Collision
    _replace(journal, entry)


def _replace(journal: Journal, entry: Entry) -> None:
    staged, backup = journal.staged(entry), journal.backup(entry)
    try:
        files.keep(entry.home, backup, journal.places.access)
    except (FileExistsError, FileNotFoundError):
        pass  # done before; or it was removed by somebody who does not honour the lock
    try:
        os.replace(staged, entry.home)
    except FileNotFoundError:
        _require_new(journal, entry)


def _require_new(journal: Journal, entry: Entry) -> None:
    """Raise `FileNotFoundError` where a file that is not staged any more has not got its name."""
    if not journal.is_home(entry):
        raise FileNotFoundError(f"somebody removed {journal.staged(entry)!r}")


def _remove(journal: Journal, entry: Entry) -> None:
    # Not by one rename: that its name is gone is to be durable when the directory has been flushed, and
    # not only when the one is in which it appears.
    if journal.is_home(entry):
        # Somebody else may finish the same commit, where locks are not honoured.
        with suppress(FileExistsError, FileNotFoundError):
            files.keep(entry.home, journal.backup(entry), journal.places.access)
        with suppress(FileNotFoundError):
            os.unlink(entry.home)


def _restore(journal: Journal, entry: Entry) -> None:
    backup = journal.backup(entry)
    if files.stands(backup):
        if not files.stands(entry.home) or (entry.how != "-" and journal.is_home(entry)):
            os.replace(backup, entry.home)
    elif entry.how in "+~" and _was_shown(journal, entry):
        os.unlink(entry.home)


def _was_shown(journal: Journal, entry: Entry) -> bool:
    # A copy of the directory has no links: there, what the file holds tells.
    return files.same(journal.staged(entry), entry.home) or journal.is_home(entry)


def take_back(journal: Journal) -> None:
    """Undo a commit, and remove its journal.  Raise `OSError` or `MoveError`."""
    try:
        journal.take_back()
    except FileNotFoundError:
        if not journal.stands():
            return  # it was never made
    back(journal)
    journal.sync_homes()
    journal.remove()


def recover(places: Places) -> None:
    """Finish, or take back, every commit that was cut off.  Call it under the writers' lock.

    Raise `StorageError`.
    """
    for path in pending(places):
        try:
            _recover(places, path)
        except MoveError as error:
            raise _unfinished(error.cause, error.entry.home) from error.cause
        except OSError as error:
            raise _unfinished(error, path) from error


def _recover(places: Places, path: str) -> None:
    journal = read(places, path)
    if journal is None:
        Journal(places, os.path.basename(path).partition(".")[0], ()).remove()
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
