"""`load` for stores: a living object if there is one, or else a graph read from its records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brinery.errors import NotFoundError
from brinery.graph.loader import Loader
from brinery.session.identity import NOTHING
from brinery.session.session import Session


def load(session: Session, ids: Sequence[str], *, placeholders: bool = False) -> list[Any]:
    """Return the objects `ids`, in order, with all that they refer to.

    With `placeholders`, a `Placeholder` replaces an object whose class or codec is missing.  Raise what
    `Loader.load` raises.
    """
    with session.lock, session.opened():
        identity = session.identity
        if session.outermost is not None:
            identity.lend(ids)
        if len(ids) == 1:
            living = identity.get(ids[0])
            if living is not NOTHING and (placeholders or ids[0] not in identity.incomplete):
                return [living]
        try:
            return Loader(session, placeholders=placeholders).load(ids)
        except NotFoundError as error:
            # An ID that is not there is a mistake of the caller: the frames of the loader would say nothing.
            raise error.with_traceback(None) from None
