"""The nodes of a graph, as a pickler meets them.

A node is an object that is reached from the roots through containers, attributes and the variables that
functions capture.  Each counts once, by identity.  Strings and numbers are nodes, too.  Classes, modules and
importable functions are written by name and have no parts; an object of a library in C (an array, a date) is
one node.
"""

from __future__ import annotations

import functools
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any, Final

_ATOMS: Final = frozenset({type(None), bool, int, float, complex, str, bytes, bytearray})


def nodes_of(roots: Iterable[Any]) -> list[Any]:
    """Return all nodes of a graph; the walk keeps its own stack."""
    found: list[Any] = []
    met: set[int] = set()
    parts_of = _PartsByType()
    stack: list[Any] = list(roots)
    while stack:
        obj = stack.pop()
        if id(obj) in met:
            continue
        met.add(id(obj))
        # Keep also temporary objects alive: no other object may get their address.
        found.append(obj)
        parts = parts_of[type(obj)]
        if parts is not None:
            stack += parts(obj)
    return found


def has_functions(nodes: Sequence[Any]) -> bool:
    """Return whether one of the nodes is a function that cannot be imported by its name."""
    return any(type(node) is FunctionType and not _is_importable(node) for node in nodes)


def _is_importable(function: FunctionType) -> bool:
    if function.__module__ == "__main__":
        return False
    found: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is function


_Parts = Callable[[Any], Iterable[Any]]


class _PartsByType(dict[type, _Parts | None]):
    """Functions that return the parts of an object, by its type; None for types without parts."""

    def __missing__(self, cls: type) -> _Parts | None:
        found = self[cls] = _parts_for(cls)
        return found


def _parts_for(cls: type) -> _Parts | None:
    if cls in _ATOMS or issubclass(cls, (type, ModuleType)):
        return None
    if cls in _EXACT:
        return _EXACT[cls]
    held = [parts for base, parts in _EXACT.items() if issubclass(cls, base)]
    slots = _slots(cls)
    has_dict = getattr(cls, "__dictoffset__", 0) != 0
    if not (held or slots or has_dict):
        return None
    return functools.partial(_instance_parts, held, slots, has_dict)


def _instance_parts(
    held: Sequence[_Parts], slots: Sequence[Any], has_dict: bool, obj: Any
) -> list[Any]:
    found = [part for parts in held for part in parts(obj)]
    if has_dict:
        found += vars(obj).values()
    for slot in slots:
        try:
            found.append(slot.__get__(obj))
        except AttributeError:  # not set
            continue
    return found


def _slots(cls: type) -> list[Any]:
    own = (member for base in cls.__mro__ for member in vars(base).values())
    # A pickler does not write the members of types in C.
    return [
        m for m in own if type(m) is MemberDescriptorType and m.__objclass__.__flags__ & (1 << 9)
    ]


def _dict_parts(obj: Any) -> list[Any]:
    return [*dict.keys(obj), *dict.values(obj)]


def _function_parts(function: Any) -> list[Any]:
    if _is_importable(function):
        return []
    found = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    found += vars(function).values()
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # an empty one
            continue
    return found


_EXACT: Final[dict[type, _Parts]] = {
    list: list.__iter__,
    tuple: tuple.__iter__,
    dict: _dict_parts,
    set: set.__iter__,
    frozenset: frozenset.__iter__,
    deque: deque.__iter__,
    FunctionType: _function_parts,
    MethodType: lambda method: (method.__self__, method.__func__),
    functools.partial: lambda partial: (partial.func, partial.args, partial.keywords),
}
