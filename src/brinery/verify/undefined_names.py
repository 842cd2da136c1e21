"""Undefined names in functions, which load but would fail when they are called.

A loaded graph is walked, without recursion and without calling a method of any object.  The functions in it
that were written by value are checked.  Each global name that their code loads has to be in their globals or
builtins, and each module attribute that their code loads has to exist.

Code may be prepared for a missing name.  A name is therefore not reported if some function assigns it
(``global name``), if it is loaded inside a ``try`` that catches `NameError`, or if the code also contains it
as a string, as in ``"name" in globals()``.
"""

from __future__ import annotations

import builtins
import dis
import gc
import sys
from collections.abc import Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, MethodWrapperType, ModuleType
from typing import Any, Final

from brinery.graph.object_path import parts_of

_HEAP_TYPE: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_ATOMS: Final = frozenset({type(None), bool, int, float, complex, str, bytes, type(...), bytearray})
_LOADS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_ATTRIBUTES: Final = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_MISSING: Final = object()


def undefined_names(obj: Any) -> list[tuple[str, str]]:
    """Return the undefined names of the functions that `obj` reaches: path and problem for each."""
    walk = _Walk(obj)
    main = sys.modules["__main__"].__dict__
    # Functions that an imported module contains, or that its code has made, find the module's names.
    functions = [
        (place, found)
        for place, found in enumerate(walk.objects)
        if type(found) is FunctionType
        and not _is_by_reference(found)
        and (found.__globals__ is main or not _is_of_a_module(found.__globals__))
    ]
    assigned: dict[int, set[str]] = {}
    for _, function in functions:
        names = assigned.setdefault(id(function.__globals__), set())
        for code in _all_code(function.__code__):
            names |= {i.argval for i in dis.get_instructions(code) if i.opname == "STORE_GLOBAL"}
    found: dict[tuple[str, str], None] = {}
    for place, function in functions:
        for what in _missing(function, assigned[id(function.__globals__)]):
            found.setdefault((walk.path_to(place), what))
    return list(found)


# -- the walk


class _Walk:
    """All objects to check, each once, the nearest first."""

    def __init__(self, obj: Any) -> None:
        # All objects are kept alive: an object made during the walk must not lose its id to another.
        self.objects = [obj]
        self._reached: list[tuple[int, str]] = [(-1, "")]
        seen = {id(obj)}
        for place, found in enumerate(self.objects):
            for step, part in _parts(found):
                if id(part) not in seen and type(part) not in _ATOMS:
                    seen.add(id(part))
                    self.objects.append(part)
                    self._reached.append((place, step))

    def path_to(self, place: int) -> str:
        """Return a shortest path to the object at a place."""
        steps = []
        while place >= 0:
            place, step = self._reached[place]
            steps.append(step)
        return "".join(reversed(steps))


def _parts(obj: Any) -> Iterator[tuple[str, Any]]:
    cls = type(obj)
    if cls is ModuleType or issubclass(cls, (ModuleType, CodeType)):
        return
    if issubclass(cls, type):
        if not _is_by_reference(obj):
            for name, value in list(type.__getattribute__(obj, "__dict__").items()):
                if name not in ("__dict__", "__weakref__"):
                    yield f".{name}", value
            for base in type.__getattribute__(obj, "__bases__"):
                yield ".__bases__", base
        return
    if cls is FunctionType:
        if _is_by_reference(obj):
            return
        names = obj.__globals__
        if not _is_of_a_module(names):
            for name in _loaded_names(obj.__code__):
                if name in names:
                    yield f"<global {name}>", names[name]
    if not _is_by_reference(cls):
        yield ".__class__", cls
    known = False
    for step, part in parts_of(obj):
        known = True
        yield step, part
    if isinstance(obj, (property, staticmethod, classmethod)):
        for name in ("fget", "fset", "fdel", "__func__"):
            yield f".{name}", getattr(obj, name, None)
    elif cls is BuiltinFunctionType or cls is MethodWrapperType:
        yield ".__self__", obj.__self__
    elif _is_object_array(obj):
        for part in obj.ravel().tolist():
            yield "[…]", part
    elif not known and cls is not FunctionType and gc.is_tracked(obj):
        # Containers in C about which nothing else is known.
        for part in gc.get_referents(obj):
            yield "<…>", part


def _is_object_array(obj: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(obj) is numpy.ndarray and obj.dtype.hasobject


def _is_by_reference(obj: Any) -> bool:
    """Return whether an imported module has this class or function under its name."""
    if isinstance(obj, type) and not obj.__flags__ & _HEAP_TYPE:
        return True
    module = getattr(obj, "__module__", None)
    if not isinstance(module, str):
        return False
    found: Any = sys.modules.get(module)
    for part in obj.__qualname__.split("."):
        found = getattr(found, "__dict__", {}).get(part)
        if isinstance(found, (staticmethod, classmethod)):
            found = found.__func__
    return found is obj


def _is_of_a_module(names: dict[str, Any]) -> bool:
    module = sys.modules.get(str(names.get("__name__")))
    return module is not None and module.__dict__ is names


# -- the code


def _all_code(code: CodeType) -> Iterator[CodeType]:
    pending = [code]
    while pending:
        found = pending.pop()
        # Names in annotations are looked up only when the annotations are.
        if found.co_name != "__annotate__":
            yield found
            pending += [each for each in found.co_consts if type(each) is CodeType]


def _loaded_names(code: CodeType) -> set[str]:
    return {
        instruction.argval
        for each in _all_code(code)
        for instruction in dis.get_instructions(each)
        if instruction.opname in _LOADS
    }


def _missing(function: FunctionType, assigned: set[str]) -> Iterator[str]:
    names = function.__globals__
    built_in: Any = names.get("__builtins__", builtins)
    built_in = built_in if isinstance(built_in, dict) else built_in.__dict__
    for code in _all_code(function.__code__):
        guards = _Guards(code)
        local = {i.argval for i in guards.instructions if i.opname == "STORE_NAME"}
        for position, instruction in enumerate(guards.instructions):
            name = instruction.argval
            value = _MISSING
            if instruction.opname in _LOADS:
                value = names.get(name, built_in.get(name, _MISSING))
                if value is _MISSING:
                    is_known = name in assigned or name in local or name in code.co_consts
                    if not is_known and not guards.covers(instruction.offset, "NameError"):
                        yield f"the global name {name!r} is not defined there"
            elif instruction.opname == "LOAD_DEREF":
                value = _captured(function, str(name))
            if isinstance(value, ModuleType):
                yield from _missing_attribute(value, guards, position)


def _captured(function: FunctionType, name: str) -> Any:
    try:
        place = function.__code__.co_freevars.index(name)
        return (function.__closure__ or ())[place].cell_contents
    except (ValueError, IndexError):
        return _MISSING


def _missing_attribute(module: ModuleType, guards: _Guards, position: int) -> Iterator[str]:
    # Follows `module.part.part` while the parts are modules.
    for instruction in guards.instructions[position + 1 :]:
        if instruction.opname not in _ATTRIBUTES:
            return
        name = str(instruction.argval)
        found = getattr(module, name, _MISSING)
        if found is _MISSING:
            if not guards.covers(instruction.offset, "AttributeError"):
                yield (
                    f"the module {module.__name__!r} has no attribute {name!r} there: import "
                    f"{module.__name__}.{name} in the function if that is a module"
                )
            return
        if not isinstance(found, ModuleType):
            return
        module = found


class _Guards:
    """The instructions of a piece of code, and the exceptions that are caught around each."""

    def __init__(self, code: CodeType) -> None:
        bytecode = dis.Bytecode(code)
        self.instructions = [i for i in bytecode if i.opname not in ("CACHE", "PUSH_NULL")]
        entries: Any = getattr(bytecode, "exception_entries", ())
        self._caught = [(entry.start, entry.end, self._handled(entry.target)) for entry in entries]

    def _handled(self, target: int) -> set[str]:
        # Return the names of the exceptions that the handlers at `target` catch; "*" for a bare except.
        caught: set[str] = set()
        loaded: list[str] = []
        handler = [i for i in self.instructions if i.offset >= target]
        if [i.opname for i in handler[:2]] == ["PUSH_EXC_INFO", "POP_TOP"]:
            return {"*"}
        for instruction in handler:
            if instruction.opname in _LOADS:
                loaded.append(str(instruction.argval))
            elif instruction.opname == "CHECK_EXC_MATCH":
                caught.update(loaded)
                loaded = []
            elif instruction.opname == "RERAISE":
                break
            elif instruction.opname not in ("BUILD_TUPLE", "PUSH_EXC_INFO"):
                loaded = []
        return caught

    def covers(self, offset: int, error: str) -> bool:
        """Return whether `error`, raised at `offset`, is caught in the same code."""
        wanted = {error, "Exception", "BaseException", "*"}
        return any(start <= offset < end and caught & wanted for start, end, caught in self._caught)
