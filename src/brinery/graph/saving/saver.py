"""Saving a graph: a work list, never recursion.

The root is encoded; every persistable object that the codec meets gets an ID and joins the list; each is
encoded into a record of its own; then all new and changed records are committed at once.  The digest of
the payload shows whether an object has changed.  The records stream into the backend's commit as they are
encoded, so that no more than one of them need be in memory.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice

from brinery.backend import ABSENT, ANY, About, Conflict, Put
from brinery.catalog.trash import epoch_of
from brinery.codec import Codec
from brinery.errors import (
    EncodeError,
    NotFoundError,
    RecordError,
    RolledBackError,
)
from brinery.evolution.original import OriginalRecord
from brinery.evolution.placeholder import record_of
from brinery.graph.comparison import Reloading
from brinery.graph.saving.annotations import Annotations
from brinery.graph.saving.conflict import CommitConflict, RecordsGoneError, check_is_record
from brinery.graph.saving.encoder import Encoder, located
from brinery.graph.saving.original import is_original
from brinery.graph.saving.relied import References, ReliedOn
from brinery.graph.saving.work import Root, Work, WorkList
from brinery.ids import as_id
from brinery.record.clock import now
from brinery.record.format import NONCE_SIZE, TAIL_SIZE
from brinery.record.info import read_metadata
from brinery.record.kind import Kind
from brinery.record.payload import Stored, stored
from brinery.record.record import NOTHING_MORE, Groups, flat, nonce_in
from brinery.record.writer import Encoded, build, build_record
from brinery.reference import touch
from brinery.session.active import ACTIVE
from brinery.session.entry import Entry
from brinery.session.gc_pause import GcPause
from brinery.session.options import SaveOptions
from brinery.session.session import Session
from brinery.typing import Any, Final

# These are called for each record, and take half the time of a call of the class.
_new_put: Final[Callable[[Any], Put]] = functools.partial(tuple.__new__, Put)
_new_about: Final[Callable[[Any], About]] = functools.partial(tuple.__new__, About)


class Saver:
    """One save."""

    encoder_class: type[Encoder] = Encoder

    def __init__(self, session: Session, options: SaveOptions) -> None:
        """Prepare a save."""
        self._is_kept = False
        self.works = WorkList()
        self.encoder = self.encoder_class(self.works)
        self.written: list[tuple[Work, bytes, Codec]] = []
        """The works that are encoded, with the digests and codecs of their records."""
        self._annotations = Annotations()
        self._begin(session, options)

    def _begin(self, session: Session, options: SaveOptions) -> None:
        self.session = session
        self._backend = session.backend
        self._identity = session.identity
        self._gate = session.gate
        self._seals = session.gate.seals
        self._options = options
        self._codec = options.codec
        self._transform = options.transform
        self._keeps_columns = session.backend.capabilities.keeps_columns
        outermost = session.outermost
        self._relied = ReliedOn(session.backend, None if outermost is None else outermost.pin)
        self._may_skip = options.may_skip
        self.has_inner = False
        """Whether a hook of an object that this save encodes has saved something; see `graph.inner`."""
        self._annotations.asked = options.annotation
        self._now = now()
        self._nonce = os.urandom(NONCE_SIZE - 4)
        self._references = References(session.backend)
        self.works.begin(session, deep=options.deep)
        self.encoder.begin(session, options)

    @classmethod
    def of(cls, session: Session, options: SaveOptions) -> Saver:
        """Return a saver: that of the last save, if it is free.

        It has the picklers of that save, whose tables take longer to make than a small object to save.
        """
        kept: Saver | None = session.caches.saver
        session.caches.saver = None
        if kept is None:
            kept = cls(session, options)
            kept._is_kept = True
        else:
            kept._begin(session, options)
        return kept

    def _end(self) -> None:
        # The store must not wait for the collector because of this object.
        caches = self.session.caches
        self.written.clear()
        self._annotations.written.clear()
        self.encoder.end()
        self.works.end()
        unused: Any = None
        self._identity = self._gate = self._relied = self._roots = self.session = unused
        if self._is_kept:
            caches.saver = self
        else:
            self.encoder.drop()

    def save(self, roots: Sequence[Root]) -> list[Any]:
        """Save all roots and every object that they reach; return the roots' IDs.

        Raise `EncodeError`, `ConflictError`, `StorageError`, `NumberTakenError`; after an error nothing
        has changed.
        """
        encoders = ACTIVE.encoders
        count = len(encoders)
        try:
            encoders.append(self)
            return self._save(roots)
        except EncodeError as error:
            if not self.works.graphs:
                raise
            # Perhaps of an object that is not reached any more; and the path to it is not known.
            self._identity.sleepers.drop(self.works.graphs)
            raise RecordsGoneError([]) from error
        finally:
            del encoders[count:]
            self._end()

    def _save(self, roots: Sequence[Root]) -> list[Any]:
        # The objects made here live until the end of the save: the collector would find nothing.
        if len(roots) != 1:
            with GcPause():
                ids = self._enlist(roots)
                self._write(self._puts(), ids)
                return _as_ids(ids)
        ids = self._enlist(roots)
        if not self.works.found:  # a ghost
            return _as_ids(ids)
        put = self._encode(self.works.found[0])
        first = () if put is None else (put,)
        works = self.works
        is_alone = len(works.found) == 1 and self._relied.is_empty
        if is_alone and not works.referred and not works.graphs:  # nearly all saves of one object
            self._write(first, ids)
        else:
            with GcPause():
                self._write(chain(first, self._puts(1)), ids)
                if self.session.is_lazy and self._may_skip and not self.has_inner:
                    from brinery.graph.saving.sleep import settle

                    self.encoder.end_encoding()  # it refers to parts of what it has encoded last
                    settle(self.session, works, roots[0].obj, self._relied)
        return _as_ids(ids)

    def _enlist(self, roots: Sequence[Root]) -> list[str]:
        if self._options.annotation is not None:
            for root in roots:
                touch(root.obj)  # its record is written
        if self._identity.sleepers.graphs and self._may_skip:
            self.works.use_graphs(epoch_of(self._backend))
        self._roots = roots
        ids = [self.works.add_root(root).id for root in roots]
        self.works.enlist_used()
        if self.session.outermost is not None:
            self._identity.lend(map(str, ids))
        return ids

    def _write(self, puts: Iterable[Put], ids: Sequence[str]) -> None:
        if self._options.check is not None:
            puts = list(puts)
            self._options.check(puts, ids)
        try:
            self._commit(puts)
            self._rewrite_collected()
        except Conflict as conflict:
            self._references.check([*conflict.names])
            works = {work.name: work for work in self.works.found}
            refused = CommitConflict(self._backend, self._identity, has_inner=self.has_inner)
            raise refused.error([works[name] for name in conflict.names]) from conflict
        except BaseException:
            # An interrupt or a failed sync may come after the commit has become visible.
            self._enter_committed()
            raise

    # -- the commit

    def _commit(self, puts: Iterable[Put]) -> None:
        versions = self.session.commit(puts, self._references.demands())
        if not self._relied.found:
            # Nothing is encoded any more: the entries take the memory of what is dropped here.
            self.encoder.end_encoding()
            self.works.claims.clear()
        self._identity.enter(
            (
                (work.reference, work.obj, versions[work.name], digest, codec)
                for work, digest, codec in self.written
                if work.name in versions
            ),
            annotations=self._annotations.written,
        )
        if self._identity.sleepers.graphs:
            objects = [work.obj for work, _, _ in self.written]
            self._identity.sleepers.note_written(objects, self.works.graphs)

    def _rewrite_collected(self) -> None:
        """Write records again that this save relied on and that a garbage collection has removed since.

        The collection did not know of the new record that refers to them; see `brinery.operations.collect`.
        """
        while (lost := self._relied.collected()) is not None:
            try:
                self._commit(self._puts_of(lost))
            except Conflict:  # another process has written one of them: look for them again
                self._relied.epoch = None

    def _enter_committed(self) -> None:
        for number, (work, digest, codec) in enumerate(self.written):
            with suppress(Exception):
                end, _, version = self._backend.get_tail(work.name, TAIL_SIZE)
                if nonce_in(end) == self._nonce + number.to_bytes(4, "big"):
                    beside = self._annotations.written.get(work.reference)
                    self._identity.set(
                        work.reference, work.obj, version, digest, codec, False, beside
                    )

    def _puts_of(self, works: Sequence[Work]) -> Iterator[Put]:
        count = len(self.works.found)
        yield from self._puts_of_each(works)
        yield from self._puts(count)

    def _puts_of_each(self, works: Iterable[Work]) -> Iterator[Put]:
        for work in works:
            put = self._encode(work)
            if put is not None:
                yield put

    def _puts(self, position: int = 0) -> Iterator[Put]:
        yield from self._puts_of_each(
            islice(self.works.found, position, None)
        )  # it grows at its end
        yield from self._puts_of_gone(len(self.works.found))
        works = self.works
        if works.referred or works.graphs:
            count = len(works.found)
            works.enlist_used()
            works.found += works.woken() or self._references.lost(works)
            if len(works.found) > count:
                yield from self._puts(count)
            elif works.graphs:
                self._check_graphs()

    def _check_graphs(self) -> None:
        if self._references.has_lost:
            for graph in self.works.graphs:
                graph.has_lost = True
        from brinery.graph.saving.reached import not_reached

        if lost := not_reached(self._identity, self.works, self._roots):
            raise RecordsGoneError([work.id for work in lost])  # so that all is looked at again

    def _puts_of_gone(self, count: int) -> Iterator[Put]:
        yield from self._puts_of_each(self._relied.gone())
        if len(self.works.found) > count:
            yield from self._puts(count)

    def _encode(self, work: Work) -> Put | None:
        if (
            type(type(work.obj)) is not type  # that of placeholders is another one
            and (original := record_of(work.obj)) is not None
            and is_original(self.encoder, work, original)
        ):
            return self._put_original(work, original)
        encoder, entry = self.encoder, work.entry
        if entry is None and encoder.chain is None:
            codec = self._codec
            encoded = encoder.explained(work, codec)
        else:
            codec, encoded = encoder.by_codec(work, self._is_former)
        if self.has_inner:
            self._look_again(work)
            entry = work.entry
        expect, digest, annotations = work.expect, encoded.digest, self._annotations
        if expect is ANY:
            if work.chosen:
                check_is_record(self._backend, work)
        elif entry is not None and entry.codec == codec and self._is_former(work, entry, digest):
            if work.is_gone:
                # Another process removed the record: the object counts as new, unless the caller
                # demanded that very version.
                expect = expect if work.is_demanded else ABSENT
            elif (
                not self._options.forces_transform or self._is_stored_so(work, codec, encoded)
            ) and (annotations.asked is None or not annotations.is_new(work, entry)):
                entry.is_doubtful = False
                self._relied.note(work)
                return None
        if entry is not None and entry.is_doubtful and work.found_in is not None:
            self._check_doubtful(work, entry, codec, digest)
        payload = None if self._transform is None else self._stored(work, codec, encoded)
        nonce = self._nonce + len(self.written).to_bytes(4, "big")
        self.written.append((work, digest, codec))
        if self.works.referred or self.works.skips:
            self._references.note(work, encoded.groups)
        more = NOTHING_MORE
        if work.is_demanded or annotations.asked or (entry is not None and entry.annotation):
            more = annotations.fields(work, entry)
        stamp = self._now, nonce
        record = build_record(work.reference, encoded, stamp, payload, self._seals, more)
        about = self._about(work, encoded.kind, encoded.groups) if self._keeps_columns else None
        return _new_put((work.name, record, expect, about))

    def _about(self, work: Work, kind: Kind, groups: Groups) -> About:
        values = self.session.fields
        fields = {} if values is None else values(work.obj)
        return _new_about((kind.class_name, kind.codec, self._now, flat(groups), fields))

    def _stored(self, work: Work, codec: Codec, encoded: Encoded) -> Stored:
        assert self._transform is not None
        try:
            limit = self.session.expander.limit
            return stored(self._transform, encoded.pieces, encoded.digest, limit)
        except EncodeError as error:
            raise (error if error.id else located(work, codec, error)) from error.__cause__

    def _is_stored_so(self, work: Work, codec: Codec, encoded: Encoded) -> bool:
        # Return whether the record of an unchanged object has the transform that the caller asked for.
        asked = None
        if self._transform is not None:
            asked = self._stored(work, codec, encoded).transform
        try:
            metadata, _ = read_metadata(self._backend, work.name, work.id)
        except (RecordError, NotFoundError):
            return False
        return metadata.transform == asked

    # -- what has not changed

    def _is_former(self, work: Work, entry: Entry, digest: bytes) -> bool:
        # Return whether a digest is that of the object's record.
        if entry.digest != digest and entry.is_loaded:
            # The next time the object has this digest, or is known to have changed.
            entry.is_loaded = False
            if self._reloading().is_record_of(work.obj, entry, digest):
                entry.digest = digest
        return entry.digest == digest

    def _reloading(self) -> Reloading:
        return Reloading(self.session)

    def _look_again(self, work: Work) -> None:
        # A save inside this one may have written the object since it was met.
        entry = self._identity.entry(work.obj)
        if entry is None or entry.id != work.id or work.is_demanded or work.expect is ANY:
            return
        work.entry, work.expect, work.chosen = entry, entry.version, False

    def _check_doubtful(self, work: Work, entry: Entry, codec: Codec, digest: bytes) -> None:
        # Nobody asked to save this object, and it may have changes that a rollback has undone.
        if entry.codec != codec:  # a codec was asked for, which also rewrites unchanged records
            digest = self.encoder.explained(work, entry.codec).digest
        if not self._is_former(work, entry, digest):
            raise RolledBackError([work.id], self._backend.location)

    # -- placeholders

    def _put_original(self, work: Work, original: OriginalRecord) -> Put | None:
        metadata, expect, entry = original.record.metadata, work.expect, work.entry
        if expect is ANY and work.chosen:
            check_is_record(self._backend, work)
        if entry is not None and expect is not ANY and entry.digest == metadata.raw_digest:
            if work.is_gone:
                expect = ABSENT
            elif not self._annotations.is_new(work, entry):
                self._relied.note(work)
                return None
        nonce = self._nonce + len(self.written).to_bytes(4, "big")
        self.written.append((work, metadata.raw_digest, original.codec))
        metadata = self._annotations.of_original(work, metadata)
        metadata = metadata._replace(id=work.reference, created=self._now, nonce=nonce)
        record = build(metadata, [bytes(original.record.stored)], self._seals)
        about = self._about(work, metadata.kind, metadata.groups) if self._keeps_columns else None
        return Put(work.name, record, expect, about)


def _as_ids(ids: Sequence[Any]) -> list[Any]:
    return [as_id(id_) if type(id_) is str else id_ for id_ in ids]
