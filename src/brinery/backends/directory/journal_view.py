"""One state of a directory with commits that were cut off, for users who may not finish them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from brinery.backend import Backend, BackendCapabilities, Delete, Missing, Put, Ranges, Version
from brinery.backends.directory import files
from brinery.backends.directory.journal import Journal, read
from brinery.backends.directory.large_files import FileRanges
from brinery.backends.directory.layout import UNDO, Layout, failure, pending
from brinery.backends.directory.lock_state import LockState, lock_state_at
from brinery.errors import StorageError, storage_error
from brinery.typing import ClassVar, Final, TypeVar

T = TypeVar("T")

_TRIES: Final = 5
"""How often a writer that changes names is waited for; then it may have died at that."""
_FIRST_WAIT: Final = 0.0005  # seconds; doubled each time
_LONGEST_WAIT: Final = 0.1


class JournalView(Backend):
    """Reads each name as the journals in a directory say.

    A commit that was made is seen as finished; one that is taken back is not seen.
    """

    capabilities: ClassVar[BackendCapabilities] = BackendCapabilities()

    def __init__(self, directory: Backend, layout: Layout) -> None:
        self.location = directory.location
        self._directory = directory
        self._layout = layout
        self._moved: dict[str, str] = {}
        self._hidden: set[str] = set()
        paths = pending(layout)
        self.has_commits = bool(paths)
        """Whether there are commits that were cut off, or are under way."""
        for path in paths:
            try:
                journal = read(layout, path)
                if journal is not None:
                    self._take(journal, undone=path.endswith(UNDO) or not journal.is_whole())
            except OSError as error:
                raise failure("read", error, "", path) from error

    def _take(self, journal: Journal, *, undone: bool) -> None:
        for entry in journal.entries:
            name = self._layout.name_at(entry.home)
            aside = journal.backup(entry) if undone else journal.staged(entry)
            if entry.how != "-" and not undone:
                self._moved[name] = aside
            elif entry.how == "-" and not undone:
                self._hidden.add(name)
            elif files.exists(aside):
                self._moved[name] = aside
            elif entry.how in "+~" and (
                files.same(journal.staged(entry), entry.home) or journal.is_home(entry)
            ):
                self._hidden.add(name)

    def get(self, name: str) -> tuple[bytes, Version]:
        """Return the bytes under `name`, and their version.  Raise `Missing`."""

        def aside(path: str) -> tuple[bytes, Version]:
            data = files.read_file(path)
            return data, files.version_of(data, len(data))

        return self._read(name, aside, lambda: self._directory.get(name))

    def get_tail(self, name: str, count: int) -> tuple[bytes, int, Version]:
        """Return the last `count` bytes (or all), the full size in bytes, and the version."""

        def aside(path: str) -> tuple[bytes, int, Version]:
            tail, size = files.read_tail(path, max(count, files.VERSION_TAIL))
            return tail[-count:] if count else b"", size, files.version_of(tail, size)

        return self._read(name, aside, lambda: self._directory.get_tail(name, count))

    def open_ranges(self, name: str) -> Ranges:
        """Return the record `name`, to be read in parts, as a context that closes its file."""
        return self._read(
            name,
            lambda path: FileRanges(name, path, None),
            lambda: self._directory.open_ranges(name),
        )

    def _read(self, name: str, aside: Callable[[str], T], home: Callable[[], T]) -> T:
        if name in self._hidden:
            raise Missing(name)
        path = self._moved.get(name)
        if path is not None:
            try:
                return aside(path)
            except FileNotFoundError:
                pass  # it has got its name by now
            except OSError as error:
                raise failure("read", error, name, path) from error
        return home()

    def get_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes, Version]]:
        """Yield name, bytes and version for each of `names` that exists."""
        for name in names:
            try:
                data, version = self.get(name)
            except Missing:
                continue
            yield name, data, version

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the names of objects that start with `prefix`, each once, in any order."""
        moved = {name for name in self._moved if name[0] != "." and name.startswith(prefix)}
        yield from moved
        for name in self._directory.list(prefix):
            if name not in moved and name not in self._hidden:
                yield name

    def where(self, name: str) -> str:
        """Return the path of the file of `name`."""
        path = self._moved.get(name)
        return path if path is not None and files.exists(path) else self._directory.where(name)

    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        """Raise `StorageError`: the view is for reading only."""
        raise StorageError(
            "write",
            "commits were cut off here, which you may not finish: open the store as a user who can write",
            path=self.location,
        )


def read_unlocked(
    backend: Backend, layout: Layout, read: Callable[[Backend], T], timeout: float
) -> T:
    """Call `read` with a backend whose reads see one state; call it again if a writer came.

    Commits that were cut off are seen as they will be once a writer has finished them or taken them back.
    Raise `StorageError` if others have written all the time for `timeout` seconds.
    """
    until = time.monotonic() + timeout
    wait = _FIRST_WAIT
    tries = 0
    while True:
        before = _state(layout)
        is_changing = before is not None and before.changing
        if not is_changing or tries >= _TRIES:
            view = JournalView(backend, layout)
            try:
                result = read(view if view.has_commits else backend)
            except Exception:
                if _state(layout) == before:
                    raise
            else:
                if _state(layout) == before:
                    return result
        if time.monotonic() > until:
            raise StorageError(
                "read",
                f"others have written to it all the time for {timeout:g} seconds, and mode='r' takes no "
                "lock that would keep them out: try again when it is less busy, or open it without mode='r'",
                path=layout.root,
            )
        time.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)
        tries += 1


def _state(layout: Layout) -> LockState | None:
    try:
        return lock_state_at(layout.lock)
    except OSError as error:
        raise storage_error("read", error, path=layout.lock) from error
