"""What the threads and processes of the contract of backends do."""

from __future__ import annotations

import time
from collections.abc import Sequence

from brinery.backend import ABSENT, Backend, Conflict, Put
from brinery.record.format import MAGIC
from brinery.testing.generations import Generations
from brinery.testing.processes import Tell
from brinery.testing.records import body


def creates(backend: Backend, name: str, index: int) -> bool:
    """Create a name; return whether it was not there."""
    try:
        backend.put(name, body(index), ABSENT)
    except Conflict:
        return False
    return True


def create_each(names: Sequence[str], index: int, backend: Backend, tell: Tell) -> None:
    """Create one name after the other, and report those that were not there."""
    for name in names:
        if creates(backend, name, index):
            tell(name)


def create_graphs(
    graphs: Sequence[Sequence[str]], index: int, backend: Backend, tell: Tell
) -> None:
    """Create all names of a graph in one commit, for each graph; report those that were not there.

    The order of the names depends on `index`.
    """
    for turn, names in enumerate(graphs):
        turned = [*names[index:], *names[:index]][:: -1 if index % 2 else 1]
        try:
            backend.commit(Put(name, (body(index),), ABSENT) for name in turned)
        except Conflict:
            continue
        tell(turn)


def increase(backend: Backend, name: str, times: int) -> None:
    """Increase the number in a record by one, `times` times, by compare-and-swap.

    A number alone would be too short a version for two states to differ in: it ends in MAGIC, as
    records do.
    """
    for _ in range(times):
        while True:
            data, version = backend.get(name)
            try:
                backend.put(name, number_record(number_in(data) + 1), version)
                break
            except Conflict:
                continue


def increase_one(name: str, times: int, backend: Backend, _: Tell) -> None:
    """Do as `increase` does."""
    increase(backend, name, times)


def transfer(names: Sequence[str], index: int, times: int, backend: Backend, tell: Tell) -> None:
    """Take 1 from one record and give it to another, `times` times, by compare-and-swap of both."""
    source, target = pair(names, index)
    for _ in range(times):
        while True:
            held = {
                name: (data, version) for name, data, version in backend.get_many([source, target])
            }
            puts = [
                Put(name, (number_record(number_in(held[name][0]) + step),), held[name][1])
                for name, step in ((source, -1), (target, 1))
            ]
            try:
                backend.commit(puts)
                break
            except Conflict:
                continue
    tell(index)


def read_halfway(generations: Generations, backend: Backend, tell: Tell) -> None:
    """Begin to read all records, report after the first, and stop."""
    reading = backend.get_many(generations.names)
    next(reading)
    listing = backend.list()
    next(listing)
    tell(1)
    time.sleep(3600)


def pair(names: Sequence[str], index: int) -> tuple[str, str]:
    """Return two of three names, all ordered pairs in turn."""
    return names[index % 3], names[(index + 1 + index // 3 % 2) % 3]


def number_record(number: int) -> bytes:
    """Return a record that holds a number."""
    return str(number).encode() + MAGIC


def number_in(data: bytes) -> int:
    """Return the number in such a record."""
    return int(data.removesuffix(MAGIC))
