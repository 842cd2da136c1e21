"""Reading the records of a graph, in waves.

The references in the metadata tell what belongs to a graph, so its records are read by bulk gets, one for
each distance from the root, before any of them is decoded.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from brinery.backend import Backend, Missing, Version
from brinery.codec import Codec
from brinery.errors import (
    BrineryError,
    DanglingReferenceError,
    NotFoundError,
    RecordError,
    TrustError,
)
from brinery.evolution.missing_codec import CodecFor, codec_or_missing
from brinery.ids import name_of
from brinery.record.record import Metadata, Record
from brinery.session.identity import NOTHING
from brinery.session.session import Session

GetMany = Callable[[Iterable[str]], Iterator[tuple[str, bytes, Version]]]
"""Yields name, bytes and version of what there is; see `Backend.get_many`."""

_MOST_AHEAD: Final = 200
"""Records of a graph that are read at once: some may be of objects that are alive, and read in vain."""


class FetchedRecord(NamedTuple):
    """A record that was read and checked, and the codec that decodes it."""

    record: Record
    codec: Codec


# In half the time that a call of the class takes: for each record.
_new_fetched: Final[Callable[[tuple[Record, Codec]], FetchedRecord]] = functools.partial(
    tuple.__new__, FetchedRecord
)


class Fetcher:
    """Reads the records of one load.

    With `placeholders`, living objects that are placeholders or refer to some are read again, and a
    codec that is missing is no error.
    """

    __slots__ = ("_placeholders", "_session")

    def __init__(self, session: Session, *, placeholders: bool = False) -> None:
        self._session = session
        self._placeholders = placeholders

    def fetch(
        self, ids: Sequence[str], references: Sequence[str] = ()
    ) -> tuple[dict[str, Any], dict[str, FetchedRecord]]:
        """Return the living objects that a graph reaches, and the records of the others, by ID.

        A graph is read in one state of the store, where the engine can give one.  `references` are those of
        the only one of `ids`, where they are known: then all is read at once, if the engine can do so.
        The payloads are as the codecs wrote them.  Raise `NotFoundError`, `DanglingReferenceError`,
        `RecordError`, `TrustError`, `StorageError`, and the errors of codecs and transforms that are missing.
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
        return backend.read_one_state(lambda view: self._read(ids, view, view.get_many))

    def fetch_alone(self, id: str, alive: dict[str, Any]) -> FetchedRecord | Sequence[str]:
        """Return the record `id`; where it refers to others that have to be read, return its references.

        The living objects that it refers to are put into `alive`.  A single record needs no state of the
        store to be read in, and to ask for one costs more than to read it.  Raise what `fetch` does.
        """
        gate, backend = self._session.gate, self._session.backend
        gate.begin_load()
        name = name_of(id)
        try:
            data, version = backend.get(name)
        except Missing as missing:
            raise NotFoundError(id, backend.location) from missing
        try:
            record = gate.parsed(data, version, id)
        except (RecordError, TrustError):
            record = gate.parsed(data, version, id, backend.where(name))
        metadata = record.metadata
        if metadata.references:
            unread = self._missing(metadata.references, alive)
            if unread and unread != [id]:
                return metadata.references
        codec = self._codec_of(metadata)
        gate.check_codec(codec, metadata)
        if metadata.transform is not None:
            record = self._session.expander.restored(record, backend.where(name))
        return _new_fetched((record, codec))

    def _read(
        self, ids: Sequence[str], backend: Backend, get_many: GetMany
    ) -> tuple[dict[str, Any], dict[str, FetchedRecord]]:
        gate = self._session.gate
        alive: dict[str, Any] = {}
        read: dict[str, FetchedRecord] = {}
        referrers: dict[str, str | None] = dict.fromkeys(ids)
        wave = list(referrers)
        codec: Codec | None = None
        name, is_sealed = "", False
        config: Mapping[str, Any] = {}
        while wave:
            following: list[str] = []
            wanted = {name_of(id_): id_ for id_ in self._missing(wave, alive)}
            for place, data, version in get_many(list(wanted)):
                id_ = wanted.pop(place)
                try:
                    record = gate.parsed(data, version, id_)
                except (RecordError, TrustError):
                    # Once more, for an error that says where: only then is the path made.
                    record = gate.parsed(data, version, id_, backend.where(place))
                metadata = record.metadata
                # Most records of a graph are of one codec.
                if (
                    codec is None
                    or metadata.codec != name
                    or metadata.config != config
                    or (metadata.content is not None) is not is_sealed
                ):
                    codec = self._codec_of(metadata)
                    name, config = metadata.codec, metadata.config
                    is_sealed = metadata.content is not None
                    gate.check_codec(codec, metadata)
                if metadata.transform is not None:
                    record = self._session.expander.restored(record, backend.where(place))
                read[id_] = _new_fetched((record, codec))
                for reference in metadata.references:
                    if reference not in referrers:
                        referrers[reference] = id_
                        following.append(reference)
            for id_ in wanted.values():
                raise _not_found(id_, referrers[id_], backend, read)
            wave = following
        return alive, read

    def _missing(self, wave: Sequence[str], alive: dict[str, Any]) -> list[str]:
        # Those of a wave that are not alive.  The others are held: they must not die before the end.
        identity = self._session.identity
        # IDs whose living objects do not count.
        excluded = () if self._placeholders else identity.incomplete
        missing = []
        for id_ in wave:
            obj = identity.get(id_)
            if obj is NOTHING or (excluded and id_ in excluded):
                missing.append(id_)
            else:
                alive[id_] = obj
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


class _IncompleteError(Exception):
    """Something that is needed was not read."""


class _Closure:
    """Gives, as `Backend.get_many` does, of what was read at once."""

    def __init__(self, found: Iterable[tuple[str, bytes, Version]]) -> None:
        self._found = {name: (name, data, version) for name, data, version in found}

    def __call__(self, names: Iterable[str]) -> Iterator[tuple[str, bytes, Version]]:
        for name in names:
            if name not in self._found:
                # Removed, or an object that was alive is not any more: the other way finds out.
                raise _IncompleteError
            yield self._found[name]


def _not_found(
    id_: str, referrer: str | None, backend: Backend, read: Mapping[str, FetchedRecord]
) -> BrineryError:
    if referrer is None:
        return NotFoundError(id_, backend.location)
    return DanglingReferenceError(id_, referrer, backend.location, path_of(id_, read[referrer]))


def path_of(id: str, referrer: FetchedRecord) -> str | None:
    """Return the path inside a record's object to where it refers to `id`, None if not known."""
    with suppress(Exception):  # a payload that cannot be read has its own error, when it is decoded
        for mention in referrer.codec.mentions(referrer.record.payload):
            if mention.kind == "external" and mention.name == id:
                return mention.path or None
    return None
