"""The session: one opened store, and the only one that commits to it.

The algorithms of `brinery.graph` and the operations of `brinery.operations` get a session, and no other part
of the store.  A *view* of a session has another backend than the session, or an identity map and caches of
its own.
"""

from __future__ import annotations

import functools
import weakref
from _thread import RLock
from collections.abc import Callable, Iterable, Mapping, Sequence
from weakref import WeakValueDictionary

from brinery.backend import Backend, Delete, Put, Version
from brinery.catalog.sequence import NumberSequence
from brinery.catalog.settings import NAME as SETTINGS
from brinery.catalog.settings import Settings, give_identity, read_settings, write_settings
from brinery.codec import Codec
from brinery.errors import CallTooDeepError, ClosedError, InvalidArgumentError
from brinery.evolution.renames import Renames
from brinery.ids import IdFactory, as_id
from brinery.persistable import PersistentId
from brinery.record.payload import PayloadExpander
from brinery.session.active import ACTIVE, Decoder, Encoder
from brinery.session.cache import Caches
from brinery.session.codecs import CodecTable
from brinery.session.forking import ForkSafe
from brinery.session.identity import NOTHING, IdentityMap
from brinery.session.options import SaveOptions
from brinery.transform import Transform
from brinery.trust.gate import TrustGate
from brinery.trust.policy import Trust
from brinery.typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from brinery.session.transaction import Transaction


class OpenedStore(Protocol):
    """The part of a store that an operation uses."""

    @property
    def session(self) -> Session:
        """Return the session of the opened store."""


def session_of(place: Any) -> Session | None:
    """Return the session of a store; None for a URL, a path or a backend.  Raise `ClosedError`."""
    session = getattr(place, "session", None)
    if not isinstance(session, Session):
        return None
    session.check_open()
    return session


def required_session(name: str, store: Any) -> Session:
    """Return the session of the store that the argument `name` has to be.  Raise `InvalidArgumentError`."""
    session = session_of(store)
    if session is None:
        raise InvalidArgumentError(
            f"{name}: expected an opened store, got {store!r:.60}; open it with make_store"
        )
    return session


def _highest_number(backend: Backend) -> int:
    from brinery.record.listing import highest_number

    return highest_number(backend)


def _no_store() -> None:
    return None


class Session(ForkSafe):
    """The parts of one opened store."""

    codec: Codec
    """Writes new records.  Set by `write_with`; a session that only reads has none."""
    transform: Transform | None
    """Transforms the payloads of new records; None for no transform."""
    load: Callable[[Session, str], Any]
    """Loads an object as a load of the store without options does.  Set by who makes the session."""

    def __init__(
        self, backend: Backend, trust: Trust, renames: Renames, expander: PayloadExpander
    ) -> None:
        self.base = backend
        """Keeps the records."""
        self.backend = backend
        """The backend that calls use: the base, or in a transaction an overlay with its writes."""
        self.identity = IdentityMap()
        self.renames = renames
        self.expander = expander
        self.codecs = CodecTable()
        self.caches = Caches()
        self.ghosts: Any = None
        """Makes and wakes ghosts, once there are any; see `brinery.graph.loading.ghosts`."""
        self.mapped: WeakValueDictionary[Any, Any] = WeakValueDictionary()
        """The maps of files in which living objects have arrays; see `brinery.graph.loading.mapper`."""
        self.is_lazy = False
        """Whether loads are lazy unless they say otherwise."""
        self.writer: Mapping[str, str] = {}
        """Who writes, as records note it: see `brinery.session.provenance`; empty for no note."""
        self.settings = read_settings(backend)
        """The settings that the store remembers; None for a new store."""
        self._require_settings()
        self.gate = TrustGate(trust, backend, renames, self.settings)
        self.fields: Callable[[Any], Mapping[str, Any]] | None = None
        """Returns the values of an object's further columns, if the engine keeps any."""
        self.remembers: Mapping[str, Any] = {}
        """The settings of this kind of store, to be written to `Settings.options`."""
        self.is_closed = False
        self.store: Callable[[], Any] = _no_store
        """Returns the store that users hold, None if there is none."""
        self.others: WeakValueDictionary[Any, Any] = WeakValueDictionary()
        """Other stores that objects of this one refer to, by their places."""
        self._transactions: list[Transaction] = []
        # The sequence must not refer to this object: its finalizer would keep it alive.
        self.sequence = NumberSequence(backend, functools.partial(_highest_number, backend))
        self.idfactory = IdFactory().bound(self.sequence)
        # Numbers that were reserved and not used are given back at the end.
        self._finalizer = weakref.finalize(self, _finish, self.sequence, backend)
        self.call_lock = RLock()
        """Held during each call as `lock` is, but not by a transaction between its calls.

        Other threads may use ghosts then.
        """
        self._prepare_forks()
        PersistentId.sessions.add(self)

    def write_with(self, codec: Codec, transform: Transform | None) -> None:
        """Write new records with `codec` and `transform`."""
        self.codec = self.codecs.known(codec)
        self.transform = self.expander.known(transform)
        self.save_options = SaveOptions(self.codec, self.transform)
        """The options of a save without options of its own."""

    # -- views

    def outside(self) -> Session:
        """Return a view outside of all transactions: it reads and commits to the base."""
        return self._view(backend=self.base)

    def over(self, backend: Backend) -> Session:
        """Return a view of this session that reads from and commits to `backend`."""
        return self._view(backend=backend)

    def beside(self, identity: IdentityMap, caches: Caches) -> Session:
        """Return a view of this session with living objects and caches of its own."""
        return self._view(identity=identity, caches=caches, ghosts=None)

    def _view(self, **parts: Any) -> Session:
        view = object.__new__(_View)
        view.__dict__.update(self.__dict__, _transactions=[], whole=self, **parts)
        return view

    def id_of(self, obj: Any) -> Any:
        """Return the ID of a living object, None if it has none."""
        entry = self.identity.entry(obj)
        if entry is None:
            return None
        return as_id(entry.id) if type(entry.id) is str else entry.id

    def load_again(self, id: str) -> Any:
        """Return the object `id`, as a load of the store without options does."""
        return self.load(self, id)

    def is_read(self, id: str) -> bool:
        """Return whether the object `id` is in memory, with its state."""
        obj = self.identity.get(id)
        return obj is not NOTHING and not self.identity.is_ghost(obj)

    # -- loads inside a load

    def outer_loaders(self) -> Sequence[Decoder]:
        """Return the loads of this thread around the last one, with the same living objects."""
        outer, identity = ACTIVE.decoders[:-1], self.identity
        return [each for each in outer if each.session.identity is identity]

    def borrowed(self, id: str) -> Any:
        """Return an object that is alive, or complete in a load around the last one; else `NOTHING`."""
        found = self.identity.get(id)
        for outer in self.outer_loaders():
            if found is NOTHING:
                found = outer.lend(id)
        return found

    # -- writing

    def outer_encoders(self) -> Sequence[Encoder]:
        """Return who is encoding objects of this store in this thread."""
        encoders, identity = ACTIVE.encoders, self.identity
        return [each for each in encoders if each.session.identity is identity]

    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        """Write and delete records, all or nothing; return the new versions by name.

        Raise `Conflict`, `StorageError`.
        """
        self.check_open()
        return self.backend.commit(puts, deletes)

    # -- what the store remembers

    def current_settings(self) -> Settings:
        """Return the settings of this opening."""
        used = self.transform
        transform = None if used is None else (used.name, used.config())
        identity = self.gate.identity
        return Settings(self.codec.name, self.codec.config(), self.remembers, transform, identity)

    def _require_settings(self) -> None:
        # A store that was opened with settings and has none now is gone.
        if self.settings is not None:
            self.base.require(SETTINGS)

    def remember_once(self) -> None:
        """Write the settings of this opening if the store has none, and an identity if it seals."""
        if self.settings is None:
            self.settings = self.current_settings()
            write_settings(self.base, self.settings, overwrite=False)
            self._require_settings()
        if self.gate.is_sealing and self.gate.identity is None:
            self.gate.adopt(give_identity(self.base, self.gate.new_identity()))

    def remember(self) -> None:
        """Write the settings of this opening as those of the store."""
        self.remember_once()
        self.adopt_identity()
        write_settings(self.base, self.current_settings(), overwrite=True)

    def adopt_identity(self) -> None:
        """Read the store's identity again: another process may have sealed the first record."""
        current = read_settings(self.base)
        self.gate.adopt(current.identity if current else None)

    def check_seal(self) -> None:
        """Raise `SealError` if the store has become sealed, and was opened without a key."""
        self.adopt_identity()
        self.gate.check_saving([])

    # -- transactions

    @property
    def outermost(self) -> Transaction | None:
        """Return the transaction that commits to the base; None outside of all transactions."""
        return self._transactions[0] if self._transactions else None

    def new_transaction(self) -> Transaction:
        """Return a transaction for `begin` and `leave`."""
        from brinery.session.transaction import Transaction

        self.check_open()
        return Transaction(self.backend, self.identity)

    def begin(self, transaction: Transaction) -> None:
        """Hold back all writes from now on, until `leave`, which has to come even if this is interrupted."""
        with self.call_lock:
            transaction.begin()
            self._transactions.append(transaction)
            self.backend = transaction.overlay

    def leave(self, transaction: Transaction) -> None:
        """Write again to the backend below `transaction`; roll back inner transactions that are open."""
        with self.call_lock:
            while transaction in self._transactions:
                inner = self._transactions.pop()
                self.backend = self._transactions[-1].overlay if self._transactions else self.base
                if inner is not transaction:
                    inner.roll_back()

    # -- life

    def opened(self) -> _Opened:
        """Return a context in which the store is open.  Raise `ClosedError`."""
        return _Opened(self)

    def check_open(self) -> None:
        """Raise `ClosedError` if the store was closed."""
        if self.is_closed:
            raise ClosedError(self.backend.location)

    def close(self) -> None:
        """Close the backend and forget all objects, which stay usable; a second call does nothing."""
        if self.is_closed:
            return
        with self.lock, self.call_lock:
            while self._transactions:
                self._transactions.pop().roll_back()
            self.backend = self.base
            self.is_closed = True
            self._finalizer()
            self.identity = IdentityMap()

    def _hold(self, timeout: float) -> bool:
        if not super()._hold(timeout):
            return False
        if self.call_lock.acquire(timeout=timeout):
            return True
        super()._let_go()
        return False

    def _let_go(self) -> None:
        self.call_lock.release()
        super()._let_go()

    def _go_on(self, is_whole: bool) -> None:
        self.call_lock = RLock()
        self.identity.sleepers.renew_lock()
        super()._go_on(is_whole)

    def _before_fork(self) -> None:
        if not self.is_closed:
            self.base.pre_fork()

    def _after_fork(self) -> None:
        if not self.is_closed:
            self.base.post_fork()

    def _begin_child(self, *, is_whole: bool) -> None:
        self.backend = self.base
        while self._transactions:
            self._transactions.pop().abandon()
        if not is_whole:
            self.identity.forget_objects()
        self.idfactory.forget_reserved()
        self._after_fork()


class _View(Session):
    """A view of a session.  The session closes the backend, and holds the transactions."""

    whole: Session

    def check_open(self) -> None:
        """Raise `ClosedError` where the store was closed."""
        self.whole.check_open()

    def new_transaction(self) -> Transaction:
        """Raise `InvalidArgumentError`: the writes of a view are not held back."""
        raise InvalidArgumentError("expected a session, got a view of it: begin with the session")

    def close(self) -> None:
        """Raise `InvalidArgumentError`: a view has nothing of its own to let go."""
        raise InvalidArgumentError("expected a session, got a view of it: close the session")


class _Opened:
    """A context in which a store is open; within, a `RecursionError` means that the caller is too deep.

    An object that is too deep raises an error of its own.  Callers use this together with the lock of the
    session.  The lock is a context by itself, so that no interrupt leaves it taken.
    """

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> None:
        self._session.check_open()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, RecursionError):
            raise CallTooDeepError(self._session.backend.location) from error


def _finish(sequence: NumberSequence, backend: Backend) -> None:
    sequence.give_back()
    backend.close()
