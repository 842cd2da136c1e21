"""``brinery reindex``: the extra columns of a database, filled from the objects."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from brinery.cli.opening import is_database, pairs_of, rename_option, store_argument
from brinery.cli.output import print_lines, progress
from brinery.cli.trusting import open_trusted, trust_option
from brinery.operations.reindex import reindex


@click.command("reindex")
@store_argument
@click.option(
    "--fields",
    required=True,
    metavar="MODULE:NAME",
    help="The extra_fields of the store, a mapping in a module: jobs:FIELDS.",
)
@click.option("--all", "everything", is_flag=True, help="Also fill columns again that are filled.")
@rename_option
@trust_option
def reindex_command(
    place: str,
    fields: str,
    everything: bool,
    renames: tuple[str, ...],
    trusted: tuple[str, ...],
) -> int:
    """Fill the extra columns of the database STORE where they are not filled.

    They are unfilled after a copy or a restore, and where a program without these columns wrote. The
    records stay as they are. The status is 1 if an object cannot be loaded.

    Decoding records of pickle, cloudpickle and dill imports what they name: say with --trust what that may
    be.  Without it, the command lists what they would import, and changes nothing. Modules are also imported
    from the working directory.
    """
    if not is_database(place):
        raise click.BadParameter(
            f"only a database has extra columns: expected its URL, got {place!r}",
            param_hint="STORE",
        )
    # Like `python -m`: finds modules beside a script, whose classes the records name.
    sys.path.insert(0, "")
    options: dict[str, Any] = {"extra_fields": _fields(fields)}
    with (
        open_trusted(place, trusted, use="write", renames=pairs_of(renames), **options) as store,
        progress("filling columns") as show,
    ):
        report = reindex(store, everything=everything, progress=show)
    print_lines(str(report))
    return 0 if report.is_whole else 1


def _fields(text: str) -> Any:
    module, _, name = text.partition(":")
    if not (module and name):
        raise click.BadParameter(f"expected MODULE:NAME, got {text!r}", param_hint="--fields")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise click.BadParameter(str(error), param_hint="--fields") from error
