"""The speed of `fsck` and `gc` in a directory: `python -m benchmarks.integrity`.

A container of small persistable objects, a record each, on a file system.  In turn: reading the same files
bare, reading and digesting them, `fsck`, and a dry run of `gc`.  The figures are wall times with the files in
the page cache, so that they show the work of brinery and not of a disk.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

from benchmarks.files import read_files
from benchmarks.machine import machine, versions
from benchmarks.measure import timed
from benchmarks.objects import tasks
from brinery import FilesystemStore, fsck

RESULT = Path(__file__).parent / "results" / "integrity.json"
GOAL = 50_000
"""Records that `fsck` is to check in a minute."""


def measured(directory: str, count: int, rounds: int) -> dict[str, Any]:
    """Return the seconds of each round for each action; check that each action did its work."""
    with FilesystemStore(directory, durability="process") as store:
        root = store.save(tasks(count))
        names = list(store.list())
        assert len(names) == count + 2

        def check() -> None:
            assert fsck(store).counts == {"ok": len(names)}

        def collect() -> None:
            assert store.gc([root], older_than=0).records == len(names)

        def digest() -> None:
            for name in names:
                blake2b(Path(directory, name).read_bytes(), digest_size=16).digest()

        actions: dict[str, Callable[[], Any]] = {
            "read": lambda: read_files(directory, names),
            "read and digest": digest,
            "fsck": check,
            "gc, dry run": collect,
        }
        times: dict[str, list[float]] = {action: [] for action in actions}
        for _ in range(rounds):
            for action, run in actions.items():
                times[action].append(timed(run)[1]["wall"])
    return {"records": len(names), "seconds": times}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--output", type=Path, default=RESULT)
    given = parser.parse_args()
    options = ["--records", str(given.records), "--rounds", str(given.rounds)]
    where = machine(given.scratch)
    with tempfile.TemporaryDirectory(prefix="brinery-bench-", dir=given.scratch) as directory:
        found = measured(directory, given.records, given.rounds)
    medians = {action: statistics.median(each) for action, each in found["seconds"].items()}
    per_minute = {action: round(60 * found["records"] / each) for action, each in medians.items()}
    for action, rate in per_minute.items():
        ratio = medians[action] / medians["read"]
        print(f"{action:16} {rate:>12,} records a minute, {ratio:.1f} times the bare reading")
    document = {
        "command": shlex.join(["python", "-m", "benchmarks.integrity", *options]),
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": where,
        "versions": versions(),
        "goal": {"fsck": GOAL, "reached": per_minute["fsck"] >= GOAL},
        "records a minute": per_minute,
        **found,
    }
    given.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
