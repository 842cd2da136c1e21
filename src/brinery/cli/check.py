"""``brinery check``: a dry run over a whole store."""

from __future__ import annotations

import sys

import click

from brinery.cli.opening import pairs_of, rename_option, store_argument
from brinery.cli.output import print_lines, progress
from brinery.cli.trusting import open_trusted, trust_option


@click.command("check")
@store_argument
@rename_option
@trust_option
def check_command(place: str, renames: tuple[str, ...], trusted: tuple[str, ...]) -> int:
    """Decode every record of STORE and report what would load, be upgraded or fail.

    Decoding records of pickle, cloudpickle and dill imports what they name: say with --trust what that may
    be.  Without it, the command lists what they would import, and decodes nothing.  Nothing is changed.
    Modules are also imported from the working directory.  The status is 1 if a record would not load.
    """
    # Like `python -m`: finds modules beside a script, whose classes the records name.
    sys.path.insert(0, "")
    with (
        open_trusted(place, trusted, renames=pairs_of(renames)) as store,
        progress("decoding") as show,
    ):
        report = store.check(show)
    print_lines(str(report))
    return 0 if report.is_good else 1
