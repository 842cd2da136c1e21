"""The store: the object that users open, save to and load from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from brinery.backend import Backend
from brinery.codec import DEFAULT_PROTOCOL
from brinery.errors import InvalidArgumentError
from brinery.ids import Id, IdFactory, name_of
from brinery.record.payload import MAX_EXPANDED
from brinery.registry.codecs import CodecArgument
from brinery.stores.arguments import (
    annotation_from,
    named_objects,
    optional_class,
    optional_id,
    required_id,
    several,
)
from brinery.stores.loading import Loading
from brinery.stores.options import StoreOptions, save_options
from brinery.transform import Transform
from brinery.trust.policy import Trust
from brinery.typing import TYPE_CHECKING, Any, Final, overload

if TYPE_CHECKING:
    from brinery.operations.required_globals import Need
    from brinery.record.annotation import Tag
    from brinery.record.info import RecordInfo
    from brinery.verify.fresh_process import FreshProcess


_AT_ONCE: Final = 1000
"""Records whose metadata are read together."""


class Store(Loading):
    """Keeps Python objects under IDs, over one backend and one codec.

    A persistable object that another one refers to has a record of its own.  `save` writes all
    reachable objects that are new or changed, all or nothing.  `load` returns the whole graph, and
    the same object as long as it is alive.  The store is also a mapping from IDs to objects.

    `codec` is a name or a `Codec`; `protocol` is for codecs given by name.  Both default to the settings
    with which the store was made; a new store uses pickle.  `compress` is a name (``"zstd"``), a name and
    a level (``"zstd:3"``), a `Transform`, or ``"none"``.  It defaults to the setting that the store
    remembers; a new store uses none.  `max_expanded` is the most bytes that a compressed payload may
    expand to when it is read.  `trust` says which records are accepted from the store: a `Trust`, or
    ``"anyone"``.  With `lazy`, loads read the objects that an object refers to when they are first used; it
    defaults to the setting that the store remembers, and a new store loads whole graphs.  With `provenance`,
    which is remembered as well, records note the user, the machine and the program that wrote them.  Methods
    may be called from several threads.
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
        lazy: bool | None = None,
        provenance: bool | None = None,
        **extra: Any,
    ) -> None:
        """Open a store over `backend`.

        `remember` are the settings of this kind of store, which are written to `Settings.options`.
        `renames` map old names of classes and functions (``module:qualname``) and of modules (``module``)
        to their present names.  `extra` may contain options of the codec; any other argument is refused.
        """
        options = StoreOptions(
            idfactory,
            protocol,
            codec,
            compress,
            max_expanded,
            renames,
            trust,
            lazy,
            provenance,
            extra,
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
        deep: bool = True,
        note: str | None = None,
        tags: Mapping[str, Tag] | None = None,
        progress: Callable[[int, int], Any] | None = None,
    ) -> Any:
        """Save an object and all that it reaches; return its ID.

        An object that has an ID in this store keeps it.  A new one gets `id`, or an ID from the
        factory.  `codec` (a name or a `Codec`) and `compress` (as for the store) apply to the records
        that this call writes.  It also rewrites unchanged records that have another codec or transform.
        With ``verify="fresh-process"`` a new interpreter first loads the object, and looks for names that
        its functions use and that are not defined there; a `FreshProcess` limits the time for that.
        Without `deep`, changes of objects that have an ID already are not looked for, but those of `obj`.
        `note`, a text, and `tags`, strings, numbers, truth values or None by name, are stored in the record
        of `obj`, and `info` returns them.  None keeps what the record has; ``""`` and ``{}`` remove it.
        `progress` is called with the number of objects that were looked at and the number of those found so
        far, at most ten times a second.  The last call, with equal numbers, comes before the commit.  An
        exception from it ends the save.

        Raise `EncodeError` (it names the place inside the object), `IdTakenError`,
        `AlreadySavedError`, `ConflictError` if a record was changed elsewhere since it was loaded
        here, `RolledBackError`, `VerificationError`, `StorageError`.  After any error the store is as it was
        before.
        """
        from brinery.graph.saving.save import save_one

        options = save_options(self._session, codec, compress, verify, deep)
        if note is not None or tags is not None:
            options = options._replace(annotation=annotation_from(note, tags))
        if progress is not None:
            options = options._replace(progress=progress)
        return save_one(self._session, obj, optional_id(id), options)

    def save_many(
        self,
        objects: Iterable[Any] | Mapping[str, Any],
        ids: Iterable[str | None] | None = None,
        *,
        codec: CodecArgument | None = None,
        compress: str | Transform | None = None,
        verify: str | FreshProcess | None = None,
        deep: bool = True,
        progress: Callable[[int, int], Any] | None = None,
    ) -> list[Any]:
        """Save several objects in one commit; return their IDs, in order.

        A mapping has the IDs as its keys, and the objects as its values.  The other arguments are those of
        `save`.
        """
        from brinery.graph.saving.save import save
        from brinery.graph.saving.work import roots_of

        roots = roots_of(named_objects(objects, ids))
        options = save_options(self._session, codec, compress, verify, deep)
        return save(self._session, roots, options._replace(progress=progress))

    def replace(
        self,
        id: str,
        obj: Any,
        *,
        codec: CodecArgument | None = None,
        compress: str | Transform | None = None,
        verify: str | FreshProcess | None = None,
    ) -> None:
        """Save `obj` under `id` and replace any record there, no matter who has changed it since."""
        from brinery.graph.saving.save import save
        from brinery.graph.saving.work import Root

        options = save_options(self._session, codec, compress, verify)
        save(self._session, [Root(obj, required_id(id), overwrite=True)], options)

    def remember(self) -> None:
        """Write the settings of this opening (codec, protocol, transform, layout) as the store's own."""
        with self._session.lock, self._session.call_lock, self._session.opened():
            self._session.remember()

    # -- transactions

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold back the writes of the block, and commit them together at its end; an exception undoes them.

        Reads inside the block see its writes.  Other threads that use this store wait for the end.  An
        inner transaction is a savepoint of the outer one.  An exception does not reset the state of
        objects; later loads read all records again, into new objects.

        Raise `ConflictError` at the end, with the IDs of all records that were changed elsewhere since they
        were read, `TransactionError`, `StorageError`; after an error nothing was written.
        """
        from brinery.graph.saving.save import transaction

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
        """Load the object `id`, call `function` with it, save it; return the saved object.

        `function` changes the object in place and returns None, or returns another object to save under
        the ID.  If somebody else changes a record during that, the update waits briefly, loads the object
        again and repeats all steps: at most `attempts` times, and for `timeout` seconds.  All calls of
        `function` to this store belong to one transaction.

        Raise `ConflictError`, `NotFoundError`, and all that `function`, `load` and `save` raise.

        Called with a mapping, or with pairs of IDs and objects, it replaces all of them in one commit.
        """
        if len(args) > 1 or "function" in options:
            return self._update(*args, **options)
        if args and isinstance(args[0], str):
            raise InvalidArgumentError(f"update: expected a function for {args[0]!r:.60}, got none")
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
        from brinery.graph.update import Backoff, update

        return update(self._session, required_id(id), function, Backoff(attempts, timeout))

    # -- records

    def remove(self, id: str) -> None:
        """Delete the record `id`.  Raise `NotFoundError`.

        Of several processes that remove one record, one succeeds.  Records that refer to it stay, but their
        objects can no longer be loaded.
        """
        from brinery.graph.claim import remove

        remove(self._session, [required_id(id)])

    def list(self, cls: type | str | None = None, *, prefix: str | None = None) -> list[str]:
        """Return the IDs of all objects as plain strings, sorted as `Id` sorts them.

        With `cls`, a class or its name (``"Task"`` or ``"jobs:Task"``), only those of objects of exactly
        that class: this reads the end of each record.  With `prefix`, only IDs that start with that text.
        """
        from brinery.operations.scan import ids_in, ids_of_class

        asked, start = optional_class(cls), optional_id(prefix) or ""
        if asked is None:
            return ids_in(self._session, start)
        return ids_of_class(self._session, asked, start)

    def info(self, id: str) -> RecordInfo:
        """Return the metadata of the record `id`, without decoding the object.

        Raise `NotFoundError`, `RecordError`, `StorageError`; if the store was opened with a key,
        also `SealError`.
        """
        from brinery.record.info import read_info

        with self._session.lock, self._session.call_lock, self._session.opened():
            session = self._session
            return read_info(session.backend, name_of(required_id(id)), id, session.gate.seals)

    def infos(self, ids: Iterable[str] | None = None) -> Iterator[RecordInfo]:
        """Yield the metadata of all records, or of those of `ids` that exist, in any order.

        The ends of many records are read together, and nothing is decoded.  Raise `RecordError` for a record
        that is damaged, `StorageError`; if the store was opened with a key, also `SealError`.
        """
        from brinery.record.info import read_infos

        wanted = self.list() if ids is None else [*map(required_id, several("ids", ids))]
        for some in (wanted[at : at + _AT_ONCE] for at in range(0, len(wanted), _AT_ONCE)):
            with self._session.lock, self._session.call_lock, self._session.opened():
                session = self._session
                found = [*read_infos(session.backend, some, session.gate.seals)]
            yield from found

    def needs(self, id: str) -> Sequence[Need]:
        """Return the classes and functions that decoding the record `id` would import, sorted.

        The payload is searched; nothing is imported, and no trust is needed.  Raise `NotFoundError`,
        `RecordError`, `StorageError`, and `TrustError` for a payload that does not show what it would
        import.
        """
        from brinery.operations.required_globals import needs_of

        with self._session.lock, self._session.call_lock, self._session.opened():
            return needs_of(self._session, required_id(id))

    def references(self, id: str) -> Sequence[Id]:
        """Return the IDs of the persistable objects that the object `id` refers to."""
        return self.info(id).references

    def referrers(self, id: str) -> Sequence[str]:
        """Return the IDs of the objects that refer to the object `id`, sorted; `id` need not exist.

        Nothing is decoded.  If the backend has no index of references, the ends of all records are read.
        Raise `RecordError` if one of them cannot be read: it may refer to that object, too.
        """
        from brinery.operations.scan import referrers

        with self._session.lock, self._session.call_lock, self._session.opened():
            return referrers(self._session.backend, required_id(id))
