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
        self._total = total
        self._due = 0.0

    def __call__(self, done: int) -> None:
        """Report that `done` are done, unless the last report was a moment ago and these are not all."""
        if self._show is None:
            return
        if done == self._total or time.monotonic() >= self._due:
            self._show(done, self._total)
            self._due = time.monotonic() + _INTERVAL

    def end(self) -> None:
        """Report that all are done."""
        if self._show is not None:
            self._show(self._total, self._total)
