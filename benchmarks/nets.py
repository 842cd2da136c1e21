"""Nets of linked jobs with one container, kept by brinery or by ZODB, and the work on some of them.

Each job refers to its neighbours and to the container, which has a list of all.  So from one job all others
are reached.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

from brinery import Persistable, Store, make_store

SEED = 7


class JobState:
    """What a job has, in either store."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = f"job number {number}"
        self.state = "new"
        self.before: Any = None
        self.after: Any = None
        self.net: Any = None


class Job(Persistable, JobState):
    """A job of a net, or one that stands alone."""


class Net(Persistable):
    """The container."""

    jobs: Sequence[Any] = ()


def made(job: Callable[[int], Any], net: Callable[[], Any], count: int) -> Any:
    """Return a net of jobs; their classes are given."""
    whole = net()
    jobs = [job(number) for number in range(count)]
    for one, other in itertools.pairwise(jobs):
        one.after, other.before = other, one
    for one in jobs:
        one.net = whole
    whole.jobs = jobs
    return whole


def some(count: int, few: int) -> list[int]:
    """Return a few numbers in random order, always the same."""
    return random.Random(SEED).sample(range(count), few)


class Brinery:
    """A store of brinery in a directory of the benchmark: `place` is "sqlite" or "directory"."""

    def __init__(self, directory: str, place: str, *, lazy: bool = True) -> None:
        url = f"sqlite:///{directory}/jobs.db" if place == "sqlite" else f"{directory}/jobs"
        self.store: Store = make_store(url, lazy=lazy)

    def build(self, count: int, alone: int) -> None:
        """Save a net, and jobs that stand alone."""
        net = made(Job, Net, count)
        named = {f"job.{number}": job for number, job in enumerate(net.jobs)}
        self.store.save_many({"net": net, **named})
        self.store.save_many({f"alone.{number}": Job(number) for number in range(alone)})

    def load(self, number: int) -> Any:
        """Return a job of the net."""
        return self.store.load(f"job.{number}")

    def change(self, number: int) -> None:
        """Load a job of the net, change it, and save it."""
        self.store.update(f"job.{number}", finish)

    def net(self) -> Any:
        """Return the container."""
        return self.store.load("net")

    def close(self) -> None:
        """Close the store."""
        self.store.close()


def finish(job: Any) -> None:
    """Change a job."""
    job.state = "done"


class ZODB:
    """A FileStorage of ZODB, used as its guide advises: a BTree from keys to persistent objects."""

    def __init__(self, directory: str) -> None:
        import transaction
        from BTrees.OOBTree import OOBTree
        from ZODB import DB
        from ZODB.FileStorage import FileStorage

        self._transaction = transaction
        self._database = DB(FileStorage(f"{directory}/Data.fs"), cache_size=200_000)
        root = self._database.open().root()
        if "objects" not in root:
            root["objects"] = OOBTree()
        self._objects = root["objects"]

    def build(self, count: int, alone: int) -> None:
        """Save a net, and jobs that stand alone."""
        from benchmarks.peers import zodb_nets

        net = made(zodb_nets.Job, zodb_nets.Net, count)
        self._objects["net"] = net
        for number, job in enumerate(net.jobs):
            self._objects[f"job.{number}"] = job
        for number in range(alone):
            self._objects[f"alone.{number}"] = zodb_nets.Job(number)
        self._transaction.commit()

    def load(self, number: int) -> Any:
        """Return a job of the net."""
        return self._objects[f"job.{number}"]

    def change(self, number: int) -> None:
        """Load a job of the net, change it, and save it."""
        finish(self.load(number))
        self._transaction.commit()

    def net(self) -> Any:
        """Return the container."""
        return self._objects["net"]

    def close(self) -> None:
        """Close the database."""
        self._transaction.abort()
        self._database.close()
