"""Reporting the progress of a long run to its caller."""

from __future__ import annotations

import time
from collections.abc import Callable

from brinery.typing import Any, Final

Show = Callable[[int, int], Any]
"""Called with the number done and the number of all."""

_INTERVAL: Final = 0.1  # seconds between two calls


class Progress:
    """Calls `show`, if given, with the number done and `total`, at most ten times a second."""

    def __init__(self, show: Show | None, total: int) -> None:
        self._show = show
        self.total = total
        """The number of all, as far as it is known."""
        self.done = 0
        """The number done at the last report, which `show` may not have got."""
        self._is_ended = False
        self._due = 0.0

    def __call__(self, done: int) -> None:
        """Report that `done` are done, unless the last report was a moment ago and these are not all."""
        self.done = done
        if self._show is None:
            return
        if done == self.total or time.monotonic() >= self._due:
            self._is_ended = done == self.total
            self._show(done, self.total)
            self._due = time.monotonic() + _INTERVAL

    def end(self) -> None:
        """Report that all are done, unless that was the last report."""
        if not self._is_ended:
            self(self.total)
