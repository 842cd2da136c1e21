"""Reducers of the objects that functions and classes written by value bring along.

Most of them pickle as the name of a global, which another process may not have.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Mapping
from types import CellType, CodeType

from brinery.typing import Any, Final
from brinery_codecs._pickle.by_value.importable import found_as
from brinery_codecs._pickle.reducers import Reducer
from brinery_codecs.classes import MAIN, make_new_type, make_type_variable
from brinery_codecs.functions import make_cached_function, reduce_cell, reduce_code


def _module_of(obj: Any) -> str:
    # See `classes`: a payload names ``__main__`` only for what it imports from there.
    module: str = obj.__module__ or ""
    return "" if module == MAIN else module


def _is_found(obj: Any, name: str) -> bool:
    return bool(_module_of(obj)) and found_as(obj.__module__, name) is obj


def _reduce_type_variable(variable: Any) -> Any:
    name = variable.__name__
    if _is_found(variable, name):
        return name
    options: dict[str, Any] = {}
    if isinstance(variable, typing.TypeVar):
        options["constraints"] = variable.__constraints__
    if not isinstance(variable, typing.TypeVarTuple):
        options["bound"] = variable.__bound__
        if getattr(variable, "__infer_variance__", False):
            options["infer_variance"] = True
        else:
            options["covariant"] = variable.__covariant__
            options["contravariant"] = variable.__contravariant__
    if getattr(variable, "has_default", bool)():
        options["default"] = variable.__default__
    return make_type_variable, (type(variable), name, _module_of(variable), options)


def _reduce_new_type(new_type: Any) -> Any:
    if _is_found(new_type, new_type.__qualname__):
        return new_type.__qualname__
    name, supertype = new_type.__name__, new_type.__supertype__
    return make_new_type, (name, new_type.__qualname__, _module_of(new_type), supertype)


def _reduce_cached_function(function: Any) -> Any:
    if _is_found(function, function.__qualname__):
        return function.__qualname__
    options = function.cache_parameters()
    return make_cached_function, (function.__wrapped__, options["maxsize"], options["typed"])


def _reduce_cached_property(cached: functools.cached_property[Any]) -> Any:
    # Before Python 3.12 it holds a lock.
    state = {name: value for name, value in vars(cached).items() if name not in ("func", "lock")}
    return functools.cached_property, (cached.func,), state


def _reduce_partial_method(method: functools.partialmethod[Any]) -> Any:
    # Its own reduction does not work from Python 3.14 on.
    make = functools.partial(functools.partialmethod, method.func, *method.args, **method.keywords)
    return make, ()


def _reduce_sentinel(value: Any) -> Any:
    name = value.__name__
    return name if _is_found(value, name) else (type(value), (name,))


def _global(name: str) -> Reducer:
    return lambda obj: name


BY_VALUE: Final[Mapping[type, Reducer]] = {
    CellType: reduce_cell,
    CodeType: reduce_code,
    typing.TypeVar: _reduce_type_variable,
    typing.ParamSpec: _reduce_type_variable,
    typing.TypeVarTuple: _reduce_type_variable,
    typing.NewType: _reduce_new_type,
    type(functools.lru_cache(lambda: None)): _reduce_cached_function,
    functools.cached_property: _reduce_cached_property,
    functools.partialmethod: _reduce_partial_method,
    # Values that are known by their identity, in fields of dataclasses; from Python 3.15 on, sentinels.
    **{
        type(value): _global(name) if type(value).__module__ == "dataclasses" else _reduce_sentinel
        for name, value in vars(dataclasses).items()
        if name in ("MISSING", "KW_ONLY", "_HAS_DEFAULT_FACTORY")
    },
    dataclasses._FIELD_BASE: lambda obj: obj.name,  # type: ignore[attr-defined]
}
