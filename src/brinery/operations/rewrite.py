"""Rewriting single records with the codec and the transform that a store has now.

If only the transform differs, the payload stays the same.  Otherwise the record is decoded by itself (see
`brinery.graph.isolation`) and encoded by the code that saves.  Before the new record is committed, it is
decoded again.  If the old codec encodes that object to the bytes of the old payload, nothing was lost.  The
bytes may differ all the same: sets have the order of the process, and equal strings are one object or
two.  Then the two objects are compared, part by part.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from brinery.backend import Backend, Delete, Put, Version, size_of
from brinery.backends.memory import MemoryBackend
from brinery.codec import Codec
from brinery.errors import (
    BrineryError,
    DecodeError,
    EncodeError,
    MissingClassError,
)
from brinery.graph.isolation import (
    GraphIdentityMap,
    IsolatedIdentityMap,
    IsolatedSaver,
    StubAccessError,
)
from brinery.graph.loading.fetch import FetchedRecord, Fetcher
from brinery.graph.loading.loader import Loader
from brinery.graph.saving.work import Root
from brinery.ids import Id, name_of
from brinery.record.annotation import annotation_in
from brinery.record.clock import now
from brinery.record.format import NONCE_SIZE
from brinery.record.info import read_metadata
from brinery.record.payload import Stored, stored
from brinery.record.reader import parse
from brinery.record.record import Metadata, about_of, classes_in
from brinery.record.writer import build
from brinery.registry.chain import CodecChain
from brinery.session.cache import Caches
from brinery.session.identity import NOTHING, IdentityMap
from brinery.session.options import SaveOptions
from brinery.session.session import Session
from brinery.verify.isomorphism import assert_isomorphic


class Rewritten(NamedTuple):
    """A rewritten record that is not committed yet."""

    id: str
    put: Put
    """The put to commit, which expects the version that was read."""
    old_size: int
    """Bytes of the record as it was."""
    size: int
    """Bytes of the new record."""
    raw_digest: bytes
    """Digest of the new payload, before any transform."""
    codec: Codec
    is_compared: bool
    """Whether the object of the new record is known to be the same."""


class Rewriter:
    """Rewrites the records of a store, one by one; commits nothing."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._backend = session.backend
        codec = session.codec
        self._codec = codec
        self._first = codec.codecs[0] if isinstance(codec, CodecChain) else codec
        self._transform = session.transform
        # Classes by value are made once for all records of the run.
        self._caches = Caches()
        self._graph: tuple[IdentityMap, Any] = IdentityMap(), None
        self._old_size = 0  # bytes of the record as it was

    def rewritten(self, id_: str) -> Rewritten | None:
        """Return the record `id_` rewritten; None if it has the codec and transform already.

        Raise `NotFoundError`, `StorageError`, or any other `BrineryError` if it cannot be rewritten.
        """
        metadata, self._old_size = read_metadata(self._backend, name_of(id_), id_)
        if self._is_current(metadata):
            return None
        around = IsolatedIdentityMap(id_)
        if self._has_codec(metadata) and self._session.fields is None:
            read = Fetcher(self._view(self._backend, around)).fetch([id_]).others[id_]
            if self._has_codec(read.record.metadata):
                return self._transformed(id_, read)
        try:
            return self._encoded_again(id_, around)
        except StubAccessError:
            pass
        except DecodeError as error:
            if isinstance(error, MissingClassError) or not metadata.references:
                raise
        return self._encoded_again(id_, self._among(id_))

    def _has_codec(self, metadata: Metadata) -> bool:
        return _is_of(metadata, self._first)

    def _is_current(self, metadata: Metadata) -> bool:
        if not self._has_codec(metadata):
            return False
        done, wanted = metadata.transform, self._transform
        if done is None or wanted is None:
            return done is None and wanted is None
        return (done.name, done.config) == (wanted.name, wanted.config())

    # -- another transform

    def _transformed(self, id_: str, read: FetchedRecord) -> Rewritten | None:
        record = read.record
        metadata = record.metadata
        payload = self._stored(id_, read)
        if payload.transform == metadata.transform:
            return None  # stored without the transform, which does not make it smaller
        described = metadata._replace(
            payload_size=size_of(payload.pieces),
            payload_digest=payload.digest,
            transform=payload.transform,
            created=now(),
            nonce=os.urandom(NONCE_SIZE),
        )
        data = b"".join(build(described, payload.pieces, self._session.gate.seals))
        # Raises unless the expanded payload has the digest of the old one.
        self._session.expander.restored(parse(data, id=id_))
        put = Put(name_of(id_), (data,), record.version, about_of(described, None))
        sizes = self._old_size, len(data)
        return Rewritten(id_, put, *sizes, metadata.raw_digest, read.codec, is_compared=True)

    def _stored(self, id_: str, read: FetchedRecord) -> Stored:
        raw, digest = read.record.payload, read.record.metadata.raw_digest
        if self._transform is None:
            return Stored([raw], digest, None)
        try:
            return stored(self._transform, [raw], digest, self._session.expander.limit)
        except EncodeError as error:
            raise EncodeError(error.reason, id=id_) from error.__cause__

    # -- another codec

    def _among(self, id_: str) -> GraphIdentityMap:
        # Records that need their graph are often of one graph: keep the last one while it has them.
        graph, _ = self._graph
        if graph.get(id_) is NOTHING:
            graph = IdentityMap()
            self._graph = graph, self._loader(self._backend, graph).load([id_])
        return GraphIdentityMap(id_, graph)

    def _view(self, backend: Backend, identity: IdentityMap) -> Session:
        return self._session.over(backend).beside(identity, self._caches)

    def _loader(self, backend: Backend, identity: IdentityMap) -> Loader:
        return Loader(self._view(backend, identity))

    def _encoded_again(self, id_: str, around: IsolatedIdentityMap) -> Rewritten | None:
        loader = self._loader(self._backend, around)
        (obj,) = loader.load([id_], keeps_fetched=True)
        read = loader.fetched[id_]
        old = read.record.metadata
        around.classes = classes_in(old.groups)
        trial = _Trial(self._backend)
        options = SaveOptions(self._codec, self._transform, forces_codec=True)
        beside = annotation_in(old.more)
        self._save(trial, obj, around, options._replace(annotation=beside))
        ((_, pieces, _, about),) = trial.puts
        data = b"".join(pieces)
        new = parse(data, id=id_).metadata
        if set(new.references) != set(old.references):
            raise EncodeError("encoded again, it refers to other objects", id=id_)
        if _same_form(new, old) and new.raw_digest == old.raw_digest:
            return None  # of the codecs in the chain, only the present one can hold the object
        codec = self._session.codecs.codec_for(new.codec, new.config)
        is_compared = self._is_same(obj, read, trial, around, codec)
        put = Put(name_of(id_), (data,), read.record.version, about)
        sizes = self._old_size, len(data)
        return Rewritten(id_, put, *sizes, new.raw_digest, codec, is_compared)

    def _save(
        self, trial: _Trial, obj: Any, around: IsolatedIdentityMap, options: SaveOptions
    ) -> None:
        saver = IsolatedSaver(self._view(trial, around), options, around)
        saver.save([Root(obj, Id(around.own), overwrite=True)])

    # -- whether it is the same

    def _is_same(
        self,
        obj: Any,
        read: FetchedRecord,
        trial: _Trial,
        around: IsolatedIdentityMap,
        codec: Codec,
    ) -> bool:
        # Raise if the objects differ; return False if they cannot be compared.
        (back,) = self._loader(trial, around).load([around.own])
        digest = self._digest(back, around, read.codec)
        if digest == read.record.metadata.raw_digest:
            return True
        try:
            with around.visible():
                assert_isomorphic(obj, back)
        except AssertionError as error:
            difference = str(error)
        except Exception:  # noqa: BLE001 - whatever objects of the user do when they are compared
            difference = ""
        else:
            return True
        if digest is not None and digest == self._digest(obj, around, read.codec):
            return True
        if difference:
            raise EncodeError(
                f"decoded again, it is different: {difference}", id=around.own, codec=codec.name
            )
        return False

    def _digest(self, obj: Any, around: IsolatedIdentityMap, codec: Codec) -> bytes | None:
        trial = _Trial(self._backend)
        with suppress(BrineryError):  # then the objects are compared by their parts alone
            self._save(trial, obj, around, SaveOptions(codec, None, forces_codec=True))
            data, _ = trial.get(name_of(around.own))
            return parse(data, id=around.own).metadata.raw_digest
        return None


def _is_of(metadata: Metadata, codec: Codec) -> bool:
    return (metadata.codec, metadata.config) == (codec.name, codec.config())


def _same_form(one: Metadata, other: Metadata) -> bool:
    return (one.codec, one.config, one.transform) == (other.codec, other.config, other.transform)


class _Trial(MemoryBackend):
    """Holds a new record for a trial load; it has the capabilities of `backend`."""

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.capabilities = MemoryBackend.capabilities._replace(  # type: ignore[misc]
            keeps_columns=backend.capabilities.keeps_columns
        )
        self.puts: list[Put] = []

    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        self.puts += puts
        return super().commit(self.puts, deletes)
