"""The file of counts that a long torture leaves in `benchmarks/results`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from brinery.bench.machine import machine, versions

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


def keep_counts(
    letter: str, torture: str, command: str, seconds: float, parts: Sequence[Mapping[str, Any]]
) -> None:
    """Write the counts of all parts: each has a `name`, `cases` and a list of `violations`."""
    document = {
        "torture": torture,
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(),
        "versions": versions(),
        "seconds": round(seconds, 1),
        "cases": sum(part["cases"] for part in parts),
        "violations": sum(len(part["violations"]) for part in parts),
        "parts": [dict(part) for part in parts],
    }
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    (RESULTS / f"torture-{letter}.json").write_text(text, encoding="utf-8")
