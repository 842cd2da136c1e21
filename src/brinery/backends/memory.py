"""Records in a dictionary: the reference for every other backend, for tests and for scratch work."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, TypeVar

from brinery.backend import (
    ABSENT,
    ANY,
    PRESENT,
    Backend,
    BackendCapabilities,
    Conflict,
    Delete,
    Expect,
    Missing,
    Put,
    Unchanged,
    Version,
    as_delete,
    joined,
)
from brinery.errors import InvalidArgumentError, ReentrantWriteError

T = TypeVar("T")


class MemoryBackend(Backend):
    """Keeps bytes in a dictionary of this process.

    >>> backend = MemoryBackend()
    >>> version = backend.put("Task.1", b"some bytes")
    >>> backend.get("Task.1") == (b"some bytes", version)
    True
    """

    capabilities: ClassVar[BackendCapabilities] = BackendCapabilities(
        atomic_batch=True, snapshot_reads=True, ordered_list=True, persistent=False
    )

    def __init__(self) -> None:
        self.location = "memory:"
        # Re-entrant: a signal handler may run in the middle of any method.
        self._lock = threading.RLock()
        self._is_committing = False
        self._held: dict[str, tuple[bytes, int]] = {}
        self._versions = itertools.count(1)
        self._commits = 0

    def get(self, name: str) -> tuple[bytes, Version]:
        """Return the bytes under `name`, and their version.  Raise `Missing`."""
        with self._lock:
            found = self._held.get(name)
        if found is None:
            raise Missing(name)
        return found

    def get_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes, Version]]:
        """Yield name, bytes and version for each of `names` that exists."""
        for name in names:
            with self._lock:
                found = self._held.get(name)
            if found is not None:
                yield name, *found

    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        """Make all puts, then all deletes; return the new versions by name.  Raise `Conflict`."""
        staged: dict[str, tuple[bytes, Version | Expect]] = {}
        for put in puts:  # without the lock: the generator may use this backend
            if put.name in staged:
                raise InvalidArgumentError(f"{put.name!r} is put twice in one commit: put it once")
            staged[put.name] = joined(put.data), put.expect
        removed = tuple(map(as_delete, deletes))
        with self._lock:
            if self._is_committing:
                raise ReentrantWriteError(self.location)
            try:
                self._is_committing = True
                return self._commit(staged, removed)
            finally:
                self._is_committing = False

    def _commit(
        self, staged: Mapping[str, tuple[bytes, Version | Expect]], removed: Sequence[Delete]
    ) -> Mapping[str, Version]:
        wrong = [name for name, (_, expect) in staged.items() if not self._fits(name, expect)]
        wrong += [name for name, expect in removed if not self._fits(name, expect)]
        if wrong:
            raise Conflict(wrong)
        self._commits += 1
        versions = {name: next(self._versions) for name in staged}
        self._held.update((name, (staged[name][0], versions[name])) for name in staged)
        for each in removed:
            if type(each) is not Unchanged:
                self._held.pop(each.name, None)
        return versions

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the names that start with `prefix`, in order, without those that begin with a dot."""
        with self._lock:
            names = [name for name in self._held if name.startswith(prefix) and name[0] != "."]
        return iter(sorted(names))

    def read_one_state(self, read: Callable[[Backend], T]) -> T:
        """Call `read`; if there was a commit during the call, call it again with a copy."""
        before = self._commits
        try:
            answer = read(self)
        except Exception:
            if self._commits == before:
                raise
        else:
            if self._commits == before:
                return answer
        copy = MemoryBackend()
        with self._lock:
            copy._held = dict(self._held)
        return read(copy)

    def _fits(self, name: str, expect: Version | Expect) -> bool:
        if expect is ANY:
            return True
        found = self._held.get(name)
        if found is None or expect is PRESENT:
            return (found is None) is (expect is ABSENT)
        return found[1] == expect
