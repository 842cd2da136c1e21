"""Write docs/league.md from its results: `python -m benchmarks.report.league`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from brinery.testing.league.outcome import (
    CHANGED,
    CRASHED,
    KEPT,
    REFUSED,
    RESULTS,
    UNREADABLE,
    Outcome,
)
from brinery.testing.league.table import counted, markdown

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "league-3.11.json"
PAGE = ROOT / "docs" / "league.md"

SIGNS: Mapping[str, str] = {
    KEPT: "✓",
    CHANGED: "**C**",
    UNREADABLE: "U",
    CRASHED: "**X**",
    REFUSED: "·",
}
WORDS: Mapping[str, str] = {
    KEPT: "the other process got the same types, values, identities and sharing",
    CHANGED: "*changed in silence*: no error anywhere, and the other process got something else",
    UNREADABLE: "written without an error, and an error when it was read",
    CRASHED: "a process died, or did not end within 20 seconds",
    REFUSED: "an error when it was written",
}

_HEAD = """\
# League of codecs

What does a codec lose, and does it say so? Here {contenders} codecs, at each of their protocols, get
{probes} small objects. One process writes each object, and another one, with nothing in common but the
installed modules, reads it. This page is written by `make league` from `benchmarks/results/{result}`; do
not edit it.

{words}

A refusal is not a fault: a codec for JSON that refuses a date claims nothing and loses nothing. To be
changed in silence is one that nobody notices until the data are needed.

Made on {date} with {python} on {system}: {versions}.{missing}

## Summary

Those that changed least in silence come first; a crash counts as a change.
"""

_HOW = """\
## How it is judged

A *probe* builds an object. The reading process builds it, too, and walks both side by side: exact types,
values, attributes (in `__dict__` and slots), the order of dicts, which references lead to one object,
cycles, and whether dicts and sets find their members. Of functions and classes that only the writer has,
each process makes a description, which are compared: code, variables, what they share. Many probes also use
the object: call it, look something up in it, write through an array. What cannot be taken apart, such as a
lock, is only used. The writing process checks that writing did not change the object itself. The two
processes have different seeds of hashes.

Values that nothing can change (numbers, text, dates, decimals, tuples of those) are compared by type and
value, and not by identity. Whatever was changed, unreadable or crashed was tried again in other processes
and in another order, and, where that ended otherwise, a third time alone: the last outcome is shown.

Codecs of brinery are tried in a store in a directory. The others are called as the list below says, from
their documentation.

## Limits

- One version of each codec, on one Python and one system. The codecs of brinery are tried on Python 3.11 to
  3.15 by the tests (`tests/testing/test_league.py`).
- Each probe counts once, whether it is common or rare. Count those that are like your data, or try your
  own: [Benchmark your objects](how-to/benchmark-your-objects.md).
- A codec that takes a schema (msgspec) or functions for further types (`default`) keeps more where you
  write these. Here nobody says which type a probe has.
- brinery's `dill` with `recurse=False`, which is dill's own default, leaves the globals of functions to the
  reader on purpose, and is left out.
- The traceback of an error, and the attributes that a class of Python leaves out of its own `__reduce__`,
  are not asked for.
- Objects of `Persistable` classes, which get records of their own in brinery, are not among the probes,
  except in the graphs.

## Repeat it

```
make league
```

installs all codecs into `.venv` and takes some minutes. Your own codec, or any class with `dumps` and
`loads`, takes part in the same trial by `python -m brinery.testing.league mypackage:MyCodec`: see [Write a
codec](how-to/write-a-codec.md#show-what-it-loses).
"""


def result() -> dict[str, Any]:
    """Return the committed results."""
    found: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    return found


def page(found: Mapping[str, Any]) -> str:
    """Return the text of the page."""
    contenders: list[Mapping[str, Any]] = found["contenders"]
    codecs = _codecs(contenders)
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    missing = f" Not installed, and so not tried: {', '.join(found['missing'])}."
    head = _HEAD.format(
        contenders=len(codecs),
        probes=sum(map(len, found["families"].values())),
        result=RESULT.name,
        words="\n".join(f"- {SIGNS[each]} **{each}**: {WORDS[each]}" for each in RESULTS),
        versions=versions,
        missing=missing if found["missing"] else "",
        **{key: found[key] for key in ("date", "python", "system")},
    )
    return "\n".join(
        [
            head,
            _summary(contenders),
            "",
            "How the codecs of others are called:\n",
            *_advice(contenders),
            "",
            _HOW,
            "## Probe by probe\n",
            *_families(found["families"], codecs),
            "## What was lost, in words\n",
            *_losses(codecs),
        ]
    )


Codecs = Mapping[str, Sequence[Mapping[str, Any]]]


def _codecs(contenders: Sequence[Mapping[str, Any]]) -> Codecs:
    """Return the rows of each codec, by its name as it is shown."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for each in contenders:
        found.setdefault(_name(each), []).append(each)
    return found


def _name(contender: Mapping[str, Any]) -> str:
    codec: str = contender["codec"]
    return f"brinery: {codec}" if contender["is_ours"] else codec


def _outcomes(contender: Mapping[str, Any]) -> list[Outcome]:
    return [Outcome(*outcome) for outcome in contender["outcomes"].values()]


def _summary(contenders: Sequence[Mapping[str, Any]]) -> str:
    def faults(contender: Mapping[str, Any]) -> tuple[int, int]:
        results = [outcome.result for outcome in _outcomes(contender)]
        return results.count(CHANGED) + results.count(CRASHED), -results.count(KEPT)

    rows = [
        [_name(each), each["protocol"], *counted(_outcomes(each))]
        for each in sorted(contenders, key=faults)
    ]
    heads = [*(f"{SIGNS[each]} {each}" for each in RESULTS)]
    return markdown(["codec", "protocol", *heads], rows)


def _advice(contenders: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    shown = {each["codec"]: each["advice"] for each in contenders if not each["is_ours"]}
    yield from (f"- {codec}: {advice}." for codec, advice in shown.items())


def _families(families: Mapping[str, Sequence[str]], codecs: Codecs) -> Iterator[str]:
    for family, probes in families.items():
        yield f"### {family}\n"
        rows = [[probe, *(_cell(rows, probe) for rows in codecs.values())] for probe in probes]
        yield markdown(["", *codecs], rows) + "\n"


def _cell(rows: Sequence[Mapping[str, Any]], probe: str) -> str:
    by_result: dict[str, list[str]] = {}
    for each in rows:
        by_result.setdefault(each["outcomes"][probe][0], []).append(each["protocol"])
    if len(by_result) == 1:
        return SIGNS[next(iter(by_result))]
    return ", ".join(f"{SIGNS[each]} {_span(found)}" for each, found in by_result.items())


def _span(protocols: Sequence[str]) -> str:
    return protocols[0] if len(protocols) == 1 else f"{protocols[0]}–{protocols[-1]}"


def _losses(codecs: Codecs) -> Iterator[str]:
    for codec, rows in codecs.items():
        lines = list(_losses_of(rows))
        if lines:
            yield f"<details><summary>{codec}: {len(lines)}</summary>\n"
            yield from lines
            yield "\n</details>\n"


def _losses_of(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for probe in rows[0]["outcomes"]:
        said: dict[tuple[str, str], list[str]] = {}
        for each in rows:
            outcome = Outcome(*each["outcomes"][probe])
            if outcome.result not in (KEPT, REFUSED):
                said.setdefault((outcome.result, outcome.evidence), []).append(each["protocol"])
        for (word, evidence), protocols in said.items():
            at = "" if len(protocols) == len(rows) else f", protocol {_span(protocols)}"
            yield f"- {probe}{at}: {word}: `` {evidence.replace('`', chr(39))} ``"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(result()), encoding="utf-8")


if __name__ == "__main__":
    main()
