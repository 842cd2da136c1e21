"""The path to the part of an object that fails to encode, such as ``.tasks[3].callback``.

An encoder's error says what failed, but not where.  After a failure, and only then, parts of the object are
encoded again.  Of the parts of one holder the first half is encoded together; if that fails the search goes
on in it, else in the other half, which is not tried.  So the parts of a holder take at most as long as the
holder, a single part takes no time, and of a few parts the small ones are tried.  At the end the place that
was found is tried alone.
"""

from __future__ import annotations

import functools
import operator
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice, repeat
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType

from brinery.persistable import is_persistable_type
from brinery.typing import Any, Final

Fails = Callable[[list[Any]], bool]
"""Returns whether a list of parts fails to encode."""
Step = tuple[str, Any]
"""The step from an object to a part of it, as text, and the part."""

_BUDGET: Final = 10.0
"""Seconds after which the search ends with the path found so far."""
_MOST: Final = 100
_FEW: Final = 16
_ATOMS: Final = frozenset({type(None), bool, int, float, complex, str, bytes})


def find_failure(obj: Any, fails: Fails, *, by_value: bool = False) -> Step:
    """Return the path inside `obj` to the smallest part that fails, and that part.

    They are "" and `obj` if no part fails by itself.  `by_value` says that classes and functions may be
    written by value: then their parts count, too.
    Apart from `fails`, nothing here calls a method of a stored object.
    """
    end = time.monotonic() + _BUDGET
    path: list[Step] = []
    holder, seen = obj, {id(obj)}
    while len(path) < _MOST and time.monotonic() < end:
        step = _suspect(holder, fails, seen, by_value)
        if step is None:
            break
        path.append(step)
        holder = step[1]
        seen.add(id(holder))
    del path[_depth_of_failure(path, fails) :]
    return "".join(name for name, _ in path), path[-1][1] if path else obj


def _depth_of_failure(path: Sequence[Step], fails: Fails) -> int:
    # What holds a part that fails, fails as well.
    if not path or fails([path[-1][1]]):
        return len(path)
    least, most = 0, len(path) - 1
    while least < most:
        middle = (least + most + 1) // 2
        if fails([path[middle - 1][1]]):
            least = middle
        else:
            most = middle - 1
    return least


def _suspect(holder: Any, fails: Fails, seen: set[int], by_value: bool) -> Step | None:
    """Return a part that fails, if any part of `holder` does."""
    # A part with a record of its own is a reference, which does not fail.
    unnamed = [*_parts(holder, by_value)]
    types = {*map(type, map(_part, unnamed))}
    left_out = {cls for cls in types if is_persistable_type(cls)}
    if left_out or not seen.isdisjoint(map(id, map(_part, unnamed))):
        unnamed = [
            part for part in unnamed if type(part[2]) not in left_out and id(part[2]) not in seen
        ]
    atoms = []
    if not types.isdisjoint(_ATOMS):
        atoms = [part for part in unnamed if type(part[2]) in _ATOMS]
        unnamed = [part for part in unnamed if type(part[2]) not in _ATOMS]
    if atoms and (not unnamed or fails([*map(_part, atoms)])):
        unnamed = atoms
    if len(unnamed) <= _FEW:
        unnamed.sort(key=lambda part: _size(part[2]))
    while len(unnamed) > 1:
        half = unnamed[: len(unnamed) // 2]
        unnamed = half if fails([*map(_part, half)]) else unnamed[len(half) :]
    return _named(unnamed[0]) if unnamed else None


def _size(part: Any, depth: int = 3) -> int:
    # A guess: what the part holds, and what the first of that hold.
    held = [unnamed[2] for unnamed in islice(_parts(part), _FEW)]
    size = len(held)
    for base in (dict, list, tuple, set, frozenset):
        if issubclass(type(part), base):
            size = max(size, base.__len__(part))
    return size + sum(_size(each, depth - 1) for each in held if depth and type(each) not in _ATOMS)


def path_to_object(obj: Any, target: Any) -> str:
    """Return the shortest path inside `obj` to the object `target`; ``…`` if it is not found.

    The search does not enter other persistable objects: their parts belong to their own records.
    """
    end = time.monotonic() + _BUDGET
    seen = {id(obj)}
    line = deque([("", obj)])
    while line and time.monotonic() < end:
        path, holder = line.popleft()
        for name, part in parts_of(holder):
            if part is target:
                return path + name
            if id(part) not in seen and not is_persistable_type(type(part)):
                seen.add(id(part))
                line.append((path + name, part))
    return "…"


def parts_of(obj: Any) -> Iterator[Step]:
    """Yield a path step and an object for each part of `obj`; no method of `obj` is called."""
    return map(_named, _parts(obj))


_Unnamed = tuple[str, Any, Any]
"""The form of a step, its key, and the part.  Names are made where they are shown."""
_part: Final = operator.itemgetter(2)


def _named(unnamed: _Unnamed) -> Step:
    form, key, part = unnamed
    return form.format(_short(key) if form == _KEYED else key), part


_KEYED: Final = "[{}]"
_INDEXED: Final = "[{:d}]"


def _parts(obj: Any, by_value: bool = True) -> Iterator[_Unnamed]:
    cls = type(obj)
    if issubclass(cls, dict):
        yield from zip(repeat(""), repeat(None), dict.keys(obj))
        yield from zip(repeat(_KEYED), dict.keys(obj), dict.values(obj))
    for base in (list, tuple, set, frozenset):
        if issubclass(cls, base):
            form = _INDEXED if base in (list, tuple) else "{{…}}"
            yield from zip(repeat(form), count(), base.__iter__(obj))
    of_class = _of_class(obj) if by_value else ()
    for name, part in (*_attributes(obj), *_of_callable(obj), *of_class):
        yield "{}", name, part


def _attributes(obj: Any) -> Iterator[Step]:
    try:
        attributes = object.__getattribute__(obj, "__dict__")
    except (AttributeError, TypeError):
        attributes = None
    if type(attributes) is dict:
        for name, value in attributes.items():
            yield f".{name}", value
    for cls in type(obj).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            member: Any = cls.__dict__.get(name)
            if type(member) is MemberDescriptorType:
                try:
                    yield f".{name}", member.__get__(obj, cls)
                except AttributeError:
                    continue


def _of_callable(obj: Any) -> Iterator[Step]:
    if type(obj) is FunctionType:
        for name, cell in zip(obj.__code__.co_freevars, obj.__closure__ or (), strict=True):
            try:
                yield f"<captured {name}>", cell.cell_contents
            except ValueError:
                continue
        for name, value in _defaults(obj):
            yield f"<default {name}>", value
    elif issubclass(type(obj), functools.partial):
        yield ".func", functools.partial.func.__get__(obj)
        yield ".args", functools.partial.args.__get__(obj)
        yield ".keywords", functools.partial.keywords.__get__(obj)
    elif type(obj) is MethodType:
        yield ".__self__", obj.__self__
        yield ".__func__", obj.__func__


def _of_class(obj: Any) -> Iterator[Step]:
    # A class that cannot be imported is written with its objects.  Where its name means another class now,
    # the objects are older than the statement, and the class is not where they fail.
    cls = type(obj)
    if _is_by_value(cls):
        yield f"<class {cls.__qualname__}>", cls
    if issubclass(cls, type) and _is_by_value(obj):
        for base in obj.__bases__:
            if _is_by_value(base):
                yield f"<base {base.__qualname__}>", base
        for name, value in vars(obj).items():
            if not isinstance(value, (MemberDescriptorType, GetSetDescriptorType)):
                # What a method is made of, rather than what it is in the class.
                yield (
                    f".{name}",
                    getattr(value, "__func__", value) if type(value) in _WRAPPERS else value,
                )
    elif cls is property:
        yield from ((f".{name}", getattr(obj, name)) for name in ("fget", "fset", "fdel"))
    elif cls is FunctionType and not _is_importable(obj):
        for name in obj.__code__.co_names:
            if name in obj.__globals__:
                yield f"<global {name}>", obj.__globals__[name]


_HEAP_TYPE: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_KINDS: Final = _HEAP_TYPE | 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE
_WRAPPERS: Final = frozenset({staticmethod, classmethod})


def _is_importable(obj: Any) -> bool:
    # A class or a function, under its name.  Nothing of a class that C code made is written by value.
    if issubclass(type(obj), type) and obj.__flags__ & _KINDS != _HEAP_TYPE:
        return True
    return obj.__module__ != "__main__" and _under_name_of(obj) is obj


def _is_by_value(cls: type) -> bool:
    return not _is_importable(cls) and _under_name_of(cls) in (None, cls)


def _under_name_of(obj: Any) -> Any:
    found: Any = sys.modules.get(obj.__module__)
    for part in obj.__qualname__.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    return found


def _defaults(function: FunctionType) -> Iterator[tuple[str, Any]]:
    values = function.__defaults__ or ()
    most = function.__code__.co_argcount
    yield from zip(function.__code__.co_varnames[most - len(values) : most], values, strict=True)
    yield from (function.__kwdefaults__ or {}).items()


def _short(key: Any) -> str:
    # Only atoms are shown: the representation of anything else is the user's code.
    if type(key) in (str, int, float, bool, bytes, type(None)):
        text = repr(key)
        return text if len(text) <= 40 else text[:37] + "…"
    return f"<{type(key).__name__}>"
