"""Keeping the stores of a process usable across a fork.

Before a fork, the forking thread takes the lock of each living store.  Then no other thread is in the middle
of a call, and the child gets each store in a complete state.  The lock of a store may not become free in
time, because of a long transaction of another thread, or because that thread waits for the forking one.  The
fork then goes on without it, and in the child such a store forgets its living objects.
"""

from __future__ import annotations

import os
import time
from _thread import RLock  # as in `session.active`
from _thread import _local as ThreadLocal
from weakref import WeakSet

from brinery.persistable import living
from brinery.typing import Any, ClassVar, Final

WAIT: Final = 10.0
"""Seconds that a fork waits for calls of other threads to end."""


class ForkSafe:
    """Base of objects that have a lock, and that stay usable after a fork in parent and child."""

    lock: Any  # threading.RLock is a function to type checkers
    """Held during each call: calls of several threads follow each other."""
    _forks: int

    def _prepare_forks(self) -> None:
        self.lock = RLock()
        self._forks = 0
        ForkLock.protect(self)

    def _before_fork(self) -> None:
        """Release resources that a child must not share; no other thread is in the middle of a call."""

    def _after_fork(self) -> None:
        """Take back, in the parent, the resources that `_before_fork` released."""

    def _begin_child(self, *, is_whole: bool) -> None:
        """Go on in a child; `is_whole` says that no other thread was in the middle of a call."""

    def pre_fork(self) -> None:
        """Prepare for a fork: no call of another thread is under way until `post_fork`.

        `os.fork` does so by itself, for all stores.
        """
        self._hold(-1)

    def post_fork(self) -> None:
        """Go on after a fork, in the parent and in the child."""
        if self._forks:  # not so in a child, which is ready already
            self._let_go()

    def _hold(self, timeout: float) -> bool:
        if not self.lock.acquire(timeout=timeout):
            return False
        self._forks += 1
        if self._forks == 1:
            self._before_fork()
        return True

    def _let_go(self) -> None:
        self._forks -= 1
        if not self._forks:
            self._after_fork()
        self.lock.release()

    def _go_on(self, is_whole: bool) -> None:
        # A thread of the parent that held the lock does not exist here, and cannot release it.
        self.lock, self._forks = RLock(), 0
        self._begin_child(is_whole=is_whole)


class _Holds(ThreadLocal):
    # Two threads may fork at once.
    def __init__(self) -> None:
        self.stack: list[list[tuple[ForkSafe, bool]]] = []


class ForkLock:
    """The stores of this process, and the hooks that run around its forks."""

    # Attributes of the class, because a fork concerns the whole process.
    _stores: ClassVar[WeakSet[ForkSafe]] = WeakSet()
    _holds: ClassVar[_Holds] = _Holds()
    _is_installed: ClassVar[bool] = False

    @classmethod
    def protect(cls, store: ForkSafe) -> None:
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
        # Always in the same order, so that two threads that fork do not wait for each other.
        stores = sorted(living(cls._stores), key=id)
        held = [(store, store._hold(max(0.0, until - time.monotonic()))) for store in stores]
        cls._holds.stack.append(held)

    @classmethod
    def _in_parent(cls) -> None:
        for store, is_held in reversed(cls._holds.stack.pop()):
            if is_held:
                store._let_go()

    @classmethod
    def _in_child(cls) -> None:
        for store, is_held in reversed(cls._holds.stack.pop()):
            store._go_on(is_held)
