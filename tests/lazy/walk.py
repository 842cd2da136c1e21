"""Walking through graphs that were loaded lazily."""

from __future__ import annotations

import gc
from types import FunctionType, ModuleType
from typing import Any

from brinery import Store


def parts_of(root: Any) -> list[Any]:
    """Return all objects that one reaches, but for classes, modules and what belongs to them."""
    found: dict[int, Any] = {}
    pending = [root]
    while pending:
        obj = pending.pop()
        cls = type(obj)
        if id(obj) in found or issubclass(cls, (type, ModuleType, Store)):
            continue
        found[id(obj)] = obj
        if cls is FunctionType:
            pending += [obj.__closure__, obj.__defaults__, obj.__kwdefaults__]
        else:
            pending += gc.get_referents(obj)
    return [*found.values()]


def ghosts_of(store: Store, root: Any) -> list[Any]:
    """Return the objects that one reaches and that have no state yet."""
    return [obj for obj in parts_of(root) if not store.is_loaded(obj)]


def walk(store: Store, root: Any) -> None:
    """Use each object that one reaches."""
    while ghosts := ghosts_of(store, root):
        for ghost in ghosts:
            getattr(ghost, "__dict__", None)
            assert store.is_loaded(ghost)
