"""References, sizes and damage of the records of a store, read from their ends.

Nothing is decoded, and only the metadata of each record are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from brinery.backend import Backend
from brinery.errors import (
    DanglingReferenceError,
    ForeignRecordError,
    MisplacedRecordError,
    NotFoundError,
    RecordError,
    SealError,
)
from brinery.ids import Id, id_of, in_order, is_hashed, name_of, names_begin
from brinery.record.info import read_each, read_metadata
from brinery.record.listing import ids_of
from brinery.record.record import Metadata
from brinery.record.seal import Seals
from brinery.session.session import Session
from brinery.typing import NamedTuple


def stamp_of(metadata: Metadata) -> bytes:
    """Return bytes that identify one writing of a record: no other writing has the same."""
    return metadata.nonce + metadata.payload_digest


class Outline(NamedTuple):
    """The facts about a scanned record that are kept."""

    references: Sequence[str]
    size: int
    """Bytes of the whole record."""
    stamp: bytes
    """The bytes that `stamp_of` returns for it."""


class Scan:
    """The records of a backend, or those that some of them reach."""

    def __init__(self, backend: Backend, seals: Seals | None = None) -> None:
        """Prepare a scan; with `seals`, a record that none of their keys has sealed counts as damaged."""
        self._backend = backend
        self._seals = seals
        self.found: dict[str, Outline] = {}
        """The records by ID."""
        self.damaged: dict[str, RecordError | SealError] = {}
        """Why records cannot be used, by ID; by name if the ID is not known."""
        self.foreign: list[str] = []
        """Names in the backend that are not records."""
        self._ids: dict[str, str] = {}

    def everything(self) -> Scan:
        """Read the ends of all records."""
        for name in self._backend.list():
            id_ = id_of(name)
            if id_ is None and not is_hashed(name):
                self.foreign.append(name)
            else:
                self._read(name, id_)
        self.foreign += self._backend.strays()
        return self

    def reachable(self, ids: Iterable[str]) -> Scan:
        """Read the ends of the records `ids` and of all that they reach.  Raise `NotFoundError`."""
        pending = list(dict.fromkeys(ids))
        for id_ in pending:
            if not self._read(name_of(id_), id_):
                raise NotFoundError(id_, self._backend.location)
        seen = set(pending)
        while pending:
            outline = self.found.get(pending.pop())
            for id_ in outline.references if outline else ():
                if id_ not in seen:
                    seen.add(id_)
                    self._read(name_of(id_), id_)
                    pending.append(id_)
        return self

    def dangling(self) -> list[DanglingReferenceError]:
        """Return an error for each ID that records refer to and that has no record."""
        missing: dict[str, DanglingReferenceError] = {}
        for referrer, outline in self.found.items():
            for id_ in outline.references:
                if id_ not in self.found and id_ not in self.damaged and id_ not in missing:
                    where = self._backend.location
                    missing[id_] = DanglingReferenceError(id_, referrer, where)
        return list(missing.values())

    def _read(self, name: str, id: str | None) -> bool:
        # Return whether anything is stored under the name.
        try:
            metadata, size = read_metadata(self._backend, name, id, self._seals)
            if id is None and name_of(metadata.id) != name:
                raise MisplacedRecordError(metadata.id, id=name, path=self._backend.where(name))
        except NotFoundError:
            return False
        except (RecordError, SealError) as error:
            self.damaged[name if id is None else id] = error
            return True
        # One string for each ID, however many refer to it.
        references = tuple(self._ids.setdefault(each, each) for each in metadata.references)
        self.found[metadata.id] = Outline(references, size, stamp_of(metadata))
        return True


def ids_in(session: Session, prefix: str = "") -> list[str]:
    """Return the IDs of all objects whose ID starts with `prefix`, sorted."""
    with session.lock, session.call_lock, session.opened():
        found = ids_of(session.backend, session.backend.list(names_begin(prefix)))
    return in_order([id_ for id_ in found if id_.startswith(prefix)] if prefix else found)


def ids_of_class(session: Session, cls: type | str, prefix: str = "") -> list[str]:
    """Return the IDs of the objects of exactly one class, sorted; `prefix` as for `ids_in`.

    `cls` is a class or its name, with or without its module.  The records say which class their objects have.
    Of a record that cannot be read, the ID counts if it is made of the name of the class.
    """
    wanted = f"{cls.__module__}:{cls.__qualname__}" if isinstance(cls, type) else cls
    short = wanted.rpartition(":")[2].rpartition(".")[2]
    found = []
    with session.lock, session.call_lock, session.opened():
        for name, metadata, _ in read_each(
            session.backend, [*session.backend.list(names_begin(prefix))]
        ):
            if isinstance(metadata, RecordError):
                id_ = Id(id_of(name) or "")
                is_wanted = id_.number is not None and id_.prefix == short
            else:
                id_ = Id(metadata.id)
                is_wanted = wanted in _names_of(session, metadata.class_name)
            if is_wanted and id_.startswith(prefix):
                found.append(str(id_))
    return in_order(found)


def _names_of(session: Session, class_name: str) -> tuple[str, ...]:
    # As the record has it, under its present name, and without the module.
    module, qualname = session.renames.present(*class_name.split(":", 1))
    return class_name, f"{module}:{qualname}", qualname


def ids_one_by_one(session: Session) -> Iterator[str]:
    """Yield the IDs of all objects, in any order, the first one without listing the others."""
    with session.lock, session.call_lock, session.opened():
        first = ids_of(session.backend, session.backend.some_names(1))
    yield from first
    # From here on a list of all: the caller may save and remove objects between two of them.
    with session.lock, session.call_lock, session.opened():
        ids = ids_of(session.backend, session.backend.list())
    yield from (id_ for id_ in ids if id_ not in first)


def referrers(backend: Backend, id: str) -> list[str]:
    """Return the IDs of the objects whose records refer to the object `id`, sorted.

    Raise `RecordError` if a record cannot be read: it may refer to that object, too.
    """
    names = backend.referrers(name_of(id))
    found = []
    for name in backend.list() if names is None else names:
        own = id_of(name)
        if names is not None and own is not None:
            found.append(own)
            continue
        try:
            metadata, _ = read_metadata(backend, name, own)
        except NotFoundError:  # removed after the listing
            continue
        if id in metadata.references:
            found.append(metadata.id)
    return in_order(found)


def require_records(backend: Backend) -> None:
    """Raise `ForeignRecordError` for a listed name that may be the file of another program."""
    for name in backend.doubtful():
        raise ForeignRecordError(
            "is damaged or not a record of brinery, and nothing was removed: remove() it or move it "
            "elsewhere first",
            id=id_of(name),
            path=backend.where(name),
        )
