"""Contenders sent through the same operations by turns, and brinery compared with the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from benchmarks.bench import Bench, Phase, PhaseError
from benchmarks.figures import Figure, by_cpu, failed
from benchmarks.measure import Sample
from benchmarks.peers.contenders import class_of

Operation = Callable[..., Any]
Samples = Mapping[str, Mapping[str, Sequence[Sample]]]
"""By contender and the name of the operation."""


class Goal(NamedTuple):
    """The most that an operation of brinery may take, in that of another contender."""

    what: str
    operation: Operation
    other: str
    most: float
    objects: int
    """Calls, or objects of one call; times are for one of them."""
    flushed: bool = False
    """Whether a flush to a disk is part of both sides."""


def run(
    bench: Bench, names: Sequence[str], steps: Mapping[Operation, Mapping[str, Any]]
) -> Samples:
    """Send contenders through operations of `benchmarks.peers.operations`, given with their arguments."""
    return bench.courses(
        {
            name: {
                step.__name__: Phase(step, name=name, **arguments)
                for step, arguments in steps.items()
            }
            for name in names
        }
    )


def compare(
    bench: Bench,
    ours: str,
    goals: Sequence[Goal],
    steps: Mapping[Operation, Mapping[str, Any]],
) -> list[Figure]:
    """Measure a way of using brinery and the contenders of its goals, and compare them."""
    try:
        names = {name: class_of(name).title for name in (ours, *(goal.other for goal in goals))}
        samples = run(bench, list(names), steps)
    except (ImportError, PhaseError) as error:
        reason = str(error).splitlines()[-1]
        return [failed("goals", goal.what, reason, goal.most) for goal in goals]
    found = []
    for goal in goals:
        row = partial(by_cpu, goal=goal.most, objects=goal.objects, flushed=goal.flushed)
        name = f"{goal.what} / {names[goal.other]}"
        step = goal.operation.__name__
        found += row("goals", name, (samples[ours][step], samples[goal.other][step]))
    return found
