"""Compares what was written with what came back, and says in one line how they differ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from brinery.testing.league.probe import AS_GRAPH, BY_VALUE, Probe
from brinery.verify.description import Line, described, difference
from brinery.verify.isomorphism import assert_isomorphic

_SHOWN: Final = 200  # characters
_SHORT: Final = 90


class Expectation:
    """What the reading process has to find; made where the object is written."""

    def __init__(self, lines: Sequence[Line], used: str) -> None:
        self.lines = lines
        self.used = used


def expectation(probe: Probe) -> Expectation:
    """Return what is expected of a probe, from an object that nobody else uses."""
    obj = probe.build()
    lines = described([obj]) if probe.judge == BY_VALUE else []
    return Expectation(lines, _used(probe, obj))


def loss(probe: Probe, found: Any, expected: Expectation) -> str:
    """Return how an object differs from the expected one; "" if it does not."""
    try:
        # A use may change the object, and says more than a description.
        lines = described([found]) if probe.judge == BY_VALUE else []
        lost = "" if probe.judge == BY_VALUE else _lost(probe, found)
        used = "" if lost else _used(probe, found)
    except Exception as error:  # noqa: BLE001 - what came back may fail in any way
        return in_a_line(f"what came back fails when it is used: {said(error)}")
    if lost:
        return lost
    if used != expected.used:
        return in_a_line(f"in use: {expected.used} became {used}")
    return in_a_line(difference(expected.lines, lines) or "")


def _lost(probe: Probe, found: Any) -> str:
    built = probe.build()
    if probe.judge != AS_GRAPH:
        if type(built) is type(found):
            return ""
        return f"an object of {type(built).__name__} became one of {type(found).__name__}"
    try:
        # Each object is a record of its own: nothing is loaded twice by design.
        assert_isomorphic(built, found, records=False, values=False)
    except AssertionError as error:
        return _in_short(built, found) or in_a_line(str(error))
    return ""


def _in_short(built: Any, found: Any) -> str:
    # Two short texts say more than the place; where they hold addresses, or are equal, they do not.
    texts = repr(built), repr(found)
    if texts[0] == texts[1] or any(len(text) > _SHORT or " at 0x" in text for text in texts):
        return ""
    return in_a_line(" became ".join(texts))


def _used(probe: Probe, obj: Any) -> str:
    return "" if probe.use is None else repr(probe.use(obj))


def said(error: BaseException) -> str:
    """Return an error as text."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def in_a_line(text: str) -> str:
    """Return a text as one line that is the same on each machine: no addresses, no temporary paths."""
    line = re.sub(r"0x[0-9a-fA-F]{4,}", "0x…", " ".join(text.split()))
    line = re.sub(r"(/[\w.+-]+)+/brinery-league-\w+(/\w+)*", "…", line)
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
