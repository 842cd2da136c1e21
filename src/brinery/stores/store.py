"""The store: what users hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, overload

from brinery.backend import Backend, Missing
from brinery.codec import DEFAULT_PROTOCOL
from brinery.errors import InvalidArgumentError, NotFoundError
from brinery.graph.load import load
from brinery.graph.save import save, transaction
from brinery.graph.saver import Root
from brinery.graph.update import Backoff, update
from brinery.ids import Id, IdFactory, name_of
from brinery.operations.dry_run import Checker, DryRunReport
from brinery.operations.scan import ids_in, referrers
from brinery.record.info import RecordInfo, read_info
from brinery.record.listing import is_listed
from brinery.record.payload import MAX_EXPANDED
from brinery.record.record import TAIL_SIZE
from brinery.registry.codecs import CodecArgument
from brinery.stores.arguments import optional_id, required_id, several, wants_placeholders
from brinery.stores.handle import Handle
from brinery.stores.options import StoreOptions, save_options
from brinery.transform import Transform
from brinery.trust.policy import Trust

if TYPE_CHECKING:
    from brinery.operations.backup import BackupReport
    from brinery.operations.collect import GcReport
    from brinery.operations.required_globals import Need
    from brinery.verify.fresh_process import FreshProcess


class Store(Handle, MutableMapping[str, Any]):
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
        options = StoreOptions(
            idfactory, protocol, codec, compress, max_expanded, renames, trust, extra
        )
        self._begin(backend, options, remember or {})

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
        options = save_options(self._session, codec, compress, verify)
        return save(self._session, [Root(obj, optional_id(id))], options)[0]

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
        found = list(several("objects", objects))
        names = [None] * len(found) if ids is None else [optional_id(id_) for id_ in ids]
        if len(names) != len(found):
            raise InvalidArgumentError(f"{len(found)} objects, but {len(names)} IDs")
        roots = [Root(obj, id_) for obj, id_ in zip(found, names, strict=True)]
        return save(self._session, roots, save_options(self._session, codec, compress, verify))

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
        options = save_options(self._session, codec, compress, verify)
        save(self._session, [Root(obj, required_id(id), overwrite=True)], options)

    def remember(self) -> None:
        """Make the settings of this opening (codec, protocol, transform, layout) the store's own."""
        with self._session.lock, self._session.opened():
            self._session.remember()

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
        with transaction(self._session):
            yield

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
        return update(self._session, required_id(id), function, Backoff(attempts, timeout))

    # -- loading

    def load(self, id: str, *, missing: str = "error") -> Any:
        """Return the object `id`, with all that it refers to.

        While the object is alive, that is the same object each time.  `missing` says what becomes of
        objects whose class or codec is not there: "error", or "placeholder" for a `Placeholder`.
        Raise `NotFoundError`, `DanglingReferenceError`, `RecordError`, `TrustError`, `DecodeError`,
        `StorageError`.
        """
        return load(self._session, [required_id(id)], placeholders=wants_placeholders(missing))[0]

    def load_many(self, ids: Iterable[str], *, missing: str = "error") -> list[Any]:
        """Return several objects, read together, in order; `missing` as `load` has it."""
        wanted = [required_id(id_) for id_ in several("ids", ids)]
        return load(self._session, wanted, placeholders=wants_placeholders(missing))

    def check(self, progress: Callable[[int, int], Any] | None = None) -> DryRunReport:
        """Try to decode every record, and report what would load, be upgraded or fail.

        Nothing is changed and no object is kept; constructors and upgrades do run.  `progress` is called
        with the number of records that were looked at and that of all, at most ten times a second.
        """
        with self._session.lock, self._session.opened():
            return Checker(self._session).check(self.list(), progress)

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

        wanted = [required_id(root) for root in several("roots", roots)]
        with self._session.lock, self._session.opened():
            backend, identity = self._session.backend, self._session.identity
            report = collect(
                backend, wanted, dry_run=dry_run, older_than=older_than, progress=progress
            )
            if not dry_run:
                identity.forget_each(report.garbage)
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

        # Without the lock: nobody need wait for the end.
        return back_up(self._session, target, prune=prune, progress=progress)

    def reseal(self, *, unsealed: bool = False) -> int:
        """Seal every record with the first key; return how many were written.

        Records that any of the keys has sealed are accepted, and with `unsealed` also those without a
        seal: whoever asks for that vouches for them.  Nothing is decoded.  Run it after the keys were
        changed.  Raise `TrustError`, `RecordError`, `StorageError`; what was written before stays.
        """
        from brinery.operations.reseal import reseal

        with self._session.lock, self._session.opened():
            return reseal(self._session, unsealed=unsealed)

    # -- records

    def remove(self, id: str) -> None:
        """Delete the record `id`.  Raise `NotFoundError`.

        Objects that refer to it stay, and cannot be loaded any more.
        """
        session, name = self._session, name_of(required_id(id))
        with session.lock, session.opened():
            self._end(id, 0)
            session.commit((), [name])
            session.identity.remove(id)

    def list(self, prefix: str | None = None) -> list[Id]:
        """Return the IDs of all objects, or of those whose ID starts with `prefix`, sorted."""
        return ids_in(self._session, optional_id(prefix) or "")

    def info(self, id: str) -> RecordInfo:
        """Return what the record `id` says of itself, without decoding the object.

        Raise `NotFoundError`, `RecordError`, `StorageError`; where the store was opened with a key,
        also `SealError`.
        """
        with self._session.lock, self._session.opened():
            session = self._session
            return read_info(session.backend, name_of(required_id(id)), id, session.gate.seals)

    def needs(self, id: str) -> Sequence[Need]:
        """Return the classes and functions that decoding the record `id` would import, sorted.

        The payload is looked through; nothing is imported, and no trust is asked for.  Raise
        `NotFoundError`, `RecordError`, `StorageError`, and `TrustError` for a payload that does
        not tell what it would import.
        """
        from brinery.operations.required_globals import needs_of

        with self._session.lock, self._session.opened():
            return needs_of(self._session, required_id(id))

    def references(self, id: str) -> Sequence[Id]:
        """Return the IDs of the persistable objects that the object `id` refers to."""
        return self.info(id).references

    def referrers(self, id: str) -> Sequence[Id]:
        """Return the IDs of the objects that refer to the object `id`, sorted; it need not be there.

        Nothing is decoded.  A backend without an index of references has the ends of all records read.
        Raise `RecordError` where one of them cannot be: it may refer to that object, too.
        """
        with self._session.lock, self._session.opened():
            return referrers(self._session.backend, required_id(id))

    def _end(self, id_: str, count: int) -> bytes:
        try:
            return self._session.backend.get_tail(name_of(id_), count)[0]
        except Missing as missing:
            raise NotFoundError(id_, self._session.backend.location) from missing

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
        with self._session.lock, self._session.opened():
            try:
                end = self._end(id, TAIL_SIZE)
            except NotFoundError:
                return False
        return is_listed(id, end)

    def __iter__(self) -> Iterator[Id]:
        return iter(self.list())

    def __len__(self) -> int:
        with self._session.lock, self._session.opened():
            return sum(1 for _ in self._session.backend.list())

    def clear(self) -> None:
        """Remove all objects in one commit; none is loaded."""
        with self._session.lock, self._session.opened():
            self._session.commit((), list(self._session.backend.list()))
            self._session.identity.clear()

    # A store equals itself alone: comparing contents would load everything.
    __eq__ = object.__eq__
    __hash__ = object.__hash__
