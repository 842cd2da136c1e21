"""``brinery backup``: the present state of a store, kept elsewhere."""

from __future__ import annotations

import click

from brinery.cli.opening import open_store, store_argument
from brinery.cli.output import printable, progress


@click.command("backup")
@store_argument
@click.argument("target", metavar="TARGET")
@click.option(
    "--prune", is_flag=True, help="Remove from TARGET the records that STORE no longer has."
)
def backup_command(place: str, target: str, prune: bool) -> int:
    """Back up STORE to TARGET, which is made if it does not exist.

    The backup is the state of one moment, also while other processes save. Only records that have changed
    since the last backup to TARGET are copied. A backup that is killed leaves the last one as it was, and
    the next backup continues it.
    """
    with (
        # Of a directory that others write to all the time, only its lock gives the state of one moment.
        open_store(place, use="write", is_for_bytes=True) as store,
        open_store(target, use="make", is_for_bytes=True) as backup,
        progress("backing up") as show,
    ):
        report = store.backup(backup, prune=prune, progress=show)
    click.echo(printable(str(report)))
    return 0
