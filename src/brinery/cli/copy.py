"""``brinery copy``: records from one store to another."""

from __future__ import annotations

import click

from brinery.cli.opening import open_store
from brinery.cli.output import print_lines, progress
from brinery.errors import DanglingReferenceError, RecordError
from brinery.operations.copy import copy


@click.command("copy")
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option(
    "--id", "ids", multiple=True, help="Only this object and all that it reaches; may be repeated."
)
@click.option("--overwrite", is_flag=True, help="Replace other records of DST under the same IDs.")
@click.option("--skip-existing", is_flag=True, help="Leave other records of DST as they are.")
@click.option("--keep-going", is_flag=True, help="Leave out records that are damaged or missing.")
def copy_command(
    source: str,
    target: str,
    ids: tuple[str, ...],
    overwrite: bool,
    skip_existing: bool,
    keep_going: bool,
) -> int:
    """Copy the records of the store SRC to the store DST, which is made if it does not exist.

    Records are copied as bytes, checked by their digests. IDs stay; nothing is decoded or imported. Records
    that DST already has are skipped, so repeating a copy that was stopped continues it. Another record under
    the same ID is an error, before anything is written. The status is 1 if --keep-going left records out.
    """
    if overwrite and skip_existing:
        raise click.UsageError("give either --overwrite or --skip-existing, not both")
    with (
        open_store(source, is_for_bytes=True) as old,
        open_store(target, use="make", is_for_bytes=True) as new,
        progress("copying") as show,
    ):
        try:
            report = copy(
                old,
                new,
                ids or None,
                overwrite=overwrite,
                skip_existing=skip_existing,
                keep_going=keep_going,
                progress=show,
            )
        except (RecordError, DanglingReferenceError) as error:
            error.args = (f"{error}. To copy all other records, use --keep-going", *error.args[1:])
            raise
    print_lines(str(report))
    return 0 if report.is_whole else 1
