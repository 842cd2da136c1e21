"""``brinery check``: a dry run over a whole store."""

from __future__ import annotations

import sys

import click

from brinery.cli.opening import open_store, store_argument
from brinery.cli.output import progress


@click.command("check")
@store_argument
@click.option(
    "--rename",
    "renames",
    multiple=True,
    metavar="OLD=NEW",
    help="Find a moved class or module under its new name; may be repeated.",
)
def check_command(place: str, renames: tuple[str, ...]) -> int:
    """Decode every record of STORE and report what would load, be upgraded or fail.

    Decoding runs the code that records name: do this with stores that you trust.  Nothing is changed.
    Modules are looked for in the working directory, too.  The status is 1 if a record would not load.
    """
    # As `python -m` does: what the records of a script's own modules need is found beside it.
    sys.path.insert(0, "")
    with (
        open_store(place, renames=dict(map(_pair, renames))) as store,
        progress("decoding") as show,
    ):
        report = store.check(show)
    click.echo(str(report))
    return 0 if report.is_good else 1


def _pair(rename: str) -> tuple[str, str]:
    old, _, new = rename.partition("=")
    if not (old and new):
        raise click.BadParameter(f"{rename!r}: write OLD=NEW", param_hint="--rename")
    return old, new
