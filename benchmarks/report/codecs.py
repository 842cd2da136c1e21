"""Write docs/codecs.md and its charts from results: `python -m benchmarks.report.codecs`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from brinery.bench import Report
from brinery.bench.report.advice import advice
from brinery.bench.report.table import heading, markdown_table, rows_of
from brinery.bench.result import Graph

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "codecs"
PAGE = ROOT / "docs" / "codecs.md"
TITLES = {
    "large": "Two million nodes",
    "objects": "Three real objects",
    "shapes": "All shapes, compressed and not",
}
_HEAD = """\
# Codecs, measured

This page is written by `make bench-codecs` from the files in `benchmarks/results/codecs/`; do not edit
it. They come from `brinery bench`, which does the same for
[your own objects](how-to/benchmark-your-objects.md), where the columns are explained. What each codec loses
in silence, also those of others, is in the [league](league.md).
"""


def results(directory: Path = RESULTS) -> dict[str, Report]:
    """Return the results, by the names of the files, with the present advice."""
    found = {path.stem: Report.read(path) for path in sorted(directory.glob("*.json"))}
    return {
        name: replace(result, recommendations=tuple(advice(result.cases)))
        for name, result in found.items()
    }


def page(found: dict[str, Report]) -> str:
    """Return the text of the page."""
    return "\n".join([_HEAD, *(_section(name, result) for name, result in found.items())])


def _section(name: str, result: Report) -> str:
    machine = ", ".join(f"{key} {value}" for key, value in result.machine.items())
    versions = ", ".join(f"{key} {value}" for key, value in result.versions.items())
    lines = [
        f"## {TITLES.get(name, name)}\n",
        f"Made by `{result.command}` at {result.created}; [the same with charts](codecs/{name}.html).\n",
        f"Machine: {machine}. Versions: {versions}.\n",
    ]
    for graph in result.graphs:
        lines += _table(result, graph)
    return "\n".join(lines)


def _table(result: Report, graph: Graph) -> Iterator[str]:
    rows, notes = rows_of(result, graph.name)
    yield f"### {name_of(graph)}\n\n{heading(graph)}.\n"
    yield f"{markdown_table(rows)}\n"
    yield from (f"- {note}" for note in notes)
    yield ""
    for each in result.recommendations:
        if each.graph == graph.name:
            yield f"- **{each.kind}**: {each.reason}"
    yield ""


def name_of(graph: Graph) -> str:
    """Return a heading: factories go by their function, built-in graphs by their title."""
    return graph.title if graph.source == "builtin" else graph.name


def main() -> None:
    """Write the page, and the page of charts of each result."""
    found = results()
    PAGE.write_text(page(found), encoding="utf-8")
    charts = PAGE.parent / "codecs"
    charts.mkdir(exist_ok=True)
    for name, result in found.items():
        result.to_html(charts / f"{name}.html")


if __name__ == "__main__":
    main()
