"""`save` for stores, with its retries, and the transaction that saves at its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from brinery.catalog.sequence import NumberSequence
from brinery.errors import ConflictError, IdTakenError
from brinery.graph.saving.conflict import NumberTakenError, RecordsGoneError
from brinery.graph.saving.inner import saver_for
from brinery.graph.saving.work import Root
from brinery.ids import Id
from brinery.registry.chain import CodecChain
from brinery.session.options import SaveOptions
from brinery.session.session import Session
from brinery.typing import Any, Final

_ATTEMPTS: Final = 10


def save(session: Session, roots: Sequence[Root], options: SaveOptions) -> list[Any]:
    """Save objects and all that they reach, in one commit; return the IDs of `roots`, in order.

    Raise `TrustError` if the saved records could not be loaded again, and all that `Saver.save` raises.
    """
    codec = options.codec
    members = codec.codecs if isinstance(codec, CodecChain) else (codec,)
    with session.lock, session.call_lock, session.opened():
        session.gate.check_saving([member.name for member in members])
        session.remember_once()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                if options.progress is None:
                    return saver_for(session, options).save(roots)
                from brinery.graph.saving.progress import reporting_saver

                return reporting_saver(session, options).save(roots)
            except RecordsGoneError:
                # Another process removed records of objects that have changed here, or a hook of an object
                # has saved some: look at all of them again.
                continue
            except NumberTakenError as taken:
                # Records were copied in from another store: continue with numbers after theirs.
                if attempt == _ATTEMPTS or not isinstance(
                    session.idfactory.next_id_fn, NumberSequence
                ):
                    raise IdTakenError(taken.ids[0], session.backend.location) from taken
                session.sequence.skip([Id(id_).number or 0 for id_ in taken.ids])
    raise ConflictError([root.id or "" for root in roots], session.backend.location)


def save_one(session: Session, obj: Any, id: str | None, options: SaveOptions) -> Any:
    """Save one object and all that it reaches; return its ID.  Raise as `save`."""
    return save(session, [Root(obj, id)], options)[0]


@contextmanager
def transaction(session: Session) -> Iterator[None]:
    """Hold back the writes of the block, and commit them together at its end; an exception undoes them.

    Raise `ConflictError` at the end, `TransactionError`, `StorageError`; after an error nothing was
    written.
    """
    with session.lock:
        session.check_open()
        held_back = session.new_transaction()
        try:
            try:
                session.begin(held_back)
                yield
            finally:
                session.leave(held_back)
            with session.call_lock:
                held_back.commit()
            if collected := held_back.collected():
                roots = [Root(obj, id_) for id_, obj in collected.items()]
                save(session, roots, session.save_options)
        finally:
            with session.call_lock:
                held_back.roll_back()
                held_back.close()
