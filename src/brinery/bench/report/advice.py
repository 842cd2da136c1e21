"""Advice: the codec to choose, in words, with the figures behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from brinery.bench.report.units import shown_bytes, shown_seconds
from brinery.bench.result import Case, Recommendation

_CLOSE: Final = 1.2
"""The factor up to which times count as the same: equal processes differ by as much."""
_SAME_SIZE: Final = 1.005
"""The factor up to which sizes count as the same."""


def advice(cases: Iterable[Case]) -> list[Recommendation]:
    """Return the codecs to choose for each graph: the fastest, the smallest, the safest to read.

    Only cases that lost nothing, and leave no memory behind, are considered.
    """
    by_graph: dict[str, list[Case]] = {}
    for case in cases:
        by_graph.setdefault(case.graph, []).append(case)
    return [each for graph, of_one in by_graph.items() for each in _advice_for(graph, of_one)]


def _advice_for(graph: str, cases: Sequence[Case]) -> list[Recommendation]:
    whole = [case for case in cases if case.is_whole and not case.leaks]
    if not whole:
        return []
    # Of those as fast as the best and as small, the one that was named first.
    best = min(whole, key=lambda case: case.both_seconds)
    size, limit = best.bytes or 0, best.both_seconds * _CLOSE
    fastest = next(
        case
        for case in whole
        if case.both_seconds <= limit
        and size <= (case.bytes or 0) * _SAME_SIZE <= size * _SAME_SIZE**2
    )
    smallest = _smallest(whole)
    found = [
        _recommended(graph, "fastest", fastest, _why_fastest(fastest, whole, cases)),
        _recommended(graph, "smallest", smallest, _why_smallest(smallest, fastest, whole)),
    ]
    safe = [case for case in whole if case.safe_to_read]
    if safe:
        safest = min(safe, key=lambda case: case.both_seconds)
        found.append(_recommended(graph, "safest", safest, _why_safest(safest, fastest)))
    return found


def _smallest(cases: Sequence[Case]) -> Case:
    least = min(case.bytes or 0 for case in cases) * _SAME_SIZE
    return next(case for case in cases if (case.bytes or 0) <= least)


def _recommended(graph: str, kind: str, case: Case, reason: str) -> Recommendation:
    return Recommendation(graph, kind, case.codec, case.protocol, case.compress, reason)


def _why_fastest(fastest: Case, whole: Sequence[Case], cases: Sequence[Case]) -> str:
    sentence = f"{fastest.name} is the fastest that keeps everything: {_times(fastest)}"
    limit = min(case.both_seconds for case in whole) * _CLOSE
    level = [c.name for c in whole if c is not fastest and c.both_seconds <= limit]
    if level:
        sentence += f"; {_listed(level)} {'is' if len(level) == 1 else 'are'} level with it"
    lossy = [
        case
        for case in cases
        if not case.is_whole and case.status == "ok" and case.both_seconds < fastest.both_seconds
    ]
    if lossy:
        sentence += f". {_listed([c.name for c in lossy])} took less time, but lost something"
    return f"{sentence}."


def _why_smallest(smallest: Case, fastest: Case, whole: Sequence[Case]) -> str:
    if len(whole) == 1:
        return f"{smallest.name} is the only one that keeps everything: {_size(smallest)}."
    sentence = f"{smallest.name} takes the least room: {_size(smallest)}"
    if smallest is fastest:
        return f"{sentence}, and is the fastest as well."
    if not smallest.bytes or not fastest.bytes:
        return f"{sentence}."
    share = smallest.bytes / fastest.bytes
    return f"{sentence}, {share:.0%} of {fastest.name}, in {_ratio(smallest, fastest)} of it."


def _why_safest(safest: Case, fastest: Case) -> str:
    sentence = f"reading {safest.name} never runs code that a record names"
    if safest is fastest:
        return f"{sentence}, and it is the fastest as well."
    return f"{sentence}; it takes {_ratio(safest, fastest)} of {fastest.name}: {_times(safest)}."


def _ratio(case: Case, other: Case) -> str:
    ratio = case.both_seconds / max(other.both_seconds, 1e-9)
    if 1 / _CLOSE <= ratio <= _CLOSE:
        return "about the time"
    return f"{ratio:.1f} times the time" if ratio < 10 else f"{ratio:.0f} times the time"


def _times(case: Case) -> str:
    encode, decode = (t and shown_seconds(t.median_seconds) for t in (case.encode, case.decode))
    return f"{encode} to encode and {decode} to decode"


def _size(case: Case) -> str:
    return shown_bytes(case.bytes or 0)


def _listed(names: Sequence[str]) -> str:
    unique = list(dict.fromkeys(names))
    return " and ".join(unique) if len(unique) < 3 else f"{', '.join(unique[:-1])} and {unique[-1]}"
