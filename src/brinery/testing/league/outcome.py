"""The outcomes of a trial."""

from __future__ import annotations

from typing import Final, NamedTuple

KEPT: Final = "kept"
CHANGED: Final = "changed"
"""Written and read without an error, and another object came back."""
REFUSED: Final = "refused"
"""An error when it was to be written."""
UNREADABLE: Final = "unreadable"
"""Written without an error, and an error when another process read it."""
CRASHED: Final = "crashed"
"""A process died, or did not end in time."""
RESULTS: Final = (KEPT, CHANGED, UNREADABLE, CRASHED, REFUSED)


class Outcome(NamedTuple):
    """What one contender does with one probe."""

    result: str
    """One of `RESULTS`."""
    evidence: str = ""
    """How it was changed, or the error, in one line."""
