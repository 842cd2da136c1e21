"""The benchmark, which finds the codec that suits your objects.

A *source* gives the objects to measure: a built-in *graph*, the result of a function, the objects of a
store, or one object of this process.  A *case* is one codec, protocol and compression on one source.  A
*plan* lists sources and choices; running it (`run`) gives a *result*, which is data and becomes JSON
(`result`).  A *report* is a result that renders itself as text, CSV or a page (`report`), with *advice*:
the codecs to choose.  `compare` does all this for one object; the command ``brinery bench`` for the others.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brinery.bench.report.report import Report
    from brinery.bench.run.compare import compare

__all__ = ["Report", "compare"]

_HOMES = {"Report": "report.report", "compare": "run.compare"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'brinery.bench' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"brinery.bench.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
