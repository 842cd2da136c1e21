"""The store: what users hold."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, overload

from brinery.backend import Backend, Missing, Put
from brinery.catalog.sequence import NumberSequence
from brinery.catalog.settings import Settings, give_identity, read_settings, write_settings
from brinery.codec import DEFAULT_PROTOCOL, Codec
from brinery.errors import (
    CallTooDeepError,
    ClosedError,
    ConflictError,
    IdTakenError,
    InvalidArgumentError,
    NotFoundError,
    SealError,
)
from brinery.evolution.renames import Renames
from brinery.graph.loader import Loader
from brinery.graph.saver import NumberTakenError, RecordsGoneError, Root, Saver
from brinery.graph.update import Attempts, forget_if_changed, version_to_replace
from brinery.ids import Id, IdFactory, id_of, is_hashed, name_of
from brinery.operations.dry_run import Checker, Report
from brinery.operations.required_globals import Need, needs_of
from brinery.operations.scan import referrers
from brinery.record.info import RecordInfo, read_info
from brinery.record.payload import MAX_EXPANDED, Restorer
from brinery.record.record import TAIL_SIZE, has_magic
from brinery.registry.chain import CodecChain
from brinery.registry.codecs import CodecArgument, codec_from, codecs_that_keep_more, make_codec
from brinery.session.forking import ForkSafe
from brinery.session.identity import NOTHING, IdentityMap
from brinery.session.transaction import Transaction
from brinery.stores.arguments import (
    choose_codec,
    choose_transform,
    one_of,
    size_limit,
    warn_of_unknown,
)
from brinery.transform import Transform
from brinery.trust.gate import Guard
from brinery.trust.policy import Trust
from brinery.url import Url

if TYPE_CHECKING:
    from brinery.operations.backup import BackupReport
    from brinery.operations.collect import GcReport
    from brinery.verify.fresh_process import FreshProcess


class Store(ForkSafe, MutableMapping[str, Any]):
    """Keeps Python objects under IDs, over one backend and one codec.

    A persistable object that is reached from another lives in a record of its own.  `save` writes
    everything reachable that is new or changed, all or nothing; `load` brings back the whole graph,
    and the same object as long as it is alive.  The store is also a mapping from IDs to objects.

    `codec` is a name or a `Codec`; `protocol` is for codecs given by name.  Both default to what the
    store remembers from its making, and then to pickle.  `compress` is a name (``"zstd"``), a name and
    a level (``"zstd:3"``), a `Transform`, or ``"none"``; it defaults to what the store remembers, and
    then to none.  `max_expanded` is the most bytes that a compressed payload may expand to when it is
    read.  `trust` is what is accepted from the store: a `Trust`, or ``"anyone"``.  Methods may be called
    from several threads.
    """

    def __init__(
        self,
        backend: Backend,
        idfactory: IdFactory | None = None,
        protocol: int | None = DEFAULT_PROTOCOL,
        *,
        codec: CodecArgument | None = None,
        compress: str | Transform | None = None,
        max_expanded: int = MAX_EXPANDED,
        remember: Mapping[str, Any] | None = None,
        renames: Mapping[str, str] | None = None,
        trust: Trust | str | None = None,
        **extra: Any,
    ) -> None:
        """`remember` are settings of the kind of store, to be found again in `Settings.options`.

        `renames` map old names of classes and functions (``module:qualname``) and of modules (``module``)
        to those of today.

        `extra` may hold options of the codec.  Arguments that only sibling stores have are ignored;
        for any other there is a warning.
        """
        self._base = backend
        # In a transaction, what shows its writes over those of the base.
        self._backend = backend
        self._transactions: list[Transaction] = []
        self._closed = False
        self._renames = Renames(renames)
        self._identity = IdentityMap()
        self._kept: dict[Any, Any] = {}
        self._codecs: dict[tuple[Any, ...], Codec] = {}
        remembered = read_settings(backend)
        self._is_remembered = remembered is not None
        self._guard = Guard(Trust.of(trust), backend, self._renames, remembered)
        self._classes: dict[str, type[Codec]] = {}
        self._codec = self._known(choose_codec(codec, protocol, extra, remembered))
        # The limit is the reader's own, never one that the store remembers.
        self._restorer = Restorer(size_limit("max_expanded", max_expanded))
        self._transform = self._restorer.known(choose_transform(compress, remembered))
        warn_of_unknown(type(self).__name__, extra)
        self._options = remember or {}
        self._fields: Callable[[Any], Mapping[str, Any]] | None = None
        # Nothing here may refer to this object: what waits for its end would keep it alive.
        counter = NumberSequence(backend, functools.partial(_highest_number, backend))
        self._counter = counter
        self.idfactory = _factory(idfactory).bound(counter)
        # Numbers that were reserved and not used go back at the end.
        self._finalizer = weakref.finalize(self, _finish, counter, backend)
        self._prepare_forks()

    # -- what it is

    @property
    def codec(self) -> Codec:
        """Return the codec that new records are written with."""
        return self._codec

    @property
    def transform(self) -> Transform | None:
        """Return the transform that new records go through, None where they are stored as they are."""
        return self._transform

    @property
    def max_expanded(self) -> int:
        """Return the most bytes that a compressed payload may expand to when it is read."""
        return self._restorer.limit

    @property
    def trust(self) -> Trust:
        """Return what is accepted from the store."""
        return self._guard.trust

    @property
    def identity(self) -> str | None:
        """Return what the seals of this store are bound to, None while nothing was sealed in it."""
        return self._guard.identity

    @property
    def backend(self) -> Backend:
        """Return what keeps the records."""
        return self._base

    @property
    def url(self) -> Url:
        """Return the URL that opens this store again."""
        return Url(self._backend.location)

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ""
        return f"{type(self).__name__}({self._backend.location!r}, codec={self._codec!r}{state})"

    # -- saving

    def save(
        self,
        obj: Any,
        id: str | None = None,
        *,
        codec: CodecArgument | None = None,
        compress: str | Transform | None = None,
        verify: str | FreshProcess | None = None,
    ) -> Any:
        """Save an object and all that it reaches; return its ID.

        An object that has an ID in this store keeps it.  A new one gets `id`, or one from the ID
        factory.  `codec` (a name or a `Codec`) and `compress` (as of the store) are for the records
        that this call writes; records that have another codec or transform are written anew.
        ``verify="fresh-process"`` has a new interpreter load the object first, and look for what its
        functions miss there; a `FreshProcess` sets the time that this may take.

        Raise `EncodeError` (it names the place inside the object), `IdTakenError`,
        `AlreadySavedError`, `ConflictError` when somebody else changed a record since it was
        loaded here, `VerificationError`, `StorageError`.  After any error the store is as it was.
        """
        return self._save([Root(obj, _checked(id))], codec, compress, verify)[0]

    def save_many(
        self,
        objects: Iterable[Any],
        ids: Iterable[str | None] | None = None,
        *,
        codec: CodecArgument | None = None,
        compress: str | Transform | None = None,
        verify: str | FreshProcess | None = None,
    ) -> list[Any]:
        """Save several objects in one commit; return their IDs, in order."""
        found = list(_several("objects", objects))
        names = [None] * len(found) if ids is None else [_checked(id_) for id_ in ids]
        if len(names) != len(found):
            raise InvalidArgumentError(f"{len(found)} objects, but {len(names)} IDs")
        return self._save(
            [Root(o, i) for o, i in zip(found, names, strict=True)], codec, compress, verify
        )

    def replace(
        self,
        id: str,
        obj: Any,
        *,
        codec: CodecArgument | None = None,
        compress: str | Transform | None = None,
        verify: str | FreshProcess | None = None,
    ) -> None:
        """Make `obj` the object `id`, whatever stands there and whoever changed it since."""
        wanted = _checked(id)
        if wanted is None:
            raise InvalidArgumentError("replace needs an ID")
        self._save([Root(obj, wanted, overwrite=True)], codec, compress, verify)

    def _save(
        self,
        roots: Sequence[Root],
        codec: CodecArgument | None,
        compress: str | Transform | None,
        verify: str | FreshProcess | None,
    ) -> list[Any]:
        chosen = self._codec if codec is None else self._known(make_codec(codec))
        transform = self._transform
        if compress is not None:
            transform = self._restorer.known(choose_transform(compress, None))
        check = None if verify is None else self._checking(verify)
        members = chosen.codecs if isinstance(chosen, CodecChain) else (chosen,)
        with self._lock, self._open():
            self._guard.check_saving([codec.name for codec in members])
            self._remember_once()
            for attempt in range(10):
                saver = Saver(
                    self._backend,
                    self._identity,
                    self.idfactory,
                    chosen,
                    self._kept,
                    self._renames,
                    is_asked_for=codec is not None,
                    able=codecs_that_keep_more,
                    transform=transform,
                    is_transform_asked_for=compress is not None,
                    restorer=self._restorer,
                    guard=self._guard,
                    check=check,
                    fields=self._fields,
                    rely=self._transactions[0].rely if self._transactions else None,
                )
                try:
                    return saver.save(roots)
                except RecordsGoneError:
                    # Another process removed what has changed here: it is written anew.
                    continue
                except NumberTakenError as taken:
                    # Records were brought in from elsewhere: count on after them.
                    if attempt == 9 or not isinstance(self.idfactory.next_id_fn, NumberSequence):
                        raise IdTakenError(taken.ids[0], self._backend.location) from taken
                    self._counter.skip([Id(id_).number or 0 for id_ in taken.ids])
        raise ConflictError([root.id or "" for root in roots], self._backend.location)

    def _checking(
        self, verify: str | FreshProcess
    ) -> Callable[[Sequence[Put], Sequence[str]], None]:
        # Imported on use: nobody else needs to start processes.
        from brinery.verify.fresh_process import verifier_of

        verifier = verifier_of(verify)
        classes = {**self._classes, **self._restorer.classes}
        options = {"renames": dict(self._renames.given), "max_expanded": self.max_expanded}
        guard = self._guard
        return lambda puts, ids: verifier.check(puts, ids, self._backend, classes, options, guard)

    def remember(self) -> None:
        """Make the settings of this opening (codec, protocol, transform, layout) the store's own."""
        with self._lock, self._open():
            self._remember_once()
            self._adopt_identity()
            write_settings(self._base, self._settings(), overwrite=True)

    def _adopt_identity(self) -> None:
        # Somebody else may have sealed the first record since this store was opened.
        current = read_settings(self._base)
        self._guard.adopt(current.identity if current else None)

    def _check_seal(self) -> None:
        """Raise `SealError` where the store is sealed by now, and was opened without a key."""
        self._adopt_identity()
        self._guard.check_saving([])

    def _remember_once(self) -> None:
        if not self._is_remembered:
            write_settings(self._base, self._settings(), overwrite=False)
            self._is_remembered = True
        if self._guard.is_sealing and self._guard.identity is None:
            identity = give_identity(self._base, self._guard.new_identity())
            self._guard.adopt(identity)

    def _settings(self) -> Settings:
        used = self._transform
        transform = None if used is None else (used.name, used.config())
        identity = self._guard.identity
        return Settings(self._codec.name, self._codec.config(), self._options, transform, identity)

    # -- what belongs together

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Save what the calls in the block write at its end, all at once; an exception undoes it all.

        Reads inside see the writes.  Other threads that use this store wait for the end.  An inner
        transaction is a savepoint of the outer one.  After an exception, objects keep the state that
        they were given; those that were saved or loaded inside are read anew by the next load.

        Raise `ConflictError` at the end, naming all records that somebody else changed since they
        were read, `TransactionError`, `StorageError`; then nothing was written.
        """
        with self._lock:
            self.check_open()
            transaction = Transaction(self._backend, self._identity)
            self._transactions.append(transaction)
            self._backend = transaction.overlay
            try:
                try:
                    yield
                finally:
                    self._leave(transaction)
                transaction.commit()
                if collected := transaction.collected():
                    roots = [Root(obj, id_) for id_, obj in collected.items()]
                    self._save(roots, None, None, None)
            finally:
                transaction.roll_back()
                transaction.close()

    def _leave(self, transaction: Transaction) -> None:
        while transaction in self._transactions:
            inner = self._transactions.pop()
            self._backend = self._transactions[-1].overlay if self._transactions else self._base
            if inner is not transaction:
                inner.roll_back()

    @overload  # type: ignore[override] # one form more than that of mappings
    def update(
        self,
        /,
        id: str,
        function: Callable[[Any], Any],
        *,
        attempts: int = 100,
        timeout: float = 60.0,
    ) -> Any: ...

    @overload
    def update(self, objects: Mapping[str, Any], /, **more: Any) -> None: ...

    @overload
    def update(self, objects: Iterable[tuple[str, Any]] = (), /, **more: Any) -> None: ...

    def update(self, /, *args: Any, **options: Any) -> Any:
        """Load the object `id`, call `function` with it, save it; return what was saved.

        `function` changes the object in place and returns None, or returns the object to save in its
        place.  When somebody else changed a record meanwhile, everything is done anew after a short
        wait, with what is stored then: at most `attempts` times, and for `timeout` seconds.  All that
        `function` does with this store is one transaction.

        Raise `ConflictError`, `NotFoundError`, what `function` raises, and as `load` and `save`.

        Called with a mapping, or with pairs of IDs and objects, it replaces these in one commit.
        """
        if len(args) > 1 or "function" in options:
            return self._update(*args, **options)
        if args and isinstance(args[0], str):
            raise InvalidArgumentError(f"update of {args[0]!r:.60} needs a function")
        with self.transaction():
            super().update(*args, **options)
        return None

    def _update(
        self,
        id: str,
        function: Callable[[Any], Any],
        *,
        attempts: int = 100,
        timeout: float = 60.0,
    ) -> Any:
        _required(id)
        left = Attempts(attempts, timeout)
        is_first = True
        while True:
            try:
                with self.transaction():
                    return self._updated(id, function)
            except ConflictError as error:
                # An ID that another object has stays taken, unless both are the same one, loaded at two
                # times: now everything is loaded anew.
                is_vain = isinstance(error, IdTakenError) and not is_first
                is_first = False
                if is_vain or not left.wait_for_next():
                    raise

    def _updated(self, id: str, function: Callable[[Any], Any]) -> Any:
        forget_if_changed(
            id,
            self._backend,
            self._identity,
            self._kept,
            self._renames,
            self._restorer,
            self._guard,
        )
        # Before the load: where it is of an older record than the object, saving is a conflict.
        version = version_to_replace(self._backend, id)
        obj = self.load(id)
        entry = self._identity.entry(obj)
        if entry is not None and entry.id == id:
            version = entry.version
        result = function(obj)
        saved = obj if result is None else result
        self._save([Root(saved, id, expect=version)], None, None, None)
        return saved

    # -- loading

    def load(self, id: str, *, missing: str = "error") -> Any:
        """Return the object `id`, with all that it refers to.

        While the object is alive, that is the same object each time.  `missing` says what becomes of
        objects whose class or codec is not there: "error", or "placeholder" for a `Placeholder`.
        Raise `NotFoundError`, `DanglingReferenceError`, `RecordError`, `TrustError`, `DecodeError`,
        `StorageError`.
        """
        return self._load([_required(id)], missing)[0]

    def load_many(self, ids: Iterable[str], *, missing: str = "error") -> list[Any]:
        """Return several objects, read together, in order; `missing` as `load` has it."""
        return self._load([_required(id_) for id_ in _several("ids", ids)], missing)

    def _load(self, wanted: Sequence[str], missing: str) -> list[Any]:
        placeholders = (
            missing != "error"
            and one_of("missing", missing, ("error", "placeholder")) == "placeholder"
        )
        with self._lock, self._open():
            if self._transactions:
                self._identity.expose(wanted)
            if len(wanted) == 1:
                living = self._identity.get(wanted[0])
                if living is not NOTHING and (
                    placeholders or wanted[0] not in self._identity.partial
                ):
                    return [living]
            loader = Loader(
                self._backend,
                self._identity,
                self._codec_of,
                self._kept,
                self._renames,
                self._restorer,
                self._guard,
                placeholders=placeholders,
            )
            return loader.load(wanted)

    def check(self, progress: Callable[[int, int], Any] | None = None) -> Report:
        """Try to decode every record, and report what would load, be upgraded or fail.

        Nothing is changed and no object is kept; constructors and upgrades do run.  `progress` is called
        with the number of records that were looked at and that of all, at most ten times a second.
        """
        with self._lock, self._open():
            checker = Checker(
                self._backend, self._codec_of, self._renames, self._restorer, self._guard
            )
            return checker.check(self.list(), progress)

    def gc(
        self,
        roots: Iterable[str],
        *,
        dry_run: bool = True,
        older_than: float = 3600.0,
        progress: Callable[[int, int], Any] | None = None,
    ) -> GcReport:
        """Remove the records that none of the IDs `roots` reaches; a `dry_run` only reports them.

        Nothing is decoded.  Records written in the last `older_than` seconds, and what they reach, are
        kept.  Others may save meanwhile: what they take up stays.  Raise `NotFoundError` for a root that
        is not there, `RecordError` where what a record refers to cannot be read, `StorageError`.
        """
        from brinery.operations.collect import collect

        wanted = [_required(root) for root in _several("roots", roots)]
        with self._lock, self._open():
            report = collect(
                self._backend, wanted, dry_run=dry_run, older_than=older_than, progress=progress
            )
            if not dry_run:
                for id_ in report.garbage:
                    self._identity.forget(id_)
        return report

    def backup(
        self,
        target: Any,
        *,
        prune: bool = False,
        progress: Callable[[int, int], Any] | None = None,
    ) -> BackupReport:
        """Bring the backup `target`, a URL, path or store, to the state that this store has now.

        It is the state of one moment, whoever saves meanwhile; `restore` brings it back.  Only what has
        changed since the last backup there is copied.  Records that were removed here since stay in the
        backup, unless `prune`.  Raise `BackupError`, `RecordError` for a damaged record, `StorageError`;
        the former backup is then as it was.
        """
        from brinery.operations.backup import back_up

        for store in (self, target):
            if isinstance(store, Store):
                store.check_open()  # nobody need wait for the end
        guard = self._guard
        return back_up(
            self._base, target, prune=prune, seals=lambda: guard.seals, progress=progress
        )

    def reseal(self, *, unsealed: bool = False) -> int:
        """Seal every record with the first key; return how many were written.

        Records that any of the keys has sealed are accepted, and with `unsealed` also those without a
        seal: whoever asks for that vouches for them.  Nothing is decoded.  Run it after the keys were
        changed.  Raise `TrustError`, `RecordError`, `StorageError`; what was written before stays.
        """
        with self._lock, self._open():
            if not self._guard.is_sealing:
                raise SealError(
                    "a seal needs a key: open it with trust=Trust(key=…)",
                    path=self._backend.location,
                )
            if self._guard.identity is None and not unsealed:
                self._guard.check_sealed()
            self._remember_once()
            written: dict[str, Any] = {}
            try:
                for name in list(self._backend.list()):
                    if (versions := self._guard.reseal(name, unsealed=unsealed)) is not None:
                        written[name] = versions
            finally:
                # Living objects are still those of their records.
                self._identity.renew(written)
            return len(written)

    def _codec_of(self, name: str, config: Any) -> Codec:
        key = (name, *config.items())
        try:
            codec = self._codecs.get(key)
        except TypeError:  # an option that is a list or a map
            key = (name, repr(config))
            codec = self._codecs.get(key)
        if codec is None:
            codec = self._codecs[key] = codec_from(name, config, self._classes.get(name))
        return codec

    def _known(self, codec: Codec) -> Codec:
        # A codec that was handed over may be registered nowhere: its records are to be read, too.
        for member in codec.codecs if isinstance(codec, CodecChain) else (codec,):
            self._classes[member.name] = type(member)
        return codec

    # -- records

    def remove(self, id: str) -> None:
        """Delete the record `id`.  Raise `NotFoundError`.

        Objects that refer to it stay, and cannot be loaded any more.
        """
        name = name_of(_required(id))
        with self._lock, self._open():
            self._end(id, 0)
            self._backend.delete(name)
            self._identity.remove(id)

    def list(self, prefix: str | None = None) -> list[Id]:
        """Return the IDs of all objects, or of those whose ID starts with `prefix`, sorted."""
        with self._lock, self._open():
            _checked(prefix)
            names = self._backend.list()
            found = [
                Id(id_) for id_ in ids_of(self._backend, names) if id_.startswith(prefix or "")
            ]
        return sorted(found, key=Id._key)

    def info(self, id: str) -> RecordInfo:
        """Return what the record `id` says of itself, without decoding the object.

        Raise `NotFoundError`, `RecordError`, `StorageError`; where the store was opened with a key,
        also `SealError`.
        """
        with self._lock, self._open():
            return read_info(self._backend, name_of(_required(id)), id, self._guard.seals)

    def needs(self, id: str) -> Sequence[Need]:
        """Return the classes and functions that decoding the record `id` would import, sorted.

        The payload is looked through; nothing is imported, and no trust is asked for.  Raise
        `NotFoundError`, `RecordError`, `StorageError`, and `TrustError` for a payload that does
        not tell what it would import.
        """
        name = name_of(_required(id))
        with self._lock, self._open():
            try:
                data, version = self._backend.get(name)
            except Missing as missing:
                raise NotFoundError(id, self._backend.location) from missing
            return needs_of(
                data, version, id, self._backend.where(name), self._codec_of, self._restorer
            )

    def references(self, id: str) -> Sequence[Id]:
        """Return the IDs of the persistable objects that the object `id` refers to."""
        return self.info(id).references

    def referrers(self, id: str) -> Sequence[Id]:
        """Return the IDs of the objects that refer to the object `id`, sorted; it need not be there.

        Nothing is decoded.  A backend without an index of references has the ends of all records read.
        Raise `RecordError` where one of them cannot be: it may refer to that object, too.
        """
        with self._lock, self._open():
            return referrers(self._backend, _required(id))

    def _end(self, id_: str, count: int) -> bytes:
        try:
            return self._backend.get_tail(name_of(id_), count)[0]
        except Missing as missing:
            raise NotFoundError(id_, self._backend.location) from missing

    # -- the mapping protocol

    def __getitem__(self, id: str) -> Any:
        return self.load(id)

    def __setitem__(self, id: str, obj: Any) -> None:
        self.replace(id, obj)

    def __delitem__(self, id: str) -> None:
        self.remove(id)

    def __contains__(self, id: object) -> bool:
        if not isinstance(id, str):
            return False
        with self._lock, self._open():
            try:
                end = self._end(id, TAIL_SIZE)
            except NotFoundError:
                return False
        return is_listed(id, end)

    def __iter__(self) -> Iterator[Id]:
        return iter(self.list())

    def __len__(self) -> int:
        with self._lock, self._open():
            return sum(1 for _ in self._backend.list())

    def clear(self) -> None:
        """Remove all objects in one commit; none is loaded."""
        with self._lock, self._open():
            self._backend.commit((), list(self._backend.list()))
            self._identity.clear()

    # A store equals itself alone: comparing contents would load everything.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    # -- life

    def invalidate_cache(self) -> None:
        """Forget the loaded objects: the next load reads anew.

        Objects that are still alive keep their IDs.
        """
        with self._lock, self._open():
            self._identity.forget_objects()

    def _before_fork(self) -> None:
        if not self._closed:
            self._base.pre_fork()

    def _after_fork(self) -> None:
        if not self._closed:
            self._base.post_fork()

    def _begin_child(self, *, is_whole: bool) -> None:
        self._backend = self._base
        while self._transactions:
            self._transactions.pop().abandon()
        if not is_whole:
            self._identity.repair()
        self.idfactory.forget_reserved()
        self._after_fork()

    def close(self) -> None:
        """Let go of everything; a second call does nothing.  Objects stay usable."""
        if self._closed:
            return
        with self._lock:
            while self._transactions:
                self._transactions.pop().roll_back()
            self._backend = self._base
            self._closed = True
            self._finalizer()
            self._identity = IdentityMap()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check_open(self) -> None:
        """Raise `ClosedError` where the store was closed."""
        if self._closed:
            raise ClosedError(self._backend.location)

    def _open(self) -> _Opened:
        return _Opened(self)


class _Opened:
    """A context in which a store is open; within, what is too deep is the caller's depth.

    What is too deep in an object is an error of its own.  Used together with the lock of the store, which
    is its own context: an interrupt then finds it taken and released, or not taken.
    """

    __slots__ = ("_store",)

    def __init__(self, store: Store) -> None:
        self._store = store

    def __enter__(self) -> None:
        self._store.check_open()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, RecursionError):
            raise CallTooDeepError(self._store._backend.location) from error


def _factory(idfactory: Any) -> IdFactory:
    if idfactory is None:
        return IdFactory()
    if not isinstance(idfactory, IdFactory):
        raise InvalidArgumentError(f"idfactory is an IdFactory, not {idfactory!r:.60}")
    return idfactory


def is_listed(id: str, end: bytes) -> bool:
    """Tell whether what stands under `id` and ends in `end` counts as an object of a store.

    A record does.  So does whatever has the form of a generated ID, for a damaged record must
    not vanish; any other file is a stray one.
    """
    return has_magic(end) or Id(id).number is not None


def ids_of(backend: Backend, names: Iterable[str]) -> Iterator[str]:
    """Yield the IDs of names, in their order, without those of stray files."""
    for name in names:
        id_ = id_of(name)
        if id_ is not None:
            yield id_
        elif is_hashed(name):
            # Only the record knows an ID that is too long to be a name.
            yield read_info(backend, name).id


def _highest_number(backend: Backend) -> int:
    numbers = (Id(id_).number for id_ in ids_of(backend, backend.list()))
    return max((number for number in numbers if number is not None), default=0)


def _finish(counter: NumberSequence, backend: Backend) -> None:
    counter.give_back()
    backend.close()


def _checked(id_: str | None) -> str | None:
    return None if id_ is None else _required(id_)


def _several(name: str, values: Any) -> Iterable[Any]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidArgumentError(f"{name} are several, as in a list, not {values!r:.60}")
    return values


def _required(id_: Any) -> str:
    if not isinstance(id_, str):
        raise InvalidArgumentError(f"an ID is a string, not {id_!r:.60}")
    return id_
