"""Changing one object that other processes change at the same time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from brinery.backend import Missing, Version
from brinery.backends.overlay import Overlay
from brinery.errors import (
    ConflictError,
    IdTakenError,
    InvalidArgumentError,
    NotFoundError,
    RolledBackError,
)
from brinery.graph.comparison import Reloading
from brinery.graph.loading.load import load
from brinery.graph.saving.save import save, transaction
from brinery.graph.saving.work import Root
from brinery.ids import name_of
from brinery.record.annotation import Annotation, annotation_in
from brinery.record.info import read_metadata
from brinery.reference import touch
from brinery.session.identity import NOTHING
from brinery.session.options import LAZY
from brinery.session.session import Session
from brinery.typing import Any, Final

_FIRST_WAIT: Final = 0.001
_LONGEST_WAIT: Final = 0.1


class Backoff:
    """Counts the attempts of one update, and waits between them.

    Waits are drawn at random from a range that doubles, so that processes that conflicted once do not
    conflict again.
    """

    def __init__(self, attempts: int, timeout: float) -> None:
        if not isinstance(attempts, int) or attempts < 1:
            raise InvalidArgumentError(f"attempts: expected an integer >= 1, got {attempts!r:.60}")
        if not isinstance(timeout, (int, float)) or not timeout >= 0:
            raise InvalidArgumentError(f"timeout: expected seconds >= 0, got {timeout!r:.60}")
        self._left = attempts
        self._until = time.monotonic() + timeout
        self._wait = _FIRST_WAIT

    def wait_for_next(self) -> bool:
        """Wait a little and return True; return False at once if no further attempt is allowed."""
        self._left -= 1
        left = self._until - time.monotonic()
        if not self._left or left <= 0:
            return False
        time.sleep(min(random.uniform(0, self._wait), left))
        self._wait = min(2 * self._wait, _LONGEST_WAIT)
        return True


def update(session: Session, id: str, function: Callable[[Any], Any], backoff: Backoff) -> Any:
    """Load the object `id`, call `function` with it and save it, again after each conflict.

    Return the saved object.  Raise `ConflictError` after the last attempt.
    """
    if not callable(function):
        raise InvalidArgumentError(f"update: expected a function for {id!r}, got {function!r:.60}")
    is_first = True
    while True:
        try:
            with transaction(session):
                return _updated(session, id, function)
        except ConflictError as error:
            # An ID that belongs to another object stays taken.  The first time, though, the other object
            # may be the same one, loaded earlier: the second attempt loads everything again.  An object
            # of before a rollback is one that `function` holds, and will use again.
            is_vain = isinstance(error, RolledBackError) or (
                isinstance(error, IdTakenError) and not is_first
            )
            is_first = False
            if is_vain or not backoff.wait_for_next():
                raise


def _updated(session: Session, id: str, function: Callable[[Any], Any]) -> Any:
    _forget_if_changed(session, id)
    (obj,) = load(session, [id], LAZY)
    entry = session.identity.entry(obj)
    if entry is not None and entry.id == id:
        version = entry.version
    else:  # a number, say, which has no identity
        # The version before the load: if the record changes in between, saving raises a conflict.
        version = _version_to_replace(session, id)
        (obj,) = load(session, [id], LAZY)
    result = function(obj)
    saved = obj if result is None else result
    entry = session.identity.entry(saved)
    overlay = session.backend
    assert isinstance(overlay, Overlay)
    if overlay.has_deleted(name_of(id)):
        raise InvalidArgumentError(
            f"update: expected a function that changes {id!r} or returns another object, got one that "
            "removes it. To look at an object and remove it, use transaction()"
        )
    if entry is not None and entry.id == id and overlay.is_own(entry.version):
        version = entry.version  # the function has saved it, too
    options = session.save_options
    if entry is None or entry.id != id:  # it takes the place of `obj`
        options = options._replace(annotation=_annotation_of(session, id, obj))
    save(session, [Root(saved, id, expect=version)], options)
    return saved


def _annotation_of(session: Session, id: str, obj: Any) -> Annotation | None:
    entry = session.identity.entry(obj)
    if entry is not None and entry.id == id:
        return entry.annotation
    # A number, say, which has no entry.
    metadata, _ = read_metadata(session.backend, name_of(id), id, session.gate.seals)
    return annotation_in(metadata.more)


def _version_to_replace(session: Session, id: str) -> Version:
    try:
        return session.backend.get_tail(name_of(id), 0)[2]
    except Missing:
        raise NotFoundError(id, session.backend.location) from None


def _forget_if_changed(session: Session, id: str) -> None:
    # Make later loads read all records again, unless the living object `id` equals its record.
    identity = session.identity
    obj = identity.get(id)
    if obj is NOTHING or id in identity.incomplete or identity.is_ghost(obj):
        return
    touch(obj)
    entry = identity.entry(obj)
    try:
        data, version = session.backend.get(name_of(id))
        if entry is not None and entry.version == version and entry.id == id:
            links = Reloading(session)
            digest = links.digest_of_living(entry.codec, obj)
            if digest == entry.digest:
                return
            record = session.expander.restored(session.gate.parsed(data, version, id=id))
            if entry.is_loaded and links.digest(entry.codec, record) == digest:
                return
    except Exception:  # noqa: BLE001 - then it is read again, and that raises the error
        pass
    # All of them: other living objects may refer to this one, and would go on referring to the old object.
    identity.forget_objects()
