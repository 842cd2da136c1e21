"""Loading a graph: children before parents, never recursion.

Once all records of the graph are read (see `brinery.fetching`), an iterative walk in post-order decodes
each object after those that it refers to; so children are complete before their parents exist, exactly as
in a pickle.

Only in a true cycle is an object needed before its turn.  Its payload is then decoded just until the
constructor has been called; that bare object is what the others refer to, and when its turn comes the
full decode fills that same object.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from brinery.backend import Backend
from brinery.codec import Codec
from brinery.collector import CollectorPause
from brinery.compression import Restorer
from brinery.errors import DecodeError
from brinery.fetching import CodecOf, FetchedRecord, fetch
from brinery.identity import NOTHING, IdentityMap
from brinery.ids import Id, name_of
from brinery.persistable import is_persistable_type
from brinery.record import Metadata
from brinery.saving import set_courtesy


class _BetterFirst(BaseException):
    """It is better to begin with the object `id`."""

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


# Each new order repeats what was decoded so far.
_MOST_ORDERS = 8


class Loader:
    """One load.  It is also the `ReadLinks` that codecs get."""

    def __init__(
        self,
        backend: Backend,
        identity: IdentityMap,
        codec_of: CodecOf,
        kept: dict[Any, Any],
        restorer: Restorer,
    ) -> None:
        self._restorer = restorer
        self._backend = backend
        self._identity = identity
        self._codec_of = codec_of
        self.kept = kept
        self.shared: dict[Any, Any] = {}
        self.is_external_type = is_persistable_type
        self._objects: dict[str, Any] = {}
        self._read: dict[str, FetchedRecord] = {}
        self._first: list[str] = []
        self._complete: set[str] = set()
        self._incomplete: dict[int, str] = {}
        self._current = ""
        self._bare = False
        self._early: dict[str, Mapping[str, Any]] = {}
        self._met_bare = False
        self._begun: dict[str, Callable[[FetchedRecord], Any]] = {}

    def load(self, ids: Sequence[str]) -> list[Any]:
        """Return the objects `ids`, with all that they refer to.

        Raise `NotFoundError`, `DanglingReferenceError`, `RecordError`, `DecodeError`, `StorageError`;
        then nothing of this load is remembered.
        """
        try:
            with CollectorPause():
                self._decode_in_some_order(ids)
                self._publish()
            return [self._objects[id_] for id_ in ids]
        finally:
            # What codecs keep refers back to this object: undone, nothing waits for the collector.
            self.shared.clear()
            self._begun.clear()

    def _decode_in_some_order(self, ids: Sequence[str]) -> None:
        # In a cycle some object meets a bare one.  Where that may be one too many (the bare one may
        # serve as a key, and its hash needs what it does not have yet), begin anew with the object
        # that met it: then all that this refers to is complete before it.
        alive, self._read = fetch(
            ids, self._backend, self._identity, self._codec_of, self._restorer
        )
        self._objects = dict(alive)
        while True:
            try:
                for id_ in (*self._first, *ids):
                    if self._is_to_decode(id_):
                        self._decode_graph(id_)
                return
            except _BetterFirst as better:
                self._first.insert(0, better.id)
            except DecodeError as error:
                failed = error.id
                if not self._met_bare or failed not in self._read or failed in self._first:
                    raise
                self._first.insert(0, failed)
            self._start_anew(alive)

    def _start_anew(self, alive: dict[str, Any]) -> None:
        self._objects = dict(alive)
        self._complete.clear()
        self._early.clear()
        self._incomplete.clear()
        self._begun.clear()
        self._met_bare = False

    def _publish(self) -> None:
        for name, read in self._read.items():
            obj, id_, record = self._objects[name], Id(name), read.record
            digest = record.metadata.raw_digest
            self._identity.set(id_, obj, record.version, digest, read.codec, is_loaded=True)
            set_courtesy(obj, id_)

    # -- order

    def _decode_graph(self, root: str) -> None:
        # Each frame: an ID and the references of its record that are still to visit.
        stack = [(root, iter(self._read[root].record.metadata.references))]
        entered = {root}
        while stack:
            id_, references = stack[-1]
            for reference in references:
                if reference not in entered and self._is_to_decode(reference):
                    entered.add(reference)
                    metadata = self._read[reference].record.metadata
                    stack.append((reference, iter(metadata.references)))
                    break
            else:
                stack.pop()
                self._decode_full(id_)

    def _is_to_decode(self, id_: str) -> bool:
        return id_ in self._read and id_ not in self._complete

    def _decode_full(self, id_: str) -> None:
        read = self._read[id_]
        self._current = id_
        self._bare = False
        is_new = id_ not in self._objects
        try:
            obj = self._decode(id_, read, self._begun.pop(id_, self._load))
        except DecodeError:
            if not (is_new and self._early.get(id_)):
                raise
            obj = self._decode_hashable(id_, read)
        if self._objects.setdefault(id_, obj) is not obj:
            raise self._decode_error(
                id_, read, "its constructor is not announced, yet it is part of a cycle"
            )
        self._complete.add(id_)
        self._incomplete.pop(id(obj), None)

    def _decode_hashable(self, id_: str, read: FetchedRecord) -> Any:
        # A value-hashed object that is a key inside its own record has to have its plain attributes
        # from the start.  Not done at once: it changes the order of the attributes.  The object stays
        # the same, for others may refer to it already.
        obj = self._objects[id_]
        if issubclass(type(obj), list):
            list.clear(obj)  # what was appended is appended again
        _set_attributes(obj, self._early[id_])
        return self._decode(id_, read, self._load)

    def _load(self, read: FetchedRecord) -> Any:
        return read.codec.load(read.record.payload, self, read.record.buffers)

    def _begin(self, read: FetchedRecord) -> Callable[[], Any]:
        return read.codec.begin(read.record.payload, self, read.record.buffers)

    def _decode(self, id_: str, read: FetchedRecord, step: Callable[[FetchedRecord], Any]) -> Any:
        try:
            return step(read)
        except DecodeError as error:
            path = self._path_of(read, error)
            raise self._decode_error(
                id_, read, error.reason, error, type(error), path, error.advice
            ) from error
        except Exception as error:
            raise self._decode_error(
                id_,
                read,
                f"{type(error).__name__}: {error}",
                object_path=self._locate(read, error) or None,
            ) from error

    def _path_of(self, read: FetchedRecord, error: DecodeError) -> str | None:
        inner = error.object_path
        if error.id is None:  # raised by the codec itself
            return inner or self._locate(read, error) or None
        # That of a record which was needed on the way: the path leads through the reference to it.
        outer = self._locate(read, error)
        return None if outer is None else outer + (inner or "") or None

    def _locate(self, read: FetchedRecord, error: Exception) -> str | None:
        with suppress(Exception):  # the error at hand is the one to tell of
            return read.codec.locate(read.record.payload, error)
        return None

    def _decode_error(
        self,
        id_: str,
        read: FetchedRecord,
        reason: str,
        cause: Exception | None = None,
        kind: type[DecodeError] = DecodeError,
        object_path: str | None = None,
        advice: str | None = None,
    ) -> DecodeError:
        metadata = read.record.metadata
        differences = _differences(metadata, read.codec)
        return kind(
            reason,
            id=id_,
            codec=metadata.codec,
            path=self._backend.where(name_of(id_)),
            object_path=object_path,
            advice=". ".join(filter(None, (advice, differences))) or None,
        )

    # -- what codecs ask

    def resolve(self, id: str) -> Any:
        """Return the object `id`: complete, or bare where a cycle needs it before its turn."""
        obj = self._objects.get(id, NOTHING)
        if obj is not NOTHING:
            return obj
        if self._bare:
            raise _Needed(id)
        self._make_bare(id)
        return self._objects[id]

    def construct(
        self,
        early: Mapping[str, Any] | None,
        constructor: Callable[..., Any],
        args: Sequence[Any],
    ) -> Any:
        """Return the root of the record at hand, made unless a cycle had it made before."""
        id_ = self._current
        obj = self._objects.get(id_, NOTHING)
        if obj is NOTHING:
            if self._incomplete:
                self._check_members(constructor, args)
            obj = self._objects[id_] = constructor(*args)
            if early is not None:
                self._enter_hashable(id_, obj, early)
        return obj

    def _enter_hashable(self, id_: str, obj: Any, early: Mapping[str, Any]) -> None:
        self._early[id_] = early
        if self._bare:
            _set_attributes(obj, early)
        self._incomplete[id(obj)] = id_

    def _check_members(self, constructor: Any, args: Sequence[Any]) -> None:
        # A set takes its members when it is constructed, and asks them for their hashes.
        if isinstance(constructor, type) and issubclass(constructor, (set, frozenset)):
            for member in args[0] if args else ():
                if id(member) in self._incomplete:
                    raise DecodeError(
                        f"it has {self._incomplete[id(member)]!r} as a member, whose hash needs what "
                        "in turn refers to this set",
                        codec=self._read[self._current].codec.name,
                        advice="Keep the members in an attribute of an object instead",
                    )

    def _make_bare(self, id_: str) -> None:
        outer = self._current
        self._bare = self._met_bare = True
        try:
            pending = [id_]
            while pending:
                needed = self._try_bare(pending[-1])
                if needed is None:
                    pending.pop()
                elif needed in pending:
                    names = " and ".join(repr(str(name)) for name in pending)
                    raise DecodeError(
                        f"{names} need each other to be constructed",
                        codec=self._read[id_].codec.name,
                        advice="Give one of them its reference after construction",
                    )
                else:
                    pending.append(needed)
        finally:
            self._current = outer
            self._bare = False
        is_hashable = id(self._objects[id_]) in self._incomplete
        if is_hashable and outer not in self._first and len(self._first) < _MOST_ORDERS:
            raise _BetterFirst(outer)

    def _try_bare(self, id_: str) -> str | None:
        # Return the ID that must be made first, if any.
        if id_ in self._objects:
            return None
        read = self._read.get(id_)
        if read is None:
            raise DecodeError(f"it refers to {id_!r}, which its metadata do not list")
        self._current = id_
        try:
            finish = self._decode(id_, read, self._begin)
        except _Needed as needed:
            return needed.id
        if id_ not in self._objects:
            # Made without announcement: it is complete already.
            self._objects[id_] = finish()
        self._begun[id_] = lambda _: finish()
        return None


def _set_attributes(obj: Any, attributes: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        object.__setattr__(obj, name, value)


def _differences(metadata: Metadata, codec: Codec) -> str | None:
    found = []
    here = platform.python_version()
    if metadata.python != here:
        found.append(f"written by Python {metadata.python}, this is {here}")
    if metadata.codec_version != codec.version and codec.version != here:
        found.append(
            f"written with {metadata.codec} {metadata.codec_version}, this is {codec.version}"
        )
    return "; ".join(found) or None
