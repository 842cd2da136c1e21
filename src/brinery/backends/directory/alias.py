"""Names that a file system takes for one although they differ, in case alone (macOS, Windows, exFAT).

A record is kept under its own name there.  Under an alias, the file of another record is found: whoever
writes to it would change that record.  So the record is asked for its ID.
"""

from __future__ import annotations

import os

from brinery.backends.directory import files
from brinery.backends.directory.layout import name_in
from brinery.errors import RecordError, StorageError
from brinery.ids import id_of, name_of
from brinery.record.end import end_size
from brinery.record.reader import parse_metadata

_END = 4096  # bytes read at first: enough for the metadata of most records


def require_own(action: str, name: str, path: str) -> None:
    """Raise `StorageError` if the file at `path` is that of another name than `name`."""
    other = other_name_at(path, name)
    if other is None:
        return
    id_, other_id = id_of(name), id_of(other)
    raise StorageError(
        action,
        f"this file system takes its name and that of {(other if other_id is None else other_id)!r}, which "
        "is there, for one: use an ID that differs in more than case",
        id=name if id_ is None else id_,
        path=path,
    )


def other_name_at(path: str, name: str) -> str | None:
    """Return the name of the file that is found at `path`, None if it is `name`.  Raise `OSError`."""
    if name[0] == "." or _name_in_record(path) == name:
        return None
    # It is damaged, misplaced, or that of another name: only the directory has the name itself.
    directory, _, last = path.rpartition("/")
    names = os.listdir(directory)
    if last in names:
        return None
    others = (name_in(found) for found in names if found.lower() == last.lower())
    return next(others, None)


def _name_in_record(path: str) -> str | None:
    try:
        end, size = files.read_tail(path, _END)
        needed = end_size(end, size, id=None, path=None)
        if needed > len(end):
            end, size = files.read_tail(path, needed)
        return name_of(parse_metadata(end, size).id)
    except RecordError:
        return None
