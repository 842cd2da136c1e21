"""The page `docs/benchmarks.md`: all of it is made from the documents, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.document import Document, read_all
from benchmarks.report import contenders, pictures
from benchmarks.report.numbers import markdown_table
from benchmarks.report.tables import headings, rows, summary

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"

TITLES: Mapping[str, str] = {
    "goals": "Faster than …, slower than …",
    "lazy": "Pay for what you touch",
    "peers": "Side by side with others",
    "databases": "Databases",
    "parts": "The parts of a graph on SQLite",
    "growth": "More records",
    "store": "The store against bare pickle",
    "codecs": "Codecs against their libraries",
    "transforms": "Transforms",
    "reliability": "What durability costs",
    "depth": "Depth in one record",
}

INTRODUCTION = """\
# Benchmarks

This page is written by `make bench` from the files in `benchmarks/results/`; do not edit it. How to run
and extend the benchmarks is told in `benchmarks/README.md`.

Every figure is the median of rounds, with quartiles in parentheses. Each phase ran in a fresh process,
the sides by turns, and what came back was compared with what was saved. Times compare within one
section: sections may have been measured on different days.
"""

CLAIMS = """\
Each row is one measurement in one run, brinery and the other by turns in fresh processes. A result is the
ratio of both, taken round by round. A bare way includes pickle. CPU time of the process, user and system,
decides. Where a flush to a disk is part of the work, wall time decides, and CPU time has a row without goal.
Directories of many records, large arrays and saved trees are in memory (tmpfs) where that is possible.
Memory is what a process needs more than before. **NO** is a goal that was missed.
"""

WHY = """\
### Why goals are missed

- *Saving a graph.* [The parts](#the-parts-of-a-graph-on-sqlite), a loop without a store, are compared with
  ZODB below: what they take is left to any store in Python that writes such records. The rest goes into IDs
  and their names, the classes of references, and the entries of living objects. ZODB keeps the ID of an
  object in the object.
- *PostgreSQL.* The bare side pickles dicts that hold keys in place of other objects, and sends them by
  COPY. brinery sends its rows by COPY, too; nearly all of its time is that of saving and loading any graph.
- *Single operations.* The calls of the file system are those of the bare side, and the lock of the writers.
  The rest is Python code, which is slow after each flush: the caches of the processor have other things in
  them.
- *Memory after a save.* Each living object has an entry, with the ID, version, digest and codec of its
  record, and two places in tables. ZODB has these in the object, and so in both figures.
- *A fresh process.* Some 110 modules of brinery are imported until the first object is loaded
  (`tests/test_import.py` counts them).
"""

PEERS = """\
{jobs:,} jobs in workflows of ten, doubly linked, with one configuration that all share. *Graph* and ZODB
keep these links as references between records, GC3Pie keeps the configuration alone as one. For all others
each object stands alone and a link is a key, which the program would have to follow. *brinery, alone* is used
like them, and is what they are compared with.

Single loads, saves, changes and deletions are of {some:,} jobs in random order, after all are there. To
change one is to load it, set an attribute, and save it. The array is a job that holds {megabytes} MB of numpy
data. Opening the files is not in the times, and every library was used once before. Times are medians of
{few} rounds.

Only what promises the same durability is compared. A ratio is in **bold** where brinery is slower: where
even the upper quartile of the other's time, divided by brinery's in the same round, is below 1.
"""

DATABASES = """\
The same operations on {jobs:,} jobs in databases: `SqlStore` beside bare drivers with pickle,
beside stores that use SQLite, and beside ZODB. Then they are {rows:,} jobs, of which the keys are listed;
{loads:,} are loaded one by one, {saves:,} saved, {changes:,} changed and as many deleted. PostgreSQL is a
server on the same machine, reached by a unix socket, which flushes every commit; the sizes on the
disk leave it out. Times are medians of {few} rounds.
"""

LAZY = """\
{jobs:,} jobs in one net: each refers to its neighbours and to the container, so that from one job all others
are reached. brinery loads them [lazily](how-to/large-graphs.md). ZODB is used as its guide advises: a BTree
of persistent objects. A result is a ratio, taken round by round, of the columns brinery and bare; the name
of a row has the other side behind its slash. Single jobs are taken in random order.
"""

PARTS = """\
{jobs:,} jobs in workflows of ten, saved by one call and loaded by one call, on the disk when the call
returns. *The parts* are a loop with no store around it (`benchmarks/sections/parts.py`): for each job it
makes a pickle, digests, metadata and the same rows of the same table, in one transaction, and reads and
checks them again. So their time is what is left when all that a store is for is left out. A result is a
ratio, taken round by round, of the first and the second.
"""

GROWTH = """\
CPU time per record in a store of {many_records:,} records, divided by that in one of {records:,}; for
single operations, of which there are {some:,}, the time of one. 1 is growth in proportion. Files are on tmpfs
where there is one.
"""

GOALS = """\
A result is a ratio or difference, taken round by round, of the columns brinery and bare. A goal is met if
the median is at most that; **NO** is a goal that was missed.
"""


def render(results: Path, page: Path) -> None:
    """Write the page and its pictures from the documents of a directory."""
    documents = read_all(results)
    images = page.parent / "images"
    drawn = {name: pictures.draw(found, name, images) for name, found in documents.items()}
    lines = [INTRODUCTION]
    for name, document in documents.items():
        lines += _section(name, document, drawn[name])
    page.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def _section(name: str, document: Document, drawn: Sequence[str]) -> list[str]:
    group = document["group"]
    title = TITLES[group]
    if group == "depth":
        title += f", {document['versions']['python']}"
    body = _BODIES.get(group, _figures)(document)
    shown = [f"![{title}, drawn](images/{file})\n" for file in drawn]
    return [f"## {title}\n", *_facts(document), *shown, *body]


def _facts(document: Document) -> list[str]:
    facts = ", ".join(f"{name} {fact}" for name, fact in document["machine"].items())
    versions = ", ".join(f"{name} {number}" for name, number in document["versions"].items())
    return [
        f"Made by `{document['command']}` on {document['date']}. {summary(document)}.\n",
        f"Machine: {facts}. Versions: {versions}.\n",
    ]


def _figures(document: Document) -> list[str]:
    return [GOALS, *markdown_table(headings(document), _bold(document))]


def _goals(document: Document) -> list[str]:
    return [CLAIMS, *markdown_table(headings(document), _bold(document)), WHY]


def _bold(document: Document) -> list[list[str]]:
    return [[cell.replace("NO", "**NO**") for cell in row] for row in rows(document)]


def _lazy(document: Document) -> list[str]:
    return [LAZY.format(**document["sizes"]), *markdown_table(headings(document), _bold(document))]


def _growth(document: Document) -> list[str]:
    table = [[*row[:2], *row[4:]] for row in rows(document)]
    titles = headings(document)
    return [GROWTH.format(**document["sizes"]), *markdown_table([*titles[:2], *titles[4:]], table)]


def _parts(document: Document) -> list[str]:
    renamed = {"brinery": "the first", "bare": "the second"}
    titles = [renamed.get(title, title) for title in headings(document)]
    return [PARTS.format(**document["sizes"]), *markdown_table(titles, _bold(document))]


def _peers(document: Document) -> list[str]:
    text = DATABASES if document["group"] == "databases" else PEERS
    lines = [text.format(**document["sizes"])]
    for durability, title in contenders.CLASSES.items():
        lines += [f"### {title}\n", *markdown_table(*contenders.times(document, durability))]
        lines += markdown_table(*contenders.ratios(document, durability))
        lost = contenders.losses(document, durability)
        lines += ["Faster than brinery:\n", *(f"- {line}" for line in lost or ["nobody"]), ""]
    lines += ["### What each promises and keeps\n", *markdown_table(*contenders.kept(document))]
    return [*lines, *(f"{mark}. {text}" for mark, text in contenders.footnotes(document)), ""]


_BODIES: Mapping[str, Callable[[Document], list[str]]] = {
    "goals": _goals,
    "lazy": _lazy,
    "growth": _growth,
    "parts": _parts,
    "peers": _peers,
    "databases": _peers,
}
