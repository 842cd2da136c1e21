"""One state of a directory, read without taking a lock or changing anything."""

from __future__ import annotations

import time
from collections.abc import Callable

from brinery.backend import Backend
from brinery.backends.directory.journal_view import JournalView
from brinery.backends.directory.layout import Layout
from brinery.backends.directory.lock_state import LockState, lock_state_at
from brinery.errors import StorageError, storage_error
from brinery.typing import Final, TypeVar

T = TypeVar("T")

_TRIES: Final = 5
"""How often a writer that changes names is waited for; then it may have died at that."""
_FIRST_WAIT: Final = 0.0005  # seconds; doubled each time
_LONGEST_WAIT: Final = 0.1


def read_unlocked(
    backend: Backend, layout: Layout, read: Callable[[Backend], T], timeout: float
) -> T:
    """Call `read` with a backend whose reads see one state; call it again if a writer came.

    Commits that were cut off are seen as they will be once a writer has finished them or taken them back.
    Raise `StorageError` if others have written all the time for `timeout` seconds.
    """
    until = time.monotonic() + timeout
    wait = _FIRST_WAIT
    tries = 0
    while True:
        before = _state(layout)
        is_changing = before is not None and before.changing
        if not is_changing or tries >= _TRIES:
            view = JournalView(backend, layout)
            try:
                result = read(view if view.has_commits else backend)
            except Exception:
                if _state(layout) == before:
                    raise
            else:
                if _state(layout) == before:
                    return result
        if time.monotonic() > until:
            raise StorageError(
                "read",
                f"others have written to it all the time for {timeout:g} seconds, and mode='r' takes no "
                "lock that would keep them out: try again when it is less busy, or open it without mode='r'",
                path=layout.root,
            )
        time.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)
        tries += 1


def _state(layout: Layout) -> LockState | None:
    try:
        return lock_state_at(layout.lock)
    except OSError as error:
        raise storage_error("read", error, path=layout.lock) from error
