"""The benchmark, which tells what codec suits which objects.

`compare` measures codecs on an object from Python; the command ``brinery bench`` does so for graphs of its
own, for the result of a function, and for the objects of a store.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brinery.bench.result import Result
    from brinery.bench.run.compare import compare

__all__ = ["Result", "compare"]

_HOMES = {"Result": "result", "compare": "run.compare"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'brinery.bench' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"brinery.bench.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
