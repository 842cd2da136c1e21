"""Lets workers act on one bank at once, kills some, and checks the store against their logs."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from tests.torture import bank

from brinery import Store, make_store
from brinery.backends.memory import MemoryBackend

WORKERS = 8


@dataclass(frozen=True)
class Engine:
    """A kind of store that is tried.

    One has a `url`, in which ``{place}`` is an empty directory of its own, or is ``{database}``, the URL of
    an empty database of PostgreSQL: its workers are processes.  The other kind lives in this process, and
    its workers are threads.
    """

    name: str
    url: str | None = None
    shares_store: bool = False

    @property
    def needs_database(self) -> bool:
        """Whether it needs a database that is made for it."""
        return self.url is not None and "{database}" in self.url

    def url_at(self, place: Path, database: str | None) -> str | None:
        """Return the URL of its store."""
        return None if self.url is None else self.url.format(place=place, database=database)

    def opener(self, url: str | None) -> Callable[[], Store]:
        """Return a function that opens a store for one worker, each time on the same records."""
        if url is not None:
            return lambda: make_store(url)
        backend = MemoryBackend()
        shared = Store(backend)
        return (lambda: shared) if self.shares_store else (lambda: Store(backend))


ENGINES: Sequence[Engine] = (
    Engine("directory, flat", "file://{place}/flat"),
    Engine("directory, sharded", "file://{place}/sharded?layout=sharded"),
    Engine("SQLite", "sqlite:///{place}/bank.db"),
    Engine("PostgreSQL", "{database}"),
    Engine("memory, a store for each thread"),
    Engine("memory, one store for all threads", shares_store=True),
)
"""The stores to try; one line for each."""


@dataclass
class Outcome:
    """The counts of a run, and its violations."""

    operations: Counter[str] = field(default_factory=Counter)
    conflicts: int = 0
    in_doubt: int = 0
    killed: int = 0
    one_state: bool = False
    violations: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        """Return the number of operations."""
        return sum(self.operations.values())

    def figures(self) -> dict[str, Any]:
        """Return the results in the form that is stored."""
        return {
            "cases": self.cases,
            "operations": dict(sorted(self.operations.items())),
            "conflicts": self.conflicts,
            "killed": self.killed,
            "in_doubt": self.in_doubt,
            "one_state": self.one_state,
            "violations": self.violations,
        }


def torture(
    engine: Engine, place: Path, seconds: float, seed: int, database: str | None = None
) -> Outcome:
    """Let `WORKERS` workers act for some seconds; return the results.

    `database` is the URL of an empty database, for the engine that needs one.
    """
    url = engine.url_at(place, database)
    opened = engine.opener(url)
    store = opened()
    bank.found(store)
    outcome = Outcome(one_state=bank.gives_one_state(store) or engine.shares_store)
    logs = place / "logs"
    logs.mkdir()
    if url is None:
        _run_threads(opened, logs, seconds, seed, engine.shares_store)
    else:
        # A killed process leaves a commit half done where the engine does not promise otherwise.
        kills = store.backend.capabilities.atomic_batch
        outcome.killed = _run_processes(url, logs, seconds, seed, kills=kills)
    _check(store, [_entries(log) for log in sorted(logs.iterdir())], outcome)
    store.close()
    return outcome


# -- running


def _run_threads(
    opened: Callable[[], Store], logs: Path, seconds: float, seed: int, shares_store: bool
) -> None:
    def work(number: int) -> None:
        fd = os.open(logs / str(number), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            worker = bank.Worker(
                opened(), fd, str(number), seed + number, in_thread=True, shares_store=shares_store
            )
            worker.work(seconds)
        finally:
            os.close(fd)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _run_processes(url: str, logs: Path, seconds: float, seed: int, *, kills: bool) -> int:
    numbers = iter(range(1_000_000))
    until = time.monotonic() + seconds

    def start(seconds: float) -> subprocess.Popen[str]:
        number = next(numbers)
        arguments = [
            url,
            str(logs / f"{number}"),
            str(number),
            str(seed + number),
            f"{seconds:.3f}",
        ]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.torture.bank", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # to be killed with its children
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    workers = [start(seconds) for _ in range(WORKERS)]
    try:
        for worker in workers:
            _let_go(worker)
        until = time.monotonic() + seconds
        chance, killed = random.Random(seed), 0
        while kills and (left := until - time.monotonic()) > 1:
            time.sleep(chance.uniform(0.2, 2))
            victim = chance.randrange(WORKERS)
            if workers[victim].poll() is None:
                _kill(workers[victim])
                killed += 1
                workers[victim] = start(max(0.5, left - 1))
                _let_go(workers[victim])
        for worker in workers:
            # A worker ends its last operation, which may have to wait for all the others.
            worker.communicate(timeout=seconds + 120)
            if worker.returncode:
                raise AssertionError(f"a worker ended with {worker.returncode}")
        return killed
    finally:
        for worker in workers:
            if worker.poll() is None:
                _kill(worker)


def _let_go(worker: subprocess.Popen[str]) -> None:
    assert worker.stdout is not None
    assert worker.stdin is not None
    assert worker.stdout.readline() == "ready\n"
    worker.stdin.write("\n")
    worker.stdin.flush()


def _kill(worker: subprocess.Popen[str]) -> None:
    os.killpg(worker.pid, signal.SIGKILL)
    worker.communicate()


# -- checking


def _entries(log: Path) -> list[dict[str, Any]]:
    # A killed worker may have left half a line.
    whole = log.read_text(encoding="utf-8").rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def _operations(log: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    # Each operation with its outcome: {} if that is in doubt.
    for position, entry in enumerate(log):
        if "op" in entry:
            following = [later for later in log[position + 1 :] if "violation" not in later][:1]
            yield entry, (following[0] if following else {})


def _check(store: Store, logs: Sequence[Sequence[dict[str, Any]]], outcome: Outcome) -> None:
    counted: Counter[str] = Counter()
    doubts: Counter[str] = Counter()
    orders: dict[str, set[int | None]] = {}
    ids: Counter[str] = Counter()
    for operation, result in chain.from_iterable(map(_operations, logs)):
        outcome.operations[operation["op"]] += 1
        outcome.conflicts += result.get("conflicts", 0)
        outcome.in_doubt += not result
        if operation["op"] == "count":
            (counted if result.get("ok") else doubts)[operation["counter"]] += bool(
                result.get("ok", True)
            )
        elif operation["op"] == "order":
            before, after = operation["before"], operation["after"]
            ok = result.get("ok")
            orders[operation["tag"]] = {before, after} if ok is None else {after if ok else before}
            ids.update(result.get("ids", ()))
    said = [entry["violation"] for log in logs for entry in log if "violation" in entry]
    outcome.violations += said
    outcome.violations += [f"{id} was given twice" for id, count in ids.items() if count > 1]
    store.invalidate_cache()
    report = store.check()
    outcome.violations += [f"{bad.id}: {bad.reason}" for bad in report.failures]
    if report.is_good:
        outcome.violations += _wrong_sums(store, counted, doubts)
        outcome.violations += _wrong_orders(store, orders)


def _wrong_sums(
    store: Store, counted: Mapping[str, int], doubts: Mapping[str, int]
) -> Iterator[str]:
    accounts = store.load_many([f"account-{number}" for number in range(bank.ACCOUNTS)])
    total = sum(account.balance for account in accounts)
    if total != bank.ACCOUNTS * bank.BALANCE:
        yield f"the accounts have {total} together"
    for number in range(bank.COUNTERS):
        name = f"counter-{number}"
        found, least = store.load(name).n, counted.get(name, 0)
        if not least <= found <= least + doubts.get(name, 0):
            yield f"{name} is {found} after {least} updates"


def _wrong_orders(store: Store, expected: Mapping[str, set[int | None]]) -> Iterator[str]:
    known = {f"account-{number}" for number in range(bank.ACCOUNTS)}
    known |= {f"counter-{number}" for number in range(bank.COUNTERS)}
    found: dict[str, int] = {}
    for id in store.list(prefix="Order."):
        order = store.load(id)
        if order.tag in found:
            yield f"{id}: the order {order.tag} is there twice"
        found[order.tag] = order.revision
        if order.total != sum(line.amount for line in order.lines):
            yield f"{id}: the total is not that of the lines"
        if {(line.tag, line.revision) for line in order.lines} != {(order.tag, order.revision)}:
            yield f"{id} has lines of another order"
        known |= {id, *(line.persistent_id for line in order.lines)}
    yield from (f"{id} belongs to nothing" for id in store.list() if id not in known)
    for tag, revisions in expected.items():
        if found.pop(tag, None) not in revisions:
            yield f"the order {tag} is not as it was left: {revisions}"
    yield from (f"nobody saved the order {tag}" for tag in found)
