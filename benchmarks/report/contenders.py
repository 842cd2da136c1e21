"""The contenders of a document, compared: times, ratios to brinery, losses, and promises kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from benchmarks.document import Document
from benchmarks.measure import Spread
from benchmarks.report.numbers import Cells, Table, number, spread

Entry = Mapping[str, Any]

CLASSES: Mapping[str, str] = {
    "kill": "Survives the death of the process",
    "disk": "On the disk when the call returns",
}
"""The classes of durability; only contenders of one class are compared."""
_MS = 1e-3
_PER_OBJECT = ("save_all", "load_all", "list_keys")
_BIG = ("save_big", "load_big")
TITLES: Mapping[str, str] = {
    "save_all": "save all",
    "load_all": "load all",
    "list_keys": "list keys",
    "load_some": "load one",
    "save_some": "save one",
    "update_some": "change one",
    "delete_some": "delete one",
    "save_big": "save array",
    "load_big": "load array",
}


def of_class(document: Document, durability: str) -> list[Entry]:
    """Return the contenders of one class that have figures, brinery's ways first."""
    return [
        entry
        for entry in document.get("contenders", ())
        if not entry["missing"] and not entry["error"] and entry["durability"] == durability
    ]


def unit(operation: str) -> str:
    """Return the unit in which `spread_of` returns an operation."""
    if operation in _BIG:
        return "ms"
    return "µs/object" if operation in _PER_OBJECT else "µs"


def spread_of(entry: Entry, operation: str) -> Spread:
    """Return the time of an operation in its unit."""
    scale = _MS if operation in _BIG else 1
    return Spread.of([value * scale for value in entry["operations"][operation]])


def ratio_of(document: Document, entry: Entry, operation: str) -> Spread | None:
    """Return how many times as long a contender took as brinery, round by round.

    It is compared with the way of using brinery that makes the same promises.  None for brinery's ways
    themselves, and if that way was not measured.
    """
    ours = {found["name"]: found for found in of_class(document, entry["durability"])}
    baseline = ours.get(entry["baseline"])
    if entry["name"].startswith("brinery") or baseline is None:
        return None
    pairs = zip(entry["operations"][operation], baseline["operations"][operation], strict=True)
    return Spread.of([theirs / ours for theirs, ours in pairs])


def times(document: Document, durability: str) -> Table:
    """Return the table of times; a number in parentheses refers to `footnotes`."""
    sizes = document["sizes"]
    marks = {text: mark for mark, text in footnotes(document)}
    titles = [f"{title}, {unit(name)}" for name, title in TITLES.items()]
    rows: list[Cells] = []
    for entry in of_class(document, durability):
        cells = [number(spread_of(entry, operation).median) for operation in TITLES]
        for index, operation in enumerate(TITLES):
            if note := entry["notes"].get(operation):
                cells[index] += f" ({marks[_note(entry, note)]})"
        megabytes = [number(entry["size"][part] / 1e6) for part in ("allocated", "bytes")]
        rows.append([entry["title"], *cells, f"{megabytes[0]} ({megabytes[1]})"])
    size = f"disk for {sizes['jobs']:,}, MB (bytes in files, MB)"
    return ["", *titles, size], rows


def ratios(document: Document, durability: str) -> Table:
    """Return the table of ratios; in bold where brinery is slower."""
    rows: list[Cells] = []
    titles = {entry["name"]: entry["title"] for entry in document["contenders"]}
    for entry in of_class(document, durability):
        found = [ratio_of(document, entry, operation) for operation in TITLES]
        if any(found):
            cells = ["" if ratio is None else _cell(ratio) for ratio in found]
            rows.append([entry["title"], titles[entry["baseline"]], *cells])
    return ["time / brinery's", "compared with", *TITLES.values()], rows


def _cell(ratio: Spread) -> str:
    text = spread(asdict(ratio))
    return f"**{text}**" if _is_faster(ratio) else text


def _is_faster(ratio: Spread) -> bool:
    """Return whether even the upper quartile is below 1."""
    return ratio.upper < 1


def losses(document: Document, durability: str) -> list[str]:
    """Return, for each operation, the contenders that were faster than brinery, the fastest first."""
    lines = []
    for operation, title in TITLES.items():
        found = []
        for entry in of_class(document, durability):
            ratio = ratio_of(document, entry, operation)
            if ratio is not None and _is_faster(ratio):
                found.append((ratio.median, entry["title"]))
        if found:
            names = [f"{name} ({number(1 / median)} times)" for median, name in sorted(found)]
            lines.append(f"{title}: {', '.join(names)}")
    return lines


def kept(document: Document) -> Table:
    """Return the table of promises, kept or not, of each contender; a dash has its proof in a footnote."""
    marks = {text: mark for mark, text in footnotes(document)}
    rows: list[Cells] = []
    for entry in document["contenders"]:
        if entry["missing"]:
            rows.append([entry["title"], f"not measured: {entry['missing']}", "", "", "", ""])
            continue
        if entry["error"]:
            rows.append([entry["title"], f"FAILED: {entry['error']}", "", "", "", ""])
            continue
        shown = {
            name: "yes" if proof == "kept" else f"– ({marks[_proof(entry, name)]})"
            for name, proof in entry["proofs"].items()
        }
        versions = ", ".join(f"{name} {version}" for name, version in entry["versions"].items())
        source = f"{CLASSES[entry['durability']].lower()}: {entry['source']}"
        cells = [source, shown["shared"], shown["cycles"], entry["advice"], versions]
        remark = entry["remark"]
        mark = f" ({marks[_note(entry, remark)]})" if remark else ""
        rows.append([entry["title"] + mark, *cells])
    titles = ("", "durability, and the source of the claim", "shared", "cycles", "used", "version")
    return titles, rows


def footnotes(document: Document) -> list[tuple[int, str]]:
    """Return the notes on figures and the proofs of broken promises, numbered."""
    texts = dict.fromkeys(text for entry in document["contenders"] for text in _texts(entry))
    return list(enumerate(texts, start=1))


def _texts(entry: Entry) -> Iterator[str]:
    if not entry["missing"] and not entry["error"]:
        yield from (_note(entry, note) for note in entry["notes"].values())
        if entry["remark"]:
            yield _note(entry, entry["remark"])
        proofs = entry["proofs"].items()
        yield from (_proof(entry, name) for name, found in proofs if found != "kept")


def _note(entry: Entry, note: str) -> str:
    return f"{entry['title'].partition(',')[0]}: {note}."


def _proof(entry: Entry, name: str) -> str:
    what = {"shared": "two records with one object", "cycles": "two records in a circle"}[name]
    return f"Tried in this run, {what}: {entry['proofs'][name]}."


def overview(document: Document) -> list[Table]:
    """Return the tables of times of both classes; none for a document without contenders."""
    if "contenders" not in document:
        return []
    return [times(document, durability) for durability in CLASSES]
