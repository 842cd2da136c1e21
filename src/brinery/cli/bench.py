"""``brinery bench`` measures which codec suits which objects."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import click

from brinery.bench.graphs import GRAPHS, LARGE, SMALL
from brinery.bench.report.comparison import (
    SAME,
    STEADY,
    UNSTEADY,
    WORSE,
    changes,
    differing,
    is_steady,
)
from brinery.bench.report.table import HEADS, NUMBERS, heading, rows_of
from brinery.bench.report.writing import check_writable
from brinery.bench.result import Result
from brinery.bench.run.bar import bar
from brinery.bench.run.child import Effort
from brinery.bench.run.choice import choices
from brinery.bench.run.fidelity import DEPTHS
from brinery.bench.run.plan import Plan, Progress, run
from brinery.bench.run.runner import Limits, Runner
from brinery.bench.run.source import BuiltIn, Factory, Source, Stored
from brinery.cli.opening import open_store
from brinery.cli.output import print_table
from brinery.errors import BrineryError

_DEEP: Final = (*DEPTHS, 100_000)
_SIZES: Final = {"small": SMALL, "large": LARGE}


@click.command("bench")
@click.argument("targets", nargs=-1, metavar="[MODULE:FUNCTION]...")
@click.option("--store", "place", metavar="STORE", help="Measure objects of this store.")
@click.option("--id", "ids", multiple=True, help="Only this object of the store; may be repeated.")
@click.option("--graphs", metavar="NAMES", help=f"Built-in graphs: {', '.join(GRAPHS)}.")
@click.option("--size", default="small", help="small, large, or a number of nodes.")
@click.option("--seed", default=1, show_default=True, help="Of the built-in graphs.")
@click.option("--codecs", metavar="NAMES", help="As pickle:2,dill,auto. Default: all installed.")
@click.option("--compress", metavar="NAMES", help="As none,lz4,zstd:3. Default: none.")
@click.option("--seconds", type=click.FloatRange(min=0), help="To repeat each measurement for.")
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="That measure the times of each case.",
)
@click.option("--timeout", type=click.FloatRange(min=0.001), help="Seconds for one case.")
@click.option("--memory", type=click.IntRange(min=1), metavar="MB", help="For one case.")
@click.option("--json", "json_file", type=click.Path(), help="Write the result to FILE.")
@click.option("--csv", "csv_file", type=click.Path(), help="Write a line per case to FILE.")
@click.option("--html", "html_file", type=click.Path(), help="Write a page with charts to FILE.")
@click.option(
    "--compare",
    "compared",
    nargs=2,
    metavar="OLD NEW",
    help="Measure nothing; show what changed between two files of --json.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(min=1),
    default=1.2,
    show_default=True,
    help="With --compare: the factor from which on a change counts.",
)
def bench_command(
    targets: tuple[str, ...],
    compared: tuple[str, str] | None,
    threshold: float,
    json_file: str | None,
    csv_file: str | None,
    html_file: str | None,
    **options: Any,
) -> int:
    """Measure which codec suits which objects: time, size, memory, and what comes back.

    MODULE:FUNCTION, or path/to/file.py:function, names a function without arguments that returns the
    object to measure. Without one, and without --store, the built-in graphs are measured. Each case
    runs in a process of its own. After Ctrl-C the cases that have ended are shown and written all
    the same.

    With --compare the status is 1 if a case became worse by more than the threshold.
    """
    if compared:
        return _compare(*compared, threshold)
    files = [file for file in (json_file, csv_file, html_file) if file is not None]
    if len({os.path.abspath(file) for file in files}) < len(files):
        raise click.UsageError("two results are to be written to one file")
    for file in files:
        with _usage():
            check_writable(file)
    sys.path.insert(0, "")
    # A batch system that ends the run gets what there is, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    plan = _plan(targets, **options)
    with _progress() as progress:
        result = run(plan, progress)
    # Before anything is printed: who reads the output may have gone.
    writers = {json_file: result.to_json, csv_file: result.to_csv, html_file: result.to_html}
    for place, write in writers.items():
        if place is not None:
            write(place)
            click.echo(f"written: {place}", err=True)
    _print(result)
    if result.interrupted:
        click.echo("interrupted: the other cases were not measured", err=True)
        return 130
    return 0


@contextmanager
def _usage() -> Iterator[None]:
    """Turn errors of brinery into wrong usage."""
    try:
        yield
    except BrineryError as error:
        raise click.UsageError(str(error)) from error


def _plan(
    targets: Sequence[str],
    *,
    place: str | None,
    ids: tuple[str, ...],
    graphs: str | None,
    size: str,
    seed: int,
    codecs: str | None,
    compress: str | None,
    seconds: float | None,
    processes: int,
    timeout: float | None,
    memory: int | None,
) -> Plan:
    nodes = _nodes(size)
    is_large = nodes > 10 * SMALL
    limits = Limits(
        timeout or (1800.0 if is_large else 60.0), None if memory is None else memory * 10**6
    )
    effort = Effort(seconds if seconds is not None else 2.0 if is_large else 0.03)
    with _usage():
        chosen = choices(codecs, compress)
        sources, notes = _sources(targets, place, ids, graphs, size, nodes, seed)
    depths = _DEEP if is_large else DEPTHS
    runner = Runner(effort, limits, depths)
    for source in sources:
        if not isinstance(source, BuiltIn):
            _try_out(source, runner)
    return Plan(
        sources,
        chosen,
        effort=effort,
        limits=limits,
        depths=depths,
        processes=processes,
        size=size,
        command=f"brinery {shlex.join(sys.argv[1:])}",
        notes=tuple(notes),
    )


def _sources(
    targets: Sequence[str],
    place: str | None,
    ids: tuple[str, ...],
    graphs: str | None,
    size: str,
    nodes: int,
    seed: int,
) -> tuple[list[Source], list[str]]:
    if ids and place is None:
        raise click.UsageError("--id needs --store")
    sources: list[Source] = [Factory(target) for target in targets]
    if place is not None:
        with open_store(place) as store:
            absent = [id_ for id_ in ids if id_ not in store]
            if absent:
                raise click.UsageError(f"the store has no object {absent[0]!r}")
            if not len(store):
                raise click.UsageError(f"the store {place!r} has no objects")
        sources.append(Stored(place, ids))
    if sources and graphs is None:
        return sources, []
    names = list(GRAPHS) if graphs is None else [n.strip() for n in graphs.split(",") if n.strip()]
    unknown = [name for name in names if name not in GRAPHS]
    if unknown:
        raise click.UsageError(f"no graph {unknown[0]!r}: there are {', '.join(GRAPHS)}")
    missing = {n: [m for m in GRAPHS[n].requires if find_spec(m) is None] for n in names}
    notes = [f"{n} is left out: {m[0]} is not installed." for n, m in missing.items() if m]
    if graphs is not None and notes:
        raise click.UsageError(notes[0])
    for name in names:
        if not missing[name]:
            share = GRAPHS[name].share if size == "small" else 1
            sources.append(BuiltIn(name, int(nodes * share), seed))
    return sources, notes


def _nodes(size: str) -> int:
    if size in _SIZES:
        return _SIZES[size]
    try:
        nodes = int(size.replace(",", "").replace("_", ""))
    except ValueError:
        nodes = 0
    if nodes < 1:
        raise click.UsageError(f"--size {size!r}: say small, large, or a number of nodes")
    return nodes


def _try_out(source: Source, runner: Runner) -> None:
    # Once, before all cases: what is wrong with a factory or a store is no matter of codecs.
    found = runner.look_at(source)
    if found["status"] != "ok":
        told = f"{found['error']}"
        if "traceback" in found:
            click.echo(str(found["traceback"]).rstrip(), err=True)
        raise click.UsageError(told)


@contextmanager
def _progress() -> Iterator[Progress]:
    if sys.stderr.isatty():
        with bar() as show:
            yield show
    else:
        yield lambda name, done, total: None


def _print(result: Result) -> None:
    if not sys.stdout.isatty():
        click.echo(str(result))
        return
    for graph in result.graphs:
        rows, reasons = rows_of(result, graph.name)
        if rows:
            click.secho(heading(graph), bold=True)
            print_table(HEADS, rows, NUMBERS)
            click.echo("".join(f"{reason}\n" for reason in reasons))
    for each in result.recommendations:
        click.echo(f"{each.graph}, {each.kind}: {each.reason}")
    for note in result.notes:
        click.echo(note)


def _compare(old_file: str, new_file: str, threshold: float) -> int:
    with _usage():
        old, new = (Result.read(Path(file)) for file in (old_file, new_file))
    for line in differing(old, new):
        click.echo(f"not the same: {line}")
    if not is_steady(old, new):
        click.echo(
            f"Each case was measured in fewer than {STEADY} processes: differences of time below a factor of "
            f"{UNSTEADY:g} count for nothing. Measure with --processes {STEADY}."
        )
    found = [change for change in changes(old, new, threshold) if change.verdict != SAME]
    if not found:
        click.echo(f"Nothing changed by more than a factor of {threshold:g} and the spread.")
        return 0
    rows = [
        (
            change.graph,
            change.case,
            change.what,
            change.old,
            change.new,
            "-" if change.ratio is None else f"{change.ratio:.2f}",
            change.verdict,
        )
        for change in found
    ]
    print_table(
        ("graph", "codec", "what", "old", "new", "ratio", ""), rows, {"old", "new", "ratio"}
    )
    return 1 if any(change.verdict == WORSE for change in found) else 0
