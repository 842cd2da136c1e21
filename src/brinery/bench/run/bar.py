"""A progress bar that names the case that is running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from brinery.bench.run.plan import Progress


@contextmanager
def bar() -> Iterator[Progress]:
    """Show a bar on standard error during a run; give the function that the run calls."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda name, done, total: progress.update(
            task, description=name, completed=done, total=total
        )
