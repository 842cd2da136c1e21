"""Where the counts of the long versions are kept."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from brinery.bench.machine import machine, versions

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


@contextmanager
def kept(
    name: str, **options: Any
) -> Iterator[Callable[[str, Mapping[str, Mapping[str, Any]]], None]]:
    """Give what collects figures under a title; they are written at the end.

    Each entry has `cases` and `violations`, which are summed up.  `options` are kept, too.
    """
    begun = time.monotonic()
    collected: dict[str, Mapping[str, Mapping[str, Any]]] = {}
    yield collected.__setitem__
    entries = [entry for title in collected.values() for entry in title.values()]
    document = {
        "torture": name,
        "command": f"python -m pytest -m torture tests/torture/test_{name}.py",
        **options,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(),
        "versions": versions(),
        "seconds": round(time.monotonic() - begun, 1),
        "cases": sum(entry["cases"] for entry in entries),
        "violations": sum(len(entry["violations"]) for entry in entries),
        **collected,
    }
    directory = Path(os.environ.get("BRINERY_TORTURE_RESULTS", RESULTS))
    text = json.dumps(document, indent=1) + "\n"
    (directory / f"torture-{name}.json").write_text(text, encoding="utf-8")
