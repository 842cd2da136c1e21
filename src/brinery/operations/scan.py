"""What a store holds, as the ends of its records tell: references, sizes, damage.

Nothing is decoded, and of a record no more is read than its metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from brinery.backend import Backend
from brinery.errors import (
    DanglingReferenceError,
    MisplacedRecordError,
    NotFoundError,
    RecordError,
    SealError,
)
from brinery.ids import Id, id_of, is_hashed, name_of
from brinery.record.info import read_metadata
from brinery.record.listing import ids_of
from brinery.record.record import Metadata
from brinery.record.seal import Seals
from brinery.session.session import Session


def stamp_of(metadata: Metadata) -> bytes:
    """Return what tells one writing of a record from every other."""
    return metadata.nonce + metadata.payload_digest


class Outline(NamedTuple):
    """What is kept of a record that was scanned."""

    references: Sequence[str]
    size: int
    """Bytes of the whole record."""
    stamp: bytes
    """What `stamp_of` returns for it."""


class Scan:
    """The records of a backend, or those that some of them reach."""

    def __init__(self, backend: Backend, seals: Seals | None = None) -> None:
        """A record that none of `seals` has sealed, where they are given, cannot be used."""
        self._backend = backend
        self._seals = seals
        self.found: dict[str, Outline] = {}
        """The records by ID."""
        self.damaged: dict[str, RecordError | SealError] = {}
        """Why records cannot be used, by ID; by name where not even that is known."""
        self.foreign: list[str] = []
        """What stands among the records and is none."""
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
        """Return an error for each object that is referred to and has no record."""
        missing: dict[str, DanglingReferenceError] = {}
        for referrer, outline in self.found.items():
            for id_ in outline.references:
                if id_ not in self.found and id_ not in self.damaged and id_ not in missing:
                    where = self._backend.location
                    missing[id_] = DanglingReferenceError(id_, referrer, where)
        return list(missing.values())

    def _read(self, name: str, id: str | None) -> bool:
        # Return whether anything stands under the name.
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


def ids_in(session: Session, prefix: str = "") -> list[Id]:
    """Return the IDs of all objects whose ID starts with `prefix`, sorted."""
    with session.lock, session.opened():
        ids = ids_of(session.backend, session.backend.list())
        found = [Id(id_) for id_ in ids if id_.startswith(prefix)]
    return sorted(found, key=Id.sort_key)


def referrers(backend: Backend, id: str) -> list[Id]:
    """Return the IDs of the objects whose records refer to the object `id`, sorted.

    Raise `RecordError` where a record cannot be read: it may refer to that object, too.
    """
    names = backend.referrers(name_of(id))
    found = []
    for name in backend.list() if names is None else names:
        own = id_of(name)
        if names is not None and own is not None:
            found.append(Id(own))
            continue
        try:
            metadata, _ = read_metadata(backend, name, own)
        except NotFoundError:  # removed meanwhile
            continue
        if id in metadata.references:
            found.append(Id(metadata.id))
    return sorted(found, key=Id.sort_key)
