"""The page of a benchmark: one HTML file that loads nothing, and is whole without JavaScript.

Recommendation and table are HTML; `page.js` adds the charts, sorting and the choice of a shape.  All texts
of the results are escaped, and the page's Content-Security-Policy allows the one script and the one style
sheet that have the digests it names: what gets in by a fault in escaping is still not run.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from typing import Any, Final

from brinery.bench.report.page_table import keeps, losses, sort_keys, status, table, used
from brinery.bench.report.page_values import (
    date,
    duration,
    entries,
    figure,
    label,
    mapping,
    number,
    size,
    text,
    truth,
    worded,
)
from brinery.errors import InvalidArgumentError

SCHEMA: Final = "brinery.bench/1"
KINDS: Final = {"fastest": "Fastest", "smallest": "Smallest", "safest": "Safest to read"}
OPERATIONS: Final = ("encode", "decode")

Case = tuple[int, str, Mapping[str, Any]]  # the number and the title of its graph, and the case


def render(result: Mapping[str, Any]) -> str:
    """Return the results of a benchmark as a page of HTML, to be written in UTF-8.

    Figures that are missing are shown as missing, and unknown fields are left aside.  Raise
    InvalidArgumentError for results of another schema.
    """
    if result.get("schema") != SCHEMA:
        raise InvalidArgumentError(
            f"cannot show results of the schema {text(result.get('schema'))!r}: "
            f"this version of brinery shows {SCHEMA!r}"
        )
    names = _names(result)
    titles = _titles(result, names)
    cases = [
        (found := names.index(text(case.get("graph"))), titles[found], case)
        for case in map(mapping, entries(result.get("cases")))
    ]
    style, script = _part("page.css"), _part("page.js")
    return Template(_part("page.html")).substitute(
        policy="default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"script-src '{_digest(script)}'; style-src '{_digest(style)}'",
        style=style,
        script=script,
        data=_data(names, titles, cases, result),
        date=escape(date(result.get("created"))),
        lead=_lead(result, names, cases),
        notice=_notice(result, cases),
        options=_options(titles),
        advice=_advice(names, titles, result),
        table=table(cases),
        about=_about(result),
        shapes=_shapes(names, titles, result),
    )


def _part(name: str) -> str:
    return files("brinery.bench.report").joinpath(name).read_text(encoding="utf-8")


def _digest(part: str) -> str:
    return f"sha256-{b64encode(sha256(part.encode()).digest()).decode()}"


def _names(result: Mapping[str, Any]) -> list[str]:
    """Return the names of all graphs, also of those that only cases or recommendations name."""
    listed = [mapping(graph).get("name") for graph in entries(result.get("graphs"))]
    used = [
        mapping(entry).get("graph")
        for key in ("cases", "recommendations")
        for entry in entries(result.get(key))
    ]
    return list(dict.fromkeys(text(name) for name in [*listed, *used]))


def _graph(result: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    graphs = map(mapping, entries(result.get("graphs")))
    return next((graph for graph in graphs if text(graph.get("name")) == name), {})


def _titles(result: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [text(_graph(result, name).get("title")) or name or "unnamed graph" for name in names]


def _data(
    names: Sequence[str], titles: Sequence[str], cases: Sequence[Case], result: Mapping[str, Any]
) -> str:
    """Return the data for the script, as JSON that cannot end its element."""
    best: dict[tuple[str, str], list[str]] = {}
    for entry in map(mapping, entries(result.get("recommendations"))):
        key = text(entry.get("graph")), label(entry)
        best.setdefault(key, []).append(text(entry.get("kind")))
    found = {
        "graphs": titles,
        "cases": [
            _point(graph, title, case)
            | {"best": ", ".join(best.get((names[graph], label(case)), []))}
            for graph, title, case in cases
        ],
    }
    encoded = json.dumps(found, allow_nan=False)
    return encoded.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _point(graph: int, title: str, case: Mapping[str, Any]) -> dict[str, Any]:
    rates = mapping(case.get("nodes_per_second"))
    return {
        "graph": graph,
        "label": label(case),
        "status": status(case),
        "measured": case.get("status") == "ok",
        "keeps": truth(case.get("keeps_everything")),
        "size": number(case.get("bytes")),
        "speed": {operation: number(rates.get(operation)) for operation in OPERATIONS},
        "time": {operation: _quartiles(case.get(operation)) for operation in OPERATIONS},
        "lines": _lines(case),
        "keys": sort_keys(title, case),
    }


def _quartiles(timing: object) -> list[float] | None:
    """Return first quartile, median and third; a quartile that is missing is the median."""
    median = number(mapping(timing).get("median_seconds"))
    if median is None:
        return None
    low, high = (number(mapping(timing).get(f"q{n}_seconds")) for n in (1, 3))
    return [median if low is None else low, median, median if high is None else high]


def _lines(case: Mapping[str, Any]) -> list[str]:
    """Return the text that a mark in the chart shows when it is pointed at."""
    rates = mapping(case.get("nodes_per_second"))
    times = (
        f"{operation} {duration(number(mapping(case.get(operation)).get('median_seconds')))}, "
        f"{figure(number(rates.get(operation)))} nodes/s"
        for operation in OPERATIONS
    )
    return [size(number(case.get("bytes"))), *times, keeps(case), *losses(case), *used(case)]


def _lead(result: Mapping[str, Any], names: Sequence[str], cases: Sequence[Case]) -> str:
    machine, versions = mapping(result.get("machine")), mapping(result.get("versions"))
    codecs = len({label(case) for _, _, case in cases})
    facts = [
        date(result.get("created")),
        f"{_count(codecs, 'codec setting')} on {_count(len(names), 'graph shape')}",
        text(machine.get("cpu")),
        f"brinery {text(versions.get('brinery'))}" if versions.get("brinery") else "",
        text(versions.get("python")),
    ]
    return "".join(f"<li>{escape(fact)}</li>" for fact in facts if fact)


def _notice(result: Mapping[str, Any], cases: Sequence[Case]) -> str:
    without = sum(case.get("status") != "ok" for _, _, case in cases)
    parts = []
    if result.get("interrupted"):
        parts.append("The run was interrupted: this is what had been measured until then.")
    if without:
        parts.append(
            f"{without} of {_count(len(cases), 'case')} ended without a full result; "
            "the table gives the reason of each."
        )
    parts += [escape(text(note)) for note in entries(result.get("notes"))]
    return f'<p class="notice">{" ".join(parts)}</p>' if parts else ""


def _count(number_: int, noun: str) -> str:
    return f"{number_:,} {noun}{'' if number_ == 1 else 's'}"


def _options(titles: Sequence[str]) -> str:
    every = '<option value="-1">All shapes</option>' if len(titles) > 1 else ""
    return every + "".join(
        f'<option value="{n}">{escape(title)}</option>' for n, title in enumerate(titles)
    )


def _advice(names: Sequence[str], titles: Sequence[str], result: Mapping[str, Any]) -> str:
    given = [mapping(entry) for entry in entries(result.get("recommendations"))]
    articles = []
    for n, name in enumerate(names):
        mine = [entry for entry in given if text(entry.get("graph")) == name]
        shown = "".join(map(_recommendation, mine)) or (
            "<p>Nothing is recommended for this shape: see the outcome of its cases below.</p>"
        )
        articles.append(
            f'<article data-graph="{n}"><h3>{escape(titles[n])}</h3><div>{shown}</div></article>'
        )
    return "\n".join(articles)


def _recommendation(entry: Mapping[str, Any]) -> str:
    kind = text(entry.get("kind"))
    return (
        f'<section><h4>{escape(KINDS.get(kind, kind))}</h4><p class="choice">{escape(label(entry))}</p>'
        f"<p>{escape(text(entry.get('reason')))}</p></section>"
    )


def _shapes(names: Sequence[str], titles: Sequence[str], result: Mapping[str, Any]) -> str:
    parts = []
    for name, title in zip(names, titles, strict=True):
        graph = _graph(result, name)
        nodes, seed = number(graph.get("nodes")), text(graph.get("seed"))
        facts = [
            _sentence(text(graph.get("description"))),
            f"{nodes:,.0f} nodes." if nodes is not None else "",
            f"Seed {seed}." if seed else "",
        ]
        parts.append(f"<dt>{escape(title)}</dt><dd>{escape(' '.join(filter(None, facts)))}</dd>")
    return "".join(parts)


def _sentence(words: str) -> str:
    return words if not words or words.endswith((".", "!", "?")) else f"{words}."


def _about(result: Mapping[str, Any]) -> str:
    """Return how the result was measured: machine, versions, settings and the command."""
    facts = [("command", result.get("command"))] + [
        (text(key), value)
        for part in ("machine", "settings", "versions")
        for key, value in mapping(result.get(part)).items()
    ]
    return "".join(_about_fact(key, value) for key, value in facts if value is not None)


def _about_fact(key: str, value: object) -> str:
    shown = _fact(key, value)
    long = " class=long" if len(shown) > 40 else ""
    return f"<div{long}><dt>{escape(_words(key))}</dt><dd>{escape(shown)}</dd></div>"


def _words(key: str) -> str:
    return key.removesuffix("_bytes").removesuffix("_seconds").replace("_", " ")


def _fact(key: str, value: object) -> str:
    """Return a fact with the unit that its name ends in."""
    found = number(value)
    if isinstance(value, list):
        return ", ".join(map(text, value))
    if key.endswith("_bytes"):
        return size(found)
    if key.endswith("_seconds"):
        return duration(found)
    return worded(value, unknown=text(value))
