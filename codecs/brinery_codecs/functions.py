"""Functions written by value: code, captured variables, and the globals that the code uses.

cloudpickle gives each function cells of its own, so that two closures over one variable part company;
dill's way (with `recurse`) does not end for a function that captures itself.  Here a cell is an object like
any other: written once, empty at first and filled when all that it may refer to is under way.  So
variables stay shared, and functions may refer to themselves and to each other.

Functions that have one dictionary of globals in the process have one in the record.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

_GLOBAL_OPERATIONS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"})
_ATTRIBUTES = ("__qualname__", "__module__", "__doc__", "__annotations__", "__type_params__")
_MODULE_GLOBALS = ("__name__", "__package__", "__file__")


# -- the functions that payloads name


def make_cell() -> CellType:
    """Return an empty cell."""
    return CellType()


def fill_cell(cell: CellType, state: tuple[Any]) -> None:
    """Set the content of a cell."""
    cell.cell_contents = state[0]


def make_function(
    code: CodeType, names: dict[str, Any], name: str, closure: tuple[CellType, ...] | None
) -> FunctionType:
    """Return a function that lacks its state."""
    names.setdefault("__builtins__", __builtins__)
    return FunctionType(code, names, name, None, closure)


def fill_function(function: FunctionType, state: dict[str, Any]) -> None:
    """Restore defaults, attributes and the globals that a function uses."""
    function.__globals__.update(state["globals"])
    function.__defaults__ = state["defaults"]
    function.__kwdefaults__ = state["kwdefaults"]
    function.__dict__.update(state["dict"])
    for name, value in state["attributes"].items():
        if hasattr(function, name):
            setattr(function, name, value)


# -- reductions


def reduce_cell(cell: CellType) -> tuple[Any, ...]:
    """Return the reduction of a cell, as PEP 307 and `copyreg` have it."""
    try:
        content = cell.cell_contents
    except ValueError:
        return make_cell, ()
    return make_cell, (), (content,), None, None, fill_cell


class FunctionReducer:
    """Reduces the functions of one record."""

    def __init__(self) -> None:
        self._globals: dict[int, dict[str, Any]] = {}

    def __call__(self, function: FunctionType) -> tuple[Any, ...]:
        """Return the reduction of a function that is written by value."""
        code = function.__code__
        arguments = (code, self._shared(function), function.__name__, function.__closure__)
        state = {
            "globals": _used_globals(function),
            "defaults": function.__defaults__,
            "kwdefaults": function.__kwdefaults__,
            "dict": function.__dict__,
            "attributes": {
                name: getattr(function, name) for name in _ATTRIBUTES if hasattr(function, name)
            },
            # Loading a module imports it: so submodules that the code reaches by attributes are there.
            "submodules": list(_submodules(function)),
        }
        return make_function, arguments, state, None, None, fill_function

    def _shared(self, function: FunctionType) -> dict[str, Any]:
        names = function.__globals__
        shared = self._globals.get(id(names))
        if shared is None:
            kept = (name for name in _MODULE_GLOBALS if name in names)
            shared = self._globals[id(names)] = {name: names[name] for name in kept}
        return shared


def is_importable_function(function: FunctionType) -> bool:
    """Return whether another process should find a function under its name."""
    module = function.__module__
    if module in (None, "__main__"):
        return False
    found: Any = sys.modules.get(module)
    for part in function.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is function


def _used_globals(function: FunctionType) -> dict[str, Any]:
    names = function.__globals__
    return {name: names[name] for name in sorted(_global_names(function.__code__)) if name in names}


def _global_names(code: CodeType) -> set[str]:
    found = {
        str(instruction.argval)
        for instruction in dis.get_instructions(code)
        if instruction.opname in _GLOBAL_OPERATIONS
    }
    for inner in _inner_code(code):
        found |= _global_names(inner)
    return found - {"__builtins__"}


def _inner_code(code: CodeType) -> Iterator[CodeType]:
    return (constant for constant in code.co_consts if isinstance(constant, CodeType))


def _submodules(function: FunctionType) -> Iterator[ModuleType]:
    words = _attribute_names(function.__code__)
    for value in _used_globals(function).values():
        if type(value) is ModuleType:
            prefix = f"{value.__name__}."
            for name, module in list(sys.modules.items()):
                if name.startswith(prefix) and words.issuperset(name[len(prefix) :].split(".")):
                    yield module


def _attribute_names(code: CodeType) -> set[str]:
    found = set(code.co_names)
    for inner in _inner_code(code):
        found |= _attribute_names(inner)
    return found
