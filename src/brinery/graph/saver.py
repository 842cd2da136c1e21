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
from itertools import islice

from brinery.backend import ABSENT, ANY, About, Conflict, Data, Expect, Missing, Put, Version
from brinery.catalog.trash import NAME as EPOCH
from brinery.catalog.trash import epoch_of
from brinery.codec import Codec, Encode
from brinery.errors import (
    AlreadySavedError,
    BrineryError,
    EncodeError,
    ForeignRecordError,
    IdTakenError,
    InvalidArgumentError,
    NotFoundError,
    RecordError,
    RolledBackError,
    StorageError,
    pass_memory_error,
)
from brinery.evolution.original import OriginalRecord
from brinery.evolution.placeholder import record_of
from brinery.evolution.upgrades import version_of
from brinery.graph.comparison import Reloading
from brinery.graph.conflict import CommitConflict
from brinery.graph.encode_failure import EncodeFailure
from brinery.graph.object_path import path_to_object
from brinery.graph.work import Root, Work
from brinery.ids import Id, as_id
from brinery.persistable import is_persistable_type
from brinery.record.buffers import as_digested, digest_and_buffers, held
from brinery.record.clock import now
from brinery.record.digest import digest_of
from brinery.record.format import NONCE_SIZE, SIMPLE, TAIL_SIZE, has_magic
from brinery.record.info import read_metadata
from brinery.record.kinds import KindTable
from brinery.record.payload import Stored, stored
from brinery.record.record import Groups, flat, grouped, nonce_in
from brinery.record.writer import Encoded, build, build_record
from brinery.registry.chain import CodecChain
from brinery.registry.codecs import builtin_codecs
from brinery.session.active import ACTIVE
from brinery.session.gc_pause import GcPause
from brinery.session.identity import Entry
from brinery.session.options import SaveOptions
from brinery.session.session import Session
from brinery.typing import Any, Final


class _TypeTable(dict[type, bool]):
    def __missing__(self, cls: type) -> bool:
        answer = is_persistable_type(cls)
        if type(cls).__eq__ is type.__eq__:  # no other class is equal to it
            self[cls] = answer
        return answer


class _NameTable(dict[type, str]):
    def __missing__(self, cls: type) -> str:
        answer = f"{cls.__module__}:{cls.__qualname__}"
        if type(cls).__eq__ is type.__eq__:
            self[cls] = answer
        return answer


# These are called for each record, and take half the time of a call of the class.
_new_put: Final[Callable[[Any], Put]] = functools.partial(tuple.__new__, Put)
_new_about: Final[Callable[[Any], About]] = functools.partial(tuple.__new__, About)
_new_encoded: Final[Callable[[Any], Encoded]] = functools.partial(tuple.__new__, Encoded)


class Saver:
    """One save.  It is also the `WriteLinks` that codecs get."""

    def __init__(self, session: Session, options: SaveOptions) -> None:
        """Prepare a save."""
        self._is_kept = False
        self.batch: dict[Any, Any] = {}
        self.root: Any = None
        self._current: Work | None = None
        self._references: list[str] = []
        self.met = self._references.append
        self._class_names = _NameTable()
        self._persistable = _TypeTable()
        self.is_external_type = self._persistable.__getitem__
        self._works: dict[int, Work] = {}
        self._plain_roots: dict[int, Work] = {}
        self._encoders: dict[int, tuple[Codec, Encode, KindTable]] = {}
        self._claims: dict[str, Work] = {}
        self._list: list[Work] = []
        self._written: list[Work] = []
        self._pinned: list[Work] = []
        self._unchanged: list[Work] = []
        self._begin(session, options)

    def _begin(self, session: Session, options: SaveOptions) -> None:
        self.session = session
        self._backend = session.backend
        self._identity = session.identity
        self._new_id: Callable[[Any], Any] = session.idfactory.new
        self._gate = session.gate
        self._seals = session.gate.seals
        self._caches = session.caches
        self._options = options
        self._codec = options.codec
        self._transform = options.transform
        # Asked once, because `isinstance` is slow here: the class is abstract.
        self._chain = options.codec if isinstance(options.codec, CodecChain) else None
        self._keeps_columns = session.backend.capabilities.keeps_columns
        # An object that is not written because its record is stored already must still have that
        # record at the end of the outermost transaction.
        outermost = session.outermost
        self._pin = None if outermost is None else outermost.pin
        self.cache = session.caches.codecs
        self.has_inner = False
        """Whether a hook of an object that this save encodes has saved something; see `graph.inner`."""
        self._versions: dict[str, int] = {}
        self._library = session.caches.libraries
        self._libraries: dict[str, str] = {}
        self._now = now()
        self._nonce = os.urandom(NONCE_SIZE - 4)
        self._epoch: Version | None = None

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

    def _drop_encoders(self) -> None:
        # Forget all objects and classes; only what is free of them is left for another save.
        for key, (codec, encode, _) in [*self._encoders.items()]:
            # Each save may bring a codec of its own.
            if codec is not self._codec or not codec.renews(encode):
                del self._encoders[key]
        self._class_names.clear()
        self._persistable.clear()

    def _end(self) -> None:
        # These refer back to this object.  Clearing them breaks the cycles, so that nothing waits for the
        # collector.
        for kept in (
            self.batch,
            self._works,
            self._plain_roots,
            self._list,
            self._written,
            self._claims,
            self._references,
            self._pinned,
            self._unchanged,
        ):
            kept.clear()
        self.root = self._current = None
        self._drop_encoders()
        if not self._is_kept:
            self._encoders.clear()
            return
        caches = self._caches
        unused: Any = None  # the store must not wait for the collector because of this object
        self._identity = self._gate = self._pin = self.session = unused
        caches.saver = self

    # -- what codecs ask

    def external(self, obj: Any) -> str | None:
        """Return the ID to write in place of `obj`; None to write the object itself."""
        if obj is self.root:
            return None
        work = self._works.get(id(obj))
        if work is None:
            if not self._persistable[type(obj)]:
                return None
            entry = self._identity.entry(obj)
            if entry is None:
                work = self._enlist(obj, self._new_id(obj), None, ABSENT, False)
            else:
                work = self._enlist(obj, entry.id, entry, entry.version, False)
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

    def id_given_to(self, obj: Any) -> str | None:
        """Return the ID under which this save writes `obj`; None if it has not met it."""
        work = self._works.get(id(obj)) or self._plain_roots.get(id(obj))
        return None if work is None else work.id

    # -- the algorithm

    def save(self, roots: Sequence[Root]) -> list[Any]:
        """Save all roots and every object that they reach; return the roots' IDs.

        Raise `EncodeError`, `ConflictError`, `StorageError`, `NumberTakenError`; after an error nothing
        has changed.
        """
        # The objects made here live until the end of the save: the collector would find nothing.
        with GcPause():
            encoders = ACTIVE.encoders
            encoders.append(self)
            try:
                return self._save(roots)
            finally:
                encoders.pop()
                self._end()

    def _save(self, roots: Sequence[Root]) -> list[Any]:
        ids = [self._enlist_root(root) for root in roots]
        if self._pin is not None:
            self._identity.lend(map(str, ids))
        puts: Iterable[Put] = self._puts()
        if self._options.check is not None:
            puts = list(puts)
            self._options.check(puts, ids)
        try:
            self._commit(puts)
            self._rewrite_collected()
        except Conflict as conflict:
            works = {work.name: work for work in self._list}
            refused = CommitConflict(self._backend, self._identity, has_inner=self.has_inner)
            raise refused.error([works[name] for name in conflict.names]) from conflict
        except BaseException:
            # An interrupt or a failed sync may come after the commit has become visible.
            self._enter_committed()
            raise
        return [as_id(id_) if type(id_) is str else id_ for id_ in ids]

    def _commit(self, puts: Iterable[Put]) -> None:
        versions = self.session.commit(puts)
        if not self._pinned:
            # Nothing is encoded any more: the entries take the memory of what is dropped here.
            self._drop_encoders()
            self._claims.clear()
        self._identity.enter(
            (work.reference, work.obj, versions[work.name], work.digest, work.codec)
            for work in self._written
            if work.name in versions
        )

    def _rewrite_collected(self) -> None:
        """Write records again that this save relied on and that a garbage collection has removed since.

        The collection did not know of the new record that refers to them; see `brinery.operations.collect`.
        """
        while self._pinned and (epoch := epoch_of(self._backend)) != self._epoch:
            self._epoch = epoch
            _, lost = self._found(self._pinned)
            with suppress(Conflict):  # another process has written one of them: look for them again
                self._commit(self._puts_of(lost))
                continue
            self._epoch = None

    def _enter_committed(self) -> None:
        for work in self._written:
            with suppress(Exception):
                end, _, version = self._backend.get_tail(work.name, TAIL_SIZE)
                if nonce_in(end) == self._nonce + work.number.to_bytes(4, "big"):
                    self._identity.enter(
                        [(work.reference, work.obj, version, work.digest, work.codec)]
                    )

    def _enlist_root(self, root: Root) -> str:
        obj, wanted = root.obj, root.id
        entry = self._identity.entry(obj)
        if entry is not None and wanted is not None and entry.id != wanted:
            if self._persistable[type(obj)]:
                raise AlreadySavedError(entry.id, wanted, self._backend.location)
            entry = None
        known = self._works.get(id(obj)) or self._plain_roots.get(id(obj))
        if known is None and entry is None and root.expect is None:
            if wanted is None:
                return self._enlist(obj, self._new_id(obj), None, ABSENT, False).id
            if type(wanted) is not Id:
                wanted = as_id(wanted) if type(wanted) is str else Id(wanted)
            return self._enlist(obj, wanted, None, ANY if root.overwrite else ABSENT, True).id
        if known is not None and wanted in (None, known.id):
            return known.id
        if known is not None and entry is not None and root.expect is None:
            # One plain object under two IDs: it is written under each, and has the last one afterwards.
            root = root._replace(expect=ANY if root.overwrite else entry.version)
            entry = None
        if id(obj) in self._works and wanted is not None:
            raise AlreadySavedError(self._works[id(obj)].id, wanted, self._backend.location)
        if wanted is not None and not isinstance(wanted, Id):
            wanted = Id(wanted)
        if wanted is not None and root.expect is not None:
            work = self._enlist(obj, wanted, entry, root.expect, False)
            work.is_demanded = True
            return work.id
        if entry is not None:
            expect = ANY if root.overwrite else entry.version
            return self._enlist(obj, wanted or entry.id, entry, expect, False).id
        assert wanted is not None
        return self._enlist(obj, wanted, None, ANY if root.overwrite else ABSENT, True).id

    def _look_again(self, work: Work) -> None:
        # A save inside this one may have written the object since it was met.
        entry = self._identity.entry(work.obj)
        if entry is None or entry.id != work.id or work.is_demanded or work.expect is ANY:
            return
        work.entry, work.expect, work.chosen = entry, entry.version, False

    def _enlist(
        self, obj: Any, id_: str, entry: Entry | None, expect: Version | Expect, chosen: bool
    ) -> Work:
        reference = str.__str__(id_)
        claimed = self._claims.get(reference)
        if claimed is not None and claimed.obj is not obj:
            if chosen:
                raise InvalidArgumentError(
                    f"expected an ID for each object, got {id_!r} for two objects: choose another ID"
                )
            raise IdTakenError(id_, self._backend.location)
        # A plain object is written into every record that contains it, even if it is also a root.
        works = self._works if self._persistable[type(obj)] else self._plain_roots
        # The codec may be close to the recursion limit, so that any call here may raise: the object
        # must not get an ID without being on the list.
        work = Work(
            obj,
            reference if type(id_) is Id else id_,
            reference,
            entry,
            expect,
            chosen,
            self._current,
        )
        self._claims[reference] = work
        self._list.append(work)
        works[id(obj)] = work
        return work

    def _puts_of(self, works: Sequence[Work]) -> Iterator[Put]:
        count = len(self._list)
        yield from self._puts_of_each(works)
        yield from self._puts(count)

    def _puts_of_each(self, works: Iterable[Work]) -> Iterator[Put]:
        for work in works:
            put = self._encode(work)
            if put is not None:
                yield put

    def _puts(self, position: int = 0) -> Iterator[Put]:
        yield from self._puts_of_each(islice(self._list, position, None))  # it grows at its end
        yield from self._puts_of_gone(len(self._list))

    def _puts_of_gone(self, count: int) -> Iterator[Put]:
        # Look for all unchanged records at once: one by one would take a round trip for each.
        unchanged, self._unchanged = self._unchanged, []
        if not unchanged:
            return
        there, gone = self._found(unchanged)
        self._pinned += there
        yield from self._puts_of_each(gone)
        if len(self._list) > count:
            yield from self._puts(count)

    def _encode(self, work: Work) -> Put | None:
        if (
            type(type(work.obj)) is not type  # that of placeholders is another one
            and (original := record_of(work.obj)) is not None
            and self._is_original(work, original)
        ):
            return self._put_original(work, original)
        if work.entry is None and self._chain is None:
            codec = self._codec
            encoded = self._dump(work, codec)
        else:
            codec, encoded = self._dumped(work)
        if self.has_inner:
            self._look_again(work)
        digest = encoded.digest
        expect = work.expect
        entry = work.entry
        if expect is ANY and work.chosen:
            self._check_is_record(work)
        if entry is not None and expect is not ANY and entry.codec == codec:
            if entry.digest != digest and entry.is_loaded:
                self._compare_again(work, entry, digest)
            if entry.digest == digest:
                if work.is_gone:
                    # Another process removed the record: the object counts as new, unless the caller
                    # demanded that very version.
                    expect = expect if work.is_demanded else ABSENT
                elif not self._options.forces_transform or self._is_stored_so(work, codec, encoded):
                    entry.is_doubtful = False
                    self._note_unchanged(work)
                    return None
        if entry is not None and entry.is_doubtful and work.found_in is not None:
            self._check_doubtful(work, entry, codec, digest)
        payload = None if self._transform is None else self._stored(work, codec, encoded)
        nonce = self._enlist_written(work, codec, digest)
        record = build_record(work.reference, encoded, (self._now, nonce), payload, self._seals)
        about = self._about(work, encoded.groups) if self._keeps_columns else None
        return _new_put((work.name, record, expect, about))

    def _check_doubtful(self, work: Work, entry: Entry, codec: Codec, digest: bytes) -> None:
        # Nobody asked to save this object, and it may have changes that a rollback has undone.
        if entry.codec != codec:  # a codec was asked for, which also rewrites unchanged records
            digest = self._dump(work, entry.codec).digest
            if entry.digest != digest and entry.is_loaded:
                self._compare_again(work, entry, digest)
        if entry.digest != digest:
            raise RolledBackError([work.id], self._backend.location)

    def _stored(self, work: Work, codec: Codec, encoded: Encoded) -> Stored:
        assert self._transform is not None
        try:
            limit = self.session.expander.limit
            return stored(self._transform, encoded.pieces, encoded.digest, limit)
        except (EncodeError, StorageError):
            raise
        except Exception as error:
            pass_memory_error(error)
            reason = (
                f"the transform {self._transform.name!r} failed: {type(error).__name__}: {error}"
            )
            raise _located(work, codec, EncodeError(reason)) from error

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

    def _is_original(self, work: Work, original: OriginalRecord) -> bool:
        # A placeholder is written back as its original record, unless its attributes were changed, or
        # it goes to another store, where its references would lead to other records.
        if original.reason:
            if original.references and self._identity.entry(work.obj) is None:
                alien = EncodeError(
                    f"a placeholder that was not decoded refers to records of another store: "
                    f"{original.reason}",
                    advice="Install the missing class or codec, and load the object again, before saving "
                    "it in another store",
                )
                raise _located(work, self._codec, alien)
            return True
        try:
            digest = self._dump(work, original.codec).digest
            links = self._reloading()
            return links.digest(original.codec, original.record) == digest
        except Exception as error:  # noqa: BLE001 - then it is encoded again, and that raises the error
            pass_memory_error(error)
            return False

    def _put_original(self, work: Work, original: OriginalRecord) -> Put | None:
        metadata, expect, entry = original.record.metadata, work.expect, work.entry
        if expect is ANY and work.chosen:
            self._check_is_record(work)
        if entry is not None and expect is not ANY and entry.digest == metadata.raw_digest:
            if not work.is_gone:
                self._note_unchanged(work)
                return None
            expect = ABSENT
        nonce = self._enlist_written(work, original.codec, metadata.raw_digest)
        metadata = metadata._replace(id=work.reference, created=self._now, nonce=nonce)
        record = build(metadata, [bytes(original.record.stored)], self._seals)
        about = self._about(work, metadata.groups) if self._keeps_columns else None
        return Put(work.name, record, expect, about)

    def _enlist_written(self, work: Work, codec: Codec, digest: bytes) -> bytes:
        # Return the nonce of the record.
        written = self._written
        work.digest, work.codec, work.number = digest, codec, len(written)
        written.append(work)
        return self._nonce + work.number.to_bytes(4, "big")

    def _about(self, work: Work, groups: Groups) -> About:
        assert work.codec is not None
        values = self.session.fields
        fields = {} if values is None else values(work.obj)
        name = self._class_names[type(work.obj)]
        return _new_about((name, work.codec.name, self._now, flat(groups), fields))

    def _check_is_record(self, work: Work) -> None:
        # `overwrite` replaces only files that end as a record does, and never some other file.
        try:
            end, size, _ = self._backend.get_tail(work.name, TAIL_SIZE)
        except Missing:
            return
        if not has_magic(end):
            raise ForeignRecordError(
                f"({size} bytes) is damaged or not a record of brinery, and is not overwritten: "
                "remove it first",
                id=work.id,
                path=self._backend.where(work.name),
            )

    def _compare_again(self, work: Work, entry: Entry, digest: bytes) -> None:
        # An object that was loaded and not changed may encode to other bytes than its record has.
        # Attribute names are interned, so that equal strings are one object or two; sets have the order
        # of this process.  The record is therefore loaded again, and encoded as the living object was.
        entry.is_loaded = False
        with suppress(Exception):  # then it counts as changed
            record = self._caches.recent.get(work.reference, entry.version)
            if record is None:
                data, version = self._backend.get(work.name)
                if version != entry.version:
                    return
                record = self._gate.parsed(data, version, id=work.id)
                self._gate.check_codec(entry.codec, record.metadata)
                record = self.session.expander.restored(record)
            links = self._reloading()
            if links.digest(entry.codec, record) == digest:
                entry.digest = digest

    def _reloading(self) -> Reloading:
        return Reloading(self.session)

    def _note_unchanged(self, work: Work) -> None:
        """Note that a record is stored already and not written; it must be stored at the end, too."""
        if self._pin is not None:
            self._pin(work.id, work.obj)
        self._unchanged.append(work)

    def _found(self, works: Sequence[Work]) -> tuple[list[Work], list[Work]]:
        """Return those whose records are there, and those whose records are gone, marked as such."""
        names = [work.name for work in works]
        if not self._pinned:
            names.insert(0, EPOCH)
        found = {name: version for name, _, _, version in self._backend.get_tails(names, 0)}
        if not self._pinned:
            self._epoch = found.get(EPOCH)
        for work in works:
            work.is_gone = work.name not in found
        return [w for w in works if not w.is_gone], [w for w in works if w.is_gone]

    def _dumped(self, work: Work) -> tuple[Codec, Encoded]:
        entry = work.entry
        chain = self._chain
        if (
            entry is None
            or self._options.forces_codec
            or entry.codec == (self._codec if chain is None else chain.codecs[0])
        ):
            if chain is None:  # nearly always: without a further call
                return self._codec, self._dump(work, self._codec)
            return self._dumped_anew(work)
        # The record has another codec.  It keeps that codec while the object is unchanged, and if the
        # codec of the store cannot hold the object.
        former = self._dumped_as_before(work, entry)
        if former is None:
            return self._dumped_anew(work)
        if former.digest == entry.digest:
            return entry.codec, former
        try:
            return self._dumped_anew(work)
        except EncodeError:
            return entry.codec, former

    def _dumped_as_before(self, work: Work, entry: Entry) -> Encoded | None:
        # The object by the codec of its record; None if that cannot hold it, which means that it has changed.
        try:
            encoded = self._encoded(work, entry.codec)
        except Exception as error:  # noqa: BLE001 - what the user's code raises, it raises again
            pass_memory_error(error)
            return None
        if encoded.digest != entry.digest and entry.is_loaded:
            self._compare_again(work, entry, encoded.digest)
        return encoded

    def _dumped_anew(self, work: Work) -> tuple[Codec, Encoded]:
        if self._chain is None:
            return self._codec, self._dump(work, self._codec)
        *others, (last, writer) = self._chain.attempts
        for codec, portable in others:
            try:
                return codec, self._encoded(work, portable)
            except Exception as error:  # noqa: BLE001 - the last codec raises it
                pass_memory_error(error)
        return last, self._dump(work, writer)

    def _dump(self, work: Work, codec: Codec) -> Encoded:
        try:
            return self._encoded(work, codec)
        except EncodeError as error:
            pass_memory_error(error)
            # An error with an ID is that of a save inside this one: trying other codecs would repeat it.
            is_inner = error.id is not None
            advised = error if is_inner else self._failure(work, codec).advised(error)
            raise _located(work, codec, advised) from error
        except NotFoundError as error:
            # It comes from a hook of the user's code; callers must not take it for this object's ID.
            raise _located(work, codec, self._failure(work, codec).explained(error)) from error
        except BrineryError:
            raise
        except Exception as error:
            pass_memory_error(error)
            raise _located(work, codec, self._failure(work, codec).explained(error)) from error

    def _encoded(self, work: Work, codec: Codec) -> Encoded:
        _, encode, kinds = self._encoders.get(id(codec)) or self._encoder(codec)
        self.root = work.obj
        self._current = work
        references = self._references
        references.clear()
        versions: dict[str, int] = {}
        libraries: dict[str, str] = {}
        self._versions, self._libraries = versions, libraries
        pieces, opening, is_simple = encode(work.obj)
        key: tuple[Any, ...] = self._class_names[type(work.obj)], opening
        if versions or libraries:
            key += (*versions.items(),), (*libraries.items(),)
        groups = self._groups(references) if references else ()
        flags = SIMPLE if is_simple and not versions else 0
        if len(pieces) == 1:
            return _new_encoded((pieces, digest_of(pieces), groups, kinds[key], flags, ()))
        if self._options.check is not None:
            pieces = held(pieces)  # they are all encoded before the first is written
        digest, buffers = digest_and_buffers(pieces)
        data: Data = pieces
        if buffers:
            data = as_digested(pieces, buffers, functools.partial(_changed, work, codec))
        return Encoded(data, digest, groups, kinds[key], flags, buffers)

    def _groups(self, references: Iterable[str]) -> Groups:
        claims, class_names = self._claims, self._class_names
        found = dict.fromkeys(references)
        classes = [class_names[type(claims[each].obj)] for each in found]
        return grouped([*found], classes)

    def _encoder(self, codec: Codec) -> tuple[Codec, Encode, KindTable]:
        found = codec, codec.encoder(self), self._caches.kinds_of(codec)
        self._encoders[id(codec)] = found
        return found

    def _failure(self, work: Work, codec: Codec) -> EncodeFailure:
        chain = () if self._chain is None else self._chain.codecs
        admitted = self._gate.trust.codecs
        not_advised = {each.name for each in chain}
        if admitted is not None:
            not_advised |= {*builtin_codecs()}.difference(admitted)
        return EncodeFailure(work.obj, codec, self.is_external_type, not_advised)


def _located(work: Work, codec: Codec, error: EncodeError) -> EncodeError:
    # Return the same error with the path from the root, through all records in between.  The IDs of
    # those records may be new, and would mean nothing to the caller.
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
    return _located(work, codec, changed)
