"""Commits that go on while the server is killed and started again under them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Final

from tests.postgres import PostgresCluster

from brinery.backend import Backend
from brinery.errors import StorageError
from brinery.testing.generations import Generations
from brinery.testing.processes import Opener, Tell, WorkerProcess

RECORDS: Final = 20
COMMITS: Final = 3
"""Commits that the writer makes between two restarts, at least."""
STEP: Final = 0.0013
"""Seconds by which the server dies later in each turn: no multiple of what a commit takes."""


@dataclass
class Turn:
    """One death of the server: the last commit that it confirmed, and the one that was found."""

    confirmed: int
    found: int


def restart_under_commits(
    cluster: PostgresCluster, opener: Opener, turns: int, end: Callable[[PostgresCluster], None]
) -> list[Turn]:
    """Let a process commit all the time, and restart the server several times while it does.

    Each time what is found afterwards, by a backend that was open before as by a new one, has to be
    one state, whole: the last that was confirmed to the writer, or the next.  Then the writer has to
    go on by itself.  Raise `AssertionError` otherwise.
    """
    generations = Generations(RECORDS)
    made: list[Turn] = []
    with closing(opener()) as reader:
        generations.commit(reader, 0)
        with WorkerProcess(opener, partial(commit_on, generations)) as writer:
            writer.wait_until_ready()
            writer.let_go()
            told = writer.told()
            for turn in range(turns):
                confirmed = max(next(told) for _ in range(COMMITS))
                time.sleep(STEP * turn)
                end(cluster)
                with writer.stopped():
                    confirmed = max([confirmed, *writer.heard()])
                    cluster.start()
                    found = _found(generations, reader, confirmed)
                    with closing(opener()) as another:
                        assert _found(generations, another, confirmed) == found
                made.append(Turn(confirmed, found))
    return made


def commit_on(generations: Generations, backend: Backend, tell: Tell) -> None:
    """Commit one state after the other, and send each that is confirmed.

    A commit that fails is made once more: it is there wholly, or not at all.
    """
    number = 1
    while True:
        try:
            generations.commit(backend, number)
        except StorageError:
            time.sleep(0.01)
            continue
        tell(number)
        number += 1


def _found(generations: Generations, backend: Backend, confirmed: int) -> int:
    seen = generations.seen(backend)
    assert len(seen) == 1, f"the records are in the states {sorted(seen)}"
    (found,) = seen
    assert found in (confirmed, confirmed + 1), f"{confirmed} was confirmed, {found} is there"
    return found
