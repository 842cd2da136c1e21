"""Reducers of locks: a lock that is free comes back as a new one, a lock that is held is refused.

Nobody could release a copy of a lock that is held.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pickle import PicklingError

from brinery.typing import Any, Final
from brinery_codecs._pickle.reducers import Reducer


def _reduce_lock(lock: Any) -> Any:
    if lock.locked():
        raise PicklingError(
            "a lock that is held could never be released after a load: release it first"
        )
    return threading.Lock, ()


def _reduce_reentrant_lock(lock: Any) -> Any:
    # Only Python 3.14 has `RLock.locked`.
    is_free = not lock._is_owned() and lock.acquire(blocking=False)
    if not is_free:
        raise PicklingError(
            "a lock that is held could never be released after a load: release it first"
        )
    lock.release()
    return threading.RLock, ()


LOCKS: Final[Mapping[type, Reducer]] = {
    type(threading.Lock()): _reduce_lock,
    type(threading.RLock()): _reduce_reentrant_lock,
}
