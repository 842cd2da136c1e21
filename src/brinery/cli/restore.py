"""``brinery restore``: a store from its backup."""

from __future__ import annotations

import click

from brinery.cli.opening import open_store
from brinery.cli.output import printable, progress
from brinery.operations.restore import restore


@click.command("restore")
@click.argument("source", metavar="BACKUP")
@click.argument("target", metavar="STORE")
@click.option("--overwrite", is_flag=True, help="Replace records of STORE under the same IDs.")
def restore_command(source: str, target: str, overwrite: bool) -> int:
    """Restore BACKUP to STORE, an empty place, which is made if it does not exist.

    Every byte of BACKUP is checked before anything is written; also the seals, if the environment has
    the key. All records are written at once.
    """
    with (
        open_store(source, is_for_bytes=True) as backup,
        open_store(target, use="make", is_for_bytes=True) as store,
        progress("restoring") as show,
    ):
        report = restore(backup, store, overwrite=overwrite, progress=show)
    click.echo(printable(str(report)))
    return 0
