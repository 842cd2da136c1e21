"""Reading the records of a graph, in waves.

The metadata of a record list its references, so the records of a graph are read by bulk gets before any of
them is decoded: one get for each distance from the root.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from brinery.backend import Backend, Missing, Ranges, Version
from brinery.codec import Codec
from brinery.errors import (
    BrineryError,
    DanglingReferenceError,
    NotFoundError,
    RecordError,
    TrustError,
)
from brinery.evolution.missing_codec import CodecFor, codec_or_missing
from brinery.graph.loading.simple import Maker, SimpleRecord, as_simple, maker_of
from brinery.ids import name_of
from brinery.persistable import ref_to
from brinery.record.annotation import Annotation, annotation_in
from brinery.record.format import REFS, SIMPLE
from brinery.record.kind import Kind
from brinery.record.payload import LARGE
from brinery.record.reader import metadata_as_written
from brinery.record.record import Groups, Metadata, Record
from brinery.reference import REF
from brinery.session.active import ACTIVE
from brinery.session.identity import NOTHING
from brinery.session.session import Session
from brinery.typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from brinery.graph.loading.mapper import Mapper

GetMany = Callable[[Iterable[str]], Iterator[tuple[str, bytes | Ranges, Version]]]
"""Yields name, bytes and version of the records that exist; see `Backend.get_many`."""

_MOST_AHEAD: Final = 200
"""Most records of a graph to read at once; those whose objects turn out to be alive are read in vain."""


class FetchedRecord(NamedTuple):
    """A record that was read and checked, and the codec that decodes it."""

    record: Record
    codec: Codec


# Called for each record, and takes half the time of a call of the class.
_new_fetched: Final[Callable[[tuple[Record, Codec]], FetchedRecord]] = functools.partial(
    tuple.__new__, FetchedRecord
)


class Fetched(NamedTuple):
    """What a load has to decode, by ID, and the living objects that it reaches."""

    alive: dict[str, Any]
    simple: dict[str, SimpleRecord]
    """The simple records, if the fetcher was asked for them."""
    others: dict[str, FetchedRecord]
    referred: set[str]
    """The IDs to which simple records refer."""
    waiting: dict[str, Groups]
    """The references of the records whose targets were not read, because they may be ghosts."""
    ghosts: dict[str, Any]
    """The living ghosts whose records were read."""


class Fetcher:
    """Reads the records of one load.

    With `placeholders`, a missing codec is not an error.  Without, living objects that are placeholders,
    or refer to some, are read again.
    """

    __slots__ = (
        "_ghosts",
        "_mapper",
        "_placeholders",
        "_session",
        "annotations",
        "is_lean",
        "reading",
    )

    def __init__(
        self,
        session: Session,
        *,
        placeholders: bool = False,
        is_lean: bool = False,
        mapper: Mapper | None = None,
    ) -> None:
        """With `is_lean`, keep no more of simple records than is needed to make their objects.

        With `mapper`, large arrays become views of the files of their records.
        """
        self._session = session
        self._mapper = mapper
        self._placeholders = placeholders
        self._ghosts: dict[str, Any] = {}
        self.reading: Callable[[GetMany], GetMany] | None = None
        """Returns what is called to get records in place of the function of the backend."""
        self.annotations: dict[str, Annotation] = {}
        """Those of the records that have one, by ID."""
        self.is_lean = is_lean and session.gate.restriction is None and not placeholders
        """Whether simple records are kept apart."""

    def fetch(self, ids: Sequence[str], references: Sequence[str] = ()) -> Fetched:
        """Return the living objects that a graph reaches, and the records of the others.

        If the engine can, all records are read in one state of the store.  `references` may be given for a
        single ID, if its references are known; all records are then read at once, if the engine can do that.
        The payloads are as the codecs wrote them.  Raise `NotFoundError`, `DanglingReferenceError`,
        `RecordError`, `TrustError`, `StorageError`, and the errors for a missing codec or transform.
        """
        backend = self._session.backend
        self._session.gate.begin_load()
        if references:
            held: dict[str, Any] = {}
            self._missing(references, held)
            closure = backend.get_closure(name_of(ids[0]), [*map(name_of, held)], _MOST_AHEAD)
            if closure is not None:
                with suppress(_IncompleteError):
                    return self._read(ids, backend, _Closure(closure))
        return backend.read_one_state(lambda view: self._read(ids, view, view.get_records))

    def fetch_one(self, id: str) -> FetchedRecord:
        """Return the record `id` and nothing that it refers to.  Raise what `fetch` raises."""
        session = self._session
        session.gate.begin_load()
        data, version = read_one(session, id)
        return self._with_codec(self._parsed(data, version, id, session.backend), session.backend)

    def alone(
        self, id: str, data: bytes | Ranges, version: Version, alive: dict[str, Any]
    ) -> FetchedRecord | Sequence[str]:
        """Return the record `id`; if it refers to records that have to be read, return its references.

        `data` and `version` are from `read_one`.  The living objects to which it refers are put into `alive`.
        Raise what `fetch` raises.
        """
        self._session.gate.begin_load()
        record = self._parsed(data, version, id, self._session.backend)
        metadata = record.metadata
        if metadata.references:
            references = metadata.followed
            unread = self._missing(references, alive)
            if unread and unread != [id]:
                return references
            if metadata.flags >= REFS:
                add_refs(self._session, metadata, alive)
        return self._with_codec(record, self._session.backend)

    def _read(self, ids: Sequence[str], backend: Backend, get_many: GetMany) -> Fetched:
        found = Fetched({}, {}, {}, set(), {}, self._ghosts)
        alive, simple, others, referred = found[:4]
        makers: dict[bytes, Maker | None] = {}
        kind: Kind | None = None
        maker: Maker | None = None
        is_quick = self.is_lean and self._session.gate.accepts_plain
        wave = list(dict.fromkeys(ids))
        if self.reading is not None:
            get_many = self.reading(get_many)
        while wave:
            following: set[str] = set()
            from_simple: set[str] = set()
            wanted = {name_of(id_): id_ for id_ in self._missing(wave, alive)}
            for place, data, version in get_many(list(wanted)):
                id_ = wanted.pop(place)
                if is_quick and type(data) is bytes:
                    metadata = metadata_as_written(data, id_)
                    if metadata is not None and metadata[8] == SIMPLE:
                        if metadata[1] is not kind:  # most are of the same kind as the one before
                            kind = metadata[1]
                            maker = makers.get(kind.blob)
                        if maker is not None:
                            simple[id_] = data, metadata[4], version, metadata[5], maker, None
                            if metadata[12]:
                                self.annotations[id_] = annotation_in(metadata[12])
                            from_simple.update(metadata[3])
                            continue
                each = self._with_codec(self._parsed(data, version, id_, backend), backend)
                metadata = each.record.metadata
                if metadata.flags >= REFS:
                    add_refs(self._session, metadata, alive)
                lean = None
                if self.is_lean:
                    blob = metadata.kind.blob
                    if blob not in makers:
                        makers[blob] = maker_of(metadata, each.codec)
                    kind, lean = None, as_simple(each.record, makers[blob])
                if lean is None:
                    others[id_] = each
                    following.update(metadata.followed)
                else:
                    simple[id_] = lean
                    from_simple.update(metadata.followed)
            for id_ in wanted.values():
                raise not_found(id_, ids, backend, {**others, **self.whole(simple)})
            referred |= from_simple
            wave = sorted((following | from_simple).difference(simple, others, alive))
        return found

    def _parsed(self, data: bytes | Ranges, version: Version, id_: str, backend: Backend) -> Record:
        if isinstance(data, Ranges):
            return self._opened(data, id_, backend.where(name_of(id_)))
        parsed = self._session.gate.parsed
        try:
            record = parsed(data, version, id_)
        except (RecordError, TrustError):
            # Parse it again with its path, so that the error names it; making the path takes time.
            return parsed(data, version, id_, backend.where(name_of(id_)))
        if self._mapper is not None and record.metadata.buffers:
            return self._opened(_ranges_of(id_, backend), id_, backend.where(name_of(id_)))
        return record

    def _with_codec(self, record: Record, backend: Backend) -> FetchedRecord:
        metadata = record.metadata
        codec = self._codec_of(metadata)
        self._session.gate.check_codec(codec, metadata)
        if metadata.transform is not None and not record.buffers:
            record = self._restored(record, codec, backend.where(name_of(metadata.id)))
        if metadata.more:
            self.annotations[metadata.id] = annotation_in(metadata.more)
        return _new_fetched((record, codec))

    def whole(self, simple: Mapping[str, SimpleRecord]) -> dict[str, FetchedRecord]:
        """Return simple records with all that they say of themselves."""
        parsed = self._session.gate.parsed
        return {
            id_: _new_fetched((record or parsed(data, version, id_), maker.codec))
            for id_, (data, _, version, _, maker, record) in simple.items()
        }

    def _opened(self, ranges: Ranges, id_: str, path: str) -> Record:
        """Return a large record; its arrays are read into memory of their own, if they were written so."""
        gate = self._session.gate
        with ranges:
            large = gate.opened(ranges, id_, path)
            metadata = large.metadata
            codec = self._codec_of(metadata)
            gate.check_codec(codec, metadata)
            if self._mapper is not None and metadata.buffers:
                return self._mapper.record(large, codec, path)
            if self._is_in_parts(metadata, codec):
                return large.read(codec.detached, self._session.expander)
            data = ranges.read(0, ranges.size)
        return gate.parsed(data, ranges.version, id_, path)

    def _restored(self, record: Record, codec: Codec, path: str) -> Record:
        metadata, expander = record.metadata, self._session.expander
        done = metadata.transform
        is_small = record.raw is not None or done is None or done.size <= LARGE
        if is_small or not self._is_in_parts(metadata, codec):
            return expander.restored(record, path)
        from brinery.record.parts import LargeRecord

        ranges = Ranges(record.data, record.version)
        return LargeRecord(ranges, metadata, path).read(codec.detached, expander)

    def _is_in_parts(self, metadata: Metadata, codec: Codec) -> bool:
        # Who restricts classes looks through the whole payload; a placeholder keeps the whole record.
        if not self.is_lean:
            return False
        if not metadata.buffers:
            return metadata.transform is not None
        return codec.capabilities.out_of_band and self._session.gate.restriction is None

    def _missing(self, wave: Sequence[str], alive: dict[str, Any]) -> list[str]:
        # Return the IDs of a wave that are not alive.  The living objects are put into `alive`, so that
        # they do not die before the end of the load.
        identity = self._session.identity
        # IDs whose living objects do not count.
        excluded = () if self._placeholders else identity.incomplete
        missing = []
        ghosts = self._session.ghosts
        for id_ in wave:
            obj = identity.get(id_)
            if obj is NOTHING or (excluded and id_ in excluded):
                missing.append(id_)
            elif ghosts is not None and ghosts.has_to_fill(id_):
                self._ghosts[id_] = obj
                missing.append(id_)
            else:
                alive[id_] = obj
        if self._mapper is not None:
            for id_ in wave:
                if id_ in alive:
                    self._mapper.require(id_, alive[id_])
        if missing and len(ACTIVE.decoders) > 1:
            # A load around this one may have completed some of them.
            others = [id_ for id_ in missing if id_ not in excluded and id_ not in self._ghosts]
            found = {id_: self._session.borrowed(id_) for id_ in others}
            alive.update({id_: obj for id_, obj in found.items() if obj is not NOTHING})
            missing = [id_ for id_ in missing if id_ not in alive]
        return missing

    def _codec_of(self, metadata: Metadata) -> Codec:
        codec_for: CodecFor = self._session.codecs.codec_for
        if self._placeholders:
            codec_for = codec_or_missing(codec_for)
        try:
            return codec_for(metadata.codec, metadata.config)
        except BrineryError as error:
            if error.id is None:
                # The registry knows no IDs.
                error.id = metadata.id
                writer = f"written by Python {metadata.python}, {metadata.codec} {metadata.codec_version}"
                error.args = (f"{metadata.id!r} ({writer}): {error.args[0]}", *error.args[1:])
            raise


def add_refs(session: Session, metadata: Metadata, objects: dict[str, Any]) -> None:
    """Add what takes the place of the references that a load does not follow."""
    for id_ in metadata.in_refs:
        objects[REF + id_] = ref_to(session, id_)


def read_one(session: Session, id: str) -> tuple[bytes | Ranges, Version]:
    """Return the bytes of a record and their version.  Raise `NotFoundError`, `StorageError`.

    A single record needs no snapshot of the store, and making one costs more than reading the record.
    """
    backend = session.backend
    try:
        found = backend.get_record(name_of(id))
    except Missing:
        raise NotFoundError(id, backend.location) from None
    return (found, None) if isinstance(found, Ranges) else found


def _ranges_of(id: str, backend: Backend) -> Ranges:
    try:
        return backend.open_ranges(name_of(id))
    except Missing:  # it was removed after it was read whole
        raise NotFoundError(id, backend.location) from None


class _IncompleteError(Exception):
    """A record that is needed was not among those that were read at once."""


class _Closure:
    """Answers as `Backend.get_many` does, from the records that were read at once."""

    def __init__(self, found: Iterable[tuple[str, bytes, Version]]) -> None:
        self._found = {name: (name, data, version) for name, data, version in found}

    def __call__(self, names: Iterable[str]) -> Iterator[tuple[str, bytes, Version]]:
        for name in names:
            if name not in self._found:
                # The record was removed, or an object that was alive has died.  Reading wave by wave, as
                # the caller then does, finds out which.
                raise _IncompleteError
            yield self._found[name]


def not_found(
    id_: str, asked: Sequence[str], backend: Backend, read: Mapping[str, FetchedRecord]
) -> BrineryError:
    """Return the error for a record that is missing: one of those `asked` for, or a target of one `read`."""
    if id_ in asked:
        return NotFoundError(id_, backend.location)
    referrer = next(name for name, each in read.items() if id_ in each.record.metadata.followed)
    return DanglingReferenceError(id_, referrer, backend.location, path_of(id_, read[referrer]))


def path_of(id: str, referrer: FetchedRecord) -> str | None:
    """Return the path inside a record's object to its reference to `id`; None if it is not known."""
    with suppress(Exception):  # an unreadable payload raises its own error when it is decoded
        for mention in referrer.codec.mentions(referrer.record.payload):
            if mention.kind == "external" and mention.name == id:
                return mention.path or None
    return None
