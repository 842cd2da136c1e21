"""``brinery fsck``: the bytes and references of a whole store, and its quarantine."""

from __future__ import annotations

import click

from brinery.backends.opening import opened
from brinery.catalog.quarantine import Quarantine
from brinery.cli.opening import check_place, store_argument
from brinery.cli.output import print_lines, print_table, printable, progress
from brinery.operations.fsck import fsck
from brinery.trust.policy import Trust


@click.command("fsck")
@store_argument
@click.option("--repair", is_flag=True, help="Move damaged records to the quarantine.")
@click.option(
    "--root",
    "roots",
    multiple=True,
    metavar="ID",
    help="Report records that no root reaches; may be repeated.",
)
@click.option("--strays", "shows_strays", is_flag=True, help="List other files, too.")
@click.option("--quarantine", "is_listing", is_flag=True, help="Only list the quarantine.")
@click.option("--put-back", "key", metavar="KEY", help="Give a record in quarantine its name back.")
@click.option("--as", "id_", metavar="ID", help="With --put-back: give it the name of this ID.")
def fsck_command(
    place: str,
    repair: bool,
    roots: tuple[str, ...],
    shows_strays: bool,
    is_listing: bool,
    key: str | None,
    id_: str | None,
) -> int:
    """Check every byte and every reference of STORE.  Nothing is decoded or imported.

    With the key of the store in the environment, its seals are checked as well.

    The status is 1 if there are problems.  Only --repair changes anything, and it deletes nothing.
    """
    if sum((repair or bool(roots) or shows_strays, is_listing, key is not None)) > 1:
        raise click.UsageError("give --quarantine or --put-back without other options")
    if id_ is not None and key is None:
        raise click.UsageError("--as needs --put-back")
    check_place(place)
    if is_listing:
        _list_quarantine(place)
    elif key is not None:
        with opened(place) as backend:
            click.echo(printable(Quarantine(backend).put_back(key, id_)))
    else:
        return _examine(place, repair, roots, shows_strays)
    return 0


def _examine(place: str, repair: bool, roots: tuple[str, ...], shows_strays: bool) -> int:
    with progress("checking") as show:
        report = fsck(place, repair, show, roots=roots or None, trust=Trust.from_environment())
    print_lines(str(report))
    if shows_strays:
        for stray in report.strays:
            click.echo(printable(f"{stray}: stray: not a record"))
    return 0 if report.is_clean else 1


def _list_quarantine(place: str) -> None:
    with opened(place, "r") as backend:
        entries = Quarantine(backend).entries()
    rows = [
        (each.key, each.name, each.status, str(each.size), f"{each.moved:%Y-%m-%d %H:%M:%S}")
        for each in entries
    ]
    print_table(("key", "name", "status", "bytes", "moved (UTC)"), rows, {"bytes"})
