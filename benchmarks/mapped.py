"""Measures mapped arrays beside those of joblib: CPU time and memory, as ratios.

    python -m benchmarks.mapped --megabytes 512 --arrays 16

Each figure is the median over fresh processes, which take turns.  A process imports everything, maps a small
object first, and then maps the large one and touches a page of each array, or sums all of it.  `check` has
brinery's ``verify="all"`` beside a sum by joblib, `lazy` one layer of a net that is loaded lazily.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from brinery import FilesystemStore, Persistable

PEERS = ("joblib", "brinery")
ACTIONS = ("touch", "sum", "check", "lazy")
_REPEATED = 5


class Layer(Persistable):
    """A layer of a net."""

    def __init__(self, weights: Any) -> None:
        self.weights = weights


def saved(place: Path, size: int, count: int) -> None:
    """Save arrays of `size` bytes in all, and small ones, for each of the peers."""
    import joblib

    with FilesystemStore(place / "store") as store:
        for name, part in (("small", 1 << 20), ("large", size // count)):
            arrays = [np.full(part // 8, n + 1.0) for n in range(count)]
            store.save(arrays, name)
            joblib.dump(arrays, place / name)
        store.save([Layer(np.ones(size // count // 8)) for _ in range(count)], "net")


def opener(peer: str, action: str, place: Path) -> Callable[[str], Any]:
    """Return a function that maps a list of arrays."""
    if peer == "joblib":
        import joblib

        return lambda name: joblib.load(place / name, mmap_mode="r")
    store = FilesystemStore(place / "store")

    def load(name: str) -> Any:
        store.invalidate_cache()
        verify = "all" if action == "check" else "payload"
        if action == "lazy" and name == "large":
            return store.load("net", mmap="r", lazy=True)
        return store.load(name, mmap="r", verify=verify)

    return load


def memory(key: str) -> int:
    """Return a line of the state of this process, in bytes."""
    text = Path("/proc/self/status").read_text()
    return int(text.split(key + ":")[1].split()[0]) * 1024


def measured(peer: str, action: str, place: Path) -> dict[str, float]:
    """Map and use the large object; return seconds of the CPU, and the growth in bytes."""
    load = opener(peer, action, place)
    load("small")[0].sum()
    anonymous, resident = memory("RssAnon"), memory("VmRSS")
    times, found = [], None
    for _ in range(_REPEATED):
        del found
        start = time.process_time()
        found = load("large")
        if action == "sum" or (action == "check" and peer == "joblib"):
            total = sum(array.sum() for array in found)
        elif action == "lazy":
            total = getattr(found[-1], "weights", found[-1])[1000]
        else:
            total = sum(array[1000] for array in found)
        times.append(time.process_time() - start)
        assert total
    growth = memory("RssAnon") - anonymous, memory("VmRSS") - resident
    return {"time": min(times), "anonymous": growth[0], "resident": growth[1]}


def in_a_process(*arguments: str) -> dict[str, float]:
    """Return what `measured` finds in a fresh process."""
    program = (
        "import json, pathlib, sys; from benchmarks import mapped; "
        "print(json.dumps(mapped.measured(*sys.argv[1:3], pathlib.Path(sys.argv[3]))))"
    )
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--arrays", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        saved(Path(place), given.megabytes << 20, given.arrays)
        print(f"{given.megabytes} MB in {given.arrays} arrays; CPU time, beside joblib's")
        for action in ACTIONS:
            found: dict[str, list[dict[str, float]]] = {peer: [] for peer in PEERS}
            for _ in range(given.rounds):
                for peer in PEERS:
                    found[peer].append(in_a_process(peer, action, place))
            middle = {
                peer: {key: median(each[key] for each in some) for key in some[0]}
                for peer, some in found.items()
            }
            theirs, ours = (middle[peer] for peer in PEERS)
            print(
                f"{action:6} {ours['time'] / theirs['time']:6.2f} x"
                f" ({theirs['time'] * 1000:.2f} ms joblib);"
                f" anonymous memory {ours['anonymous'] / (given.megabytes << 20):+.2%} of the arrays"
                f" (joblib {theirs['anonymous'] / (given.megabytes << 20):+.2%}),"
                f" resident {ours['resident'] / (given.megabytes << 20):+.1%}"
                f" (joblib {theirs['resident'] / (given.megabytes << 20):+.1%})"
            )


if __name__ == "__main__":
    from benchmarks.mapped import main as run  # so that classes have the name of this module

    run()
