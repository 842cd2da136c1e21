"""The path to the part of an object that fails to encode, such as ``.tasks[3].callback``.

An encoder's error says what failed, but not where.  After a failure, and only then, the parts of the
object are encoded one by one.  The search goes into the first part that fails by itself, and ends at a
part whose own parts all encode.
"""

from __future__ import annotations

import functools
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import FunctionType, MemberDescriptorType, MethodType
from typing import Any, Final

from brinery.persistable import is_persistable_type

Fails = Callable[[Any], bool]

_BUDGET: Final = 10.0
"""Seconds after which the search ends with the path found so far."""
_MOST: Final = 100


def path_to_failure(obj: Any, fails: Fails) -> str | None:
    """Return the path inside `obj` to the smallest part that fails; None if that is `obj` itself.

    Apart from `fails`, nothing here calls a method of a stored object.
    """
    path = ""
    end = time.monotonic() + _BUDGET
    seen = {id(obj)}
    for _ in range(_MOST):
        step = _failing_part(obj, fails, seen, end)
        if step is None:
            break
        name, obj = step
        path += name
        seen.add(id(obj))
    return path or None


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


def _failing_part(obj: Any, fails: Fails, seen: set[int], end: float) -> tuple[str, Any] | None:
    for name, part in parts_of(obj):
        if time.monotonic() > end:
            return None
        if id(part) not in seen and fails(part):
            return name, part
    return None


def parts_of(obj: Any) -> Iterator[tuple[str, Any]]:
    """Yield a path step and an object for each part of `obj`; no method of `obj` is called."""
    cls = type(obj)
    if issubclass(cls, dict):
        for key, value in dict.items(obj):
            yield "", key
            yield f"[{_short(key)}]", value
    for base in (list, tuple, set, frozenset):
        if issubclass(cls, base):
            mark = "[{}]" if base in (list, tuple) else "{{…}}"
            for index, value in enumerate(base.__iter__(obj)):
                yield mark.format(index), value
    yield from _attributes(obj)
    yield from _of_callable(obj)


def _attributes(obj: Any) -> Iterator[tuple[str, Any]]:
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


def _of_callable(obj: Any) -> Iterator[tuple[str, Any]]:
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


def _defaults(function: FunctionType) -> Iterator[tuple[str, Any]]:
    values = function.__defaults__ or ()
    count = function.__code__.co_argcount
    yield from zip(function.__code__.co_varnames[count - len(values) : count], values, strict=True)
    yield from (function.__kwdefaults__ or {}).items()


def _short(key: Any) -> str:
    # Only atoms are shown: the representation of anything else is the user's code.
    if type(key) in (str, int, float, bool, bytes, type(None)):
        text = repr(key)
        return text if len(text) <= 40 else text[:37] + "…"
    return f"<{type(key).__name__}>"
