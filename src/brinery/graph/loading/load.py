"""`load` for stores: a living object if there is one, or else a graph read from its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from brinery.errors import NotFoundError, pass_memory_error
from brinery.evolution.upgrades import version_of
from brinery.graph.loading.fetch import FetchedRecord, Fetcher
from brinery.ids import as_id
from brinery.record.format import SIMPLE
from brinery.session.active import ACTIVE
from brinery.session.identity import NOTHING
from brinery.session.session import Session
from brinery.typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from brinery.graph.loading.loader import Loader

_make: Final = object.__new__


def load(session: Session, ids: Sequence[str], *, placeholders: bool = False) -> list[Any]:
    """Return the objects `ids`, in order, with all that they refer to.

    With `placeholders`, a `Placeholder` replaces an object whose class or codec is missing.  Raise what
    `Loader.load` raises.
    """
    with session.lock, session.opened():
        identity = session.identity
        if session.outermost is not None:
            identity.lend(ids)
        try:
            if len(ids) != 1 or ACTIVE.decoders:
                return _loader(session, placeholders=placeholders).load(ids)
            (id_,) = ids
            living = identity.get(id_)
            if living is not NOTHING and (placeholders or id_ not in identity.incomplete):
                return [living]
            alive: dict[str, Any] = {}
            found = Fetcher(session, placeholders=placeholders, is_lean=True).fetch_alone(
                id_, alive
            )
            if type(found) is FetchedRecord and not placeholders:
                obj = _filled(session, id_, found, alive)
                if obj is not NOTHING:
                    return [obj]
            return _loader(session, placeholders=placeholders).load(ids, first=(found, alive))
        except NotFoundError as error:
            # An ID that is not there is a mistake of the caller: the frames of the loader would say nothing.
            raise error.with_traceback(None) from None


def _loader(session: Session, *, placeholders: bool) -> Loader:
    # Opening a store needs no loader.
    from brinery.graph.loading.loader import Loader

    return Loader(session, placeholders=placeholders)


def _filled(session: Session, id_: str, read: FetchedRecord, alive: Mapping[str, Any]) -> Any:
    """Return the object of a simple record whose class an earlier load has found; else `NOTHING`.

    It refers only to objects that are `alive`.
    """
    record, codec = read
    metadata = record.metadata
    kind = metadata.kind
    caches = session.caches
    maker = caches.makers.get(kind.blob)
    if maker is None or metadata.flags != SIMPLE or metadata.transform is not None:
        return NOTHING
    cls, opening = maker[0](), maker[1]
    data = record.data
    if cls is None or not data.startswith(opening):
        return NOTHING
    named = cls.__module__, cls.__qualname__
    if (
        version_of(cls) != 1
        or session.renames.present(*named) != named
        or not codec.still_makes(cls)
    ):
        return NOTHING
    obj: Any = _make(cls)
    try:
        codec.fill(data[len(opening) : metadata.payload_size], obj, alive.__getitem__)
    except Exception as error:  # noqa: BLE001 - the loader finds out where
        pass_memory_error(error)
        return NOTHING
    session.identity.set(
        as_id(id_), obj, record.version, metadata.payload_digest, codec, is_loaded=True
    )
    caches.recent.add(id_, record)
    return obj
