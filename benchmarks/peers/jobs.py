"""The objects that all peers keep: jobs in workflows of ten, which share one configuration.

The jobs of a workflow form a doubly linked ring, and each refers to the configuration.  If records
cannot refer to others in circles, the neighbours' keys replace the neighbours.  If records cannot refer
to others at all, a key replaces the configuration, too.
"""

from __future__ import annotations

from typing import Any

ALONE = "alone"
"""A record holds one object; links to others are keys, which the program follows itself."""
SHARED = "shared"
"""A record may refer to others, and a shared object stays one object; no cycles."""
CYCLES = "cycles"
"""A record may refer to others, also in circles."""

RING = 10
"""The number of jobs in a workflow."""
CONFIG = "config"


class Config:
    """The configuration that all jobs refer to."""

    def __init__(self) -> None:
        self.tool = "simulate"
        self.steps = 1000


class Job:
    """A small object with three links."""

    def __init__(self, number: int, config: Any) -> None:
        self.number = number
        self.name = f"job number {number}"
        self.state = "new"
        self.arguments = {"threads": number % 8, "memory": 512, "queue": "short"}
        self.config = config
        self.before: Any = None
        self.after: Any = None


def key_of(number: int) -> str:
    """Return the key of a job; it suits all peers."""
    return f"job_{number:06d}"


def _around(number: int, ring: int) -> list[int]:
    start = number - number % ring
    return [start + (number + step - start) % ring for step in (-1, 1)]


def workflows(
    peer: Any, count: int, *, first: int = 0, ring: int = RING, config: Any = None
) -> dict[str, Any]:
    """Return jobs under their keys, linked as far as a peer can keep it; `config` is theirs.

    `count` and `first` are multiples of `ring`, the number of jobs in a workflow.
    """
    made = {number: peer.job(number, CONFIG) for number in range(first, first + count)}
    for number, job in made.items():
        around = _around(number, ring)
        if peer.links != ALONE:
            job.config = config
        cyclic = peer.links == CYCLES
        job.before, job.after = [made[other] if cyclic else key_of(other) for other in around]
    return {key_of(number): job for number, job in made.items()}


def check_job(peer: Any, job: Any, number: int, *, state: str = "new", ring: int = RING) -> None:
    """Raise `AssertionError` unless a job is as `workflows` returns it, with its links."""
    assert type(job) is peer.job
    assert (job.number, job.name, job.state) == (number, f"job number {number}", state)
    assert job.arguments == {"threads": number % 8, "memory": 512, "queue": "short"}
    around = _around(number, ring)
    if peer.links == CYCLES:
        assert [job.before.number, job.after.number] == around
        assert job.after.before is job
    else:
        assert [job.before, job.after] == [key_of(other) for other in around]
    if peer.links == ALONE:
        assert job.config == CONFIG
    else:
        assert (type(job.config), job.config.steps) == (peer.config, 1000)
