"""Results as text, for terminals and notebooks, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from html import escape
from typing import Final

from brinery.bench.result import OK, Case, Graph, Result, Timing
from brinery.bench.units import shown_bytes, shown_rate, shown_seconds

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


def row(case: Case) -> tuple[str, ...]:
    """Return the cells of a case, as `HEADS` names them; ``keeps`` tells why there are none."""
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
        keeps(case),
    )


def keeps(case: Case) -> str:
    """Return what a case kept, in words: "everything", or what it lost, or why it did not end."""
    if case.status != OK:
        return f"{case.status.upper()}: {case.error}"
    used = f" (by {', '.join(case.used)})" if case.used else ""
    losses = "; ".join(case.fidelity.losses)
    if case.is_whole:
        return f"everything{used}" + (f"; but {losses}" if losses else "")
    return f"LOSES: {losses or 'not known what'}{used}"


def _timing(timing: Timing | None) -> tuple[str, str]:
    if timing is None:
        return "-", "-"
    spread = (timing.q3_seconds - timing.q1_seconds) / 2 / max(timing.median_seconds, 1e-12)
    return shown_seconds(timing.median_seconds), f"{spread:.0%}"


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
        rows = [row(case) for case in result.cases_of(graph.name)]
        if rows:
            parts.append(f"{heading(graph)}\n\n{_aligned(rows)}")
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


def html(result: Result) -> str:
    """Return tables and recommendations as a fragment of HTML, as notebooks show it."""
    parts = []
    for graph in result.graphs:
        heads = "".join(f"<th>{escape(head)}</th>" for head in HEADS)
        body = "".join(_html_row(row(case)) for case in result.cases_of(graph.name))
        caption = f"<caption>{escape(heading(graph))}</caption>"
        parts.append(f"<table>{caption}<tr>{heads}</tr>{body}</table>")
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
    """Return one line per case, with figures in seconds and bytes; empty where there is none."""
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
