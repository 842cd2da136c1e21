"""`load` for stores: a living object if there is one, or else a graph read from its records."""

from __future__ import annotations

from collections.abc import Sequence

from brinery.backend import Version
from brinery.codec import Codec
from brinery.errors import NotFoundError, StaleReferenceError, pass_memory_error
from brinery.evolution.upgrades import version_of
from brinery.graph.loading.fetch import add_refs, read_one
from brinery.record.annotation import annotation_in
from brinery.record.format import SIMPLE
from brinery.record.reader import metadata_as_written
from brinery.record.record import Metadata
from brinery.session.active import ACTIVE
from brinery.session.identity import NOTHING
from brinery.session.options import EAGER, LAZY, LoadOptions
from brinery.session.session import Session
from brinery.typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from brinery.graph.loading.ghosts import Ghosts
    from brinery.graph.loading.loader import First, Loader
    from brinery.graph.loading.mapper import Mapper

_make: Final = object.__new__
_FEW: Final = 200


def load(session: Session, ids: Sequence[str], options: LoadOptions = EAGER) -> list[Any]:
    """Return the objects `ids`, in order, with all that they refer to.

    Raise what `Loader.load` raises, and `NotMappableError`.
    """
    lazy = options.lazy
    with session.lock, session.call_lock, session.opened():
        ghosts = ghosts_of(session) if lazy else session.ghosts
        try:
            try:
                found = read(session, ids, options)
            except StaleReferenceError as error:
                if error.id not in ids:
                    raise
                # What was asked for is another object now than the one that some other refers to.
                session.identity.forget(error.id)
                found = read(session, ids, options)
        except NotFoundError as error:
            # An ID that is not there is a mistake of the caller: the frames of the loader would say nothing.
            raise error.with_traceback(None) from None
        if ghosts is not None:
            if not lazy:
                ghosts.wake_all(found, options)
            elif session.outermost is not None:
                ghosts.expect_unchanged(found)
        return found


def load_again(session: Session, id_: str) -> Any:
    """Return one object as a load without options does; a transaction fails if its record changes."""
    found = load(session, [id_], LAZY if session.is_lazy else EAGER)
    if session.outermost is not None:
        ghosts_of(session).expect_unchanged(found)
    return found[0]


def read(session: Session, ids: Sequence[str], options: LoadOptions) -> list[Any]:
    """Return objects as `load` does; ghosts that living ones refer to stay as they are."""
    mapper = None
    if options.mapped is not None:
        from brinery.graph.loading.mapper import Mapper

        mapper = Mapper(session, options.mapped, placeholders=options.placeholders)
    if session.outermost is not None:
        session.identity.lend(ids)
    if len(ids) != 1 or ACTIVE.decoders:
        return _loader(session, mapper, options).load(ids)
    return [_load_one(session, ids[0], mapper, options)]


def _load_one(session: Session, id_: str, mapper: Mapper | None, options: LoadOptions) -> Any:
    lazy, placeholders, _, progress = options
    identity, ghosts = session.identity, session.ghosts
    living = identity.get(id_)
    is_ghost = ghosts is not None and ghosts.has_to_fill(id_)
    if living is not NOTHING and not is_ghost and (placeholders or id_ not in identity.incomplete):
        if mapper is not None:
            mapper.require(id_, living)
        return living
    read = read_one(session, id_)
    if not placeholders and mapper is None and progress is None:
        obj = _simple(session, id_, read, ghost=living if is_ghost else None, lazy=lazy)
        if obj is not NOTHING:
            return obj
    loader = _loader(session, mapper, options)
    return loader.load([id_], first=read)[0]


def ghosts_of(session: Session) -> Ghosts:
    """Return what makes and wakes the ghosts of a session."""
    if session.ghosts is None:
        from brinery.graph.loading.ghosts import Ghosts

        session.ghosts = Ghosts(session, read)
    found: Ghosts = session.ghosts
    return found


def _loader(session: Session, mapper: Mapper | None, options: LoadOptions) -> Loader:
    # Opening a store needs no loader.
    from brinery.graph.loading.loader import Loader

    if options.progress is not None:
        from brinery.graph.loading.progress import ReportingLoader

        return ReportingLoader(session, options, mapper)
    return Loader(session, options, mapper)


def _simple(session: Session, id_: str, read: First, *, ghost: Any, lazy: bool) -> Any:
    """Return the object of a simple record whose class an earlier load has found; else `NOTHING`.

    It refers only to living objects, or to ghosts if `lazy`.  `ghost` is what it has to become, if not None.
    """
    gate, identity, caches = session.gate, session.identity, session.caches
    data, version = read
    if not gate.accepts_plain or gate.restriction is not None or type(data) is not bytes:
        return NOTHING
    if identity.incomplete:
        return NOTHING
    metadata = metadata_as_written(data, id_)
    if metadata is None or not metadata.flags & SIMPLE:
        return NOTHING
    maker = caches.makers.get(metadata.kind.blob)
    if maker is None:
        return NOTHING
    known, opening, codec = maker
    cls = known()
    if cls is None or not data.startswith(opening) or not _is_as_before(session, cls, codec):
        return NOTHING
    has_refs = metadata.flags != SIMPLE
    references = metadata.followed if has_refs else metadata.references
    alive: dict[str, Any] = {}
    for reference in references:
        alive[reference] = living = identity.get(reference)
        if living is NOTHING:
            alive = {}
            is_large = len(references) > _FEW  # the loader pauses the collector
            if not lazy or is_large or not _gets_ghosts(session, metadata, codec, alive):
                return NOTHING
            break
    if has_refs:
        add_refs(session, metadata, alive)
    gate.begin_load()
    gate.check_codec(codec, metadata)
    state = data[len(opening) : metadata.payload_size]
    if ghost is not None:
        return _filled(session, ghost, (metadata, state, version), (cls, codec), alive)
    try:
        obj: Any = _make(cls)
        codec.fill(state, obj, alive.__getitem__)
    except Exception as error:  # noqa: BLE001 - the loader finds out where
        pass_memory_error(error)
        return NOTHING
    # A signal handler may have loaded the same object while this function ran.
    living = identity.get(id_)
    if living is not NOTHING:
        return living
    beside = annotation_in(metadata.more) if metadata.more else None
    identity.set(id_, obj, version, metadata.payload_digest, codec, True, beside)
    caches.recent.add(id_, data, version)
    return obj


def _gets_ghosts(session: Session, metadata: Metadata, codec: Codec, alive: dict[str, Any]) -> bool:
    """Put all objects that a record refers to into `alive`; return False if some cannot be ghosts."""
    groups = metadata.groups if metadata.flags == SIMPLE else metadata.groups_to_follow
    return not session.ghosts.attach((metadata.id, groups, codec), alive)


def _filled(
    session: Session,
    ghost: Any,
    read: tuple[Metadata, bytes, Version],
    maker: tuple[type, Codec],
    alive: dict[str, Any],
) -> Any:
    """Fill a ghost; return it, or `NOTHING` if that failed."""
    from brinery.graph.loading.filling import Filling

    (metadata, state, version), (cls, codec) = read, maker
    with Filling(session.ghosts, {metadata.id: ghost}) as filling:
        try:
            codec.fill(state, filling.bare(metadata.id, cls), alive.__getitem__)
        except Exception as error:  # noqa: BLE001 - the loader finds out where
            pass_memory_error(error)
            return NOTHING
        digest, beside = metadata.payload_digest, annotation_in(metadata.more)
        session.identity.set(metadata.id, ghost, version, digest, codec, True, beside)
        filling.end()
    return ghost


def _is_as_before(session: Session, cls: type, codec: Codec) -> bool:
    """Return whether a class has no upgrade, no new name and no hook since an earlier load."""
    named = cls.__module__, cls.__qualname__
    return (
        version_of(cls) == 1 and session.renames.present(*named) == named and codec.still_makes(cls)
    )
