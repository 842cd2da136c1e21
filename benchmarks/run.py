"""Measure, then write the page: `python -m benchmarks.run`, or `make bench`.

A run writes `benchmarks/results/<group>.json` for each of its groups (all but depth, or those that
`--only` names), then `docs/benchmarks.md` with its pictures.  A run with `--quick`, `--smoke` or
`--section` writes only where `--output` says, the page included.  No figure makes a run fail; a wrong
result or an error does.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bench import QUICK, SMOKE, Bench, PhaseError, Sizes
from benchmarks.document import ORDER, Document, errors, figure_entry, write
from benchmarks.figures import Figure, failed
from benchmarks.machine import machine, versions
from benchmarks.report.page import PAGE, RESULTS, render
from benchmarks.report.terminal import show
from benchmarks.sections import (
    closures,
    codecs,
    databases,
    depth,
    durability,
    growth,
    imports,
    lazy,
    parts,
    peers,
    rings,
    tasks,
    transforms,
    trees,
)
from benchmarks.sections.goals import arrays, crowd, jobs, memory, opening, singles

GROUPS: Mapping[str, Mapping[str, Callable[[Bench], list[Figure]]]] = {
    "goals": {
        "jobs": jobs.figures,
        "record": jobs.record_figures,
        "singles": singles.figures,
        "crowd": crowd.figures,
        "save": trees.save_figures,
        "load": trees.load_figures,
        "arrays": arrays.figures,
        "memory": memory.figures,
        "opening": opening.figures,
    },
    "lazy": {"lazy": lazy.figures},
    "peers": {},
    "databases": {},
    "parts": {"parts": parts.figures},
    "growth": {"growth": growth.figures},
    "store": {
        "tasks": tasks.figures,
        "ring": rings.figures,
        "imports": imports.figures,
    },
    "codecs": {"codecs": codecs.figures, "closures": closures.figures},
    "transforms": {"transforms": transforms.figures},
    "reliability": {"durability": durability.figures},
    "depth": {"depth": depth.figures},
}

CONTESTS: Mapping[str, Callable[[Bench], list[peers.Entry]]] = {
    "peers": peers.entries,
    "databases": databases.entries,
}
"""The groups that compare brinery with others."""

SECTIONS = [name for sections in GROUPS.values() for name in sections]

USUAL = [group for group in ORDER if group != "depth"]
"""The groups that run by default; not depth, which depends only on the version of Python."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, show and write; return 1 if something could not be measured."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parsed(given)
    quick = options.quick or options.smoke
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # tidies up
    command = shlex.join(["python", "-m", "benchmarks.run", *_without_paths(given)])
    output = options.output or (None if quick or options.section else RESULTS)
    wrong = []
    for group in _groups(options):
        document = _measured(group, options, command)
        wrong += errors(document)
        show(document)
        if output:
            write(document, output)
    if output:
        render(output, PAGE if options.output is None else output / PAGE.name)
    for line in wrong:
        print(f"failed: {line}", file=sys.stderr)
    return int(bool(wrong))


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a first look: few rounds, small sizes"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="whether all runs: tiny and meaningless"
    )
    parser.add_argument("--only", action="append", choices=GROUPS, help="may be given again")
    parser.add_argument(
        "--section", action="append", choices=SECTIONS, help="a part of a group; may be given again"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where results and page go instead"
    )
    parser.add_argument(
        "--scratch", type=Path, metavar="DIR", help="a directory of the file system to measure"
    )
    for size, value in asdict(Sizes()).items():
        parser.add_argument(f"--{size.replace('_', '-')}", type=int, help=f"by default {value}")
    return parser.parse_args(arguments)


def _groups(options: argparse.Namespace) -> Sequence[str]:
    if options.only or not options.section:
        return options.only or USUAL
    return [group for group in ORDER if not GROUPS[group].keys().isdisjoint(options.section)]


def _measured(group: str, options: argparse.Namespace, command: str) -> Document:
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="brinery-bench-", dir=options.scratch) as scratch:
        bench = Bench(_sizes(options), Path(scratch), _tell)
        facts = machine(
            bench.scratch
        )  # before the run: it shows how busy the machine was with other work
        wanted = options.section or GROUPS[group]
        sections = [name for name in GROUPS[group] if name in wanted]
        figures = [figure for name in sections for figure in _section(bench, group, name)]
        contenders = {}
        if group in CONTESTS:
            contenders = {"contenders": CONTESTS[group](bench)}
    _tell("")
    return {
        "group": group,
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": facts,
        "versions": versions(),
        "sizes": asdict(bench.sizes),
        "seconds": round(time.monotonic() - start, 1),
        "figures": [figure_entry(figure) for figure in figures],
        **contenders,
    }


def _sizes(options: argparse.Namespace) -> Sizes:
    default = asdict(SMOKE if options.smoke else QUICK if options.quick else Sizes())
    given = {size: getattr(options, size) for size in default}
    return Sizes(**(default | {size: value for size, value in given.items() if value is not None}))


def _without_paths(arguments: Sequence[str]) -> list[str]:
    """Leave out the paths of written files: the results depend on the file system, not on its paths."""
    kept = []
    following = False
    for argument in arguments:
        if not following and not argument.startswith(("--output", "--scratch")):
            kept.append(argument)
        following = argument in ("--output", "--scratch")
    return kept


def _section(bench: Bench, group: str, name: str) -> list[Figure]:
    try:
        return GROUPS[group][name](bench)
    except PhaseError as error:
        return [failed(name, name, str(error))]


def _tell(text: str) -> None:
    """Show on a terminal the present measurement."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
