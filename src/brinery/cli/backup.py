"""``brinery backup``: what a store holds now, kept elsewhere."""

from __future__ import annotations

import click

from brinery.cli.opening import open_store, store_argument
from brinery.cli.output import printable, progress


@click.command("backup")
@store_argument
@click.argument("target", metavar="TARGET")
@click.option("--prune", is_flag=True, help="Remove from TARGET what STORE has no longer.")
def backup_command(place: str, target: str, prune: bool) -> int:
    """Back up STORE to TARGET, which is made if it is not there.

    It is the state of one moment, also while others save. Only what has changed since the last backup to
    TARGET is copied. A backup that is killed leaves the last one as it was; the next goes on.
    """
    with (
        open_store(place, is_for_bytes=True) as store,
        open_store(target, is_for_bytes=True, is_new=True) as backup,
        progress("backing up") as show,
    ):
        report = store.backup(backup, prune=prune, progress=show)
    click.echo(printable(str(report)))
    return 0
