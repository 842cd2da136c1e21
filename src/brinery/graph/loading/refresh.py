"""Giving an object the state of its record again."""

from __future__ import annotations

from brinery.errors import InvalidArgumentError
from brinery.graph.ghost import empty, set_class, set_state, state_of
from brinery.graph.loading.ghosts import Met
from brinery.graph.loading.load import ghosts_of
from brinery.graph.loading.mapper import mapped_as
from brinery.session.entry import Ghost
from brinery.session.session import Session
from brinery.typing import Any


def refresh(session: Session, obj: Any) -> None:
    """Give an object the state that its record has; see `Store.refresh`."""
    with session.lock, session.opened():
        identity, ghosts = session.identity, ghosts_of(session)
        entry = identity.entry(obj)
        if entry is None:
            raise InvalidArgumentError(
                f"refresh: expected an object with an ID in this store, got a {type(obj).__name__}"
            )
        if type(entry) is Ghost:
            ghosts.wake(obj)
            return
        cls = type(obj)
        ghost = ghosts.class_of(cls)
        if ghost is None:
            raise InvalidArgumentError(
                f"refresh: expected an object whose state can be replaced, got a {cls.__name__}, which is "
                "built in, hashes by value, or is made by code of its own: call invalidate_cache() and load "
                "it again"
            )
        state = state_of(obj)
        met = Met(str(entry.id), (str(entry.id),), mapped_as(session, entry.id, obj))
        set_class(obj, ghost)
        empty(obj)
        identity.make_ghost(obj, entry, met)
        try:
            ghosts.wake(obj)
        except BaseException:
            set_class(obj, cls)
            set_state(obj, state)
            identity.put_back(entry)
            raise
