"""Run the benchmarks: `python -m benchmarks.run`, or `make bench`.

A whole run writes `benchmarks/results/store.json` and `store.md`; a quick or partial one only where
`--output` says.  No figure makes it fail; a wrong result or an error in a phase does.
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

from benchmarks import closures, codecs, depth, imports, rings, tasks, transforms, trees
from benchmarks.bench import QUICK, Bench, PhaseError, Sizes
from benchmarks.figures import Figure, failed
from benchmarks.machine import machine, versions
from benchmarks.report import Document, figure_entry, show, write

SECTIONS: Mapping[str, Callable[[Bench], list[Figure]]] = {
    "save": trees.save_figures,
    "load": trees.load_figures,
    "tasks": tasks.figures,
    "ring": rings.figures,
    "codecs": codecs.figures,
    "closures": closures.figures,
    "depth": depth.figures,
    "transforms": transforms.figures,
    "imports": imports.figures,
}
RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, show and write; return 1 if something could not be measured."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parsed(given)
    start = time.monotonic()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # tidies up
    with tempfile.TemporaryDirectory(prefix="brinery-bench-", dir=options.scratch) as scratch:
        bench = Bench(QUICK if options.quick else Sizes(), Path(scratch), _tell)
        document = _document(bench, options.only or list(SECTIONS), given)
    document["seconds"] = round(time.monotonic() - start, 1)
    _tell("")
    show(document)
    output = options.output
    if output is None and not options.quick and not options.only:
        output = RESULTS
    if output is not None:
        write(document, output)
    return int(any(figure["error"] for figure in document["figures"]))


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke test: tiny and meaningless")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="may be given again")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to write the results")
    parser.add_argument(
        "--scratch", type=Path, metavar="DIR", help="a directory of the file system to measure"
    )
    return parser.parse_args(arguments)


def _document(bench: Bench, sections: Sequence[str], arguments: Sequence[str]) -> Document:
    facts = machine(bench.scratch)  # before: it tells how busy the machine was with other things
    figures = [figure for name in sections for figure in _section(bench, name)]
    return {
        "command": shlex.join(["python", "-m", "benchmarks.run", *_without_paths(arguments)]),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": facts,
        "versions": versions(),
        "sizes": asdict(bench.sizes),
        "figures": [figure_entry(figure) for figure in figures],
    }


def _without_paths(arguments: Sequence[str]) -> list[str]:
    """Leave out where files were written: the results depend on the file system, not on its paths."""
    kept = []
    following = False
    for argument in arguments:
        if not following and not argument.startswith(("--output", "--scratch")):
            kept.append(argument)
        following = argument in ("--output", "--scratch")
    return kept


def _section(bench: Bench, name: str) -> list[Figure]:
    try:
        return SECTIONS[name](bench)
    except PhaseError as error:
        return [failed(name, name, str(error))]


def _tell(text: str) -> None:
    """Show on a terminal what is being measured."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
