"""Codecs measured on one object, from Python."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from brinery.bench.report.report import Report
from brinery.bench.run.child import Effort
from brinery.bench.run.choice import choices
from brinery.bench.run.plan import Plan, run
from brinery.bench.run.runner import Limits
from brinery.bench.run.source import Given
from brinery.registry.codecs import CodecArgument


def compare(
    obj: Any,
    codecs: str | Iterable[CodecArgument] | None = None,
    compress: str | Iterable[str] | None = None,
    *,
    to: Iterable[str] | None = None,
    seconds: float = 0.1,
    rounds: int = 5,
    timeout: float = 60.0,
    memory: int | None = None,
    progress: bool = True,
) -> Report:
    """Measure codecs on an object; return a `Report`, which notebooks show as tables.

    `codecs`
        A string such as ``"pickle:5,dill,auto"``, or a list of names, codecs and chains; by default all
        that are installed.
    `compress`
        Such as ``"none,lz4,zstd:3"``.
    `to`
        URLs and paths: cases are saved to and loaded from a new store at each, and the flush to the disk is
        part of it.  Without, stores are in memory.
    `seconds`
        In each round encoding and decoding are repeated for that long each, but at least three times.
    `rounds`
        How often each case is measured, in turns with the others, and in a process of its own each time.
        The rounds show how sure the figures are.
    `timeout`, `memory`
        Seconds and bytes for one case.  A case that takes more is stopped, and its status says so.
    `progress`
        Show a bar if standard error is a terminal.

    The names of codecs are looked up in this process, which imports their libraries.  Each case runs in a
    copy of it (fork), so the object need not be serialized to get there.  Raise `InvalidArgumentError` on a
    system without fork, and for unknown names.
    """
    plan = Plan(
        [Given(obj)],
        choices(codecs, compress, to),
        effort=Effort(seconds, rounds=rounds),
        limits=Limits(timeout, memory),
        command="brinery.bench.compare",
    )
    if not progress or not sys.stderr.isatty():
        return run(plan)
    from brinery.bench.run.bar import bar

    with bar() as show:
        return run(plan, show)
