"""The pictures of the page, as SVG: bars of the times of all contenders, and of the growth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.document import Document
from benchmarks.report.contenders import CLASSES, TITLES, of_class, spread_of, unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS, THEIRS = "#c2410c", "#94a3b8"
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
    if document["group"] == "peers":
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
    names = [entry["title"] for entry in entries]
    colours = [OURS if entry["name"].startswith("brinery") else THEIRS for entry in entries]
    height = 3 * (0.8 + 0.22 * len(entries))
    figure, panels = _panels(3, 3, height, f"{CLASSES[durability]}: shorter is faster")
    for index, (panel, operation) in enumerate(zip(panels, TITLES, strict=True)):
        spreads = [spread_of(entry, operation) for entry in entries]
        medians = [spread.median for spread in spreads]
        below = [spread.median - spread.lower for spread in spreads]
        above = [spread.upper - spread.median for spread in spreads]
        panel.barh(names, medians, xerr=[below, above], color=colours, ecolor="#334155")
        panel.set_xscale("log")
        panel.set_title(f"{TITLES[operation]}, {unit(operation)}")
        if index % 3:
            panel.set_yticklabels([])
    return figure


def _growth(document: Document) -> Figure:
    """Draw the growth of each operation of each store, 1 being in proportion."""
    figures = [figure for figure in document["figures"] if figure["value"]][::-1]
    figure, (panel,) = _panels(
        1, 1, 1 + 0.22 * len(figures), "Cost in the large store / in the small"
    )
    values = [entry["value"] for entry in figures]
    medians = [value["median"] for value in values]
    below = [value["median"] - value["lower"] for value in values]
    above = [value["upper"] - value["median"] for value in values]
    names = [entry["name"] for entry in figures]
    panel.barh(names, medians, xerr=[below, above], color=OURS, ecolor="#334155")
    panel.axvline(1, color="#334155", linewidth=1)
    return figure
