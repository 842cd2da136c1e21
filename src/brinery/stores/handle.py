"""The handle of an opened store: its session, its parts, and its life."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType

from brinery.backend import Backend
from brinery.codec import Codec
from brinery.errors import InvalidArgumentError
from brinery.ids import IdFactory
from brinery.reference import OWN_STORE, external
from brinery.session.active import ACTIVE
from brinery.session.session import Session
from brinery.stores.options import StoreOptions, session_from
from brinery.transform import Transform
from brinery.trust.policy import Trust
from brinery.typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from brinery.url import Url

NOTHING_ELSE: Final[Mapping[str, Any]] = MappingProxyType({})


class Handle:
    """Holds a session for its user; also a context that closes it."""

    _open: Callable[[Any, StoreOptions], None]
    """Opens the store at the place that a pickle of it holds."""

    def _begin(
        self, backend: Backend, options: StoreOptions, remembers: Mapping[str, Any] = NOTHING_ELSE
    ) -> None:
        # Every constructor ends with this call.
        self._session = session_from(type(self), backend, options)
        session = self._session
        own = {"lazy": session.is_lazy, "provenance": bool(session.writer)}
        session.remembers = {**remembers, **{name: True for name, is_on in own.items() if is_on}}
        session.store = weakref.ref(self)
        self._idfactory = options.idfactory

    def _options(self) -> StoreOptions:
        # The options that open this store again in another process.  A key refuses to be pickled.
        session = self._session
        return StoreOptions(
            idfactory=self._idfactory,
            codec=session.codec,
            compress=session.transform or "none",
            max_expanded=session.expander.limit,
            renames=session.renames.given,
            trust=session.gate.trust,
            lazy=session.is_lazy,
            provenance=bool(session.writer),
        )

    # -- parts

    @property
    def session(self) -> Session:
        """Return the session of this store, for code that works on whole stores."""
        return self._session

    @property
    def codec(self) -> Codec:
        """Return the codec that new records are written with."""
        return self._session.codec

    @property
    def transform(self) -> Transform | None:
        """Return the transform of new records, None if they are stored as the codec wrote them."""
        return self._session.transform

    @property
    def max_expanded(self) -> int:
        """Return the most bytes that a compressed payload may expand to when it is read."""
        return self._session.expander.limit

    @property
    def idfactory(self) -> IdFactory:
        """Return the factory that makes the IDs of new objects."""
        return self._session.idfactory

    @property
    def trust(self) -> Trust:
        """Return the policy for records that are accepted from the store."""
        return self._session.gate.trust

    @property
    def store_id(self) -> str | None:
        """Return the identity that the seals of this store are bound to, None if nothing is sealed yet."""
        return self._session.gate.identity

    @property
    def backend(self) -> Backend:
        """Return the backend, which keeps the records."""
        return self._session.base

    @property
    def url(self) -> Url:
        """Return the URL that opens this store again."""
        from brinery.url import Url

        return Url(self._session.base.location)

    def __repr__(self) -> str:
        session = self._session
        state = ", closed" if session.is_closed else ""
        return f"{type(self).__name__}({session.base.location!r}, codec={session.codec!r}{state})"

    def __reduce__(self) -> tuple[Any, ...]:
        # An object that refers to the store which holds it gets the store back that loads it.
        holder = ACTIVE.encoders[-1].session if ACTIVE.encoders else None
        if holder is not None and holder.base is self._session.base:
            return external, (OWN_STORE,)
        place = self._place_elsewhere()
        if holder is not None and getattr(holder.store(), "url", None) == self.url:
            return external, (OWN_STORE,)
        # The attributes that a subclass has added come along; its constructor is not called.
        own = {name: value for name, value in vars(self).items() if name not in _OF_OPENING}
        return _reopened, (type(self), place, self._options(), own)

    @classmethod
    def reopened(cls, place: Any, options: StoreOptions, own: Mapping[str, Any]) -> Self:
        """Return the store that a pickle describes; pickles call it."""
        store = cls.__new__(cls)
        store._open(place, options)
        vars(store).update(own)
        return store

    def _place_elsewhere(self) -> Any:
        # The place that another process opens, which the pickle of a store holds.
        raise InvalidArgumentError(
            f"a {type(self).__name__} on {self._session.base.location} belongs to its process, and cannot be "
            "pickled: copy it to a directory or a database with brinery.copy"
        )

    # -- life

    def invalidate_cache(self) -> None:
        """Forget the loaded objects, so that the next load reads their records again.

        Objects that are still alive keep their IDs.
        """
        with self._session.lock, self._session.call_lock, self._session.opened():
            self._session.identity.forget_objects()

    def pre_fork(self) -> None:
        """Prepare for a fork: no call of another thread is under way until `post_fork`.

        `os.fork` does so by itself, for all stores.
        """
        self._session.pre_fork()

    def post_fork(self) -> None:
        """Go on after a fork, in the parent and in the child."""
        self._session.post_fork()

    def close(self) -> None:
        """Close the backend and forget all objects, which stay usable; a second call does nothing."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check_open(self) -> None:
        """Raise `ClosedError` if the store was closed."""
        self._session.check_open()


_OF_OPENING: Final = frozenset({"_session", "_idfactory", "_place", "_sql"})
"""The attributes that opening a store sets."""


def _reopened(cls: type[Handle], place: Any, options: StoreOptions, own: Mapping[str, Any]) -> Any:
    """Return the store of a pickle.

    The objects of a store that refer to another one, and are loaded while it is alive, get one store.
    """
    if not ACTIVE.decoders:
        return cls.reopened(place, options, own)
    others = ACTIVE.decoders[-1].session.others
    key = cls, *(value for value in place if isinstance(value, Hashable)), options.codec
    found = others.get(key)
    if found is None or found.session.is_closed:
        found = others[key] = cls.reopened(place, options, own)
    return found
