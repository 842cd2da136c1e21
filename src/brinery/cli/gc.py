"""``brinery gc``: records that no root reaches."""

from __future__ import annotations

from typing import IO

import click

from brinery.backends.opening import opened
from brinery.cli.opening import check_place, store_argument
from brinery.cli.output import printable, progress
from brinery.operations.collect import collect


@click.command("gc")
@store_argument
@click.option(
    "--root",
    "roots",
    multiple=True,
    metavar="ID",
    help="Keep this and all that it reaches; may be repeated.",
)
@click.option(
    "--roots-from",
    "file",
    type=click.File(encoding="utf-8"),
    help="A file with one ID a line; - is standard input.",
)
@click.option("--delete", is_flag=True, help="Remove the records; otherwise they are only listed.")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    default=3600,
    show_default=True,
    metavar="SECONDS",
    help="Keep records that were written since.",
)
def gc_command(
    place: str, roots: tuple[str, ...], file: IO[str] | None, delete: bool, older_than: float
) -> int:
    """List the records of STORE that no root reaches, or remove them with --delete.

    Nothing is decoded or imported.  Other processes may save during the run.
    """
    check_place(place)
    wanted = [*roots, *(line.rstrip("\r\n") for line in file or () if line.strip())]
    if not wanted:
        raise click.UsageError("name the objects to keep, with --root ID or --roots-from FILE")
    with opened(place, "rw" if delete else "r") as backend, progress("reading") as show:
        report = collect(backend, wanted, dry_run=not delete, older_than=older_than, progress=show)
    for id_ in report.garbage:
        click.echo(printable(id_))
    click.echo(f"{report} ({report.size:,} bytes)", err=True)
    return 0
