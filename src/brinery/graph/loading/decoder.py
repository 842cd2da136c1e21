"""Decoding in order: children before parents, never recursion.

An iterative walk in post-order decodes each object after those that it refers to; so children are complete
before their parents exist, exactly as in a pickle.

Only in a true cycle is an object needed before its turn.  Its payload is then decoded just until the
constructor has been called; that bare object is what the others refer to, and when its turn comes the
full decode fills that same object.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from brinery.errors import BrineryError, DecodeError
from brinery.evolution.missing_codec import MissingCodec
from brinery.evolution.placeholder import as_root, is_placeholder, opaque, record_of
from brinery.graph.loading.fetch import FetchedRecord
from brinery.graph.loading.links import Links
from brinery.graph.loading.outcome import MISSING, UPGRADED, keep_record
from brinery.ids import name_of
from brinery.reference import OWN_STORE
from brinery.session.identity import NOTHING
from brinery.session.session import Session
from brinery.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brinery.graph.loading.decode_failure import DecodeFailure


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


class Decoder(Links):
    """Decodes the records of one load.  It is the `ReadLinks` that codecs get."""

    def __init__(self, session: Session, *, placeholders: bool) -> None:
        super().__init__(session, placeholders=placeholders)
        self._session = session
        self._first: list[str] = []
        self._is_made = False
        self._incomplete: dict[int, str] = {}
        self._bare = False
        self._early: dict[str, Mapping[str, Any]] = {}
        self._met_bare = False

    def decode(
        self, ids: Sequence[str], read: dict[str, FetchedRecord], complete: dict[str, Any]
    ) -> None:
        """Decode the objects `ids` and all that they refer to, into `objects`.

        `read` has all records of the load, `complete` the objects that there are already.  Raise
        `DecodeError`, and what codecs and hooks raise.
        """
        # In a cycle some object meets a bare one.  That can fail: the bare object may serve as a key,
        # and its hash may need attributes that it does not have yet.  Then start again with the object
        # that met it, so that everything which the bare object refers to is complete before it.
        self.read, self.complete = read, complete
        self._start_again()
        for id_ in self.pending:
            self._with_versions.update(read[id_].record.metadata.versions)
        while True:
            try:
                for id_ in (*self._first, *ids):
                    if id_ in self.pending:
                        self._decode_graph(id_)
                return
            except _BetterFirst as better:
                self._first.insert(0, better.id)
            except DecodeError as error:
                failed = error.id
                if failed is None or failed not in self.read or failed in self._first:
                    raise
                if not self._met_bare or self.failed_inside:
                    raise
                self._first.insert(0, failed)
            self._start_again()

    def _start_again(self) -> None:
        self.objects = dict(self.complete)
        self._open.clear()
        self.pending = {id_ for id_ in self.read if id_ not in self.complete}
        self._early.clear()
        self.given_early.clear()
        self._incomplete.clear()
        self._begun.clear()
        self._met_bare = False

    def _decode_graph(self, root: str) -> None:
        # Each frame: an ID and the references of its record that are still to visit.
        read = self.read
        stack = [(root, iter(read[root].record.metadata.followed))]
        pending = self.pending
        pending.remove(root)
        while stack:
            id_, references = stack[-1]
            for reference in references:
                if reference in pending:
                    pending.remove(reference)
                    stack.append((reference, iter(read[reference].record.metadata.followed)))
                    break
            else:
                stack.pop()
                self._decode_full(id_)

    def _decode_full(self, id_: str) -> None:
        read = self.read[id_]
        objects = self.objects
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
        if self.given_early:
            self._end_early(id_, read)
        if not is_new:
            self._open.discard(id_)

    def _end_early(self, id_: str, read: FetchedRecord) -> None:
        early = self.given_early.pop(id_, None)
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
        obj = self.objects[id_]
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
        from brinery.graph.loading.decode_failure import DecodeFailure

        return DecodeFailure(id_, read, self._session.backend.where(name_of(id_)))

    # -- what codecs ask

    def resolve(self, id: str) -> Any:
        """Return the object `id`: complete, or bare where a cycle needs it before its turn; or the store."""
        obj = self.objects.get(id, NOTHING)
        if obj is not NOTHING:
            return obj
        if id == OWN_STORE:
            return self._own_store()
        if self._bare:
            raise _Needed(id)
        self._make_bare(id)
        return self.objects[id]

    def _own_store(self) -> Any:
        store = self._session.store()
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
        obj = self.objects.get(id_, NOTHING)
        if obj is NOTHING:
            if self._incomplete:
                self._check_members(constructor, args)
            if id_ in self.ghosts:
                obj = self.filling.make(id_, constructor, args)
            else:
                obj = constructor(*args)
            if self._placeholders:
                obj = as_root(obj)
            self.objects[id_] = obj
            if early is not None and not (self._placeholders and is_placeholder(obj)):
                self._enter_hashable(id_, obj, early)
        return obj

    def restart(self) -> bool:
        """Prepare to decode the current record from its start; see `ReadLinks`."""
        if not self._is_made:
            self._forget_root()
        else:
            _empty(self.objects[self.current])
            if self.current in self.given_early:
                self.given_early[self.current].set()
        return not self.failed_inside

    def _forget_root(self) -> None:
        obj = self.objects.pop(self.current, NOTHING)
        self._incomplete.pop(id(obj), None)
        self._early.pop(self.current, None)
        self.given_early.pop(self.current, None)

    def _opaque(self, read: FetchedRecord, reason: str) -> Any:
        self._note(MISSING)
        obj = opaque(read.record.metadata.class_name, self._missing_classes)
        keep_record(obj, read, reason)
        return obj

    def _enter_hashable(self, id_: str, obj: Any, early: Mapping[str, Any]) -> None:
        self._early[id_] = early
        if self._bare:
            self._give_early(id_, obj)
        self._incomplete[id(obj)] = id_

    def _give_early(self, id_: str, obj: Any) -> None:
        from brinery.graph.loading.early import EarlyAttributes

        upgrade = self._upgrades.get((id_, type(obj)))
        if not self.given_early:
            self.given_early = {}
        self.given_early[id_] = early = EarlyAttributes(obj, self._early[id_], upgrade)
        early.set()

    def _check_members(self, constructor: Any, args: Sequence[Any]) -> None:
        # The constructor of a set takes the members, and asks them for their hashes.
        if isinstance(constructor, type) and issubclass(constructor, (set, frozenset)):
            for member in args[0] if args else ():
                if id(member) in self._incomplete:
                    raise DecodeError(
                        f"it has {self._incomplete[id(member)]!r} as a member, and the hash of that "
                        "member needs attributes that refer back to this set",
                        codec=self.read[self.current].codec.name,
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
            self.current, self._is_made = outer, was_made or outer in self.objects
            self._bare = False
            if not was_open:
                self._open.discard(outer)
        is_hashable = self._incomplete and id(self.objects[id_]) in self._incomplete
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
                    codec=self.read[pending[0]].codec.name,
                    advice="Give one of them its reference after construction",
                )
            else:
                pending.append(needed)

    def _try_bare(self, id_: str) -> str | None:
        # Return the ID of the object that must be made first, if any.
        if id_ in self.objects:
            return None
        read = self.read.get(id_)
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
        if id_ not in self.objects:
            # The codec made it without announcing a constructor: it is complete already.
            self.objects[id_] = finish()
        self._begun[id_] = finish
        return None


def _empty(obj: Any) -> None:
    # Decoding again adds all elements again; those of the first attempt would stay as duplicates, because
    # a key may be equal to itself alone.
    for base in (list, OrderedDict, dict):
        if issubclass(type(obj), base):
            base.clear(obj)
            return
