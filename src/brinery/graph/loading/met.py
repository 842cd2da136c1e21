"""Where ghosts were met, and in which order they are used."""

from __future__ import annotations

from collections.abc import Sequence

from brinery.session.entry import Entry
from brinery.session.options import Mapped
from brinery.typing import Final, NamedTuple

_MOST_AT_ONCE: Final = 1024
"""Most ghosts to wake together."""
_LARGEST: Final = 1 << 24
"""Bytes of records after which fewer are woken together."""


class HowMet(NamedTuple):
    """How ghosts are read: as the record that refers to them was."""

    placeholders: bool = False
    """Whether a missing class or codec gets a placeholder."""
    mapped: Mapped | None = None
    """How large arrays are mapped; None for not at all."""


USUAL: Final = HowMet()


class Met:
    """The ghosts of one class that one record refers to, in the order in which its payload does.

    If they are used in that order, more and more of them are woken at once, up to some megabytes of records.
    """

    __slots__ = ("generation", "how", "ids", "next", "referrer", "window")

    def __init__(
        self,
        referrer: str,
        ids: Sequence[str],
        generation: dict[str, Entry],
        how: HowMet,
    ) -> None:
        self.referrer = referrer
        self.ids = ids
        self.generation = generation
        self.how = how
        self.next = 0
        """The position at which a use continues the last ones."""
        self.window = 1

    def beside(self, position: int) -> Sequence[str]:
        """Return the IDs after the one at a position that are to be woken with it."""
        # Twice in a row is a pattern; a few left out, which were alive already, do not end it.
        if self.next <= position <= self.next + self.window and self.next:
            self.window = min(2 * self.window, _MOST_AT_ONCE)
        else:
            self.window = 1
        self.next = position + self.window
        return self.ids[position + 1 : position + self.window]

    def note_size(self, size: int) -> None:
        """Wake fewer the next time if the records of the last time had so many bytes."""
        if size > _LARGEST:
            self.window = max(1, self.window * _LARGEST // size // 2)
