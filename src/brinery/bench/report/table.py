"""Results as text, for terminals and notebooks, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from html import escape
from typing import Final

from brinery.bench.intervals import Interval
from brinery.bench.report.units import shown_bytes, shown_rate, shown_seconds
from brinery.bench.result import OK, Case, Graph, Result, Timing

HEADS: Final = (
    "codec",
    "encode",
    "±",
    "decode",
    "±",
    "nodes/s enc.",
    "nodes/s dec.",
    "size",
    "peak enc.",
    "peak dec.",
    "depth",
    "keeps",
)
NUMBERS: Final = frozenset(HEADS) - {"codec", "keeps"}


def rows_of(result: Result, graph: str) -> tuple[list[tuple[str, ...]], list[str]]:
    """Return the cells of the cases of a graph, as `HEADS` names them, and the notes below the table.

    The last cell says what a case kept; the note with the number in that cell explains it.
    """
    cases = result.cases_of(graph)
    fastest = min((case.both_seconds for case in cases if case.is_whole), default=0.0)
    notes: dict[str, int] = {}
    rows = []
    for case in cases:
        word, note = verdict(case, fastest)
        number = f" [{notes.setdefault(note, len(notes) + 1)}]" if note else ""
        rows.append((*_figures(case), word + number))
    return rows, [f"[{number}] {note}" for note, number in notes.items()]


def _figures(case: Case) -> tuple[str, ...]:
    rates = case.to_dict()["nodes_per_second"]
    return (
        case.name,
        *_timing(case.encode),
        *_timing(case.decode),
        *("-" if r is None else shown_rate(r) for r in (rates["encode"], rates["decode"])),
        _bytes(case.bytes),
        _bytes(case.peak_encode_bytes),
        _bytes(case.peak_decode_bytes),
        "-" if case.fidelity.depth is None else f"{case.fidelity.depth:,}",
    )


def verdict(case: Case, fastest: float) -> tuple[str, str]:
    """Return in a word what a case kept or how it failed, and the explanation.

    A case that takes ten times as long as the fastest that keeps everything is called slow.
    """
    if case.status != OK:
        return case.status.upper(), case.error or ""
    losses = "; ".join(case.fidelity.losses)
    if not case.is_whole:
        return "LOSES", losses or "the comparison was not made"
    words = ["everything"]
    if case.used:
        words.append(f"by {', '.join(case.used)}")
    if case.both_seconds > _SLOW * fastest > 0:
        words.append(f"SLOW: {case.both_seconds / fastest:,.0f} times the fastest")
    if case.leaks:
        words.append("LEAKS")
    return ", ".join(words), losses


_SLOW: Final = 10


def _timing(timing: Timing | None) -> tuple[str, str]:
    if timing is None:
        return "-", "-"
    found = Interval.of(timing.rounds_seconds)
    return shown_seconds(timing.median_seconds), "?" if found is None else _spread(found)


def _spread(found: Interval) -> str:
    spread = found.factor - 1
    return f"{spread:.0%}" if spread < 1 else ">100%"


def _bytes(count: int | None) -> str:
    return "-" if count is None else shown_bytes(count)


def heading(graph: Graph) -> str:
    """Return the line above the table of a graph."""
    nodes = "" if graph.nodes is None else f", {graph.nodes:,} nodes"
    return f"{graph.title}{nodes}: {graph.description}"


def text(result: Result) -> str:
    """Return all tables and recommendations as plain text."""
    parts = []
    for graph in result.graphs:
        rows, notes = rows_of(result, graph.name)
        if rows:
            parts.append("\n".join((f"{heading(graph)}\n", _aligned(rows), *notes)))
    parts += [_recommendations(result), *result.notes]
    if result.interrupted:
        parts.append("Interrupted: these are the cases that had ended.")
    return "\n\n".join(part for part in parts if part)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(HEADS, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if head in NUMBERS else cell.ljust(width)
            for head, cell, width in zip(HEADS, cells, widths, strict=True)
        ).rstrip()
        for cells in (HEADS, *rows)
    ]
    return "\n".join(lines)


def _recommendations(result: Result) -> str:
    titles = {graph.name: graph.title for graph in result.graphs}
    lines, last = [], None
    for each in result.recommendations:
        if each.graph != last:
            lines.append(f"For {titles.get(each.graph, each.graph)}:")
            last = each.graph
        lines.append(f"  {each.kind}: {each.reason}")
    return "\n".join(lines)


def markdown(result: Result) -> str:
    """Return tables and recommendations as Markdown."""
    machine = ", ".join(f"{name} {value}" for name, value in result.machine.items())
    versions = ", ".join(f"{name} {value}" for name, value in result.versions.items())
    parts = [f"`{result.command}`, {result.created}", f"{machine}; {versions}"]
    for graph in result.graphs:
        rows, notes = rows_of(result, graph.name)
        if rows:
            parts += [f"### {heading(graph)}", markdown_table(rows), *notes]
    parts += [f"**{each.kind} for {each.graph}**: {each.reason}" for each in result.recommendations]
    return "\n\n".join([*parts, *result.notes]) + "\n"


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return the cells of `rows_of` as a table of Markdown."""
    sides = ("--:" if head in NUMBERS else "---" for head in HEADS)
    lines = [HEADS, tuple(sides), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines
    )


def html(result: Result) -> str:
    """Return tables and recommendations as a fragment of HTML, as notebooks show it."""
    parts = []
    for graph in result.graphs:
        heads = "".join(f"<th>{escape(head)}</th>" for head in HEADS)
        rows, notes = rows_of(result, graph.name)
        body = "".join(map(_html_row, rows))
        caption = f"<caption>{escape(heading(graph))}</caption>"
        parts.append(f"<table>{caption}<tr>{heads}</tr>{body}</table>")
        parts += [f"<p>{escape(note)}</p>" for note in notes]
    parts += [
        f"<p>{escape(each.kind)}: {escape(each.reason)}</p>" for each in result.recommendations
    ]
    parts += [f"<p>{escape(note)}</p>" for note in result.notes]
    return "\n".join(parts)


def _html_row(cells: Sequence[str]) -> str:
    sides = ("right" if head in NUMBERS else "left" for head in HEADS)
    return "".join(
        (
            "<tr>",
            *(
                f'<td style="text-align:{side}">{escape(cell)}</td>'
                for side, cell in zip(sides, cells, strict=True)
            ),
            "</tr>",
        )
    )


_COLUMNS: Final = (
    "graph",
    "codec",
    "protocol",
    "compress",
    "status",
    "nodes",
    "encode_seconds",
    "encode_q1_seconds",
    "encode_q3_seconds",
    "decode_seconds",
    "decode_q1_seconds",
    "decode_q3_seconds",
    "bytes",
    "peak_encode_bytes",
    "peak_decode_bytes",
    "keeps_everything",
    "equal",
    "identity",
    "closures",
    "depth",
    "safe_to_read",
    "losses",
    "error",
)


def csv_text(result: Result) -> str:
    """Return one line per case, with figures in seconds and bytes; missing figures are empty."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for case in result.cases:
        writer.writerow(
            [
                case.graph,
                case.codec,
                case.protocol,
                case.compress,
                case.status,
                case.nodes,
                *_seconds(case.encode),
                *_seconds(case.decode),
                case.bytes,
                case.peak_encode_bytes,
                case.peak_decode_bytes,
                case.fidelity.keeps_everything,
                case.fidelity.equal,
                case.fidelity.identity,
                case.fidelity.closures,
                case.fidelity.depth,
                case.safe_to_read,
                "; ".join(case.fidelity.losses),
                case.error,
            ]
        )
    return out.getvalue()


def _seconds(timing: Timing | None) -> tuple[float | None, ...]:
    if timing is None:
        return None, None, None
    return timing.median_seconds, timing.q1_seconds, timing.q3_seconds
