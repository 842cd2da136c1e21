"""Encoding one object after the other, by the codec that its record is to have."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from brinery.backend import Data
from brinery.codec import Codec, Encode
from brinery.errors import (
    BrineryError,
    EncodeError,
    NotFoundError,
    pass_memory_error,
)
from brinery.evolution.upgrades import version_of
from brinery.graph.object_path import path_to_object
from brinery.graph.saving.encode_failure import EncodeFailure
from brinery.graph.saving.work import Work, WorkList
from brinery.record.buffers import as_digested, digest_and_buffers, held
from brinery.record.digest import digest_of
from brinery.record.format import REFS, SIMPLE
from brinery.record.kind import KindTable
from brinery.record.record import IN_REFS, Groups, grouped
from brinery.record.writer import Encoded
from brinery.registry.chain import CodecChain
from brinery.registry.codecs import builtin_codecs
from brinery.session.entry import Entry
from brinery.session.options import SaveOptions
from brinery.session.session import Session
from brinery.typing import Any, Final

# Called for each record, and takes half the time of a call of the class.
_new_encoded: Final[Callable[[Any], Encoded]] = functools.partial(tuple.__new__, Encoded)


class Encoder:
    """Encodes the objects of one save.  It is the `WriteLinks` that codecs get."""

    def __init__(self, works: WorkList) -> None:
        """Prepare an encoder, which gives `works` what it meets."""
        self.works = works
        self.batch: dict[Any, Any] = {}
        self.root: Any = None
        self.is_external_type = works.is_persistable.__getitem__
        self.classes: Mapping[str, str] = works.claims
        """The class names of all objects to which others may refer, by ID."""
        self._current: Work | None = None
        self._references: list[str] = []
        self.met = self._references.append
        self._versions: dict[str, int] = {}
        self._libraries: dict[str, str] = {}
        self._encoders: dict[int, tuple[Codec, Encode, KindTable]] = {}

    def begin(self, session: Session, options: SaveOptions) -> None:
        """Prepare for a save."""
        self.session = session
        self.cache = session.caches.codecs
        self._caches = session.caches
        self.codec = options.codec
        self._forces_codec = options.forces_codec
        self._holds_pieces = options.check is not None
        # Asked once, because `isinstance` is slow here: the class is abstract.
        self.chain = options.codec if isinstance(options.codec, CodecChain) else None
        self._library = session.caches.libraries
        self._is_encoding = True

    def end_encoding(self) -> None:
        """Forget all objects and classes; only what is free of them is left for another save."""
        if not self._is_encoding:
            return
        for key, (codec, encode, _) in [*self._encoders.items()]:
            # Each save may bring a codec of its own.
            if codec is not self.codec or not codec.renews(encode):
                del self._encoders[key]
        self.works.forget_classes()
        self._is_encoding = False  # last: after an interrupt all of it is done again

    def end(self) -> None:
        """Forget the save.  What refers back to this object is dropped, so that no cycle is left."""
        self.end_encoding()
        self.batch.clear()
        self._references.clear()
        unused: Any = None
        self.root = self._current = self.session = unused

    def drop(self) -> None:
        """Drop the functions of codecs, which refer back to this object."""
        self._encoders.clear()

    # -- what codecs ask

    def external(self, obj: Any) -> str | None:
        """Return the ID to write in place of `obj`; None to write the object itself."""
        if obj is self.root:
            return None
        work = self.works.of_reached(obj, self._current)
        if work is None:
            return None
        self.met(work.reference)
        return work.reference

    def note_version(self, cls: type) -> Callable[[], None] | None:
        """Return a function which notes that the current record has an object of a versioned class."""
        version = version_of(cls)
        if version == 1:
            return None
        name = f"{cls.__module__}:{cls.__qualname__}"
        # After a failure parts of the object are dumped on trial; noting their versions does no harm.
        return lambda: self._versions.__setitem__(name, version)

    def note_library(self, module: str) -> Callable[[], None] | None:
        """Return a function which notes that the current record names an object of a library."""
        library = self._library[module]
        if library is None:
            return None
        name, version = library
        return lambda: self._libraries.__setitem__(name, version)

    # -- encoding

    def encode(self, work: Work, codec: Codec) -> Encoded:
        """Encode an object; raise what the codec and hooks raise."""
        _, encode, kinds = self._encoders.get(id(codec)) or self._encoder(codec)
        obj = self.root = work.obj
        self._current = work
        references, versions, libraries = self._references, self._versions, self._libraries
        references.clear()
        versions.clear()
        libraries.clear()
        pieces, opening, is_simple = encode(obj)
        key: tuple[Any, ...] = self.works.class_names[type(obj)], opening
        if versions or libraries:
            key += (*versions.items(),), (*libraries.items(),)
            is_simple = is_simple and not versions
        groups: Groups = ()
        flags = SIMPLE if is_simple else 0
        if references:
            groups = grouped(references, self.classes)
            if groups[-2] == IN_REFS:
                flags |= REFS
        if len(pieces) == 1:
            return _new_encoded((pieces, digest_of(pieces), groups, kinds[key], flags, ()))
        if self._holds_pieces:
            pieces = held(pieces)  # they are all encoded before the first is written
        digest, buffers = digest_and_buffers(pieces)
        data: Data = pieces
        if buffers:
            data = as_digested(pieces, buffers, functools.partial(_changed, work, codec))
        return Encoded(data, digest, groups, kinds[key], flags, buffers)

    def _encoder(self, codec: Codec) -> tuple[Codec, Encode, KindTable]:
        found = codec, codec.encoder(self), self._caches.kinds_of(codec, self.session.writer)
        self._encoders[id(codec)] = found
        return found

    def explained(self, work: Work, codec: Codec) -> Encoded:
        """Encode an object; raise an `EncodeError` that leads to the place in it, or a `BrineryError`."""
        try:
            return self.encode(work, codec)
        except EncodeError as error:
            pass_memory_error(error)
            # An error with an ID is that of a save inside this one: trying other codecs would repeat it.
            is_inner = error.id is not None
            advised = error if is_inner else self._failure(work, codec).advised(error)
            raise located(work, codec, advised) from error
        except NotFoundError as error:
            # It comes from a hook of the user's code; callers must not take it for this object's ID.
            raise located(work, codec, self._failure(work, codec).explained(error)) from error
        except BrineryError:
            raise
        except Exception as error:
            pass_memory_error(error)
            raise located(work, codec, self._failure(work, codec).explained(error)) from error

    def _failure(self, work: Work, codec: Codec) -> EncodeFailure:
        chain = () if self.chain is None else self.chain.codecs
        admitted = self.session.gate.trust.codecs
        not_advised = {each.name for each in chain}
        if admitted is not None:
            not_advised |= {*builtin_codecs()}.difference(admitted)
        return EncodeFailure(work.obj, codec, self.is_external_type, not_advised)

    # -- which codec

    def by_codec(
        self, work: Work, is_former: Callable[[Work, Entry, bytes], bool]
    ) -> tuple[Codec, Encoded]:
        """Encode an object by the codec that its record is to have; return that, too.

        `is_former` returns whether a digest is that of the living object's record.
        """
        entry, chain = work.entry, self.chain
        if (
            entry is None
            or self._forces_codec
            or entry.codec == (self.codec if chain is None else chain.codecs[0])
        ):
            return self._by_own(work)
        # The record has another codec.  It keeps that codec while the object is unchanged, and if the
        # codec of the store cannot hold the object.
        try:
            former = self.encode(work, entry.codec)
        except Exception as error:  # noqa: BLE001 - what the user's code raises, it raises again
            # If that codec cannot hold the object, it has changed.
            pass_memory_error(error)
            return self._by_own(work)
        if is_former(work, entry, former.digest):
            return entry.codec, former
        try:
            return self._by_own(work)
        except EncodeError:
            return entry.codec, former

    def _by_own(self, work: Work) -> tuple[Codec, Encoded]:
        if self.chain is None:
            return self.codec, self.explained(work, self.codec)
        *others, (last, writer) = self.chain.attempts
        for codec, portable in others:
            try:
                return codec, self.encode(work, portable)
            except Exception as error:  # noqa: BLE001 - the last codec raises it
                pass_memory_error(error)
        return last, self.explained(work, writer)


def located(work: Work, codec: Codec, error: EncodeError) -> EncodeError:
    """Return the same error with the path from the root, through all records in between."""
    # The IDs of those records may be new, and would mean nothing to the caller.
    path = error.object_path or ""
    while work.found_in is not None:
        path = path_to_object(work.found_in.obj, work.obj) + path
        work = work.found_in
    return type(error)(
        error.reason,
        id=work.id,
        codec=codec.name,
        object_path=path or None,
        advice=error.advice,
    )


def _changed(work: Work, codec: Codec) -> EncodeError:
    # Large buffers are written, or transformed, from where they are.
    changed = EncodeError(
        "a large array in it was changed while it was written",
        advice="Let no other thread change an object while it is saved",
    )
    return located(work, codec, changed)
