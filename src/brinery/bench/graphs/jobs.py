"""A sweep of jobs: persistable objects, each in a record of its own."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final

from brinery.bench.graphs.graph import Graph
from brinery.persistable import Persistable


class Configuration(Persistable):
    """A configuration that many jobs share."""

    def __init__(self, name: str, options: dict[str, float]) -> None:
        self.name = name
        self.options = options


class Job(Persistable):
    """One run, with its configuration and the jobs that it follows."""

    def __init__(
        self, number: int, configuration: Configuration, after: Sequence[Job], values: list[float]
    ) -> None:
        self.number = number
        self.name = f"job-{number}"
        self.state = "NEW"
        self.configuration = configuration
        self.after = list(after)
        self.values = values


def sweep(nodes: int, seed: int) -> list[Any]:
    """Return jobs that share ten configurations and follow up to two earlier jobs each."""
    chance = random.Random(seed)
    configurations = [
        Configuration(f"configuration {n}", {f"option-{k}": chance.random() for k in range(20)})
        for n in range(10)
    ]
    jobs: list[Job] = []
    for number in range(max(1, nodes // 10)):
        after = chance.sample(jobs, min(len(jobs), chance.randrange(3)))
        values = [chance.random() for _ in range(4)]
        jobs.append(Job(1000 + number, chance.choice(configurations), after, values))
    return jobs


GRAPHS: Final = (
    Graph(
        "jobs",
        "job sweep",
        "persistable jobs with shared configurations, a record each",
        sweep,
        share=0.5,
    ),
)
