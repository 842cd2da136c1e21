"""Advice: the codec to choose, in words, with the figures behind it and how sure they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from brinery.bench.intervals import (
    MARGIN,
    Interval,
    is_faster,
    is_slower,
    is_unstable,
    ratio,
)
from brinery.bench.report.units import shown_bytes, shown_seconds
from brinery.bench.result import Case, Recommendation

_CLOSE: Final = 1.2
"""The factor up to which the times of single rounds count as the same."""
_SAME_SIZE: Final = 1.005
"""The factor up to which sizes count as the same."""
_SMALLER: Final = 0.9
"""The share of the size from which on a smaller codec is worth a word."""
RECOMMENDED: Final = "recommended"
UNDECIDED: Final = "undecided"


def advice(cases: Iterable[Case]) -> list[Recommendation]:
    """Return the codec to choose for each graph, and why.

    Only cases that lost nothing, and leave no memory behind, are considered.
    """
    by_graph: dict[str, list[Case]] = {}
    for case in cases:
        by_graph.setdefault(case.graph, []).append(case)
    found = [_advice_for(graph, of_one) for graph, of_one in by_graph.items()]
    return [each for each in found if each is not None]


def _advice_for(graph: str, cases: Sequence[Case]) -> Recommendation | None:
    whole = [case for case in cases if case.is_whole and not case.leaks]
    if not whole:
        return None
    best = min(whole, key=lambda case: case.both_seconds)
    level = [case for case in whole if not _is_slower(case, best)]
    # Of those that are not shown to be slower than the best, the smallest; of these, that named first.
    chosen = _smallest(level)
    unsure = [case for case in level if _is_unsure(case, chosen)]
    sentences = [_why(chosen, level, unsure, whole), *_others(chosen, whole, level, cases)]
    kind = RECOMMENDED
    if chosen is not best and best in unsure:
        kind = UNDECIDED
        sentences.append(
            f"{best.name} may be faster, or not: the rounds differ too much to tell. Measure on a quiet "
            "machine, or with more --rounds."
        )
    reason = " ".join(sentences)
    return Recommendation(
        graph, kind, chosen.codec, chosen.protocol, chosen.compress, reason, chosen.to
    )


def _is_slower(case: Case, best: Case) -> bool:
    found = ratio(case.both_rounds, best.both_rounds)
    # Of single rounds nothing is known but that equal ones differ by as much.
    return case.both_seconds > _CLOSE * best.both_seconds if found is None else is_slower(found)


def _is_unsure(case: Case, other: Case) -> bool:
    found = ratio(case.both_rounds, other.both_rounds)
    decided = is_slower(found) or is_faster(found)
    return case is not other and not decided and is_unstable(found)


def _why(chosen: Case, level: Sequence[Case], unsure: Sequence[Case], whole: Sequence[Case]) -> str:
    times = f"{_times(chosen)}, {shown_bytes(chosen.bytes or 0)}"
    if len(whole) == 1:
        return f"{chosen.name} is the only one that keeps everything: {times}."
    sentence = (
        f"{chosen.name}: {times}. No other that keeps everything is shown to be faster by "
        f"{MARGIN - 1:.0%}"
    )
    same = [case.name for case in level if case is not chosen and case not in unsure]
    if same:
        sentence += f"; with {_listed(same)} there is no difference that matters"
    return f"{sentence}."


def _others(
    chosen: Case, whole: Sequence[Case], level: Sequence[Case], cases: Sequence[Case]
) -> list[str]:
    found = []
    smallest = _smallest(whole)
    if smallest is not chosen and chosen.bytes and (smallest.bytes or 0) < _SMALLER * chosen.bytes:
        share = (smallest.bytes or 0) / chosen.bytes
        found.append(
            f"{smallest.name} takes {share:.0%} of the room, and {_compared(smallest, chosen)}."
        )
    safe = [case for case in whole if case.safe_to_read]
    if safe and not chosen.safe_to_read:
        safest = min(safe, key=lambda case: case.both_seconds)
        found.append(
            f"For records of others take {safest.name}, which never runs code that a record names: "
            f"{_compared(safest, chosen)}."
        )
    lossy = [
        case
        for case in cases
        if not case.is_whole and case.status == "ok" and case.both_seconds < chosen.both_seconds
    ]
    if lossy:
        names = _listed([case.name for case in lossy])
        found.append(f"{names} took less time, but lost something.")
    return found


def _smallest(cases: Sequence[Case]) -> Case:
    least = min(case.bytes or 0 for case in cases) * _SAME_SIZE
    return next(case for case in cases if (case.bytes or 0) <= least)


def _compared(case: Case, other: Case) -> str:
    found = ratio(case.both_rounds, other.both_rounds)
    if found is None:
        return f"{_factor(case.both_seconds / max(other.both_seconds, 1e-9))} the time"
    if not is_slower(found) and not is_faster(found):
        return "the time is the same, as far as the rounds show"
    return f"{_factor(found.middle)} the time ({_bounds(found)})"


def _bounds(found: Interval) -> str:
    return f"{_number(found.low)} to {_number(found.high)}"


def _factor(value: float) -> str:
    return f"{_number(value)} times"


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _times(case: Case) -> str:
    encode, decode = (t and shown_seconds(t.median_seconds) for t in (case.encode, case.decode))
    return f"{encode} to encode and {decode} to decode"


def _listed(names: Sequence[str]) -> str:
    unique = list(dict.fromkeys(names))
    return " and ".join(unique) if len(unique) < 3 else f"{', '.join(unique[:-1])} and {unique[-1]}"
