"""The command ``brinery``.

A *command* is a module with a click command of the same name, imported when it is called: ``brinery --help``
loads none of them.  *STORE* is the argument that names a store (`opening`).  The *results* of a command go to
standard output, *progress* and errors to standard error (`output`).  The *exit status* is 0 for success, 1
for a failure or a finding, 2 for wrong usage, 130 after Ctrl-C.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from brinery import __version__
from brinery.errors import BrineryError, InvalidArgumentError

# Name and line of help, here so that the list of commands imports none of them.
_COMMANDS: Final = {
    "backup": "Back up a store while it is in use.",
    "bench": "Measure which codec suits which objects.",
    "check": "Try to decode every record; report what would fail.",
    "copy": "Copy records from one store to another.",
    "fsck": "Check every byte and every reference; repair.",
    "gc": "List or remove records that no root reaches.",
    "info": "Show the metadata of a record.",
    "list": "List the IDs of a store.",
    "recode": "Rewrite a store with another codec, in place.",
    "reindex": "Fill the extra columns of a database.",
    "restore": "Restore a backup, checked first.",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"brinery.cli.{cmd_name}")
        command = getattr(module, f"{cmd_name}_command")
        if not isinstance(command, click.Command):
            raise TypeError(f"{cmd_name}_command: expected a click command, got {command!r:.60}")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([*_COMMANDS.items()])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="brinery")
def brinery() -> None:
    """Look into stores of Python object graphs.

    A STORE is a directory or a URL, as make_store takes it: jobs, file:///srv/jobs.
    """


def _print(error: str) -> None:
    from brinery.cli.output import print_lines

    print_lines(error, err=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    try:
        # Not by click's own main, whose status is 1 after Ctrl-C and for a closed pipe.
        # (Do not call `list` here: once it is imported, that is the module of the command.)
        given = [*(sys.argv[1:] if arguments is None else arguments)]
        with brinery.make_context("brinery", given) as context:
            found = brinery.invoke(context)
        sys.stdout.flush()
        return found if isinstance(found, int) else 0
    except click.exceptions.Exit as end:  # of --help and --version
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except InvalidArgumentError as error:
        _print(f"Error: {error}")
        return 2
    except BrineryError as error:
        _print(f"error: {error}")
        return 1
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        # The reader of the output has gone (brinery list jobs | head): flush nothing there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
