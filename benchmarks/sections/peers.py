"""brinery and its peers side by side: every contender through the same operations.

In each round each contender gets an empty directory and goes through all operations in it, each in a
fresh process; the order of the contenders alternates.  Before that, proofs try what each keeps.  A
contender that fails is out of the race, with the reason, and makes the run fail; one that is not
installed is not measured.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.bench import Bench, Phase, PhaseError
from benchmarks.files import size
from benchmarks.peers import operations
from benchmarks.peers.contenders import CONTENDERS, baseline, class_of, versions
from benchmarks.peers.jobs import ALONE, CYCLES
from benchmarks.peers.proofs import KEPT, proofs

Entry = dict[str, Any]
"""The results of one contender, as they are in the document."""


class Singles(NamedTuple):
    """The number of operations on single jobs, and of the jobs among which they are measured."""

    among: int
    loads: int
    saves: int
    changes: int
    """Also the number of deletions."""


def entries(
    bench: Bench,
    names: Sequence[str] = tuple(CONTENDERS),
    place_of: Callable[[str], str] = lambda name: "",
    singles: Singles | None = None,
) -> list[Entry]:
    """Prove and measure; return one entry for each contender.

    `place_of` returns for a name the place of brinery's baseline; see `baseline`.  `singles`
    defaults to `some` of each, among the jobs that are saved and loaded together.
    """
    some = bench.sizes.some
    singles = singles or Singles(bench.sizes.jobs, some, some, some)
    found = {name: _described(name, place_of(name)) for name in names}
    running = [entry for entry in found.values() if not entry["missing"]]
    with ThreadPoolExecutor(bench.sizes.workers) as pool:
        list(pool.map(partial(_prove, bench), running))
        for number in range(bench.sizes.few):
            bench.tell(f"peers, round {number + 1} of {bench.sizes.few}")
            left = [entry for entry in running if not entry["error"]]
            list(pool.map(partial(_round, bench, singles), left if number % 2 == 0 else left[::-1]))
    return list(found.values())


def _described(name: str, place: str) -> Entry:
    entry: Entry = {"name": name, "missing": "", "error": "", "proofs": {}, "operations": {}}
    try:
        peer = class_of(name)
    except ImportError as error:
        return {**entry, "title": name, "missing": str(error)}
    facts = peer.described()
    ours = baseline(facts["links"], facts["durability"], place)
    return {**entry, **facts, "versions": versions(name), "baseline": ours}


@contextmanager
def _directory(bench: Bench, entry: Entry) -> Iterator[Path]:
    """Give an empty directory; enter an error in a phase in the contender's results."""
    directory = bench.directory(f"peers-{entry['name'].replace(':', '-')}")
    if bench.sizes.workers == 1:
        os.sync()  # else a contender that flushes would also flush for earlier ones that do not
    try:
        yield directory
    except PhaseError as error:
        entry["error"] = str(error).splitlines()[-1]
    finally:
        bench.clear(directory)


# -- proofs


def _prove(bench: Bench, entry: Entry) -> None:
    """Try what the contender keeps, and compare that with the claims of its adapter."""
    bench.tell(f"peers, proofs: {entry['name']}")
    with _directory(bench, entry) as directory:
        entry["proofs"] = Phase(proofs, name=entry["name"], directory=directory).run()
        if wrong := contradictions(entry):
            raise PhaseError(f"the adapter says otherwise than the proofs: {', '.join(wrong)}")


def contradictions(entry: Entry) -> list[str]:
    """Return the proofs that contradict the claimed durability and links of a contender."""
    links = entry["links"]
    expected = {"kill": True, "shared": links != ALONE, "cycles": links == CYCLES}
    found = entry["proofs"]
    return [
        f"{name}: {found[name]}"
        for name, is_kept in expected.items()
        if (found[name] == KEPT) != is_kept
    ]


# -- operations


def _round(bench: Bench, singles: Singles, entry: Entry) -> None:
    sizes = bench.sizes
    among = singles.among
    with _directory(bench, entry) as directory:
        run = _runner(entry, directory)
        run(operations.save_all, sizes.jobs, count=sizes.jobs)
        entry["size"] = size(str(directory))
        run(operations.load_all, sizes.jobs, count=sizes.jobs)
        if more := among - sizes.jobs:
            fill = Phase(operations.fill, name=entry["name"], directory=directory)
            fill.run(count=sizes.jobs, more=more)
        run(operations.list_keys, among, count=among)
        run(operations.load_some, singles.loads, count=among, few=singles.loads)
        run(operations.save_some, singles.saves, count=among, few=singles.saves)
        run(operations.update_some, singles.changes, count=among, few=singles.changes)
        run(operations.delete_some, singles.changes, count=among, few=singles.changes)
        check = Phase(operations.check_changes, name=entry["name"], directory=directory)
        check.run(count=among, saved=singles.saves, changed=singles.changes)
    if entry["error"]:
        return
    with _directory(bench, entry) as directory:
        run = _runner(entry, directory)
        run(operations.save_big, 1, megabytes=sizes.megabytes)
        run(operations.load_big, 1, megabytes=sizes.megabytes)


def _runner(entry: Entry, directory: Path) -> Callable[..., None]:
    def run(operation: Callable[..., Any], objects: int, **arguments: Any) -> None:
        phase = Phase(operation, name=entry["name"], directory=directory, **arguments)
        microseconds = phase.run()["wall"] * 1e6 / objects
        entry["operations"].setdefault(operation.__name__, []).append(microseconds)

    return run
