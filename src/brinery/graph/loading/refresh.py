"""Giving an object the state of its record again."""

from __future__ import annotations

from brinery.errors import InvalidArgumentError
from brinery.graph.ghost import set_state, state_of
from brinery.graph.loading.load import ghosts_of
from brinery.graph.loading.mapper import mapped_as
from brinery.graph.loading.met import HowMet, Met
from brinery.reference import set_class, touch
from brinery.session.entry import Ghost
from brinery.session.session import Session
from brinery.typing import Any


def refresh(session: Session, obj: Any) -> None:
    """Give an object the state that its record has; see `Store.refresh`."""
    with session.lock, session.call_lock, session.opened():
        identity, ghosts = session.identity, ghosts_of(session)
        entry = identity.entry(obj)
        if entry is None:
            raise InvalidArgumentError(
                f"refresh: expected an object with an ID in this store, got a {type(obj).__name__}"
            )
        if type(entry) is Ghost:
            ghosts.wake(obj)
            return
        if identity.get(entry.id) is not obj:
            raise InvalidArgumentError(
                f"refresh: expected an object that a load returns now, got {entry.id!r} of before a rollback "
                "or invalidate_cache(): load it again"
            )
        touch(obj)  # it may sleep
        cls = type(obj)
        ghost = ghosts.class_of(cls)
        if ghost is None:
            raise InvalidArgumentError(
                f"refresh: expected an object whose state can be replaced, got a {cls.__name__}, which is "
                "built in, hashes by value, or is made by code of its own: call invalidate_cache() and load "
                "it again"
            )
        id_ = str(entry.id)
        state = state_of(obj)
        how = HowMet(mapped=mapped_as(session, id_, obj))
        try:
            # In this order: an object with the class of a ghost, and another entry, has its whole state.
            set_class(obj, ghost)
            identity.make_ghost(obj, entry, Met(id_, (id_,), identity.current, how))
            ghosts.wake(obj)
        except BaseException:
            set_state(obj, state)
            identity.put_back(entry)
            set_class(obj, cls)
            raise
