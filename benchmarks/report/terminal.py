"""The results on the terminal: by rich on a real terminal, else as plain text."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.document import Document
from benchmarks.report.contenders import overview
from benchmarks.report.numbers import plain_table
from benchmarks.report.tables import headings, rows, summary


def show(document: Document) -> None:
    """Print the tables of a document."""
    print(f"== {document['group']}")
    for titles, table in overview(document) or [(headings(document), rows(document))]:
        if sys.stdout.isatty():
            _show_rich(titles, table)
        else:
            print(plain_table([titles, *table]))
    print(summary(document))


def _show_rich(titles: Sequence[str], table: Sequence[Sequence[str]]) -> None:
    shown = Table(*titles)
    for row in table:
        style = "bold red" if "NO" in row else "green" if "yes" in row else None
        shown.add_row(*row, style=style)
    Console().print(shown)
