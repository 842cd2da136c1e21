"""Functions written by value: code, captured variables, and the globals that the code uses.

cloudpickle gives each function cells of its own, so that two closures over one variable part company;
dill's way (with `recurse`) does not end for a function that captures itself.  Here a cell is an object like
any other: written once, empty at first and filled when all that it may refer to is under way.  So
variables stay shared, and functions may refer to themselves and to each other.

Functions and methods that have one dictionary of globals in the process have one in the record.
"""

from __future__ import annotations

import dis
import marshal
import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from importlib.util import MAGIC_NUMBER
from itertools import chain
from types import (
    CellType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    ModuleType,
)

from brinery.errors import DecodeError
from brinery.typing import Any, Final

_GLOBAL_OPERATIONS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"})
_ATTRIBUTES: Final = ("__qualname__", "__module__", "__doc__", "__type_params__")
_MODULE_GLOBALS: Final = ("__name__", "__package__", "__file__")
_MAIN: Final = "__main__"
_MOST_KNOWN: Final = 1_000
"""Functions whose reductions are kept; each of very many objects may have one of its own."""
_BYTECODE: Final = int.from_bytes(MAGIC_NUMBER[:2], "little")
_FORMAT: Final = 2 if sys.version_info < (3, 14) else marshal.version
"""Of `marshal`.  From 3 on it counts references, so that equal code has several forms; 2 has no slices."""


# -- the functions that payloads name


def make_code(
    data: bytes,
    bytecode: int,
    python: str,
    parameters: tuple[str, ...] = (),
    captured: tuple[str, ...] = (),
) -> CodeType:
    """Return the code that `marshal` wrote, in the bytecode of a version of Python.

    The names of its positional parameters and of the variables that it captured are there for those who
    read payloads without running them.

    Raise `DecodeError` if this Python has another bytecode: running it would crash the process.
    """
    if bytecode != _BYTECODE:
        raise DecodeError(
            f"it holds a function written by value, whose code is for Python {python}, and this is Python "
            f"{platform.python_version()}",
            advice="Load it with that Python, or define the function in a module and save again",
        )
    code: CodeType = marshal.loads(data)
    return code


def make_cell() -> CellType:
    """Return an empty cell."""
    return CellType()


def fill_cell(cell: CellType, state: tuple[Any]) -> None:
    """Set the content of a cell."""
    cell.cell_contents = state[0]


def make_function(
    code: CodeType, names: dict[str, Any], name: str, closure: tuple[CellType, ...] | None
) -> FunctionType:
    """Return a function that lacks its state; without a ``__name__`` its module is ``__main__``."""
    names.setdefault("__name__", _MAIN)
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


def make_cached_function(function: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    """Return a function with an empty cache, as `functools.lru_cache` makes it."""
    return lru_cache(maxsize, typed)(function)


# -- reductions


def reduce_code(code: CodeType) -> tuple[Any, ...]:
    """Return the reduction of code."""
    data, parameters = marshal.dumps(code, _FORMAT), code.co_varnames[: code.co_argcount]
    return make_code, (data, _BYTECODE, platform.python_version(), parameters, code.co_freevars)


def reduce_cell(cell: CellType) -> tuple[Any, ...]:
    """Return the reduction of a cell, as PEP 307 and `copyreg` have it."""
    try:
        content = cell.cell_contents
    except ValueError:
        return make_cell, ()
    if type(content) is dict and "__module__" in content:
        # From Python 3.14 on functions that evaluate annotations capture the namespace of their class.
        content = {name: value for name, value in content.items() if not is_made_again(name, value)}
    return make_cell, (), (content,), None, None, fill_cell


def is_made_again(name: str, value: Any) -> bool:
    """Return whether an attribute of a class comes with the class when it is made: its slots, for example."""
    return name in _MADE_AGAIN or isinstance(value, (GetSetDescriptorType, MemberDescriptorType))


_MADE_AGAIN: Final = frozenset(
    {
        "__annotations_cache__",
        "__classdictcell__",
        "__dict__",
        "__module__",
        "__qualname__",
        "__slotnames__",
        "__weakref__",
        "_abc_impl",
    }
)


class FunctionReducer:
    """Reduces the functions of one save."""

    def __init__(self) -> None:
        self._globals: dict[int, dict[str, Any]] = {}
        self._known: dict[FunctionType, tuple[Any, ...]] = {}

    def __call__(self, function: FunctionType) -> tuple[Any, ...]:
        """Return the reduction of a function that is written by value."""
        # Each record that needs the function has it in full: so reduce it once for all of them.
        found = self._known.get(function)
        if found is None:
            if len(self._known) == _MOST_KNOWN:
                self._known.clear()
            found = self._known[function] = self._reduced(function)
        return found

    def _reduced(self, function: FunctionType) -> tuple[Any, ...]:
        code = function.__code__
        # Names are one object wherever they occur: a function that was loaded gives the same bytes.
        name = sys.intern(function.__name__)
        arguments = (code, self._shared(function), name, function.__closure__)
        found = used_globals(function)
        state = {
            "globals": found,
            "defaults": function.__defaults__,
            "kwdefaults": function.__kwdefaults__,
            "dict": function.__dict__,
            "attributes": _attributes(function),
            # Loading a module imports it: so submodules that the code reaches by attributes are there.
            "submodules": list(_submodules(function, chain(found.values(), _captured(function)))),
        }
        return make_function, arguments, state, None, None, fill_function

    def _shared(self, function: FunctionType) -> dict[str, Any]:
        names = function.__globals__
        shared = self._globals.get(id(names))
        if shared is None:
            kept = (name for name in _MODULE_GLOBALS if name in names)
            shared = {name: names[name] for name in kept}
            if shared.get("__name__") == _MAIN:
                del shared[
                    "__name__"
                ]  # a payload names ``__main__`` only for what it imports from there
            self._globals[id(names)] = shared
        return shared


def _attributes(function: FunctionType) -> dict[str, Any]:
    names = function.__globals__
    found = {name: getattr(function, name) for name in _ATTRIBUTES if hasattr(function, name)}
    found["__qualname__"] = sys.intern(function.__qualname__)
    if found["__module__"] == names.get("__name__"):
        del found["__module__"]  # the function gets it from its globals
    # From Python 3.14 on annotations are evaluated when asked for, and may have no value outside of a
    # type checker.  Then the function that evaluates them is kept.
    annotate = getattr(function, "__annotate__", None)
    if annotate is None:
        found["__annotations__"] = function.__annotations__
    else:
        found["__annotate__"] = annotate
    return found


def used_globals(function: FunctionType) -> dict[str, Any]:
    """Return the globals that the code of a function names and that exist, in alphabetical order."""
    names = function.__globals__
    return {
        sys.intern(name): names[name] for name in _global_names(function.__code__) if name in names
    }


def all_code(code: CodeType) -> Iterator[CodeType]:
    """Yield code, and that of the functions and classes inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from all_code(constant)


@lru_cache(maxsize=1024)
def _global_names(code: CodeType) -> tuple[str, ...]:
    found = {
        str(instruction.argval)
        for inner in all_code(code)
        for instruction in dis.get_instructions(inner)
        if instruction.opname in _GLOBAL_OPERATIONS
    }
    return tuple(sorted(found - {"__builtins__"}))


def _captured(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # it is empty
            yield cell.cell_contents


def _submodules(function: FunctionType, values: Iterable[Any]) -> Iterator[ModuleType]:
    modules = {value.__name__ for value in values if type(value) is ModuleType}
    if not modules:
        return
    words = {name for code in all_code(function.__code__) for name in code.co_names}
    for name, module in list(sys.modules.items()):
        for parent in modules:
            prefix = f"{parent}."
            if name.startswith(prefix) and words.issuperset(name[len(prefix) :].split(".")):
                yield module
