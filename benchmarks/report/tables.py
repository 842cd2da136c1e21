"""The figures of a document as the rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.document import Document
from benchmarks.report.numbers import number, spread

GENERAL = ("figure", "result (quartiles)", "goal", "met", "brinery", "bare", "n")
"""The headings of all groups without headings of their own."""


VERDICTS = ("work", "brinery is", *GENERAL[1:5], "the other", "n")
"""The headings of the goals."""


_TIME = "faster", "slower", "fast"
_MEMORY = "smaller", "larger", "large"


def headings(document: Document) -> Sequence[str]:
    """Return the headings of the columns."""
    if document["group"] == "goals":
        return VERDICTS
    if document["group"] != "growth":
        return GENERAL
    sizes = document["sizes"]
    counts = f"{sizes['many_records']:,} records", f"{sizes['records']:,} records"
    return ("operation", "growth (quartiles)", "goal", "met", *counts, "n")


def rows(document: Document) -> list[Sequence[str]]:
    """Return the lines of the table."""
    found = [_row(figure) for figure in document["figures"]]
    if document["group"] != "goals":
        return found
    return [
        (row[0].partition(" / ")[0], _verdict(figure), *row[1:])
        for row, figure in zip(found, document["figures"], strict=True)
    ]


def _verdict(figure: Mapping[str, Any]) -> str:
    """Return how brinery compares with the other, whose name is behind the stroke in that of the figure."""
    value = figure["value"]
    other = figure["name"].partition(" / ")[2]
    if value is None or not other:
        return ""
    less, more, same = _MEMORY if figure["base_unit"] == "MB" else _TIME
    if value["upper"] < 1:
        return f"{less} than {other}"
    return f"{more} than {other}" if value["lower"] > 1 else f"as {same} as {other}"


def _row(figure: Mapping[str, Any]) -> Sequence[str]:
    value = figure["value"]
    if value is None:
        result = f"not measured: {figure['error']}"
    else:
        result = f"{spread(value)} {figure['unit']}"
    goal = "" if figure["goal"] is None else f"≤ {figure['goal']:g}"
    met = {None: "", True: "yes", False: "NO"}[figure["met"]]
    ours, bare = (_based(figure[side], figure["base_unit"]) for side in ("ours", "bare"))
    count = "" if value is None else str(value["count"])
    return figure["name"], result, goal, met, ours, bare, count


def _based(values: Mapping[str, float] | None, unit: str) -> str:
    return "" if values is None else f"{number(values['median'])} {unit.partition(' ')[0]}"


def summary(document: Document) -> str:
    """Return the number of goals met, and the duration of the run."""
    took = f"in {document['seconds']:.0f} s"
    goals = [figure["met"] for figure in document["figures"] if figure["goal"] is not None]
    return f"{goals.count(True)} of {len(goals)} goals met, {took}" if goals else f"Measured {took}"
