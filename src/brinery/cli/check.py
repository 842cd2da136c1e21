"""``brinery check``: a dry run over a whole store."""

from __future__ import annotations

import sys

import click

from brinery.cli.opening import open_store, pairs_of, rename_option, store_argument
from brinery.cli.output import print_lines, progress


@click.command("check")
@store_argument
@rename_option
def check_command(place: str, renames: tuple[str, ...]) -> int:
    """Decode every record of STORE and report what would load, be upgraded or fail.

    Decoding runs the code that records name: do this with stores that you trust.  Nothing is changed.
    Modules are looked for in the working directory, too.  The status is 1 if a record would not load.
    """
    # As `python -m` does: what the records of a script's own modules need is found beside it.
    sys.path.insert(0, "")
    with (
        open_store(place, renames=pairs_of(renames)) as store,
        progress("decoding") as show,
    ):
        report = store.check(show)
    print_lines(str(report))
    return 0 if report.is_good else 1
