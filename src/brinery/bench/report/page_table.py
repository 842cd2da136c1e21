"""The table of all cases: a row for each, also for those that were refused, failed or were stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from brinery.bench.report.page_values import (
    entries,
    figure,
    label,
    mapping,
    number,
    text,
    worded,
)

STATUSES: Final = {
    "ok": "measured",
    "refused": "refused",
    "failed": "failed",
    "timeout": "out of time",
    "memory": "out of memory",
    "interrupted": "interrupted",
}

LOST: Final = {
    "equal": "Not equal to the saved objects.",
    "identity": "Shared objects become several.",
    "closures": "Closures do not work in a new interpreter.",
}


@dataclass(frozen=True)
class Column:
    """A column of figures: where a case has it, and the unit that it is shown in."""

    head: str
    unit: str
    path: tuple[str, ...]
    scale: float = 1
    more_is_better: bool = False

    def value(self, case: Mapping[str, Any]) -> float | None:
        """Return the figure of a case, in the unit of the results."""
        return number(_at(case, *self.path))

    def cell(self, case: Mapping[str, Any]) -> str:
        """Return the cell of a case, with the quartiles below a median."""
        shown = figure(self.value(case), self.scale)
        low, high = (number(_at(case, self.path[0], f"q{n}_seconds")) for n in (1, 3))
        if self.path[-1] == "median_seconds" and low is not None and high is not None:
            shown += f"<small>{figure(low, self.scale)}–{figure(high, self.scale)}</small>"
        return f'<td class="number">{shown}</td>'


FIGURES: Final = (
    Column("Encode", "ms", ("encode", "median_seconds"), 1e-3),
    Column("Decode", "ms", ("decode", "median_seconds"), 1e-3),
    Column("Size", "kB", ("bytes",), 1e3),
    Column("Encode", "1,000 nodes/s", ("nodes_per_second", "encode"), 1e3, True),
    Column("Decode", "1,000 nodes/s", ("nodes_per_second", "decode"), 1e3, True),
    Column("Encode", "MB/s", ("megabytes_per_second", "encode"), 1, True),
    Column("Decode", "MB/s", ("megabytes_per_second", "decode"), 1, True),
    Column("Encode peak", "MB of memory", ("peak_encode_bytes",), 1e6),
    Column("Decode peak", "MB of memory", ("peak_decode_bytes",), 1e6),
    Column("Depth kept", "levels", ("fidelity", "depth"), 1, True),
)


def table(cases: Sequence[tuple[int, str, Mapping[str, Any]]]) -> str:
    """Return the table of cases, each given with the number and the title of its graph."""
    rows = "\n".join(_row(n, graph, title, case) for n, (graph, title, case) in enumerate(cases))
    return f"<thead><tr>{_heads()}</tr></thead>\n<tbody>\n{rows}\n</tbody>"


def sort_keys(title: str, case: Mapping[str, Any]) -> list[str | float | None]:
    """Return the sort keys of a row, for each column from left to right; null comes last."""
    return [
        label(case),
        title,
        status(case),
        _rank(case.get("keeps_everything")),
        _rank(case.get("safe_to_read")),
        *(column.value(case) for column in FIGURES),
    ]


def status(case: Mapping[str, Any]) -> str:
    """Return in words how a case ended; an unknown status as it is."""
    found = text(case.get("status"))
    return STATUSES.get(found, found) or "unknown"


def keeps(case: Mapping[str, Any]) -> str:
    """Return in words whether a case keeps everything."""
    return worded(
        case.get("keeps_everything"),
        "keeps everything",
        "loses something",
        "not known whether it keeps everything",
    )


def used(case: Mapping[str, Any]) -> list[str]:
    """Return the codecs by which a chain wrote the case, as one sentence, or none."""
    names = ", ".join(map(text, entries(case.get("used"))))
    return [f"Written by {names}."] if names else []


def losses(case: Mapping[str, Any]) -> list[str]:
    """Return the losses of a case, in sentences."""
    return [text(loss) for loss in entries(mapping(case.get("fidelity")).get("losses"))]


def _at(case: Mapping[str, Any], *path: str) -> object:
    found: object = case
    for key in path:
        found = mapping(found).get(key)
    return found


def _rank(value: object) -> float | None:
    return {"yes": 0.0, "no": 1.0}.get(worded(value))


def _heads() -> str:
    heads = [
        '<th scope="col">Codec</th>',
        '<th scope="col" class="shape">Graph shape</th>',
        '<th scope="col">Outcome</th>',
        '<th scope="col">Keeps everything</th>',
        '<th scope="col">Safe to read</th>',
    ]
    for column in FIGURES:
        first = ' data-first="descending"' if column.more_is_better else ""
        heads.append(
            f'<th scope="col" class="number"{first}>{column.head} '
            f'<span class="unit">{column.unit}</span></th>'
        )
    return "".join(heads)


def _row(number_: int, graph: int, title: str, case: Mapping[str, Any]) -> str:
    ok = case.get("status") == "ok"
    reason = escape(text(case.get("error")))
    *measured, depth = FIGURES
    if any(column.value(case) is not None for column in measured):
        cells = (
            _outcome_cell(case, reason)
            + _keeps_cell(case)
            + f"<td>{worded(case.get('safe_to_read'))}</td>"
            + "".join(column.cell(case) for column in FIGURES)
        )
    else:
        # The reason takes the place of the figures.  The depth is tried separately, and is known here, too.
        cells = _outcome_cell(case, reason or "No reason was recorded.", span=len(measured) + 3)
        cells += depth.cell(case)
    return (
        f'<tr data-case="{number_}" data-graph="{graph}"{"" if ok else " class=without"}>'
        f'<th scope="row">{escape(label(case))}</th>'
        f'<td class="shape">{escape(title)}</td>{cells}</tr>'
    )


def _outcome_cell(case: Mapping[str, Any], reason: str, span: int = 1) -> str:
    """Return the cell that says how a case ended, and why; `reason` is HTML."""
    below = f"<small>{reason}</small>" if reason else ""
    return f'<td class="outcome" colspan="{span}"><span>{escape(status(case))}</span>{below}</td>'


def _keeps_cell(case: Mapping[str, Any]) -> str:
    fidelity = mapping(case.get("fidelity"))
    details = losses(case) or [loss for name, loss in LOST.items() if fidelity.get(name) is False]
    details += used(case)
    below = f"<small>{escape(' '.join(details))}</small>" if details else ""
    return f'<td class="keeps">{worded(case.get("keeps_everything"))}{below}</td>'
