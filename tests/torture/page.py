"""The results in docs/reliability.md: between two comments, written from the files of results."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "reliability.md"

WHAT = {
    "kill": "SIGKILL at every system call on files",
    "fault": "ENOSPC, EIO, EMFILE, EACCES, EINTR from every such call",
    "power": "every state that a power cut may leave",
    "processes": "eight workers at once",
    "damage": "damaged and forged records",
    "hostile": "hostile payloads",
    "fuzz": "random records, metadata, pickles",
}
OPERATIONS = ("kill", "fault", "power")


def write(page: Path = PAGE, results: Path = RESULTS) -> None:
    """Write the existing results into the page."""
    text = page.read_text(encoding="utf-8")
    text = _between(text, "torture", "\n".join(counts(results)))
    text = _between(text, "durability", "\n".join(costs(results)))
    page.write_text(text, encoding="utf-8")


def counts(results: Path) -> Iterator[str]:
    """Yield the lines of the table of tortures."""
    documents = {name: _read(results / f"torture-{name}.json") for name in WHAT}
    yield "| torture | cases | violations | command | on |"
    yield "|---|---|---|---|---|"
    for name, document in documents.items():
        if document is not None:
            yield (
                f"| {WHAT[name]} | {document['cases']:,} | {document['violations']} "
                f"| `{document['command']}` | {document['date'][:10]} |"
            )
    yield ""
    operations = {name: documents[name] for name in OPERATIONS}
    yield f"| operation | {' | '.join(operations)} |"
    yield f"|---|{'---|' * len(operations)}"
    for operation in _operations(operations):
        cells = [_cases(document, "scenarios", operation) for document in operations.values()]
        yield f"| {operation} | {' | '.join(cells)} |"
    yield from _engines(documents["processes"])
    yield from _payloads(documents["hostile"])


def _engines(document: dict[str, Any] | None) -> Iterator[str]:
    if document is None:
        return
    yield ""
    yield "| eight workers on | operations | conflicts | killed | loads see one state |"
    yield "|---|---|---|---|---|"
    for name, entry in document["engines"].items():
        state = "yes" if entry["one_state"] else "no"
        figures = f"{entry['cases']:,} | {entry['conflicts']:,} | {entry['killed']:,}"
        yield f"| {name} | {figures} | {state} |"


def _payloads(document: dict[str, Any] | None) -> Iterator[str]:
    if document is None:
        return
    yield ""
    yield "| hostile payloads | loads | refused | loaded | most memory | most time |"
    yield "|---|---|---|---|---|---|"
    for name, entry in document["payloads"].items():
        refused = sum(entry["refused"].values())
        most = f"{entry['most_memory'] >> 20} MiB | {entry['most_seconds']:.1f} s"
        yield f"| {name} | {entry['cases']:,} | {refused:,} | {entry['loaded']:,} | {most} |"


def costs(results: Path) -> Iterator[str]:
    """Yield the lines of the table of what durability costs."""
    document = _read(results / "reliability.json")
    if document is None:
        return
    yield f"{document['machine']['cpu']}, {document['date'][:10]}; `{document['command']}`."
    yield ""
    yield "| what | one | times the first side |"
    yield "|---|---|---|"
    for figure in document["figures"]:
        alone = figure["unit"] == "µs"
        time = figure["value"] if alone else figure["ours"]
        ratio = "" if alone else f"{figure['value']['median']:.2f}"
        yield f"| {figure['name']} | {time['median']:,.0f} µs | {ratio} |"


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _operations(documents: dict[str, dict[str, Any] | None]) -> list[str]:
    found: dict[str, None] = {}
    for document in documents.values():
        found.update(dict.fromkeys((document or {"scenarios": ()})["scenarios"]))
    return list(found)


def _cases(document: dict[str, Any] | None, title: str, entry: str) -> str:
    found = (document or {title: {}})[title].get(entry)
    return "–" if found is None else f"{found['cases']:,}"


def _between(text: str, name: str, lines: str) -> str:
    mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    assert mark.search(text), f"the page has no place for {name}"
    return mark.sub(lambda found: f"{found[1]}{lines}\n{found[2]}", text)


if __name__ == "__main__":
    write()
