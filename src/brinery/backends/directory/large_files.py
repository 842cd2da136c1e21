"""Large files: both ends are looked at before a file is read as a record."""

from __future__ import annotations

from collections.abc import Callable

from brinery.backends.directory import files
from brinery.ids import id_of
from brinery.record.outline import LARGE, Read

CheckOutline = Callable[[Read, int, str | None, str], object]
"""Raises an error if a file is not a record: by a function that reads parts of it, size, ID and path."""


class LargeFiles:
    """Applies a check to the files that are large."""

    def __init__(self, check: CheckOutline | None) -> None:
        """Without `check` nothing is looked at."""
        self._check = check

    def look_at(self, name: str, path: str) -> Callable[[Read, int], object] | None:
        """Return the function that checks a file while it is open, None for files that are not records."""
        check = self._check
        if check is None or name[0] == ".":
            return None

        def look(read: Read, size: int) -> None:
            if size > LARGE:
                check(read, size, id_of(name), path)

        return look

    def check(self, name: str, path: str) -> None:
        """Check a file without reading it."""
        if (look := self.look_at(name, path)) is not None:
            files.look_at(path, look)
