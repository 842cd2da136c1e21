"""``brinery bench`` measures which codec suits which objects."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from brinery.bench.graphs import GRAPHS, SMALL
from brinery.bench.report.comparison import (
    SAME,
    STEADY,
    UNSTEADY,
    WORSE,
    changes,
    differing,
    is_steady,
)
from brinery.bench.report.doubts import load_warning
from brinery.bench.report.report import Report
from brinery.bench.report.table import HEADS, NUMBERS, heading, rows_of
from brinery.bench.run.bar import bar
from brinery.bench.run.child import Effort
from brinery.bench.run.choice import choices
from brinery.bench.run.fidelity import DEPTHS
from brinery.bench.run.machine import machine
from brinery.bench.run.plan import Plan, Progress, run
from brinery.bench.run.runner import Limits, Runner
from brinery.bench.run.source import BuiltIn, Source
from brinery.bench.writing import check_writable
from brinery.cli.bench_sources import SourceOptions, sources_of
from brinery.cli.output import print_table
from brinery.cli.trusting import trust_option
from brinery.errors import BrineryError

_LONG: Final = 10
"""Seconds from which on a run is announced."""
_DEEP: Final = (*DEPTHS, 100_000)


@click.command("bench")
@click.argument("targets", nargs=-1, metavar="[MODULE:FUNCTION]...")
@click.option("--store", "place", metavar="STORE", help="Measure objects of this store.")
@click.option("--id", "ids", multiple=True, help="Only this object of the store; may be repeated.")
@trust_option
@click.option("--graphs", metavar="NAMES", help=f"Built-in graphs: {', '.join(GRAPHS)}.")
@click.option("--size", default="small", help="small, large, or a number of nodes.")
@click.option("--seed", default=1, show_default=True, help="Seed of the built-in graphs.")
@click.option(
    "--codecs", metavar="NAMES", help="Such as pickle:2,dill,auto. Default: all installed."
)
@click.option("--compress", metavar="NAMES", help="Such as none,lz4,zstd:3. Default: none.")
@click.option(
    "--to",
    multiple=True,
    metavar="STORE",
    help="Save to a new store there, and load from it: DIR, sqlite:///FILE, postgresql://…; may be repeated.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    help="How often each case is measured, in a process of its own. Default: 5.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    help="Repeat each measurement for so long in each round.",
)
@click.option("--quick", is_flag=True, help="3 short rounds: a first impression.")
@click.option("--timeout", type=click.FloatRange(min=0.001), help="Seconds for one case.")
@click.option("--memory", type=click.IntRange(min=1), metavar="MB", help="For one case.")
@click.option("--json", "json_file", type=click.Path(), help="Write the result to FILE.")
@click.option("--csv", "csv_file", type=click.Path(), help="Write a line per case to FILE.")
@click.option("--html", "html_file", type=click.Path(), help="Write a page with charts to FILE.")
@click.option(
    "--markdown", "markdown_file", type=click.Path(), help="Write tables for an issue to FILE."
)
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
    compared: tuple[str, str] | None,
    threshold: float,
    json_file: str | None,
    csv_file: str | None,
    html_file: str | None,
    markdown_file: str | None,
    **options: Any,
) -> int:
    """Measure which codec suits which objects: time, size, memory, and what comes back.

    MODULE:FUNCTION, or path/to/file.py:function, names a function without arguments that returns the
    object to measure. Without one, and without --store, the built-in graphs are measured, in rounds:
    each measures every case once, in a process of its own. After Ctrl-C the rounds that have ended are
    still shown and written.

    Objects of a store are decoded: say with --trust what its records may import. Without it, the command
    lists what they would import, and decodes nothing.

    With --compare the status is 1 if a case became worse by more than the threshold.
    """
    if compared:
        return _compare(*compared, threshold)
    _check_files((json_file, csv_file, html_file, markdown_file))
    sys.path.insert(0, "")
    # When a batch system ends the run, show and write what there is, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    chosen = SourceOptions(**{name: options.pop(name) for name in SourceOptions._fields})
    plan = _plan(chosen, options)
    if warning := load_warning(machine()):
        click.echo(f"warning: {warning}", err=True)
    with _progress(len(plan.choices)) as progress:
        result = run(plan, progress)
    # Before anything is printed: the reader of the output may have gone.
    writers = {
        json_file: result.to_json,
        csv_file: result.to_csv,
        html_file: result.to_html,
        markdown_file: result.to_markdown,
    }
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


def _check_files(files: Sequence[str | None]) -> None:
    named = [file for file in files if file is not None]
    if len({os.path.abspath(file) for file in named}) < len(named):
        raise click.UsageError("two results cannot be written to one file: name different files")
    for file in named:
        with _usage():
            check_writable(file)


def _plan(options: SourceOptions, effort: Mapping[str, Any]) -> Plan:
    is_large = options.nodes > 10 * SMALL
    seconds, timeout, memory = (effort[name] for name in ("seconds", "timeout", "memory"))
    limits = Limits(
        timeout or (1800.0 if is_large else 60.0), None if memory is None else memory * 10**6
    )
    quick = effort["quick"]
    repeated = Effort(
        seconds if seconds is not None else 0.0 if quick or is_large else 0.03,
        rounds=effort["rounds"] or (3 if quick else 5),
    )
    with _usage():
        chosen = choices(effort["codecs"], effort["compress"], effort["to"])
        sources, notes = sources_of(options)
    depths = _DEEP if is_large else DEPTHS
    runner = Runner(repeated, limits, depths)
    for source in sources:
        if not isinstance(source, BuiltIn):
            _try_out(source, runner)
    return Plan(
        sources,
        chosen,
        effort=repeated,
        limits=limits,
        depths=depths,
        size=options.size,
        command=f"brinery {shlex.join(sys.argv[1:])}",
        notes=tuple(notes),
    )


def _try_out(source: Source, runner: Runner) -> None:
    # Once, before all cases: a faulty function or store has nothing to do with codecs.
    found = runner.look_at(source)
    if found["status"] != "ok":
        if "traceback" in found:
            click.echo(str(found["traceback"]).rstrip(), err=True)
        raise click.UsageError(str(found["error"]))


@contextmanager
def _progress(choices: int) -> Iterator[Progress]:
    """Show a bar; where that cannot be, say after the first round how long the run will take."""
    if sys.stderr.isatty():
        with bar() as show:
            yield show
        return
    start = time.monotonic()

    def note(name: str, done: int, total: int) -> None:
        left = (time.monotonic() - start) / max(done, 1) * (total - done)
        if done == choices and left > _LONG:
            click.echo(f"{total} measurements, about {left:.0f} s more", err=True)

    yield note


def _print(result: Report) -> None:
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
        click.echo(f"{each.kind} for {each.graph}: {each.reason}")
    for note in result.notes:
        click.echo(note)


def _compare(old_file: str, new_file: str, threshold: float) -> int:
    with _usage():
        old, new = (Report.read(Path(file)) for file in (old_file, new_file))
    for line in differing(old, new):
        click.echo(f"not the same: {line}")
    if not is_steady(old, new):
        click.echo(
            f"Each case was measured in fewer than {STEADY} rounds: differences of time below a factor of "
            f"{UNSTEADY:g} are ignored. Measure with --rounds {STEADY}."
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
