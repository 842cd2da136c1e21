"""A graph as text, which two processes can compare: values, classes by value, variables, and what is shared.

Objects of classes by value cannot be compared across processes, and within one the reader finds the living
class.  So each process describes its graph: a line for each object that it meets for the first time, with its
holder, and the number of the object where it meets it again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import EnumType
from hashlib import blake2b
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    ModuleType,
)
from typing import Any, Final, NamedTuple

from brinery.verify.parts import ATOMS, SETS, Step, elements_of, has_reduction, parts_of, text_of

_MOST: Final = 1_000_000  # lines
_HEAP_TYPE: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE


class Line(NamedTuple):
    """One step: from the object of line `holder` (-1: none) to a part of it."""

    holder: int
    step: str
    text: str
    """What the part is; for an object that was met before, ``=`` and the number of its line."""


def described(roots: Sequence[Any]) -> list[Line]:
    """Return the description of a graph."""
    lines: list[Line] = []
    met: dict[int, int] = {}
    alive: list[Any] = []
    stack: list[tuple[int, str, Any]] = [
        (-1, f"[{place}]", root) for place, root in reversed([*enumerate(roots)])
    ]
    while stack and len(lines) < _MOST:
        holder, step, obj = stack.pop()
        if type(obj) in ATOMS:
            lines.append(Line(holder, step, f"{text_of(obj):.200}"))
            continue
        name = _name_of(obj)
        if name is not None:
            lines.append(Line(holder, step, name))
            continue
        if id(obj) in met and not (type(obj) in (tuple, frozenset) and not obj):
            lines.append(Line(holder, step, f"={met[id(obj)]}"))
            continue
        number = met[id(obj)] = len(lines)
        alive.append(obj)
        lines.append(Line(holder, step, _kind_of(obj)))
        stack += reversed([(number, *part) for part in _parts_of(obj)])
    return lines


def difference(first: Sequence[Line], second: Sequence[Line]) -> str | None:
    """Return where and how the second description differs from the first; None if it does not."""
    for number, (one, other) in enumerate(zip(first, second, strict=False)):
        if one == other:
            continue
        if one.holder != other.holder or one.step != other.step:
            holder = min(one.holder, other.holder)
            return f"at {_path(first, holder)}: {one.step} became {other.step}"
        where = f"at {_path(first, number)}"
        if one.text.startswith("="):
            return (
                f"{where}: it is no longer the same object as at {_path(first, int(one.text[1:]))}"
            )
        if other.text.startswith("="):
            return f"{where}: it became the same object as at {_path(second, int(other.text[1:]))}"
        return f"{where}: {one.text} became {other.text}"
    if len(first) != len(second):
        return f"{len(first)} parts became {len(second)}"
    return None


def _path(lines: Sequence[Line], number: int) -> str:
    steps: list[str] = []
    while number >= 0:
        steps.append(lines[number].step)
        number = lines[number].holder
    text = "".join(reversed(steps)) or "the root"
    return text if len(text) <= 400 else f"{text[:200]} … {text[-200:]}"


def belongs_elsewhere(obj: Any) -> bool:
    """Return whether a fresh interpreter finds a class, function or other named object by its name."""
    if isinstance(obj, type) and not obj.__flags__ & _HEAP_TYPE:
        return True  # some of these have names under which nothing is
    module, qualname = getattr(obj, "__module__", None), getattr(obj, "__qualname__", None)
    qualname = qualname or getattr(obj, "__name__", None)
    if module == "__main__" or type(module) is not str or type(qualname) is not str:
        return False
    found: Any = sys.modules.get(module)
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found is obj


def _name_of(obj: Any) -> str | None:
    # Of what is written by name, with the same name in each process.
    if isinstance(obj, ModuleType):
        return f"the module {obj.__name__}"
    if isinstance(obj, (type, FunctionType)) and belongs_elsewhere(obj):
        return f"{obj.__module__}.{obj.__qualname__}"
    if type(obj) is BuiltinFunctionType and isinstance(obj.__self__, (ModuleType, type)):
        return f"the function {obj.__name__}"
    if isinstance(type(obj), EnumType) and belongs_elsewhere(type(obj)):
        return f"{type(obj).__qualname__}.{obj.name}"
    return None


def _kind_of(obj: Any) -> str:
    # cloudpickle and dill do not keep in which function a class was defined.
    if isinstance(obj, type):
        return f"the class {obj.__name__}"
    if type(obj) is FunctionType:
        return f"the function {obj.__qualname__}, code {_digest(obj.__code__)}"
    if type(obj) is CodeType:
        return f"code {_digest(obj)}"
    return f"an object of {type(obj).__module__}.{type(obj).__name__}"


def _parts_of(obj: Any) -> Iterator[Step]:
    cls = type(obj)
    if isinstance(obj, type):
        yield from _class_parts(obj)
        return
    if not belongs_elsewhere(cls):
        yield "<class>", cls
    if isinstance(cls, EnumType):
        yield "<name>", obj.name
        return
    if isinstance(obj, (staticmethod, classmethod)):
        yield "<function>", obj.__func__
        return
    if isinstance(obj, property):
        yield from (("<get>", obj.fget), ("<set>", obj.fset), ("<delete>", obj.fdel))
        return
    if belongs_elsewhere(cls) and (hasattr(cls, "identical") or hasattr(cls, "equals")):
        return  # it was asked where it was saved
    if isinstance(obj, SETS):
        yield from _element_parts(obj)
    is_opaque = has_reduction(obj)
    for step, part in parts_of(obj):
        # What a reduction holds besides objects may differ each time; it was compared where it was saved.
        if step != "<code>" and not (is_opaque and type(part) in ATOMS):
            yield step, part


def _element_parts(obj: Any) -> Iterator[Step]:
    # The order of a set is that of this process.
    elements = elements_of(obj)
    atoms = sorted(text_of(each) for each in elements if type(each) in ATOMS)
    yield "<atoms>", ", ".join(atoms)
    yield "<size>", len(elements)
    others = [each for each in elements if type(each) not in ATOMS]
    if len(others) == 1:
        yield "{…}", others[0]


_LEFT_OUT: Final = frozenset(
    {
        *("__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__firstlineno__"),
        *("__static_attributes__", "__annotations__", "__annotate__", "__annotate_func__"),
        *("__annotations_cache__", "__parameters__", "__orig_bases__", "__slotnames__"),
        *("__abstractmethods__", "_abc_impl", "__dataclass_params__", "__dataclass_fields__"),
        *("__match_args__", "__hash__", "__type_params__"),
    }
)


def _class_parts(cls: Any) -> Iterator[Step]:
    yield from ((f"<base {n}>", base) for n, base in enumerate(cls.__bases__))
    if isinstance(cls, EnumType):
        # Aliases are members, too.
        members: Any = cls.__members__
        for name, member in members.items():
            yield f".{name}", member
            yield f".{name}.value", member.value
        return
    for name in sorted(vars(cls)):
        value = vars(cls)[name]
        if name in _LEFT_OUT or isinstance(value, (MemberDescriptorType, GetSetDescriptorType)):
            continue
        if isinstance(value, MappingProxyType):
            value = dict(value)
        yield f".{name}", value


def _digest(code: CodeType) -> str:
    digest = blake2b(digest_size=8)
    pending = [code]
    while pending:
        each = pending.pop()
        names = each.co_names, each.co_varnames, each.co_freevars, each.co_cellvars
        digest.update(each.co_code + repr(names).encode())
        digest.update(repr([_constant(value) for value in each.co_consts]).encode())
        pending += [value for value in each.co_consts if type(value) is CodeType]
    return digest.hexdigest()


def _constant(value: Any) -> Any:
    if type(value) is CodeType:
        return value.co_name
    return sorted(map(repr, value)) if type(value) is frozenset else value


def lives_here(nodes: Iterable[Any]) -> bool:
    """Return whether a graph has anything that only this process finds by its name."""
    known: dict[type, bool] = {}
    for node in nodes:
        cls = type(node)
        if cls not in known:
            known[cls] = belongs_elsewhere(cls)
        if not known[cls]:
            return True
        if isinstance(node, (type, FunctionType)) and not belongs_elsewhere(node):
            return True
        if cls not in ATOMS and getattr(node, "__module__", None) == "__main__":
            return True
    return False
