"""``brinery recode``: a whole store with another codec, in place."""

from __future__ import annotations

import sys
from typing import Any

import click

from brinery.cli.opening import open_store, pairs_of, rename_option, store_argument
from brinery.cli.output import print_lines, progress
from brinery.operations.recode import recode


@click.command("recode")
@store_argument
@click.option("--codec", metavar="NAMES", help="As dill, pickle,dill, or auto.")
@click.option("--protocol", type=int, help="Of the codec.")
@click.option("--compress", metavar="NAME", help="As zstd, zstd:3, or none.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and write nothing.")
@rename_option
def recode_command(
    place: str,
    codec: str | None,
    protocol: int | None,
    compress: str | None,
    dry_run: bool,
    renames: tuple[str, ...],
) -> int:
    """Rewrite the records of STORE in place; what is not said stays as the store remembers it.

    Each new record is decoded and compared with the old one before it is written. Records that are as
    they should be are skipped, so a run that was stopped is repeated to go on. What cannot be rewritten
    is left and reported, and the status is 1 then.

    Decoding runs the code that records name: do this with stores that you trust. Modules are looked for
    in the working directory, too.
    """
    # As `python -m` does: what the records of a script's own modules need is found beside it.
    sys.path.insert(0, "")
    given = {"codec": codec, "protocol": protocol, "compress": compress}
    options: dict[str, Any] = {name: it for name, it in given.items() if it is not None}
    with (
        open_store(place, renames=pairs_of(renames), **options) as store,
        progress("recoding") as show,
    ):
        report = recode(store, dry_run=dry_run, progress=show)
    print_lines(str(report))
    return 0 if report.is_whole else 1
