"""Claims: of several threads and processes that set or remove one ID, one succeeds, and the others see that.

Each claim is one commit that expects what it found: nothing there, something, or one version of a record.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from brinery.backend import PRESENT, Conflict, Delete, Missing, Version
from brinery.errors import ConflictError, NotFoundError
from brinery.graph.loading.load import load_again
from brinery.graph.saving.save import save
from brinery.graph.saving.work import Root
from brinery.ids import name_of
from brinery.record.listing import damage_of, ids_of
from brinery.session.identity import NOTHING
from brinery.session.session import Session
from brinery.typing import Any, Final

_SOME: Final = 16
"""Names of which one is taken at random, so that several processes seldom want the same."""


def remove(session: Session, ids: Sequence[str]) -> None:
    """Delete the records `ids` in one commit.

    Raise `NotFoundError` for one that is missing, also where another process has just deleted it; nothing is
    deleted then.
    """
    by_name = {name_of(id_): id_ for id_ in ids}
    with session.lock, session.call_lock, session.opened():
        try:
            session.commit((), [Delete(name, PRESENT) for name in by_name])
        except Conflict as conflict:
            missing = by_name[conflict.names[0]]
            raise NotFoundError(missing, session.backend.location) from None
        for id_ in by_name.values():
            session.identity.remove(id_)


def take(session: Session, id: str) -> Any:
    """Load the object `id`, delete its record in that very version, and return the object.

    Raise `NotFoundError`, and all that `load` raises; then nothing was deleted.
    """
    with session.lock, session.call_lock, session.opened():
        while True:
            obj, version = _current(session, id)
            try:
                session.commit((), [Delete(name_of(id), version)])
            except Conflict:  # it was changed or deleted since
                continue
            session.identity.remove(id)
            return obj


def take_any(session: Session) -> tuple[str, Any]:
    """Take some object; return its ID and itself.  Raise `KeyError` if there is none."""
    with session.lock, session.call_lock, session.opened():
        while names := list(session.backend.some_names(_SOME)):
            random.shuffle(names)
            for id_ in ids_of(session.backend, names):
                if (damage := damage_of(session.backend, id_)) is not None:
                    raise damage
                try:
                    return id_, take(session, id_)
                except NotFoundError as error:
                    if error.id != id_:
                        raise
        raise KeyError(f"the store in {session.backend.location} has no objects")


def set_default(session: Session, id: str, default: Any) -> Any:
    """Return the object `id`; where there is none, save `default` under the ID and return that.

    Raise all that `load` and `save` raise.
    """
    with session.lock, session.call_lock, session.opened():
        while True:
            try:
                return _current(session, id)[0]
            except NotFoundError as error:
                if error.id != id:
                    raise
            try:
                save(session, [Root(default, id)], session.save_options)
            except ConflictError as error:
                if id not in error.ids:
                    raise
            else:
                return default


def _current(session: Session, id: str) -> tuple[Any, Version]:
    # Return the object `id` as its record has it, and the version of the record.  The living object counts if
    # the record has not changed since.
    identity = session.identity
    try:
        version = session.backend.get_tail(name_of(id), 0)[2]
    except Missing:
        identity.forget(id)
        raise NotFoundError(id, session.backend.location) from None
    living = identity.get(id)
    entry = None if living is NOTHING else identity.entry(living)
    if not identity.is_ghost(living) and (entry is None or entry.version != version):
        identity.forget_objects()
    obj = load_again(session, id)
    entry = identity.entry(obj)
    return obj, version if entry is None or entry.id != id else entry.version
