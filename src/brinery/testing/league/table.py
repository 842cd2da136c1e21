"""Outcomes as a table in Markdown: for `python -m brinery.testing.league`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from brinery.testing.league.outcome import CHANGED, CRASHED, REFUSED, RESULTS, UNREADABLE, Outcome


def counted(outcomes: Sequence[Outcome]) -> list[str]:
    """Return how often there is each of `RESULTS`, in their order."""
    counts = Counter(outcome.result for outcome in outcomes)
    return [str(counts[result]) for result in RESULTS]


def summary(found: Mapping[str, Mapping[str, Outcome]]) -> str:
    """Return a table with a row for each contender: how many probes it kept, changed and so on."""
    rows = [[name, *counted([*outcomes.values()])] for name, outcomes in found.items()]
    return markdown(["", *RESULTS], rows)


def losses(found: Mapping[str, Mapping[str, Outcome]]) -> str:
    """Return a list of all that was not kept, worst first, with its evidence."""
    lines = []
    for result in (CHANGED, CRASHED, UNREADABLE, REFUSED):
        for name, outcomes in found.items():
            lines += [
                f"- {name}, {result}: {probe}: {outcome.evidence}"
                for probe, outcome in outcomes.items()
                if outcome.result == result
            ]
    return "\n".join(lines)


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
