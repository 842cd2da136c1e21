"""Values of a benchmark's results, as the page shows them.

Results come from files, and hold what users named: nothing about them is trusted.  Each function takes any
value, and gives one that can be shown; what is missing or of a wrong type is like null, never an error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

MISSING: Final = "–"


def mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping as it is, and anything else as an empty one."""
    return value if isinstance(value, Mapping) else {}


def entries(value: object) -> list[Any]:
    """Return a list as it is, and anything else as an empty one."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a value as printable text on one line; null is empty.

    Control characters, lone surrogates and marks that turn the direction of writing are spelt out.
    """
    if value is None:
        return ""
    spaced = " ".join(str(value).split())
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in spaced)


def number(value: object) -> float | None:
    """Return a finite number from 0 on; null for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) and found >= 0 else None


def truth(value: object) -> bool | None:
    """Return true, false, or null for anything else."""
    return value if isinstance(value, bool) else None


def worded(value: object, yes: str = "yes", no: str = "no", unknown: str = "not known") -> str:
    """Return a truth value in words."""
    return yes if value is True else no if value is False else unknown


def figure(value: float | None, unit: float = 1) -> str:
    """Return a number of `unit`s with three significant digits, or all those before the point."""
    if value is None:
        return MISSING
    value /= unit
    if value == 0:
        return "0"
    decimals = 2 - math.floor(math.log10(value))
    return f"{value:.2g}" if decimals > 6 else f"{value:,.{max(decimals, 0)}f}"


def duration(seconds: float | None) -> str:
    """Return a time with the unit that suits it."""
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds is not None and seconds >= unit:
            return f"{figure(seconds, unit)} {name}"
    return figure(seconds, 1e-9) + (" ns" if seconds is not None else "")


def size(count: float | None) -> str:
    """Return a number of bytes with the unit that suits it; 1 kB is 1,000 bytes."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count is not None and count >= unit:
            return f"{figure(count, unit)} {name}"
    return figure(count) + (" bytes" if count is not None else "")


def date(value: object) -> str:
    """Return an ISO 8601 time as a readable date, and any other text as it is."""
    try:
        found = datetime.fromisoformat(text(value))
    except ValueError:
        return text(value)
    return f"{found.day} {found:%B %Y, %H:%M} {found.tzname() or ''}".rstrip()


def label(case: Mapping[str, Any]) -> str:
    """Return codec, protocol and compression as a user writes them: `pickle:5 + zstd:3`."""
    named = text(case.get("codec")) or "?"
    if (protocol := case.get("protocol")) is not None:
        named += f":{text(protocol)}"
    if compress := text(case.get("compress")):
        named += f" + {compress}"
    return named
