"""A run: every choice on every source, in rounds, and the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from brinery.bench.report.advice import advice
from brinery.bench.report.doubts import doubts
from brinery.bench.report.report import Report
from brinery.bench.result import OK, Case, Graph
from brinery.bench.run.child import Effort
from brinery.bench.run.choice import Choice
from brinery.bench.run.clock import NAME
from brinery.bench.run.fidelity import DEPTHS
from brinery.bench.run.machine import machine, versions
from brinery.bench.run.runner import Limits, Runner, case_of
from brinery.bench.run.source import Source

Progress = Callable[[str, int, int], None]
"""Called before each case with its name, the number of finished cases, and the number of all."""

COLLECTOR: Final = (
    "the cyclic garbage collector is enabled; it is run before each repetition, and brinery pauses it "
    "while it saves and loads"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The cases to measure, the effort for each, and the limits."""

    sources: Sequence[Source]
    choices: Sequence[Choice]
    effort: Effort = field(default_factory=lambda: Effort(0.1))
    limits: Limits = field(default_factory=Limits)
    depths: Sequence[int] = DEPTHS
    size: Any = None
    command: str = ""
    notes: tuple[str, ...] = ()


def run(plan: Plan, progress: Progress = lambda name, done, total: None) -> Report:
    """Measure all cases; after Ctrl-C return what was measured, marked as interrupted.

    Each graph is measured in rounds.  A round measures each case in a process of its own, in another order.
    """
    started = datetime.now(UTC)
    before = machine()
    measuring = _Run(plan, progress)
    interrupted = False
    try:
        for source in plan.sources:
            measuring.measure(source)
    except KeyboardInterrupt:
        interrupted = True
    progress("", measuring.total, measuring.total)
    graphs, cases = measuring.graphs, measuring.cases()
    return Report(
        created=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=plan.command,
        machine=before,
        versions=versions(),
        settings={
            "size": plan.size,
            "clock": NAME,
            "repeats": f"{plan.effort.least} to {plan.effort.most}, for {plan.effort.seconds:g} s",
            "warmup": 1,
            "rounds": plan.effort.rounds,
            "timeout_seconds": plan.limits.timeout,
            "memory_limit_bytes": plan.limits.memory_bytes,
            "depths": list(plan.depths),
            "gc": COLLECTOR,
        },
        graphs=tuple(_with_nodes(graph, cases) for graph in graphs),
        cases=tuple(cases),
        recommendations=tuple(advice(cases)),
        interrupted=interrupted,
        notes=(*plan.notes, *_without_advice(graphs, cases), *doubts(before, cases)),
    )


class _Run:
    def __init__(self, plan: Plan, progress: Progress) -> None:
        self._plan = plan
        self._progress = progress
        self._runner = Runner(plan.effort, plan.limits, plan.depths)
        self._found: list[tuple[str, Choice, dict[str, Any]]] = []
        self._done = 0
        self.graphs: list[Graph] = []
        self.total = len(plan.sources) * len(plan.choices) * plan.effort.rounds

    def measure(self, source: Source) -> None:
        graph = _named(source.describe(), self.graphs)
        self.graphs.append(graph)
        chosen: list[tuple[str, Choice, dict[str, Any]]] = [
            (graph.name, choice, {}) for choice in self._plan.choices
        ]
        for number in range(self._plan.effort.rounds):
            for at in _order(len(chosen), number):
                entry = chosen[at]
                if not number:
                    self._found.append(entry)
                _, choice, found = entry
                stage = f" + {choice.compress}" if choice.compress else ""
                stage += f" in {choice.place}" if choice.to else ""
                self._progress(f"{graph.title}: {choice.title}{stage}", self._done, self.total)
                self._done += 1
                if found.get("status", OK) == OK:
                    self._runner.measure(source, choice, found)
                if not number:
                    found["depth"] = self._runner.depth(choice)

    def cases(self) -> list[Case]:
        return [case_of(graph, choice, found) for graph, choice, found in self._found if found]


def _order(count: int, number: int) -> Sequence[int]:
    """Return the order of a round: forwards and backwards by turns, from another start each time."""
    turned = [(at + number * max(1, count // 3)) % count for at in range(count)]
    return turned[::-1] if number % 2 else turned


def _named(graph: Graph, others: Sequence[Graph]) -> Graph:
    # Functions of two modules may have one name.
    taken = {other.name for other in others}
    name, count = graph.name, 1
    while name in taken:
        count += 1
        name = f"{graph.name} {count}"
    return replace(graph, name=name)


def _without_advice(graphs: Sequence[Graph], cases: Sequence[Case]) -> list[str]:
    advised = {each.graph for each in advice(cases)}
    tried = {case.graph for case in cases}
    return [
        f"For {graph.title} nothing is recommended: no case kept everything."
        for graph in graphs
        if graph.name in tried - advised
    ]


def _with_nodes(graph: Graph, cases: Sequence[Case]) -> Graph:
    counts = (case.nodes for case in cases if case.graph == graph.name and case.nodes is not None)
    return replace(graph, nodes=next(counts, None))
