"""``brinery recode``: a whole store with another codec, in place."""

from __future__ import annotations

import sys
from typing import Any

import click

from brinery.cli.opening import pairs_of, rename_option, store_argument
from brinery.cli.output import print_lines, progress
from brinery.cli.trusting import open_trusted, trust_option
from brinery.operations.recode import recode


@click.command("recode")
@store_argument
@click.option("--codec", metavar="NAMES", help="Such as dill, pickle,dill or auto.")
@click.option("--protocol", type=int, help="Protocol of the codec.")
@click.option("--compress", metavar="NAME", help="Such as zstd, zstd:3 or none.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and write nothing.")
@rename_option
@trust_option
def recode_command(
    place: str,
    codec: str | None,
    protocol: int | None,
    compress: str | None,
    dry_run: bool,
    **others: tuple[str, ...],
) -> int:
    """Rewrite the records of STORE in place; options that are not given stay as the store remembers them.

    Each new record is decoded and compared with the old one before it is written. Records that already
    have the wanted form are skipped, so repeating a run that was stopped continues it. Records that cannot
    be rewritten are left as they are and reported; the status is then 1.

    Decoding records of pickle, cloudpickle and dill imports what they name: say with --trust what that may
    be.  Without it, the command lists what they would import, and changes nothing. Modules are also imported
    from the working directory.
    """
    # Like `python -m`: finds modules beside a script, whose classes the records name.
    sys.path.insert(0, "")
    given = {"codec": codec, "protocol": protocol, "compress": compress}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    with (
        open_trusted(
            place,
            others["trusted"],
            use="read" if dry_run else "write",
            renames=pairs_of(others["renames"]),
            **options,
        ) as store,
        progress("recoding") as show,
    ):
        report = recode(store, dry_run=dry_run, progress=show)
    print_lines(str(report))
    return 0 if report.is_whole else 1
