"""Which classes and functions another process should find under their names."""

from __future__ import annotations

import sys
from types import FunctionType

from brinery.typing import Any

_IMMUTABLE_TYPE = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE: of C, from Python 3.10 on
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement or call


def is_importable(cls: type) -> bool:
    """Return whether another process should find `cls` under its name."""
    if is_made_in_c(cls):
        return True  # or at least, there is nothing to write by value
    return cls.__module__ != "__main__" and has_its_name(cls)


def is_made_in_c(cls: type) -> bool:
    """Return whether a class was made by C code, not by Python code."""
    return not cls.__flags__ & _HEAP_TYPE or bool(cls.__flags__ & _IMMUTABLE_TYPE)


def is_importable_function(function: FunctionType) -> bool:
    """Return whether another process should find a function under its name."""
    return function.__module__ not in (None, "__main__") and has_its_name(function)


def has_its_name(obj: Any) -> bool:
    """Return whether the module of a class or function has it under its name now."""
    return found_as(obj.__module__, obj.__qualname__) is obj


def alias_of(cls: type) -> str | None:
    """Return another name that the module of a class has it under, None if there is none.

    The bases of typed dictionaries and named tuples are
    such classes of `typing`.
    """
    module = sys.modules.get(cls.__module__)
    if module is None or cls.__module__ == "__main__" or has_its_name(cls):
        return None
    return next((name for name, value in list(vars(module).items()) if value is cls), None)


def found_as(module: str, qualname: str) -> Any:
    """Return what an imported module has under a name, None if it has nothing."""
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found
