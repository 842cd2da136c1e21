"""The backend interface: bytes under names, with versions.

A backend keeps records and knows nothing of Python objects.  Names are made by `brinery.ids.name_of`:
printable, without separators, never empty, at most 255 bytes in UTF-8, so that every engine can use
them as they are.  A name that starts with a dot belongs to the store itself (its settings, its counter),
and `list` leaves it out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from io import BytesIO
from itertools import chain, islice

from brinery.codec import Buffer
from brinery.errors import BrineryError, NotMappableError, StorageError, derived
from brinery.typing import Any, ClassVar, Final, NamedTuple, Self, TypeVar

T = TypeVar("T")

Version = Hashable
"""One state of a name: opaque, comparable for equality, changed by every put of other bytes."""


class Expect(Enum):
    """The condition of a write that does not expect a version."""

    ANY = "any"
    ABSENT = "absent"
    PRESENT = "present"


ANY: Final = Expect.ANY
ABSENT: Final = Expect.ABSENT
PRESENT: Final = Expect.PRESENT
"""Something is there, in whatever version: of several writers that remove a name, one succeeds."""


class Missing(BrineryError):
    """A backend holds nothing under a name."""

    # By hand, in a third of the time that the root takes: a save asks for names that are not there.
    def __init__(self, name: str) -> None:
        self.name = name
        self.message = f"nothing is stored under {name!r}"
        Exception.__init__(self, self.message)


class Conflict(BrineryError):
    """Names do not hold what writes expected.  `names` are all of them."""

    message: str = derived("not as expected: {names}")
    names: Sequence[str]


class About(NamedTuple):
    """The values that an engine with columns keeps beside a record, so that queries read no records."""

    class_name: str
    """`module:qualname` of the object's class."""
    codec: str
    created: float
    """Seconds since the epoch, in UTC."""
    references: Sequence[str]
    """The IDs that the record refers to."""
    fields: Mapping[str, Any] | None = {}
    """Values of extra columns, by their names.  Empty where they are not known: the columns then count as
    unfilled.  None leaves them as they are, because the object is the same."""


class Stream:
    """Large data, whose pieces are made while an engine takes them, and again if it takes them again.

    Making a piece may raise an error, which ends the commit.
    """

    __slots__ = ("_make", "size")

    def __init__(self, size: int, make: Callable[[], Iterator[Buffer]]) -> None:
        """`size` is in bytes, of all pieces."""
        self.size = size
        self._make = make

    def __iter__(self) -> Iterator[Buffer]:
        return self._make()

    def followed_by(self, end: bytes) -> Stream:
        """Return these pieces and one more."""
        return Stream(self.size + len(end), lambda: chain(self._make(), (end,)))


Data = Sequence[Buffer] | Stream
"""Bytes in pieces."""


def size_of(data: Data) -> int:
    """Return how many bytes the pieces have."""
    return data.size if isinstance(data, Stream) else sum(map(len, data))


def joined(data: Data) -> bytes:
    """Return the pieces as one: those of a stream without holding all of them beside it."""
    if not isinstance(data, Stream):
        return b"".join(data)
    file = BytesIO()
    file.writelines(data)
    return file.getvalue()


class Put(NamedTuple):
    """One write of a commit: `name` gets `data`, which is in pieces."""

    name: str
    data: Data
    expect: Version | Expect = ANY
    about: About | None = None
    """Given for every record where the engine `keeps_columns`.  The engine reads nothing from the bytes:
    without it, they have no class and refer to nothing, like bytes of another program."""


class Delete(NamedTuple):
    """One deletion of a commit, which may expect something of `name`."""

    name: str
    expect: Version | Expect = ANY


class Unchanged(Delete):
    """A name that a commit neither writes nor deletes, and that must be as it says; see `Backend.commit`."""


class Derived(NamedTuple):
    """A record that was read, and what an engine with columns has to keep beside it."""

    name: str
    version: Version
    size: int
    about: About


class Ranges:
    """A record whose bytes are read in parts: `Backend.open_ranges` gives one, as a context.

    All parts are of one state of the record, also if it is replaced or deleted before the last one is read.
    This class has the bytes in memory; an engine that can read parts has a subclass.
    """

    size: int
    """Bytes of the whole record."""
    version: Version

    def __init__(self, data: bytes, version: Version) -> None:
        self._data = data
        self.size = len(data)
        self.version = version

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Release the record."""

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from one position to another, fewer if the record ends before that."""
        return self._data[start:stop]

    def map(self, stop: int, *, is_private: bool) -> Any:
        """Return a map of the file with the bytes up to `stop`; changes stay in memory if it `is_private`."""
        raise NotMappableError("it is not in a file of its own")

    def read_into(self, start: int, view: memoryview) -> None:
        """Fill `view`, which is writable and contiguous, with the bytes from `start` on.

        Raise `StorageError` if the record ends before that.
        """
        wanted = view.nbytes
        if start + wanted > self.size:
            raise ended(start + wanted, self.size)
        if wanted:
            view.cast("B")[:] = memoryview(self._data)[start : start + wanted]


def ended(stop: int, size: int) -> StorageError:
    """Return the error for a record that ends before the last byte that was asked for."""
    return StorageError(
        "read", f"expected at least {stop} bytes, got {size}: it was cut off, or is another record"
    )


def as_delete(delete: str | Delete) -> Delete:
    """Return a deletion as a `Delete`; a bare name expects nothing."""
    return Delete(delete) if isinstance(delete, str) else delete


class BackendCapabilities(NamedTuple):
    """The promises of an engine beyond the contract."""

    atomic_batch: bool = False
    """`commit` happens wholly or not at all, also when the process is killed in its middle."""
    snapshot_reads: bool = False
    """`read_one_state` keeps its promise: its reads see one state, whatever is committed during it."""
    ordered_list: bool = False
    """`list` yields in the order of the names' code points."""
    persistent: bool = True
    """Records outlive the process."""
    keeps_columns: bool = False
    """Columns and references are kept from `Put.about`, which every put of a record has."""
    maps_files: bool = False
    """`Ranges.map` gives a map of each record, which stays as it is whatever happens to the record."""


class Backend(ABC):
    """Keeps bytes under names.

    Every put is atomic: a reader sees the old bytes or the new ones.  The methods may be called from
    several threads.  A failure of the medium is a `StorageError`; only real absence is `Missing`.
    The caller that made the backend closes it.
    """

    capabilities: ClassVar[BackendCapabilities]
    location: str
    """The directory or URL, without secrets, as messages show it."""

    @abstractmethod
    def get(self, name: str) -> tuple[bytes, Version]:
        """Return the bytes under `name`, and their version.  Raise `Missing`."""

    def get_as_is(self, name: str) -> tuple[bytes, Version]:
        """Answer as `get` does, for bytes that are no whole record.

        An engine may look at the end of a large record before `get` reads it, and raise `RecordError`.
        """
        return self.get(name)

    def get_record(self, name: str) -> tuple[bytes, Version] | Ranges:
        """Return the record `name` as `get` does, or open it, where it is large and can be read in parts."""
        return self.get(name)

    def get_records(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | Ranges, Version]]:
        """Yield records as `get_many` does, or opened, as `get_record`."""
        return self.get_many(names)

    @abstractmethod
    def get_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes, Version]]:
        """Yield name, bytes and version for each of `names` that exists, in any order."""

    @abstractmethod
    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        """Make all puts, then all deletes; return the new versions by name.

        `puts` may be a generator: it is consumed to its end before anything becomes visible, and an
        exception that it raises undoes the whole commit.  Raise `Conflict`, with nothing changed, when
        any name is not as its put or its `Delete` expects (both of the state before the commit), and
        `InvalidArgumentError` when a name is put twice.  Deleting a name that does not exist is not an
        error, unless a `Delete` expects a version or `PRESENT`.  One that is `Unchanged` is not deleted.
        """

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the names that start with `prefix`, each once, in any order, without dotted ones."""

    def read_one_state(self, read: Callable[[Backend], T]) -> T:
        """Call `read` with a backend whose reads all see one state of the store; return its answer.

        `read` may be called again, if there was a commit during the call.  An engine that cannot promise
        one state calls it once, with itself.
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
        """Return the last `count` bytes (or all), the full size, and the version.  Raise `Missing`."""
        data, version = self.get(name)
        return data[-count:] if count else b"", len(data), version

    def open_ranges(self, name: str) -> Ranges:
        """Return the record `name`, to be read in parts, as a context that releases it.  Raise `Missing`.

        An engine that can read a part of a record without the rest overrides this, and then reads into the
        memory that a caller gives, without a copy.
        """
        return Ranges(*self.get(name))

    def has(self, name: str) -> bool:
        """Return whether there is an object under `name`: whether `list` yields it."""
        try:
            self.get_tail(name, 0)
        except Missing:
            return False
        return True

    def some_names(self, most: int) -> Sequence[str]:
        """Return some of the names that `list` yields: at most `most`, and none only if there are none.

        An engine that makes a whole list before it yields the first name overrides this.
        """
        return tuple(islice(self.list(), most))

    def count_names(self) -> int:
        """Return the number of names that `list` yields."""
        return sum(map(bool, self.list()))  # none is empty; this makes no step of Python for each

    def doubtful(self) -> Iterator[str]:
        """Yield the names that `list` yields and that may all the same be files of other programs."""
        return iter(())

    def require(self, name: str) -> None:  # noqa: B027 - an engine in memory cannot lose a name
        """Note that the store was opened with something under `name`, and is gone where that is gone.

        From now on a read that finds nothing, and every write, raise `StorageError` if nothing is under
        `name`: a place that was removed or unmounted must not look like an empty store.  A read that finds
        something need not look.
        """

    def strays(self) -> Iterator[str]:
        """Yield files that are not records, as shown in messages; `list` leaves them out."""
        return iter(())

    def referrers(self, name: str) -> Iterator[str] | None:
        """Return the names of the records that refer to the one that has `name`, each once.

        None, as from the base class, stands for an engine that keeps no such index: the store then reads
        the ends of all records.  An engine that has one keeps in it the names (`name_of`) of the IDs in
        `About.references` of each put.
        """
        return None

    def differences(self, derived: Sequence[Derived]) -> Iterator[tuple[str, str]]:
        """Yield the names of the records whose columns are wrong, and which of them are.

        Columns that are filled from `About.fields` are not compared.  An engine that `keeps_columns`
        overrides this; the base class yields nothing.
        """
        return iter(())

    def misindexed(self) -> Iterator[str]:
        """Yield the names whose references the index has not as the columns have them.

        An engine that derives such an index from a column overrides this; the base class yields nothing.
        """
        return iter(())

    def rebuild_index(self) -> None:  # noqa: B027 - without an index there is nothing to do
        """Make the index of references again from the columns, if there is one."""

    def get_closure(
        self, name: str, without: Sequence[str], most: int
    ) -> Sequence[tuple[str, bytes, Version]] | None:
        """Return the record `name` and all that it refers to, near and far, in one state of the store.

        Each is its name, bytes and version, in any order.  The names `without`, and records that are
        reached through these only, may be missing.  None, as from the base class, stands for an engine
        that keeps no index of references, and for more than `most` records or large ones: the store then
        reads wave by wave.  An engine for which a call is a round trip overrides this.
        """
        return None

    def get_tails(
        self, names: Iterable[str], count: int
    ) -> Iterator[tuple[str, bytes, int, Version]]:
        """Yield the name and the answer of `get_tail` for each of `names` that exists.

        In any order, but the first of `names` are read first, or all at one moment.  An engine for which a
        call is a round trip overrides this.
        """
        for name in names:
            try:
                end, size, version = self.get_tail(name, count)
            except Missing:
                continue
            yield name, end, size, version

    def is_open_to_others(self) -> str | None:
        """Return why other users can write here, or None if they cannot; the base class cannot know."""
        return None

    def pre_fork(self) -> None:  # noqa: B027 - most engines have nothing to do
        """Release what must not be shared with a child process."""

    def post_fork(self) -> None:  # noqa: B027
        """Acquire again what `pre_fork` released, in parent and child."""

    def close(self) -> None:  # noqa: B027
        """Release descriptors and connections; a second call does nothing."""
