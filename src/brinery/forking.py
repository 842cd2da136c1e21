"""What a fork does to the stores of a process.

Before a fork, the forking thread takes the lock of each living store: no other thread is in the middle of a
call, so that what the child gets is whole.  A store whose lock cannot be had in time (a long transaction of a
thread, or one that waits for the forking thread) does not stop the fork: the child then forgets all that such
a store knew of living objects.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any, ClassVar, Final, Protocol
from weakref import WeakSet

WAIT: Final = 10.0
"""Seconds that a fork waits for the calls of other threads to end."""


class Forkable(Protocol):
    """What a fork needs of a store."""

    def hold(self, timeout: float) -> bool:
        """Keep other threads out; return False if that took more than `timeout` seconds."""

    def let_go(self) -> None:
        """Let other threads in again."""

    def begin_child(self, *, is_whole: bool) -> None:
        """Go on in a forked child; `is_whole` says that no other thread was in the middle of a call."""


class _Holds(threading.local):
    # Two threads may fork at once.
    def __init__(self) -> None:
        self.stack: list[list[tuple[Any, bool]]] = []


class ForkGuard:
    """The stores of this process, and the hooks around its forks."""

    # A fork concerns the whole process.
    _stores: ClassVar[WeakSet[Any]] = WeakSet()
    _holds: ClassVar[_Holds] = _Holds()
    _is_installed: ClassVar[bool] = False

    @classmethod
    def protect(cls, store: Forkable) -> None:
        """Prepare `store` for forks as long as it lives."""
        cls._stores.add(store)
        if not cls._is_installed and hasattr(os, "register_at_fork"):
            cls._is_installed = True
            os.register_at_fork(
                before=cls._before, after_in_parent=cls._in_parent, after_in_child=cls._in_child
            )

    @classmethod
    def _before(cls) -> None:
        until = time.monotonic() + WAIT
        # In one order, so that two threads that fork do not wait for each other.
        stores = sorted(cls._living(), key=id)
        held = [(store, store.hold(max(0.0, until - time.monotonic()))) for store in stores]
        cls._holds.stack.append(held)

    @classmethod
    def _in_parent(cls) -> None:
        for store, is_held in reversed(cls._holds.stack.pop()):
            if is_held:
                store.let_go()

    @classmethod
    def _in_child(cls) -> None:
        for store, is_held in reversed(cls._holds.stack.pop()):
            store.begin_child(is_whole=is_held)

    @classmethod
    def _living(cls) -> list[Any]:
        while True:
            try:
                return list(cls._stores)
            except RuntimeError:  # another thread opened a store meanwhile
                continue
