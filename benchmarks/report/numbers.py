"""Numbers as text, and tables of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Cells = Sequence[str]
Table = tuple[Cells, list[Cells]]
"""Headings and rows."""


def number(value: float) -> str:
    """Return a number with three figures, or with all before the point."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def spread(values: Mapping[str, float]) -> str:
    """Return median and quartiles."""
    median, lower, upper = (number(values[part]) for part in ("median", "lower", "upper"))
    return f"{median} ({lower} – {upper})"


def plain_table(table: Sequence[Cells]) -> str:
    """Return a table with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown_table(headings: Cells, table: Sequence[Cells]) -> list[str]:
    """Return the lines of a table in Markdown."""
    rows = [[cell.replace("|", "\\|") for cell in row] for row in table]
    return [_line(headings), _line(["---"] * len(headings)), *map(_line, rows), ""]


def _line(cells: Cells) -> str:
    return f"| {' | '.join(cells)} |"
