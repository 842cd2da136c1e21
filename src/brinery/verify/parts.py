"""The parts of an object, each with the step that leads to it."""

from __future__ import annotations

import copyreg
import dis
import re
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, Final
from uuid import UUID

Step = tuple[str, Any]
"""The step from an object to a part of it, as text, and the part."""

ATOMS: Final = frozenset(
    {type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented)}
)
SETS: Final = (set, frozenset)
_VALUES: Final = frozenset(
    {date, datetime, time, timedelta, timezone, Decimal, Fraction, UUID, range}
)
_NESTED: Final = 4
"""How deep a tuple may hold tuples and be a value."""


def is_by_name(obj: Any) -> bool:
    """Return whether an object may come back as itself: an atom, or an object imported by its name."""
    return type(obj) in ATOMS or goes_by_name(obj) or (type(obj) in (tuple, frozenset) and not obj)


def is_value(obj: Any, depth: int = _NESTED) -> bool:
    """Return whether nothing can be changed in an object, which is as good as any other that is equal."""
    cls = type(obj)
    if cls in ATOMS or cls in _VALUES:
        return True
    if cls not in (tuple, frozenset):
        return False
    return depth > 0 and all(is_value(each, depth - 1) for each in obj)


def goes_by_name(obj: Any) -> bool:
    """Return whether an object is imported by its name: a class, a module, a function."""
    if isinstance(obj, (type, ModuleType, Enum)):
        return True
    if type(obj) is BuiltinFunctionType:
        return isinstance(obj.__self__, ModuleType)
    return type(obj) is FunctionType and _imported(obj) is obj


def _imported(function: FunctionType) -> Any:
    found: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    return found


def elements_of(obj: Any) -> list[Any]:
    """Return the elements of a set, in its own order; an empty list for any other object."""
    if isinstance(obj, set):
        return list(set.__iter__(obj))
    return list(frozenset.__iter__(obj)) if isinstance(obj, frozenset) else []


def parts_of(obj: Any) -> Iterator[Step]:
    """Yield all parts of an object except the elements of a set, always in the same order."""
    cls = type(obj)
    if cls is FunctionType:
        yield from _function_parts(obj)
    elif cls is CellType:
        if _is_filled(obj):
            yield "<contents>", obj.cell_contents
    elif cls in (MethodType, BuiltinFunctionType):
        yield from (("<self>", obj.__self__), ("<name>", obj.__name__))
    elif has_reduction(obj):
        yield from _reduction_parts(obj)
    else:
        for base, contents in _CONTENTS.items():
            if issubclass(cls, base):
                yield from contents(obj)
        yield from _attributes(obj)


def _sequence(base: Any) -> Callable[[Any], Iterator[Step]]:
    return lambda obj: ((f"[{i}]", item) for i, item in enumerate(base.__iter__(obj)))


def _mapping_parts(obj: Any) -> Iterator[Step]:
    base: Any = OrderedDict if isinstance(obj, OrderedDict) else dict
    for index, (key, value) in enumerate(base.items(obj)):
        yield f"<key {index}>", key
        yield f"[{key!r}]" if type(key) in ATOMS else f"[key {index}]", value
    if isinstance(obj, defaultdict):
        yield ".default_factory", obj.default_factory


def _value(exact: Callable[[Any], Any]) -> Callable[[Any], Iterator[Step]]:
    return lambda obj: iter([("<value>", exact(obj))])


_CONTENTS: Final[dict[type, Callable[[Any], Iterator[Step]]]] = {
    list: _sequence(list),
    tuple: _sequence(tuple),
    deque: _sequence(deque),
    dict: _mapping_parts,
    int: _value(int.__pos__),
    float: _value(float.__pos__),
    complex: _value(complex.__pos__),
    str: _value(str.__str__),
    bytes: _value(lambda obj: bytes.__getitem__(obj, slice(None))),
    bytearray: _value(lambda obj: bytes(memoryview(obj))),
}
_TRANSPARENT: Final = frozenset({object, OrderedDict, defaultdict, *SETS, *_CONTENTS})


def _is_opaque(cls: type) -> bool:
    """Return whether a class has a base written in C whose parts are not known here."""
    heap, immutable = 1 << 9, 1 << 8  # Py_TPFLAGS_HEAPTYPE, Py_TPFLAGS_IMMUTABLETYPE
    return any(
        base not in _TRANSPARENT and base.__flags__ & (heap | immutable) != heap
        for base in cls.__mro__
    )


def _has_own_reduction(cls: type) -> bool:
    """Return whether a class defines how it is reduced; its attributes may then hold more, or less."""
    if cls in copyreg.dispatch_table:
        return cls not in _TRANSPARENT
    return any(_definer(cls, name) not in _TRANSPARENT for name in _REDUCERS)


def has_reduction(obj: Any) -> bool:
    """Return whether the parts of an object are those of its reduction."""
    cls = type(obj)
    return _is_opaque(cls) or _has_own_reduction(cls)


def argument_number(step: str) -> int | None:
    """Return the number of the argument of a reduction that a step leads to; None for any other step."""
    found = re.fullmatch(r"<argument (\d+)>", step)
    return int(found[1]) if found else None


def _is_in_python(cls: type, *names: str) -> bool:
    return any(isinstance(getattr(cls, name), FunctionType) for name in names)


def _definer(cls: type, name: str) -> type:
    return next(base for base in cls.__mro__ if name in base.__dict__)


_REDUCERS: Final = ("__reduce_ex__", "__reduce__", "__getstate__")


def _reduction_parts(obj: Any) -> Iterator[Step]:
    reducer = copyreg.dispatch_table.get(type(obj))
    reduction = reducer(obj) if reducer else obj.__reduce_ex__(4)
    if isinstance(reduction, str):
        yield "<name>", reduction
        return
    constructor, arguments, *rest = reduction
    yield "<constructor>", constructor
    yield from ((f"<argument {i}>", argument) for i, argument in enumerate(arguments))
    state, *iterators = rest or [None]
    if type(state) is dict:
        yield from ((f".{k}", state[k]) for k in sorted(state, key=repr))
    elif state is not None:  # which is the same as no attributes
        yield "<state>", state
    if not _is_in_python(type(obj), "__reduce_ex__", "__reduce__") and reducer is None:
        # A reduction in C knows nothing of attributes that a subclass or its users have added.
        told = {f".{k}" for k in state} if type(state) is dict else set()
        yield from (part for part in _attributes(obj) if part[0] not in told)
        if isinstance(obj, BaseException):
            yield "<suppresses context>", obj.__suppress_context__
            yield from (("<context>", obj.__context__), ("<cause>", obj.__cause__))
    yield from (
        (f"<items {i}>", [*items]) for i, items in enumerate(iterators) if items is not None
    )


def _attributes(obj: Any) -> Iterator[Step]:
    attributes = getattr(obj, "__dict__", None) or {}
    for name in sorted(attributes, key=str):
        yield f".{name}", attributes[name]
    for cls in type(obj).__mro__:
        for name, member in cls.__dict__.items():
            if type(member) is MemberDescriptorType and cls not in _TRANSPARENT:
                try:
                    value = member.__get__(obj, cls)
                except AttributeError:
                    continue
                yield f".{name} of {cls.__name__}", value


def _is_filled(cell: CellType) -> bool:
    return cell != CellType()  # cells compare by their contents; an empty one is the least


def _function_parts(function: FunctionType) -> Iterator[Step]:
    code = function.__code__
    yield "<code>", code
    yield from ((f".{name}", getattr(function, name)) for name in _OF_FUNCTIONS)
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        yield f"<captured {name}>", cell
    for name in sorted(_globals_of(code) & function.__globals__.keys()):
        yield f"<global {name}>", function.__globals__[name]


_OF_FUNCTIONS: Final = ("__name__", "__qualname__", "__defaults__", "__kwdefaults__", "__dict__")


def _globals_of(code: CodeType) -> set[str]:
    found = {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
    for constant in code.co_consts:
        if type(constant) is CodeType:
            found |= _globals_of(constant)
    return found


def text_of(atom: Any) -> str:
    """Return an atom as text; two atoms are equal in type and value if their types and texts are."""
    # Python refuses to write integers of thousands of digits as decimal numbers.
    return hex(atom) if type(atom) is int and atom.bit_length() > _LONG else repr(atom)


_LONG: Final = 256  # bits


def shown(obj: Any) -> str:
    """Return a short text that shows an object in messages."""
    if type(obj) in ATOMS:
        return f"{text_of(obj):.80}"
    name = getattr(obj, "__qualname__", None) or getattr(obj, "label", None)
    return f"{type(obj).__name__} object" + (f" {name!r:.40}" if name is not None else "")
