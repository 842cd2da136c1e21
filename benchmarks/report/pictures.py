"""The pictures of the page, as SVG: the times of all contenders, and the growth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.document import Document
from benchmarks.report.contenders import CLASSES, TITLES, Entry, of_class, spread_of, unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS, THEIRS = "#c2410c", "#475569"
# Text stays text, and the same figures give the same file.
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "brinery",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(document: Document, name: str, directory: Path) -> Sequence[str]:
    """Write the pictures of a document, if it has any; return their file names."""
    if document["group"] in ("peers", "databases"):
        return [
            _saved(_contenders(document, durability), directory, f"{name}-{durability}.svg")
            for durability in CLASSES
            if of_class(document, durability)
        ]
    if document["group"] == "growth":
        return [_saved(_growth(document), directory, f"{name}.svg")]
    return []


def _saved(figure: Figure, directory: Path, name: str) -> str:
    import matplotlib

    directory.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        figure.savefig(directory / name, format="svg", metadata={"Date": None})
    return name


def _panels(rows: int, columns: int, height: float, title: str) -> tuple[Figure, list[Axes]]:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, height), layout="constrained")
        figure.suptitle(title)
        return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def _contenders(document: Document, durability: str) -> Figure:
    """Draw one panel per operation, on a scale of powers of ten."""
    entries = of_class(document, durability)[::-1]
    height = 3 * (0.9 + 0.2 * len(entries))
    title = f"{CLASSES[durability]}: further left is faster (median, quartiles)"
    figure, panels = _panels(3, 3, height, title)
    for index, (panel, operation) in enumerate(zip(panels, TITLES, strict=True)):
        _points(panel, entries, operation)
        panel.set_title(f"{TITLES[operation]}, {unit(operation)}")
        if index % 3:
            panel.set_yticklabels([])
    return figure


def _points(panel: Axes, entries: Sequence[Entry], operation: str) -> None:
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    for row, entry in enumerate(entries):
        spread = spread_of(entry, operation)
        below, above = spread.median - spread.lower, spread.upper - spread.median
        colour = OURS if entry["name"].startswith("brinery") else THEIRS
        panel.errorbar(spread.median, row, xerr=[[below], [above]], fmt="o", color=colour)
    panel.set_yticks(range(len(entries)), [entry["title"] for entry in entries])
    # Points, not bars: a bar on a scale without zero has no length that means something.
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panel.grid(axis="x", color="#e2e8f0")


def _growth(document: Document) -> Figure:
    """Draw the growth of each operation of each store, 1 being in proportion."""
    figures = [figure for figure in document["figures"] if figure["value"]][::-1]
    title = "Cost in the large store / in the small (median, quartiles)"
    figure, (panel,) = _panels(1, 1, 1 + 0.2 * len(figures), title)
    for row, entry in enumerate(figures):
        value = entry["value"]
        below, above = value["median"] - value["lower"], value["upper"] - value["median"]
        panel.errorbar(value["median"], row, xerr=[[below], [above]], fmt="o", color=OURS)
    panel.set_yticks(range(len(figures)), [entry["name"] for entry in figures])
    panel.set_xlim(left=0)
    panel.axvline(1, color=THEIRS, linewidth=1)
    panel.grid(axis="x", color="#e2e8f0")
    return figure
