"""Where the counts of the long versions are kept, each with its command, date, machine and versions."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.torture import page

from brinery.bench.run.machine import machine, versions

DIRECTORY = Path(os.environ.get("BRINERY_TORTURE_RESULTS", page.RESULTS))

Entries = Mapping[str, Mapping[str, Any]]


@contextmanager
def kept(
    name: str, command: str | None = None, **options: Any
) -> Iterator[Callable[[str, Entries], None]]:
    """Give a function that collects figures under a title; they are written at the end, also into the page.

    Each entry has `cases` and `violations`, which are summed up.  `options` are kept, too.
    """
    begun = time.monotonic()
    collected: dict[str, Entries] = {}
    yield collected.__setitem__
    write(name, collected, time.monotonic() - begun, command=command, **options)


def write(
    name: str,
    collected: Mapping[str, Entries],
    seconds: float,
    *,
    command: str | None = None,
    directory: Path = DIRECTORY,
    **options: Any,
) -> dict[str, Any]:
    """Write the results of a torture, and the page; return the document."""
    entries = [entry for title in collected.values() for entry in title.values()]
    document = {
        "torture": name,
        "command": command or f"python -m pytest -m torture tests/torture/test_{name}.py",
        **options,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(),
        "versions": versions(),
        "seconds": round(seconds, 1),
        "cases": sum(entry["cases"] for entry in entries),
        "violations": sum(len(entry["violations"]) for entry in entries),
        **collected,
    }
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"torture-{name}.json").write_text(text, encoding="utf-8")
    if directory == page.RESULTS:
        page.write()
    return document
