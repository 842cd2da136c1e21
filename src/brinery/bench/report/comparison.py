"""Two results side by side: the cases that became slower, larger, or lose something."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from brinery.bench.intervals import ratio_of_runs
from brinery.bench.report.units import shown_bytes, shown_seconds
from brinery.bench.result import OK, Case, Result, Timing

WORSE: Final = "worse"
BETTER: Final = "better"
SAME: Final = "same"
_SIZE: Final = 1.001
"""The factor by which an unchanged size may differ: records contain times."""


STEADY: Final = 3
"""The number of rounds from which on they show how much times vary."""
UNSTEADY: Final = 1.5
"""The factor by which the times of equal single rounds may differ."""


_PEAK: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class Change:
    """One figure of one case, before and after."""

    graph: str
    case: str
    what: str
    """"encode", "decode", "size", "status", a peak of memory, "depth", "reading" or "fidelity"."""
    old: str
    new: str
    ratio: float | None
    verdict: str


def changes(old: Result, new: Result, threshold: float) -> list[Change]:
    """Return the figures that changed by more than the factor `threshold`, and the cases that are gone.

    A time counts as changed only if the rounds of the two runs show it (Welch's t-test, 99 %), and, unless
    both are steady, by more than the factor `UNSTEADY`.
    """
    times = threshold if is_steady(old, new) else max(threshold, UNSTEADY)
    before, after = ({case.key: case for case in result.cases} for result in (old, new))
    found = [
        change
        for key in before
        for change in _of_case(before[key], after.get(key), threshold, times)
    ]
    found += [
        Change(*key, "status", "-", "new", None, SAME) for key in after.keys() - before.keys()
    ]
    return found


def is_steady(*results: Result) -> bool:
    """Return whether each case was measured in several rounds."""
    return all(result.settings.get("rounds", 1) >= STEADY for result in results)


def differing(old: Result, new: Result) -> list[str]:
    """Return the other differences in sentences: figures then depend on more than the code."""
    pairs: list[tuple[str, Mapping[str, object], Mapping[str, object]]] = [
        ("machine", old.machine, new.machine),
        ("versions", old.versions, new.versions),
        ("settings", old.settings, new.settings),
    ]
    ignored = {"load_1min", "memory_limit_bytes"}
    found = [
        f"{what}: {name} was {one.get(name)}, is {other.get(name)}"
        for what, one, other in pairs
        for name in sorted({*one, *other} - ignored)
        if one.get(name) != other.get(name)
    ]
    sizes = {graph.name: graph.nodes for graph in old.graphs}
    found += [
        f"graph {graph.name}: had {sizes[graph.name]} nodes, has {graph.nodes}"
        for graph in new.graphs
        if graph.name in sizes and sizes[graph.name] != graph.nodes
    ]
    return found


def _of_case(old: Case, new: Case | None, threshold: float, times: float) -> Iterator[Change]:
    if new is None:
        yield Change(old.graph, old.name, "status", old.status, "gone", None, WORSE)
        return
    if old.status != new.status:
        verdict = BETTER if new.status == OK else WORSE if old.status == OK else SAME
        yield Change(old.graph, old.name, "status", old.status, new.status, None, verdict)
        return
    if old.is_whole != new.is_whole and old.status == OK:
        words = ("keeps everything", "loses something")
        verdict = WORSE if old.is_whole else BETTER
        yield Change(
            old.graph,
            old.name,
            "fidelity",
            words[not old.is_whole],
            words[old.is_whole],
            None,
            verdict,
        )
    for what, one, other in (
        ("encode", old.encode, new.encode),
        ("decode", old.decode, new.decode),
    ):
        if one is not None and other is not None:
            yield _timed(old, what, one, other, times)
    yield from _beside(old, new, times)
    if old.bytes and new.bytes:
        ratio = new.bytes / old.bytes
        verdict = _verdict(ratio, max(_SIZE, threshold))
        yield Change(
            old.graph,
            old.name,
            "size",
            shown_bytes(old.bytes),
            shown_bytes(new.bytes),
            ratio,
            verdict,
        )


def _beside(old: Case, new: Case, threshold: float) -> Iterator[Change]:
    """Compare the other figures: peaks of memory, depth, whether reading is safe."""
    for what, one, other in (
        ("peak of encoding", old.peak_encode_bytes, new.peak_encode_bytes),
        ("peak of decoding", old.peak_decode_bytes, new.peak_decode_bytes),
    ):
        # Below some pages, peaks are those of the allocator.
        if one is not None and other is not None and max(one, other) > _PEAK:
            ratio = max(other, 1) / max(one, 1)
            shown = shown_bytes(one), shown_bytes(other)
            verdict = _verdict(ratio, max(threshold, UNSTEADY))
            yield Change(old.graph, old.name, what, *shown, ratio, verdict)
    depths = old.fidelity.depth or 0, new.fidelity.depth or 0
    if depths[0] != depths[1]:
        verdict = WORSE if depths[1] < depths[0] else BETTER
        shown = f"{depths[0]:,}", f"{depths[1]:,}"
        yield Change(old.graph, old.name, "depth", *shown, None, verdict)
    if old.safe_to_read != new.safe_to_read:
        words = {True: "safe", False: "runs code"}
        verdict = WORSE if old.safe_to_read else BETTER
        shown = words[old.safe_to_read], words[new.safe_to_read]
        yield Change(old.graph, old.name, "reading", *shown, None, verdict)


def _timed(case: Case, what: str, old: Timing, new: Timing, threshold: float) -> Change:
    ratio = new.median_seconds / max(old.median_seconds, 1e-12)
    found = ratio_of_runs(new.rounds_seconds, old.rounds_seconds)
    apart = found is None or found.low > 1 or found.high < 1
    verdict = _verdict(ratio, threshold) if apart else SAME
    shown = shown_seconds(old.median_seconds), shown_seconds(new.median_seconds)
    return Change(case.graph, case.name, what, *shown, ratio, verdict)


def _verdict(ratio: float, threshold: float) -> str:
    if ratio > threshold:
        return WORSE
    return BETTER if ratio < 1 / threshold else SAME
