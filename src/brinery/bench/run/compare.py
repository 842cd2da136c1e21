"""Measuring codecs on an object at hand."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from brinery.bench.result import Result
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
    seconds: float = 0.3,
    processes: int = 1,
    timeout: float = 60.0,
    memory: int | None = None,
    progress: bool = True,
) -> Result:
    """Measure codecs on an object; return a `Result`, which notebooks show as a table.

    `codecs` are as ``"pickle:5,dill,auto"`` or a list of names, codecs and chains; by default all that
    are installed.  `compress` is as ``"none,lz4,zstd:3"``.  Encoding and decoding are repeated for
    `seconds` each, at least three times, in each of so many `processes`.  A case that takes more than
    `timeout` seconds or `memory` bytes is ended, and told as such.  With `progress` a bar is shown where
    standard error is a terminal.

    The names of codecs are looked up in this process, which imports their libraries.  Each case runs in a
    copy of it (fork), so that the object need not be serialized to get there;
    on a system without fork, raise InvalidArgumentError.
    """
    plan = Plan(
        [Given(obj)],
        choices(codecs, compress),
        effort=Effort(seconds),
        limits=Limits(timeout, memory),
        processes=processes,
        command="brinery.bench.compare",
    )
    if not progress or not sys.stderr.isatty():
        return run(plan)
    from brinery.bench.run.bar import bar

    with bar() as show:
        return run(plan, show)
