"""The output of commands: tables for people and for pipes, and progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

import click


def print_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[str] = ()
) -> None:
    """Print a table: drawn in a terminal, in plain aligned columns elsewhere.

    `numbers` are the heads of the columns that are aligned to the right.  Outside a terminal nothing is
    cut off, whatever the width.
    """
    # The terminal would obey control characters in IDs or names of classes.
    shown = [[printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_drawn(heads, shown, numbers)
    else:
        _print_plain(heads, shown, numbers)


def print_lines(text: str, *, err: bool = False) -> None:
    """Print a text line by line, with all other control characters escaped."""
    click.echo("\n".join(map(printable, text.split("\n"))), err=err)


def printable(text: str) -> str:
    """Return a text with its control characters escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _print_drawn(
    heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[str]
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, justify="right" if head in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


def _print_plain(
    heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[str]
) -> None:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        cells = (
            cell.rjust(width) if head in numbers else cell.ljust(width)
            for head, cell, width in zip(heads, row, widths, strict=True)
        )
        click.echo("  ".join(cells).rstrip())


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on standard error; give a function to call with the counts done and in all.

    Outside a terminal, nothing is shown.  The bar disappears when the work is done.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
