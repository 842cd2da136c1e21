"""Writes that are held back: a backend over another one, which stays untouched until all are published.

An overlay keeps, for each name that it has written, the last bytes (or the deletion) and what the first of
these writes expects of the name below.  Reads look here first, then below.  Overlays can be stacked:
publishing is one commit to the backend below, which may be another overlay.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from brinery.backend import (
    ABSENT,
    ANY,
    PRESENT,
    Backend,
    Conflict,
    Delete,
    Expect,
    Missing,
    Put,
    Ranges,
    Unchanged,
    Version,
    as_delete,
)
from brinery.errors import InvalidArgumentError, ReentrantWriteError
from brinery.record.held_bytes import HeldBytes
from brinery.typing import NamedTuple, TypeVar

T = TypeVar("T")


class BufferedVersion:
    """The version of a record that an overlay holds; equal to itself alone."""

    __slots__ = ("owner",)

    def __init__(self, owner: object) -> None:
        self.owner = owner


class _Change(NamedTuple):
    """The write of a name: its bytes here, and what the name must hold below."""

    start: int
    size: int
    version: BufferedVersion | None
    """None if the name is deleted."""
    expect: Version | Expect
    put: Put | None
    """The put for the backend below, without its bytes; None for a mere deletion."""
    batch: int


def _with_fields_of(former: Put | None, put: Put) -> Put:
    """Return `put` with the columns that an earlier write here gave to the same object."""
    about = put.about
    if about is None or about.fields is not None or former is None or former.about is None:
        return put
    return put._replace(about=about._replace(fields=former.about.fields))


class Overlay(Backend):
    """Holds back what is written over the backend `base`, until `publish`.

    It keeps the contract of backends.  A put is checked twice: against the state that is seen at that
    moment, and by the backend below when it is published.  `close` drops writes that are not published.
    """

    def __init__(self, base: Backend) -> None:
        # Puts must carry here what the engine below needs.
        self.capabilities = base.capabilities._replace(  # type: ignore[misc] # that of the class is for engines
            atomic_batch=True,
            snapshot_reads=False,  # only of the backend below: later writes to the overlay are seen
            ordered_list=False,
            persistent=False,
        )
        self.location = base.location
        self._base = base
        self._owner = object()
        self._lock = threading.RLock()
        self._changes: dict[str, _Change] = {}
        self._unchanged: dict[str, Version | Expect] = {}
        self._held = HeldBytes(base.location)
        self._batch = 0
        self._is_committing = False

    # -- reading

    def get(self, name: str) -> tuple[bytes, Version]:
        """Return the bytes under `name`, and their version.  Raise `Missing`."""
        with self._lock:
            change = self._changes.get(name)
            if change is not None:
                return self._bytes(name, change), change.version
        return self._base.get(name)

    def get_record(self, name: str) -> tuple[bytes, Version] | Ranges:
        """Return the record `name` as `get` does, or open it, where it is below."""
        return self.get(name) if name in self._changes else self._base.get_record(name)

    def open_ranges(self, name: str) -> Ranges:
        """Return the record `name`, to be read in parts, as a context that releases it.  Raise `Missing`."""
        return Ranges(*self.get(name)) if name in self._changes else self._base.open_ranges(name)

    def get_records(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | Ranges, Version]]:
        """Yield records as `get_many` does; those below as the backend there gives them."""
        wanted = [*names]
        yield from self.get_many(name for name in wanted if name in self._changes)
        yield from self._base.get_records(name for name in wanted if name not in self._changes)

    def get_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes, Version]]:
        """Yield name, bytes and version for each of `names` that exists, in any order."""
        below = []
        for name in names:
            if name not in self._changes:
                below.append(name)
            elif self._changes[name].version is not None:
                yield name, *self.get(name)
        if below:
            yield from self._base.get_many(below)

    def get_tail(self, name: str, count: int) -> tuple[bytes, int, Version]:
        """Return the last `count` bytes (or all), the full size, and the version.  Raise `Missing`."""
        with self._lock:
            change = self._changes.get(name)
            if change is not None:
                most = min(count, change.size)
                return self._bytes(name, change, change.size - most), change.size, change.version
        return self._base.get_tail(name, count)

    def get_tails(
        self, names: Iterable[str], count: int
    ) -> Iterator[tuple[str, bytes, int, Version]]:
        """Yield the name and the answer of `get_tail` for each of `names` that exists."""
        below = []
        for name in names:
            if name not in self._changes:
                below.append(name)
            elif self._changes[name].version is not None:
                yield name, *self.get_tail(name, count)
        if below:
            yield from self._base.get_tails(below, count)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the names that start with `prefix`, each once, without those that begin with a dot."""
        with self._lock:
            changes = dict(self._changes)
        for name in self._base.list(prefix):
            if name not in changes:
                yield name
        for name, change in changes.items():
            if change.version is not None and name.startswith(prefix) and name[0] != ".":
                yield name

    def has(self, name: str) -> bool:
        """Return whether there is an object under `name`: whether `list` yields it."""
        change = self._changes.get(name)
        return self._base.has(name) if change is None else change.version is not None

    def doubtful(self) -> Iterator[str]:
        """Yield the names of `list` that may be files of other programs."""
        return (name for name in self._base.doubtful() if name not in self._changes)

    def some_names(self, most: int) -> Sequence[str]:
        """Return some of the names that `list` yields, at most `most`."""
        with self._lock:
            changes = dict(self._changes)
        own = (name for name, change in changes.items() if change.version is not None)
        found = [name for name in own if name[0] != "."]
        # Of the names below, some may be deleted here or found already.
        below = self._base.some_names(most + len(changes))
        return [*found, *(name for name in below if name not in changes)][:most]

    def read_one_state(self, read: Callable[[Backend], T]) -> T:
        """Call `read` with these changes over one state of the backend below."""
        return self._base.read_one_state(lambda base: read(self._over(base)))

    def written(self) -> dict[str, Put | None]:
        """Return the puts that are held here and in overlays below, without bytes; None for a deletion."""
        found = self._base.written() if isinstance(self._base, Overlay) else {}
        with self._lock:
            for name, change in self._changes.items():
                put = None if change.version is None else change.put
                found[name] = put and _with_fields_of(found.get(name), put)
        return found

    def where(self, name: str) -> str:
        """Return where the bytes of `name` are, or will be."""
        return self._base.where(name)

    def _over(self, base: Backend) -> Overlay:
        if base is self._base:
            return self
        same = object.__new__(type(self))
        same.__dict__.update(self.__dict__, _base=base)
        return same

    def _bytes(self, name: str, change: _Change, skip: int = 0) -> bytes:
        if change.version is None:
            raise Missing(name)
        return self._held.read(change.start + skip, change.size - skip)

    # -- writing

    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        """Hold all puts, then all deletes; return the new versions by name.  Raise `Conflict`."""
        staged: dict[str, tuple[int, int, Put]] = {}
        for put in puts:  # without the lock: the generator may use this backend
            if put.name in staged:
                raise InvalidArgumentError(f"{put.name!r} is put twice in one commit: put it once")
            staged[put.name] = *self._held.append(put.data), put._replace(data=())
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
        self, staged: Mapping[str, tuple[int, int, Put]], removed: Sequence[Delete]
    ) -> Mapping[str, Version]:
        expected = [(name, put.expect) for name, (_, _, put) in staged.items()]
        self._check([*expected, *removed])
        self._batch += 1
        versions: dict[str, Version] = {}
        for name, (start, size, put) in staged.items():
            version = versions[name] = BufferedVersion(self._owner)
            former = self._changes.pop(name, None)
            below = put.expect if former is None else former.expect
            put = _with_fields_of(former.put if former else None, put)
            self._changes[name] = _Change(start, size, version, below, put, self._batch)
        for each in removed:
            if type(each) is Unchanged:
                self.expect_unchanged(*each)
            else:
                self._delete(*each)
        return versions

    def expect_unchanged(self, name: str, version: Version | Expect) -> None:
        """Let `publish` fail if a name that is not written here has another version below by then."""
        if name not in self._changes:
            self._unchanged.setdefault(name, version)

    def _delete(self, name: str, expect: Version | Expect) -> None:
        former = self._changes.pop(name, None)
        if former is None:
            self._changes[name] = _Change(0, 0, None, expect, None, self._batch)
        elif former.put is not None and former.expect is ABSENT:
            pass  # made and removed again: nothing is left to publish
        else:
            # The put stays because of its expectation: below, deletes come after puts.
            self._changes[name] = former._replace(version=None, batch=self._batch)

    def _check(self, expected: Iterable[tuple[str, Version | Expect]]) -> None:
        wrong = []
        new = []
        for name, expect in expected:
            if expect is ANY:
                continue
            change = self._changes.get(name)
            if change is not None:
                found: Version | Expect = ABSENT if change.version is None else change.version
            elif expect is ABSENT:
                new.append(name)
                continue
            else:
                found = self._version_below(name)
            if found is ABSENT if expect is PRESENT else found != expect:
                wrong.append(name)
        if new:
            # One bulk call, which reads nothing unless there is a conflict.
            wrong += [name for name, _, _ in self._base.get_many(new)]
        if wrong:
            raise Conflict([*dict.fromkeys(wrong)])

    def _version_below(self, name: str) -> Version | Expect:
        try:
            return self._base.get_tail(name, 0)[2]
        except Missing:
            return ABSENT

    # -- the end

    def publish(self) -> Mapping[str, Version]:
        """Commit everything to the backend below; return the new versions there, by name.

        Raise `Conflict` if a name does not hold there what its first write here expected.
        """
        if not self._changes:
            return {}
        return self._base.commit(self._puts(), self._deletes())

    def _puts(self) -> Iterator[Put]:
        # A container is put before its contents, as in a single save: a later save may refer to the records
        # of an earlier one.
        for change in sorted(self._changes.values(), key=lambda change: -change.batch):
            if change.put is not None:
                data = self._held.read(change.start, change.size)
                yield change.put._replace(data=(data,), expect=change.expect)

    def _deletes(self) -> Iterator[Delete]:
        for name, change in self._changes.items():
            if change.version is None:
                # If there is a put, it has the expectation.
                yield Delete(name, ANY if change.put is not None else change.expect)
        for name, expect in self._unchanged.items():
            if name not in self._changes:
                yield Unchanged(name, expect)

    def is_published(self) -> bool:
        """Return whether everything is below, after a `publish` whose outcome is not known."""
        for name, change in self._changes.items():
            try:
                data, _ = self._base.get(name)
            except Missing:
                if change.version is not None:
                    return False
            else:
                if change.version is None or data != self._held.read(change.start, change.size):
                    return False
        return True

    def versions_below(self) -> Mapping[str, Version]:
        """Return the versions that the names written here have below."""
        return {name: self._version_below(name) for name in self._changes}

    def is_own(self, version: Version) -> bool:
        """Return whether a version is that of a record that this overlay holds or has held."""
        return type(version) is BufferedVersion and version.owner is self._owner

    def is_current(self, name: str, version: Version) -> bool:
        """Return whether `version` is the one that this overlay holds under `name`."""
        change = self._changes.get(name)
        return change is not None and change.version is version

    def has_deleted(self, name: str) -> bool:
        """Return whether this overlay hides what is below under `name`."""
        change = self._changes.get(name)
        return change is not None and change.version is None

    def pre_fork(self) -> None:
        """Let the backend below prepare."""
        self._base.pre_fork()

    def post_fork(self) -> None:
        """Let the backend below go on."""
        self._base.post_fork()

    def close(self) -> None:
        """Drop everything; the backend below stays open."""
        self._changes = {}
        self._held.close()
