"""The cost of durability: one small record, and a graph of many, beside bare files and SQLite.

Wall times, on the file system of the scratch directory: most time of a flush is waiting.  All sides run
in each round.  "full": on the disk when the call returns; "process": it survives the process.

The bare files are written as by a careful program: write a temporary file, fsync, rename, fsync the
directory; without the flushes for "process".  SQLite has one table of names and bytes, with its journal
in WAL mode: synchronous=FULL flushes at each commit, NORMAL does not.
"""

from __future__ import annotations

import gc
import os
import pickle
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from benchmarks.bench import Bench, Phase
from benchmarks.figures import Figure, plain, ratio, values
from benchmarks.measure import Sample, timed
from benchmarks.objects import check_tasks, tasks
from brinery import FilesystemStore
from brinery.backend import Put
from brinery.backends.directory import sync
from brinery.backends.directory.backend import DirectoryBackend

DURABILITIES = ("full", "process")
FLUSHED = 500
"""Files in the comparison of the ways to flush many."""
_BYTES = 500
MOST_BARE = 5_000
"""Most bare files, each flushed by itself: the time for one does not depend on their number."""


# -- one small record at a time; each phase returns the time for one


def one_by_one(directory: str, side: str, durability: str, count: int) -> Sample:
    """Write small records, one after the other."""
    write, close = _ONE[side](directory, durability)
    for number in range(3):
        write(f"warm-{number}")
    _, sample = timed(lambda: [write(f"name-{number}") for number in range(count)])
    close()
    return {"wall": sample["wall"] / count}


_Writer = tuple[Callable[[str], object], Callable[[], object]]


def _bare(directory: str, durability: str, content: bytes = bytes(_BYTES)) -> _Writer:
    durable = durability == "full"

    def write(name: str) -> None:
        fd = os.open(f"{directory}/.{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, content)
        if durable:
            os.fsync(fd)
        os.close(fd)
        os.rename(f"{directory}/.{name}", f"{directory}/{name}")
        if durable:
            _flush_directory(directory)

    return write, lambda: None


def _backend(directory: str, durability: str) -> _Writer:
    backend = DirectoryBackend(directory, durability=durability)  # type: ignore[arg-type]
    content = bytes(_BYTES)
    return lambda name: backend.put(name, content), backend.close


def _two(directory: str, durability: str) -> _Writer:
    backend = DirectoryBackend(directory, durability=durability)  # type: ignore[arg-type]
    content = (bytes(_BYTES),)

    def write(name: str) -> None:
        backend.commit([Put(f"{name}.1", content), Put(f"{name}.2", content)])

    return write, backend.close


def _store(directory: str, durability: str) -> _Writer:
    store = FilesystemStore(directory, durability=durability)
    return lambda name: store.save({"name": name, "numbers": list(range(40))}, name), store.close


def _sqlite(directory: str, durability: str) -> _Writer:
    connection, content = _connected(directory, durability), bytes(_BYTES)

    def write(name: str) -> None:
        with connection:
            connection.execute("INSERT INTO record VALUES (?, ?)", (name, content))

    return write, connection.close


_ONE: dict[str, Callable[[str, str], _Writer]] = {
    "bare file": _bare,
    "backend": _backend,
    "backend, two records": _two,
    "store": _store,
    "SQLite": _sqlite,
}


def _connected(directory: str, durability: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{directory}/records.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={'FULL' if durability == 'full' else 'NORMAL'}")
    connection.execute("CREATE TABLE record (name TEXT PRIMARY KEY, data BLOB)")
    return connection


def _flush_directory(directory: str) -> None:
    fd = os.open(directory, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


# -- a graph of many objects at once; each phase returns the time for one of them


def graph(directory: str, side: str, durability: str, count: int) -> Sample:
    """Write many objects, in one commit if the side has commits."""
    if side == "bare file":
        count = min(count, MOST_BARE)
    made = tasks(count)
    gc.collect()
    _, sample = timed(_MANY[side], directory, durability, made)
    if side == "store":
        with FilesystemStore(directory) as again:
            check_tasks(again.load("all"), count)
    return {"wall": sample["wall"] / count}


def _save(directory: str, durability: str, made: Any) -> None:
    with FilesystemStore(directory, durability=durability) as store:
        store.save(made, id="all")


def _dump_each(directory: str, durability: str, made: Any) -> None:
    for number, payload in enumerate(_payloads(made)):
        write, _ = _bare(directory, durability, payload)
        write(f"Task.{number}")


def _insert_all(directory: str, durability: str, made: Any) -> None:
    with closing(_connected(directory, durability)) as connection, connection:
        connection.executemany(
            "INSERT INTO record VALUES (?, ?)",
            ((f"Task.{number}", payload) for number, payload in enumerate(_payloads(made))),
        )


def _payloads(made: Any) -> Iterator[bytes]:
    """Yield a pickle for each object, without the objects that it refers to: those need a store."""
    for task in made:
        yield pickle.dumps({name: str(value)[:40] for name, value in vars(task).items()}, 5)


_MANY: dict[str, Callable[[str, str, Any], None]] = {
    "bare file": _dump_each,
    "store": _save,
    "SQLite": _insert_all,
}


# -- ways to flush many files


def flush(directory: str, side: str, count: int) -> Sample:
    """Write files; return the time that it takes to flush one of them."""
    fds = [os.open(f"{directory}/{number}", os.O_WRONLY | os.O_CREAT) for number in range(count)]
    for fd in fds:
        os.write(fd, bytes(_BYTES))
    _, sample = timed(_FLUSH[side], fds)
    return {"wall": sample["wall"] / count}


def _singly(fds: list[int]) -> None:
    for fd in fds:
        os.fsync(fd)


def _at_once(fds: list[int]) -> None:
    whole = sync.syncfs()
    if whole is None:
        raise OSError("there is no syncfs that reports errors")
    whole(fds[0])


_FLUSH: dict[str, Callable[[list[int]], None]] = {
    "one by one": _singly,
    "by eight threads": sync.sync_files,
    "by syncfs": _at_once,
}


# -- figures


def figures(bench: Bench) -> list[Figure]:
    """Compare the sides under each durability, and the ways to flush."""
    found = []
    for durability in DURABILITIES:
        sides = {
            side: Phase(one_by_one, side=side, durability=durability, count=bench.sizes.some)
            for side in _ONE
        }
        found += _compared(bench, f"one small record, {durability}", sides, few=False)
    for durability in DURABILITIES:
        sides = {
            side: Phase(graph, side=side, durability=durability, count=bench.sizes.objects)
            for side in _MANY
        }
        what = f"{bench.sizes.objects:,} objects at once, {durability}"
        found += _compared(bench, what, sides, few=True)
    count = min(FLUSHED, bench.sizes.objects)
    sides = {side: Phase(flush, side=side, count=count) for side in _FLUSH}
    return found + _compared(bench, f"flush {count} files", sides, few=False)


def _compared(bench: Bench, what: str, sides: dict[str, Phase], *, few: bool) -> list[Figure]:
    samples = bench.rounds(sides, fresh=True, few=few)
    first, *others = sides
    bare = values(samples[first], "wall", 1e6)
    found = [plain("durability", f"{what}: {first}", bare, unit="µs")]
    for side in others:
        ours = values(samples[side], "wall", 1e6)
        name = f"{what}: {side} / {first}"
        found.append(ratio("durability", name, ours, bare, base_unit="µs"))
    return found
