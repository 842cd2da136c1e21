"""A run: every choice on every source, one case after another, and the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from brinery.bench.report.advice import advice
from brinery.bench.report.report import Report
from brinery.bench.result import Case, Graph
from brinery.bench.run.child import Effort
from brinery.bench.run.choice import Choice
from brinery.bench.run.fidelity import DEPTHS
from brinery.bench.run.machine import machine, versions
from brinery.bench.run.runner import Interrupted, Limits, Runner
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
    processes: int = 1
    """How many processes measure the times of each case."""
    size: Any = None
    command: str = ""
    notes: tuple[str, ...] = ()


def run(plan: Plan, progress: Progress = lambda name, done, total: None) -> Report:
    """Measure all cases; after Ctrl-C return the finished ones, marked as interrupted."""
    started = datetime.now(UTC)
    before = machine()
    runner = Runner(plan.effort, plan.limits, plan.depths, plan.processes)
    graphs: list[Graph] = []
    cases: list[Case] = []
    interrupted = False
    total = len(plan.sources) * len(plan.choices)
    try:
        for source in plan.sources:
            graph = _named(source.describe(), graphs)
            graphs.append(graph)
            for choice in plan.choices:
                title = f"{graph.title}: {choice.title}"
                progress(
                    title + (f" + {choice.compress}" if choice.compress else ""), len(cases), total
                )
                cases.append(runner.case(source, choice, graph.name))
    except Interrupted as stop:
        cases.append(stop.case)
        interrupted = True
    except KeyboardInterrupt:
        interrupted = True
    progress("", total, total)
    return Report(
        created=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=plan.command,
        machine=before,
        versions=versions(),
        settings={
            "size": plan.size,
            "repeats": f"{plan.effort.least} to {plan.effort.most}, for {plan.effort.seconds:g} s",
            "warmup": 1,
            "processes": plan.processes,
            "timeout_seconds": plan.limits.timeout,
            "memory_limit_bytes": plan.limits.memory_bytes,
            "depths": list(plan.depths),
            "gc": COLLECTOR,
        },
        graphs=tuple(_with_nodes(graph, cases) for graph in graphs),
        cases=tuple(cases),
        recommendations=tuple(advice(cases)),
        interrupted=interrupted,
        notes=(*plan.notes, *_without_advice(graphs, cases)),
    )


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
