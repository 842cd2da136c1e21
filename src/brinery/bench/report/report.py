"""A result as people read it: a table, a spreadsheet, a page."""

from __future__ import annotations

from pathlib import Path

from brinery.bench.report.page import render
from brinery.bench.report.table import csv_text, html, markdown, text
from brinery.bench.result import Result
from brinery.bench.writing import write_atomically


class Report(Result):
    """A `Result` that renders itself: `str` gives tables of text, and a notebook shows it as tables."""

    __slots__ = ()

    def to_csv(self, path: str | Path) -> None:
        """Write one line per case to a file, for a spreadsheet."""
        write_atomically(path, csv_text(self))

    def to_html(self, path: str | Path) -> None:
        """Write the result to a file as a page that needs no network."""
        write_atomically(path, render(self.to_dict()))

    def to_markdown(self, path: str | Path) -> None:
        """Write the tables to a file as Markdown, for an issue or a page."""
        write_atomically(path, markdown(self))

    def __str__(self) -> str:
        return text(self)

    def _repr_html_(self) -> str:
        return html(self)
