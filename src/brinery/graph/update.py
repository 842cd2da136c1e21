"""Changing one object that others change, too."""

from __future__ import annotations

import random
import time
from typing import Any, Final

from brinery.backend import Backend, Missing, Version
from brinery.errors import InvalidArgumentError, NotFoundError
from brinery.evolution.renames import Renames
from brinery.graph.comparison import Reloading
from brinery.ids import name_of
from brinery.record.payload import Restorer
from brinery.session.identity import NOTHING, IdentityMap
from brinery.session.transaction import forget_reached
from brinery.trust.gate import Guard

_FIRST_WAIT: Final = 0.001
_LONGEST_WAIT: Final = 0.1


class Attempts:
    """Counts the attempts of one update, and waits between them.

    Waits are drawn at random from a range that doubles, so that those who met once do not meet again.
    """

    def __init__(self, attempts: int, timeout: float) -> None:
        if not isinstance(attempts, int) or attempts < 1:
            raise InvalidArgumentError(f"attempts is a number from 1 on, not {attempts!r:.60}")
        if not isinstance(timeout, (int, float)) or not timeout >= 0:
            raise InvalidArgumentError(f"timeout is a number of seconds, not {timeout!r:.60}")
        self._left = attempts
        self._until = time.monotonic() + timeout
        self._wait = _FIRST_WAIT

    def wait_for_next(self) -> bool:
        """Wait a little; return False, without waiting, when there is to be no further attempt."""
        self._left -= 1
        left = self._until - time.monotonic()
        if not self._left or left <= 0:
            return False
        time.sleep(min(random.uniform(0, self._wait), left))
        self._wait = min(2 * self._wait, _LONGEST_WAIT)
        return True


def version_to_replace(backend: Backend, id: str) -> Version:
    """Return the version of the record `id`.  Raise `NotFoundError`, `StorageError`."""
    try:
        return backend.get_tail(name_of(id), 0)[2]
    except Missing as missing:
        raise NotFoundError(id, backend.location) from missing


def forget_if_changed(
    id: str,
    backend: Backend,
    identity: IdentityMap,
    kept: dict[Any, Any],
    renames: Renames,
    restorer: Restorer,
    guard: Guard,
) -> None:
    """Make the next load of `id` read its graph anew, unless its living object is as it is stored."""
    obj = identity.get(id)
    if obj is NOTHING or id in identity.partial:
        return
    entry = identity.entry(obj)
    try:
        data, version = backend.get(name_of(id))
        if entry is not None and entry.version == version and entry.id == id:
            links = Reloading(identity, kept, renames, guard.restriction)
            digest = links.digest_of_living(entry.codec, obj)
            if digest == entry.digest:
                return
            record = restorer.restored(guard.parsed(data, version, id=id))
            if entry.is_loaded and links.digest(entry.codec, record) == digest:
                return
    except Exception:  # noqa: BLE001 - then it is read anew, and that raises what there is to raise
        pass
    forget_reached([id], backend, identity)
