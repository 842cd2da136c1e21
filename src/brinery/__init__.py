"""brinery: a persistent store for Python object graphs, with a pluggable codec layer.

Public names are listed in `__init__.pyi` and imported on first use, so that ``import brinery`` costs next to
nothing and loads no codec library.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"


def _modules() -> dict[str, str]:
    """Map each public name to the module that defines it, as the stub says."""
    stub = __spec__.loader.get_data(f"{__path__[0]}/__init__.pyi").decode("utf-8")
    lines = (line.split() for line in stub.splitlines() if line.startswith("from "))
    return {name: module for _, module, _, name, _, _ in lines}


def __getattr__(name: str) -> object:
    found: object
    if name == "__all__":
        found = sorted([*_modules(), "__version__"])
    elif not name.startswith("__") and (module := _modules().get(name)):
        found = getattr(importlib.import_module(module), name)
    else:
        raise AttributeError(f"module 'brinery' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__getattr__("__all__"))
