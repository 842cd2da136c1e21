"""The report of an operation: a headline, and a line for each thing that needs attention."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Report:
    """What an operation did or found; `str` gives its text."""

    __slots__ = ()

    def headline(self) -> str:
        """Return the first line: counts and sizes."""
        raise NotImplementedError

    def details(self) -> Iterable[str]:
        """Return the other lines, one for each record that needs attention."""
        return ()

    def __str__(self) -> str:
        return "\n".join([self.headline(), *self.details()])


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural where it has to be.

    >>> counted(1, "record"), counted(2, "record")
    ('1 record', '2 records')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


_OF_SEVERAL = {"loads": "load", "fails": "fail"}


def by_status(count: int, counts: Mapping[str, int]) -> str:
    """Return a count of records, and how many of them have each status.

    >>> by_status(3, {"ok": 2, "corrupt": 1})
    '3 records: 2 ok, 1 corrupt'
    >>> by_status(3, {"loads": 2, "fails": 1})
    '3 records: 2 load, 1 fails'
    """
    listed = ", ".join(
        f"{number} {status if number == 1 else _OF_SEVERAL.get(status, status)}"
        for status, number in counts.items()
    )
    return counted(count, "record") + (f": {listed}" if listed else "")
