"""One state of a directory with commits that were cut off, for users who may not finish them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from brinery.backend import Backend, BackendCapabilities, Delete, Missing, Put, Version
from brinery.backends.directory import files
from brinery.backends.directory.journal import Journal, read
from brinery.backends.directory.layout import UNDO, Layout, failure, pending
from brinery.errors import StorageError
from brinery.typing import ClassVar, TypeVar

T = TypeVar("T")


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
