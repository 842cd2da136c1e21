"""The results of a group of sections as a document: a JSON file, from which all reports are made.

A document has `group`, `command`, `date`, `machine`, `versions`, `sizes`, `seconds` and `figures`; that of
the peers has `contenders`.  Each figure and each operation of a contender has the values of all rounds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

Document = dict[str, Any]

ORDER: Sequence[str] = (
    "goals",
    "lazy",
    "peers",
    "databases",
    "parts",
    "growth",
    "store",
    "codecs",
    "transforms",
    "reliability",
    "depth",
)
"""The groups as they are shown; there may be one document of `depth` for each Python."""


def figure_entry(figure: Figure) -> dict[str, Any]:
    """Return a figure in the form of a document."""
    return {**asdict(figure), "met": figure.met}


def errors(document: Document) -> list[str]:
    """Return the figures that could not be measured, and the reasons."""
    failed = [figure for figure in document["figures"] if figure["error"]]
    fallen = [entry for entry in document.get("contenders", ()) if entry["error"]]
    return [f"{entry['name']}: {entry['error']}" for entry in [*failed, *fallen]]


def write(document: Document, directory: Path) -> None:
    """Write a document to `<group>.json`; that of depth has the version of Python in its name."""
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1, ensure_ascii=False)
    path = directory / f"{_stem(document)}.json"
    path.write_text(text + "\n", encoding="utf-8")


def _stem(document: Document) -> str:
    group = str(document["group"])
    if group != "depth":
        return group
    return f"depth-{'.'.join(document['versions']['python'].split()[-1].split('.')[:2])}"


def read_all(directory: Path) -> Mapping[str, Document]:
    """Return the documents of a directory by their file names, in the order of `ORDER`.

    The directory may also contain results of another kind.
    """
    found = {path.stem: _read(path) for path in sorted(directory.glob("*.json"))}
    known = [item for item in found.items() if item[1]["group"] in ORDER]
    return dict(sorted(known, key=lambda item: ORDER.index(item[1]["group"])))


def _read(path: Path) -> Document:
    document: Document = json.loads(path.read_text(encoding="utf-8"))
    document.setdefault("group", path.stem.partition("-")[0])
    return document
