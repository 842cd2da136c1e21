"""The results as a document for JSON, as a table for the terminal, and as Markdown."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

Document = dict[str, Any]
Row = tuple[str, str, str, str, str, str, str]

HEADINGS: Row = ("figure", "result (quartiles)", "goal", "met", "brinery", "bare", "n")


def figure_entry(figure: Figure) -> dict[str, Any]:
    """Return a figure as it stands in the document."""
    return {**asdict(figure), "met": figure.met}


def rows(document: Document) -> list[Row]:
    """Return the lines of the table."""
    return [_row(figure) for figure in document["figures"]]


def _row(figure: dict[str, Any]) -> Row:
    value = figure["value"]
    if value is None:
        result = f"not measured: {figure['error']}"
    else:
        result = f"{_spread(value)} {figure['unit']}"
    goal = "" if figure["goal"] is None else f"≤ {figure['goal']:g}"
    met = {None: "", True: "yes", False: "NO"}[figure["met"]]
    ours, bare = (_based(figure[side], figure["base_unit"]) for side in ("ours", "bare"))
    count = "" if value is None else str(value["count"])
    return figure["name"], result, goal, met, ours, bare, count


def _spread(spread: dict[str, float]) -> str:
    text = [_number(spread[part]) for part in ("median", "lower", "upper")]
    return f"{text[0]} ({text[1]} – {text[2]})"


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def _based(spread: dict[str, float] | None, unit: str) -> str:
    return "" if spread is None else f"{_number(spread['median'])} {unit.partition(' ')[0]}"


def show(document: Document) -> None:
    """Print the table: by rich on a terminal that has it, else as plain text."""
    table = rows(document)
    if not (sys.stdout.isatty() and _show_rich(table)):
        print(plain_table([HEADINGS, *table]))
    print(summary(document))


def _show_rich(table: Sequence[Row]) -> bool:
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        return False
    shown = Table(*HEADINGS)
    for row in table:
        style = {"yes": "green", "NO": "bold red"}.get(row[3])
        shown.add_row(*row, style=style)
    Console().print(shown)
    return True


def plain_table(table: Sequence[Row]) -> str:
    """Return a table with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def summary(document: Document) -> str:
    """Count the goals that are met."""
    goals = [figure["met"] for figure in document["figures"] if figure["goal"] is not None]
    return f"{goals.count(True)} of {len(goals)} goals met, in {document['seconds']:.0f} s"


def markdown(document: Document) -> str:
    """Return the document as a page; nothing in it comes from elsewhere."""
    lines = ["# Benchmarks of the store", ""]
    lines += [f"Made by `{document['command']}` on {document['date']}; not to be edited.", ""]
    lines += [f"- {name}: {fact}" for name, fact in document["machine"].items()]
    libraries = ", ".join(f"{name} {number}" for name, number in document["versions"].items())
    lines += [f"- versions: {libraries}", ""]
    lines += [_line(HEADINGS), _line(["---"] * len(HEADINGS))]
    lines += [_line([cell.replace("|", "\\|") for cell in row]) for row in rows(document)]
    lines += ["", f"{summary(document)}.", ""]
    lines += [
        "Each phase ran in a fresh process, n times, brinery and the bare side by turns. A result is the",
        "median of the ratios or differences of the rounds, with the quartiles; the columns brinery and",
        "bare are medians. A goal is met if the median is no higher.",
        "",
    ]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def write(document: Document, directory: Path) -> None:
    """Write `store.json`, and `store.md` made from it."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "store.json"
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    read = json.loads(path.read_text(encoding="utf-8"))
    (directory / "store.md").write_text(markdown(read), encoding="utf-8")
