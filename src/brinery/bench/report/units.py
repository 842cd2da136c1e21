"""Figures as people read them: three digits and a unit."""

from __future__ import annotations

from typing import Final

_SECONDS: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_BYTES: Final = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))


def shown_seconds(seconds: float) -> str:
    """Return a time with three digits.

    >>> shown_seconds(0.0123456)
    '12.3 ms'
    """
    return _shown(seconds, _SECONDS)


def shown_bytes(count: float) -> str:
    """Return a size in bytes with three digits, in powers of 1,000.

    >>> shown_bytes(1_234_567)
    '1.23 MB'
    """
    return _shown(count, _BYTES) if count >= 1 else "0 B"


def shown_rate(rate: float) -> str:
    """Return a rate with three digits, in thousands or millions.

    >>> shown_rate(2_345_678)
    '2.35 M'
    """
    for unit, name in ((1e6, " M"), (1e3, " k")):
        if rate >= unit:
            return f"{_three(rate / unit)}{name}"
    return _three(rate)


def _shown(value: float, units: tuple[tuple[float, str], ...]) -> str:
    for size, name in units:
        if value >= size * 0.9995 or name == units[-1][1]:
            return f"{_three(value / size)} {name}"
    raise AssertionError(units)


def _three(value: float) -> str:
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
