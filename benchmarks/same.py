"""A codec against itself: how often `brinery bench` sees a difference where there is none.

``python -m benchmarks.same`` writes `benchmarks/results/same.json`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from brinery.bench.graphs import GRAPHS
from brinery.bench.intervals import is_faster, is_slower, is_unstable, ratio
from brinery.bench.run.child import Effort
from brinery.bench.run.choice import choices
from brinery.bench.run.machine import machine, versions
from brinery.bench.run.plan import Plan, run
from brinery.bench.run.source import BuiltIn

RESULT = Path(__file__).parent / "results" / "same.json"
_EFFORT = Effort(0.03)


def compared(comparisons: int, nodes: int) -> dict[str, int]:
    """Return how many comparisons of pickle with itself had which outcome."""
    (one,) = choices("pickle", None)
    pair = [one, replace(one, title="the same")]
    counts = {"no difference": 0, "a difference": 0, "unstable": 0}
    names = [name for name in GRAPHS if name not in ("closures", "imports")]
    for number in range(comparisons):
        source = BuiltIn(names[number % len(names)], nodes, 1 + number)
        first, second = run(Plan([source], pair, _EFFORT))
        found = ratio(first.both_rounds, second.both_rounds)
        counts["a difference" if is_slower(found) or is_faster(found) else "no difference"] += 1
        counts["unstable"] += is_unstable(found)
    return counts


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, default=100)
    parser.add_argument("--nodes", type=int, default=10_000)
    options = parser.parse_args()
    found: dict[str, Any] = {
        "command": f"python -m benchmarks.same --comparisons {options.comparisons}",
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": machine(),
        "versions": versions(),
        "outcomes": compared(options.comparisons, options.nodes),
    }
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(found["outcomes"])


if __name__ == "__main__":
    main()
