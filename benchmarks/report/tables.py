"""The figures of a document as the rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.document import Document
from benchmarks.report.numbers import number, spread

GENERAL = ("figure", "result (quartiles)", "goal", "met", "brinery", "bare", "n")
"""The headings of all groups without headings of their own."""


def headings(document: Document) -> Sequence[str]:
    """Return the headings of the columns."""
    if document["group"] != "growth":
        return GENERAL
    sizes = document["sizes"]
    counts = f"{sizes['many_records']:,} records", f"{sizes['records']:,} records"
    return ("operation", "growth (quartiles)", "goal", "met", *counts, "n")


def rows(document: Document) -> list[Sequence[str]]:
    """Return the lines of the table."""
    return [_row(figure) for figure in document["figures"]]


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
