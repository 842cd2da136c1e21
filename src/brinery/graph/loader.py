"""Loading a graph: children before parents, never recursion.

Once all records of the graph are read (see `brinery.graph.fetch`), an iterative walk in post-order decodes
each object after those that it refers to; so children are complete before their parents exist, exactly as
in a pickle.

Only in a true cycle is an object needed before its turn.  Its payload is then decoded just until the
constructor has been called; that bare object is what the others refer to, and when its turn comes the
full decode fills that same object.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from brinery.errors import BrineryError, DecodeError, pass_memory_error
from brinery.evolution.lookup import ClassLookup, LookUp, is_missing
from brinery.evolution.missing_codec import MissingCodec
from brinery.evolution.placeholder import (
    as_root,
    is_placeholder,
    missing_class,
    opaque,
    record_of,
)
from brinery.evolution.upgrades import upgrade_from, version_of
from brinery.graph.decode_failure import DecodeFailure
from brinery.graph.early import EarlyAttributes
from brinery.graph.fetch import FetchedRecord, Fetcher
from brinery.graph.outcome import (
    MISSING,
    RENAMED,
    UPGRADED,
    keep_record,
    partial_ids,
)
from brinery.ids import as_id, name_of
from brinery.persistable import is_persistable_type
from brinery.record.format import SIMPLE
from brinery.record.kind import Kind
from brinery.reference import OWN_STORE
from brinery.session.active import ACTIVE
from brinery.session.gc_pause import GcPause
from brinery.session.identity import NOTHING
from brinery.session.recent import RecentRecords
from brinery.session.session import Session
from brinery.typing import Any, Final


class _BetterFirst(BaseException):
    """Decoding has to start again, with the object `id` first."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.id = id


class _Needed(BaseException):
    """A bare object cannot be made before another one is.

    Not an `Exception`: the constructors of user classes must not catch it.
    """

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.id = id


# Each new order decodes again the records that were decoded so far.
_MOST_ORDERS = 8
_make: Final = object.__new__
First = tuple[FetchedRecord | Sequence[str], dict[str, Any]]
_SMALL = 1 << 14
"""A record below this size in bytes has so few objects that the collector need not be paused."""


class Loader:
    """One load.  It is also the `ReadLinks` that codecs get."""

    # Few loads need these: making them would take 5 % of the time of a small load.  They stay empty here.
    failed_inside = False
    _open: set[str] = set()  # noqa: RUF012 - see above
    _given_early: dict[str, EarlyAttributes] = {}  # noqa: RUF012
    _upgrades: dict[tuple[str, type], Callable[[Any], Any]] = {}  # noqa: RUF012

    def __init__(self, session: Session, *, placeholders: bool = False) -> None:
        """Prepare a load; `placeholders` asks for placeholders where a class or codec is missing."""
        self.session = session
        self.current = ""
        self.restriction = session.gate.restriction
        self._backend = session.backend
        self.identity = session.identity
        self._caches = session.caches
        self._fetcher = Fetcher(session, placeholders=placeholders, is_lean=True)
        self._lookup = ClassLookup(
            session.renames, session.caches.missing_classes, placeholders=placeholders
        )
        self._placeholders = placeholders
        self.cache = session.caches.codecs
        self.batch: dict[Any, Any] = {}
        self.evolved: dict[str, set[str]] = {}
        self._with_versions: set[str] = set()
        self._is_made = False
        self._is_particular = False
        self.is_external_type = is_persistable_type
        self._objects: dict[str, Any] = {}
        self._alive: dict[str, Any] = {}
        self._read: dict[str, FetchedRecord] = {}
        self._first: list[str] = []
        self._to_enter: set[str] = set()
        self._incomplete: dict[int, str] = {}
        self._bare = False
        self._early: dict[str, Mapping[str, Any]] = {}
        self._met_bare = False
        self._begun: dict[str, Callable[[], Any]] = {}

    def load(
        self, ids: Sequence[str], *, keeps_fetched: bool = False, first: First | None = None
    ) -> list[Any]:
        """Return the objects `ids`, with all that they refer to.

        With `keeps_fetched`, `fetched` has the records afterwards.  `first` is the answer of
        `Fetcher.fetch_alone` for a single ID, and the living objects that it has found.

        Raise `NotFoundError`, `DanglingReferenceError`, `RecordError`, `TrustError`, `DecodeError`,
        `StorageError`.  After an error nothing of this load is remembered, except complete objects that a
        load inside it has returned.
        """
        decoders = ACTIVE.decoders
        decoders.append(self)
        try:
            if len(decoders) > 1:
                self._check_ring(ids)
                borrowed = [self.session.borrowed(id_) for id_ in ids]
                if NOTHING not in borrowed and not keeps_fetched:
                    return borrowed
            references = self._fetch_alone(ids[0], first) if len(ids) == 1 else ()
            is_alone = bool(self._read)
            if is_alone and len(self._read[ids[0]].record.data) < _SMALL:
                self._decode_in_some_order(ids)
                self._publish()
                if len(decoders) > 1:
                    self._hand_out()
                return [self._objects[ids[0]]]
            with GcPause():
                if not is_alone:
                    self._alive, self._read = self._fetcher.fetch(ids, references)
                self._decode_in_some_order(ids)
                self._publish()
                if len(decoders) > 1:
                    self._hand_out()
                found = [self._objects[id_] for id_ in ids]
                if keeps_fetched:
                    self._read = self._fetcher.whole(self._read)
                else:
                    # At the end of the pause the collector walks every object made since.  If it had to
                    # walk the records as well, a load would take an eighth longer.
                    self._read, self._objects = {}, {}
                return found
        except BaseException:
            for outer in decoders:
                outer.failed_inside = True
            raise
        finally:
            decoders.pop()
            # The codecs' batch refers back to this object.  Clearing it breaks the cycle, so that
            # nothing waits for the collector.
            self.batch.clear()
            self._begun.clear()

    def _check_ring(self, ids: Sequence[str]) -> None:
        for outer in self.session.outer_loaders():
            again = next(filter(outer.is_incomplete, ids), None)
            if again is not None:
                raise DecodeError(
                    "it is being loaded already: code that runs while it is decoded, such as __setstate__, "
                    "loads it again",
                    id=again,
                    advice="Refer to the object itself in place of its ID, or load it when it is first "
                    "used",
                )

    def _hand_out(self) -> None:
        # Give the objects of this load to the loads around it, which would decode them a second time.
        for outer in self.session.outer_loaders():
            for name in self._read:
                outer.adopt(name, self._objects[name])

    def _fetch_alone(self, id_: str, first: First | None) -> Sequence[str]:
        # Read a record that refers only to living objects, or to none.  If other records have to be
        # read as well, return the references instead.
        if first is None:
            found = self._fetcher.fetch_alone(id_, self._alive)
        else:
            found, self._alive = first
        if not isinstance(found, FetchedRecord):
            return found
        self._read = {id_: found}
        return ()

    def lend(self, id: str) -> Any:
        """Return the object `id` for a load inside this one, `NOTHING` if it is not complete.

        The store knows it from now on, with all that it reaches.
        """
        lent: dict[str, Any] = {}
        pending = [id] if id in self._read else []
        while pending:
            name = pending.pop()
            obj = self._objects.get(name, NOTHING)
            if obj is NOTHING or name in self._open or name == self.current or name in self.evolved:
                return NOTHING
            lent[name] = obj
            references = self._read[name].record.metadata.references
            pending += [each for each in references if each in self._read and each not in lent]
        for name, obj in lent.items():
            # It is no longer one of the objects of this load, but one that was alive before.
            record, codec = self._read.pop(name)
            self._alive[name] = obj
            id_ = as_id(name)
            digest = record.metadata.raw_digest
            self.identity.set(id_, obj, record.version, digest, codec, True)
        return lent.get(id, NOTHING)

    def is_incomplete(self, id: str) -> bool:
        """Return whether decoding the object `id` has begun, or waits for the one that is being decoded."""
        if id not in self._read or id in self._to_enter:
            return False
        return id not in self._objects or id in self._open or id == self.current

    def adopt(self, id: str, obj: Any) -> None:
        """Take the object `id` from a load inside this one, unless decoding it has begun here."""
        if id in self._to_enter:
            self._to_enter.remove(id)
            del self._read[id]
            self._alive[id] = self._objects[id] = obj

    def _decode_in_some_order(self, ids: Sequence[str]) -> None:
        # In a cycle some object meets a bare one.  That can fail: the bare object may serve as a key,
        # and its hash may need attributes that it does not have yet.  Then start again with the object
        # that met it, so that everything which the bare object refers to is complete before it.
        for read in self._read.values():
            if read.record.metadata.versions:
                self._with_versions.update(read.record.metadata.versions)
        self._objects = dict(self._alive)
        if self._fill_simple():
            return
        self._read = self._fetcher.whole(self._read)
        self._to_enter = set(self._read)
        while True:
            try:
                for id_ in (*self._first, *ids):
                    if id_ in self._to_enter:
                        self._decode_graph(id_)
                return
            except _BetterFirst as better:
                self._first.insert(0, better.id)
            except DecodeError as error:
                failed = error.id
                if failed is None or failed not in self._read or failed in self._first:
                    raise
                if not self._met_bare or self.failed_inside:
                    raise
                self._first.insert(0, failed)
            self._start_again()

    def _fill_simple(self) -> bool:
        """Make all objects first, and fill them then; return False unless all records are simple.

        No code of the user's runs on the way, so that nothing sees an object before it is filled.
        """
        if self.restriction is not None or self._placeholders or self._with_versions:
            return False
        objects, waiting = dict(self._objects), []
        makers: dict[Kind, tuple[type, bytes]] = {}
        try:
            for id_, (record, codec) in self._read.items():
                metadata = record.metadata
                kind = metadata.kind
                if metadata.flags & SIMPLE == 0 or not kind.opening:
                    return False
                # What follows the payload does no harm: the payload says where it ends.
                payload = record.data if metadata.transform is None else record.raw or b""
                size = kind.opening
                if kind in makers:
                    cls, opening = makers[kind]
                else:
                    self.current, opening = id_, payload[:size]
                    made = codec.made_by(opening, self)
                    if made is None:
                        return False
                    cls, _ = makers[kind] = made, opening
                if not payload.startswith(opening):
                    return False
                obj: Any = _make(cls)
                objects[id_] = obj
                waiting.append((codec.fill, payload, size, obj))
            resolve = objects.__getitem__
            for fill, payload, size, obj in waiting:
                fill(payload[size:], obj, resolve)
        except Exception as error:  # noqa: BLE001 - the careful way finds out where, or decodes it
            pass_memory_error(error)
            return False
        self._objects = objects
        if not self.evolved:
            self._caches.add_makers(makers)
        return True

    def _start_again(self) -> None:
        self._objects = dict(self._alive)
        self._open.clear()
        self._to_enter = set(self._read)
        self._early.clear()
        self._given_early.clear()
        self._incomplete.clear()
        self._begun.clear()
        self._met_bare = False

    def _publish(self) -> None:
        if self.evolved or self.identity.incomplete:
            self._publish_evolved()
            return
        if len(self._read) <= RecentRecords.MOST_OF_ONE_LOAD:
            recent = self._caches.recent
            for name, (record, _) in self._fetcher.whole(self._read).items():
                recent.add(name, record)
        objects = self._objects
        self.identity.enter(
            (
                (name, objects[name], record.version, record.raw_digest, codec)
                for name, (record, codec) in self._read.items()
            ),
            is_loaded=True,
        )

    def _publish_evolved(self) -> None:
        # Some objects differ from their records, or are placeholders.
        identity = self.identity
        self._read = self._fetcher.whole(self._read)
        known = identity.incomplete if self._placeholders else ()
        partial = partial_ids(self.evolved, self._read, known)
        for name, (record, codec) in self._read.items():
            obj, id_ = self._objects[name], as_id(name)
            digest = record.metadata.raw_digest
            is_current = not self.evolved.get(name, set()) & {RENAMED, UPGRADED}
            if not is_current:
                digest = b""  # no payload has this digest, so that the object counts as changed
            if name in identity.incomplete:
                identity.incomplete.discard(name)
                identity.forget(name)
            identity.set(id_, obj, record.version, digest, codec, is_current)
        identity.incomplete |= partial

    @property
    def fetched(self) -> Mapping[str, FetchedRecord]:
        """Return the records that were read, by ID; after a successful load only with `keeps_fetched`."""
        return self._read

    # -- order

    def _decode_graph(self, root: str) -> None:
        # Each frame: an ID and the references of its record that are still to visit.
        read = self._read
        stack = [(root, iter(read[root].record.metadata.references))]
        to_enter = self._to_enter
        to_enter.remove(root)
        while stack:
            id_, references = stack[-1]
            for reference in references:
                if reference in to_enter:
                    to_enter.remove(reference)
                    stack.append((reference, iter(read[reference].record.metadata.references)))
                    break
            else:
                stack.pop()
                self._decode_full(id_)

    def _decode_full(self, id_: str) -> None:
        read = self._read[id_]
        objects = self._objects
        self.current = id_
        self._bare = False
        is_new = id_ not in objects
        self._is_made = not is_new
        finish = self._begun.pop(id_, None) if self._begun else None
        try:
            obj = self._load(read) if finish is None else finish()
        except Exception as error:  # noqa: BLE001 - handled below, or raised as an error of the store
            obj = self._decode_otherwise(
                id_, read, self._failure(id_, read).explained(error), is_new
            )
        if self._placeholders and is_placeholder(obj) and record_of(obj) is None:
            keep_record(obj, read)
        if objects.setdefault(id_, obj) is not obj:
            raise self._failure(id_, read).error(
                "its codec announced no constructor for it, yet it is part of a cycle"
            )
        if self._incomplete:
            self._incomplete.pop(id(obj), None)
        if self._given_early:
            self._end_early(id_, read)
        if not is_new:
            self._open.discard(id_)

    def _end_early(self, id_: str, read: FetchedRecord) -> None:
        early = self._given_early.pop(id_, None)
        if early is None:
            return
        early.end()
        if UPGRADED in self.evolved.get(id_, ()) and not early.keeps_hash():
            raise self._failure(id_, read).error(
                "it is a key in a cycle through itself, and its upgrade changes its hash by attributes that "
                "are not plain values",
                advice="Let the hash use numbers, strings, or tuples of these",
            )

    def _decode_otherwise(
        self, id_: str, read: FetchedRecord, failure: BrineryError, is_new: bool
    ) -> Any:
        # Return another form of the object of a record that failed to decode: a placeholder, or the
        # object with its attributes set first.  Raise `failure` if there is none.
        if isinstance(failure, DecodeError) and is_new:
            is_refused = not isinstance(failure.__cause__, BrineryError)
            if self._placeholders and (is_refused or MISSING in self.evolved.get(id_, ())):
                # The placeholder for the class could not take the rest of the record, or the class
                # refuses it.
                self._forget_root()
                return self._opaque(read, failure.reason)
            if self._early.get(id_) and not self.failed_inside:
                return self._decode_hashable(id_, read)
        raise failure from failure.__cause__

    def _decode_hashable(self, id_: str, read: FetchedRecord) -> Any:
        # A value-hashed object that is a key inside its own record needs its plain attributes from the
        # start.  The object stays the same, because others may refer to it already.
        obj = self._objects[id_]
        self._is_made = True
        _empty(obj)
        self._give_early(id_, obj)
        try:
            return self._load(read)
        except Exception as error:
            raise self._failure(id_, read).explained(error) from error

    def _load(self, read: FetchedRecord) -> Any:
        record, codec = read
        if type(codec) is MissingCodec:
            return self._opaque(read, codec.reason)
        return codec.load(record.payload, self, record.buffers)

    def _begin(self, read: FetchedRecord) -> Callable[[], Any] | None:
        if type(read.codec) is MissingCodec:
            obj = self._opaque(read, read.codec.reason)
            return lambda: obj
        return read.codec.begin(read.record.payload, self, read.record.buffers)

    def _failure(self, id_: str, read: FetchedRecord) -> DecodeFailure:
        return DecodeFailure(id_, read, self._backend.where(name_of(id_)))

    # -- what codecs ask

    def resolve(self, id: str) -> Any:
        """Return the object `id`: complete, or bare where a cycle needs it before its turn; or the store."""
        obj = self._objects.get(id, NOTHING)
        if obj is not NOTHING:
            return obj
        if id == OWN_STORE:
            return self._own_store()
        if self._bare:
            raise _Needed(id)
        self._make_bare(id)
        return self._objects[id]

    def _own_store(self) -> Any:
        store = self.session.store()
        if store is None:
            raise DecodeError(
                "it refers to its store, which nobody holds any more",
                advice="Keep the store, and not only its session, as long as objects are loaded",
            )
        return store

    def construct(
        self,
        early: Mapping[str, Any] | None,
        constructor: Callable[..., Any],
        args: Sequence[Any],
    ) -> Any:
        """Return the root of the current record; make it unless a cycle has made it before."""
        id_ = self.current
        obj = self._objects.get(id_, NOTHING)
        if obj is NOTHING:
            if self._incomplete:
                self._check_members(constructor, args)
            obj = constructor(*args)
            if self._placeholders:
                obj = as_root(obj)
            self._objects[id_] = obj
            if early is not None and not (self._placeholders and is_placeholder(obj)):
                self._enter_hashable(id_, obj, early)
        return obj

    def find(self, module: str, name: str, look_up: LookUp) -> Any:
        """Return a global under its present name, or its placeholder; see `ReadLinks`."""
        version = 1
        if self._with_versions:
            versions = self._read[self.current].record.metadata.versions
            version = versions.get(f"{module}:{name}", 1)
        found = self._lookup.find(module, name, look_up, version)
        if is_missing(found):
            self._note(MISSING)
        elif self._lookup.was_renamed:
            self._note(RENAMED)
        return found

    def is_lasting(self, module: str, name: str) -> bool:
        """Return whether every record of this load that names this global gets the same answer."""
        return not (
            self._is_particular
            or self._lookup.was_renamed
            or (self._with_versions and f"{module}:{name}" in self._with_versions)
        )

    def _note(self, what: str) -> None:
        self.evolved.setdefault(self.current, set()).add(what)

    def upgrader(self, module: str, name: str, cls: Any) -> Callable[[Any], Any] | None:
        """Return a function that upgrades this record's states of a class; see `ReadLinks`."""
        self._is_particular = is_missing(cls)
        if not isinstance(cls, type) or self._is_particular:
            return None
        if not self._with_versions and version_of(cls) == 1:
            return None
        written = f"{module}:{name}"
        if version_of(cls) == 1 and written not in self._with_versions:
            return None
        self._is_particular = True
        read = self._read[self.current]
        try:
            upgrade = upgrade_from(cls, read.record.metadata.versions.get(written, 1))
        except LookupError as error:
            raise DecodeError(str(error), codec=read.codec.name) from error
        if upgrade is None:
            return None
        self._note(UPGRADED)
        if not self._upgrades:
            self._upgrades = {}
        self._upgrades[self.current, cls] = upgrade
        return functools.partial(self._upgraded, cls, upgrade)

    def _upgraded(self, cls: type, upgrade: Callable[[Any], Any], state: Any) -> Any:
        made = upgrade(state)
        early = self._given_early.get(self.current)
        if early is not None and type(early.obj) is cls:
            early.drop()  # also of an object that takes no hook for its state
        return made

    def note_version(self, cls: type) -> Callable[[], None] | None:
        """Return a function for a class with versions, as a save does; it notes nothing."""
        return None if version_of(cls) == 1 else lambda: None

    @property
    def takes_placeholders(self) -> bool:
        """Return whether a part that cannot be made gets a placeholder."""
        return self._placeholders

    def placeholder_of(self, module: str, qualname: str) -> type | None:
        """Return the class of placeholders for objects that their class refuses to make."""
        if not self._placeholders:
            return None
        versions = self._read[self.current].record.metadata.versions
        self._note(MISSING)
        return missing_class(
            module, qualname, self._caches.missing_classes, versions.get(f"{module}:{qualname}", 1)
        )

    def restart(self) -> bool:
        """Prepare to decode the current record from its start; see `ReadLinks`."""
        if not self._is_made:
            self._forget_root()
        else:
            _empty(self._objects[self.current])
            if self.current in self._given_early:
                self._given_early[self.current].set()
        return not self.failed_inside

    def _forget_root(self) -> None:
        obj = self._objects.pop(self.current, NOTHING)
        self._incomplete.pop(id(obj), None)
        self._early.pop(self.current, None)
        self._given_early.pop(self.current, None)

    def _opaque(self, read: FetchedRecord, reason: str) -> Any:
        self._note(MISSING)
        obj = opaque(read.record.metadata.class_name, self._caches.missing_classes)
        keep_record(obj, read, reason)
        return obj

    def _enter_hashable(self, id_: str, obj: Any, early: Mapping[str, Any]) -> None:
        self._early[id_] = early
        if self._bare:
            self._give_early(id_, obj)
        self._incomplete[id(obj)] = id_

    def _give_early(self, id_: str, obj: Any) -> None:
        upgrade = self._upgrades.get((id_, type(obj)))
        if not self._given_early:
            self._given_early = {}
        self._given_early[id_] = early = EarlyAttributes(obj, self._early[id_], upgrade)
        early.set()

    def _check_members(self, constructor: Any, args: Sequence[Any]) -> None:
        # The constructor of a set takes the members, and asks them for their hashes.
        if isinstance(constructor, type) and issubclass(constructor, (set, frozenset)):
            for member in args[0] if args else ():
                if id(member) in self._incomplete:
                    raise DecodeError(
                        f"it has {self._incomplete[id(member)]!r} as a member, and the hash of that "
                        "member needs attributes that refer back to this set",
                        codec=self._read[self.current].codec.name,
                        advice="Keep the members in an attribute of an object instead",
                    )

    def _make_bare(self, id_: str) -> None:
        outer, was_made = self.current, self._is_made
        if not self._open:
            self._open = set()
        was_open = outer in self._open
        self._open.add(outer)
        self._bare = self._met_bare = True
        try:
            needed = self._try_bare(id_)
            if needed is not None:
                self._make_needed([id_, needed])
        finally:
            # Objects made here may refer to the outer object, which then has to stay the same.
            self.current, self._is_made = outer, was_made or outer in self._objects
            self._bare = False
            if not was_open:
                self._open.discard(outer)
        is_hashable = self._incomplete and id(self._objects[id_]) in self._incomplete
        if is_hashable and outer not in self._first and len(self._first) < _MOST_ORDERS:
            raise _BetterFirst(outer)

    def _make_needed(self, pending: list[str]) -> None:
        # Each of `pending` needs the next one to be made.
        while pending:
            needed = self._try_bare(pending[-1])
            if needed is None:
                pending.pop()
            elif needed in pending:
                names = " and ".join(repr(str(name)) for name in pending)
                raise DecodeError(
                    f"{names} need each other to be constructed",
                    codec=self._read[pending[0]].codec.name,
                    advice="Give one of them its reference after construction",
                )
            else:
                pending.append(needed)

    def _try_bare(self, id_: str) -> str | None:
        # Return the ID of the object that must be made first, if any.
        if id_ in self._objects:
            return None
        read = self._read.get(id_)
        if read is None:
            raise DecodeError(f"it refers to {id_!r}, but its metadata do not list that reference")
        self.current = id_
        self._open.add(id_)
        self._is_made = False
        try:
            finish = self._begin(read)
        except _Needed as needed:
            return needed.id
        except Exception as error:
            raise self._failure(id_, read).explained(error) from error
        if finish is None:
            return None
        if id_ not in self._objects:
            # The codec made it without announcing a constructor: it is complete already.
            self._objects[id_] = finish()
        self._begun[id_] = finish
        return None


def _empty(obj: Any) -> None:
    # Decoding again adds all elements again; those of the first attempt would stay as duplicates, because
    # a key may be equal to itself alone.
    for base in (list, OrderedDict, dict):
        if issubclass(type(obj), base):
            base.clear(obj)
            return
