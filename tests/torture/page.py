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
}


def write(page: Path = PAGE, results: Path = RESULTS) -> None:
    """Write what there is of results into the page."""
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
    yield f"| operation | {' | '.join(documents)} |"
    yield f"|---|{'---|' * len(documents)}"
    for operation in _operations(documents):
        cells = [_cases(document, operation) for document in documents.values()]
        yield f"| {operation} | {' | '.join(cells)} |"


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
        found.update(
            dict.fromkeys(entry["name"] for entry in (document or {"scenarios": ()})["scenarios"])
        )
    return list(found)


def _cases(document: dict[str, Any] | None, operation: str) -> str:
    entries = (document or {"scenarios": ()})["scenarios"]
    return next((f"{entry['cases']:,}" for entry in entries if entry["name"] == operation), "–")


def _between(text: str, name: str, lines: str) -> str:
    mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    assert mark.search(text), f"the page has no place for {name}"
    return mark.sub(lambda found: f"{found[1]}{lines}\n{found[2]}", text)


if __name__ == "__main__":
    write()
