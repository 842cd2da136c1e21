"""The backend interface: bytes under names, with versions.

A backend keeps records and knows nothing of Python objects.  Names are made by `brinery.ids.name_of`:
printable, without separators, never empty, at most 255 bytes in UTF-8, so that every engine can take
them as they are.  A name that starts with a dot is the store's own (its settings, its counter) and
is left out of `list`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

from brinery.codec import Buffer
from brinery.errors import BrineryError, derived

T = TypeVar("T")

Version = Hashable
"""Tells one state of a name from another: opaque, comparable for equality, changed by every put of
other bytes."""


class Expect(Enum):
    """What a name must hold for a write to happen, where it is not a version."""

    ANY = "any"
    ABSENT = "absent"


ANY: Final = Expect.ANY
ABSENT: Final = Expect.ABSENT


class Missing(BrineryError):
    """A backend holds nothing under a name."""

    message: str = derived("nothing is stored under {name!r}")
    name: str


class Conflict(BrineryError):
    """A name does not hold what a write expected.  `names` are all that were found so."""

    message: str = derived("not as expected: {names}")
    names: Sequence[str]


class About(NamedTuple):
    """What an engine with columns keeps beside a record, so that queries need not read records."""

    class_name: str
    """`module:qualname` of the object's class."""
    codec: str
    created: float
    """Seconds since the epoch, in UTC."""
    references: Sequence[str]
    """The IDs that the record refers to."""
    fields: Mapping[str, Any] | None = {}
    """Values of further columns, by their names; None leaves the present values."""


class Put(NamedTuple):
    """One write of a commit: `data` in pieces, to be stored under `name`."""

    name: str
    data: Sequence[Buffer]
    expect: Version | Expect = ANY
    about: About | None = None
    """Given where the engine `keeps_columns`.  Without it, the engine reads it from the record."""


class Delete(NamedTuple):
    """One deletion of a commit that depends on the present version of `name`."""

    name: str
    expect: Version | Expect = ANY


def as_delete(delete: str | Delete) -> Delete:
    """Return a deletion as a `Delete`; a bare name expects nothing."""
    return Delete(delete) if isinstance(delete, str) else delete


@dataclass(frozen=True, slots=True)
class BackendCapabilities:
    """What an engine gives beyond the contract."""

    atomic_batch: bool = False
    """`commit` happens wholly or not at all, also when the process is killed in its middle."""
    snapshot_reads: bool = False
    """`read_one_state` keeps its promise: its reads see one state, also while others commit."""
    ordered_list: bool = False
    """`list` yields in the order of the names' code points."""
    persistent: bool = True
    """What is put outlives the process."""
    fork_safe: bool = False
    """A child process may use the backend that its parent opened."""
    keeps_columns: bool = False
    """Each put should describe its record in `about`."""


class Backend(ABC):
    """Keeps bytes under names.

    Every put is atomic: a reader sees the old bytes or the new ones.  The methods may be called from
    several threads.  A failure of the medium is a `StorageError`; only real absence is `Missing`.
    The program that made the backend closes it.
    """

    capabilities: ClassVar[BackendCapabilities]
    location: str
    """The directory or URL, without secrets, as messages show it."""

    @abstractmethod
    def get(self, name: str) -> tuple[bytes, Version]:
        """Return the bytes under `name`, and their version.  Raise `Missing`."""

    @abstractmethod
    def get_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes, Version]]:
        """Yield name, bytes and version for those of `names` that there are, in any order."""

    @abstractmethod
    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        """Make all puts, then all deletes; return the new versions by name.

        `puts` may be a generator: it is consumed to its end before anything becomes visible, and
        an exception that it raises undoes the whole commit.  Raise `Conflict`, with nothing changed,
        when any name is not as its put or its `Delete` expects (both expect
        the state before the commit), and `InvalidArgumentError` when a name is put twice.  Deleting a name
        that is not there is allowed, unless a `Delete` expects it.
        """

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the names that start with `prefix`, each once, in any order, without the dotted."""

    def read_one_state(self, read: Callable[[Backend], T]) -> T:
        """Call `read` with a backend whose reads all see one state of the store; return its answer.

        `read` may be called again, when a commit got in between.  An engine that cannot promise one
        state calls it once, with itself.
        """
        return read(self)

    def put(self, name: str, data: Buffer, expect: Version | Expect = ANY) -> Version:
        """Set one name; return its new version.  Raise `Conflict`."""
        return self.commit([Put(name, (data,), expect)])[name]

    def delete(self, name: str) -> None:
        """Remove one name; no error if it is not there."""
        self.commit((), [name])

    def where(self, name: str) -> str:
        """Return where the bytes of `name` are, for messages."""
        return f"{self.location}/{name}"

    def get_tail(self, name: str, count: int) -> tuple[bytes, int, Version]:
        """Return the last `count` bytes (or all), the full size in bytes, and the version.

        Raise `Missing`.
        """
        data, version = self.get(name)
        return data[-count:] if count else b"", len(data), version

    def strays(self) -> Iterator[str]:
        """Yield files that are not records, as messages show them; `list` leaves them out."""
        return iter(())

    def referrers(self, name: str) -> Iterator[str] | None:
        """Return the names of the records that refer to the one that has `name`, each once.

        None, as from the base class, means that the engine keeps no such index: the store then reads
        the ends of all records.  An engine that has one keeps in it the names (`name_of`) of the IDs
        in the metadata of each record that it is given.
        """
        return None

    def get_closure(
        self, name: str, without: Sequence[str], most: int
    ) -> Sequence[tuple[str, bytes, Version]] | None:
        """Return the record `name` and all that it refers to, near and far, in one state of the store.

        Each is its name, bytes and version, in any order.  What is reached through the names `without`
        alone, and these themselves, may be missing.  None, as from the base class, means an engine
        that keeps no index of references, and for records that are more than `most` or large: the store
        then reads wave by wave.  An engine for which a call is a round trip overrides this.
        """
        return None

    def get_tails(
        self, names: Iterable[str], count: int
    ) -> Iterator[tuple[str, bytes, int, Version]]:
        """Yield the name and what `get_tail` returns for those of `names` that there are.

        In any order, but the names are looked up in their order, or all at one moment.  An engine
        for which a call is a round trip overrides this.
        """
        for name in names:
            try:
                end, size, version = self.get_tail(name, count)
            except Missing:
                continue
            yield name, end, size, version

    def is_open_to_others(self) -> str | None:
        """Return why other users can write here, None if they cannot.

        The base class cannot know, and returns None.
        """
        return None

    def pre_fork(self) -> None:  # noqa: B027 - most engines have nothing to do
        """Let go of what must not be shared with a child process."""

    def post_fork(self) -> None:  # noqa: B027
        """Take up again what `pre_fork` let go of, in parent and child alike."""

    def close(self) -> None:  # noqa: B027
        """Let go of descriptors and connections; a second call does nothing."""
