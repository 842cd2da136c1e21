"""A digest of what a class is: equal in every process that runs the same class statement.

The content of a class is its bases, the code of its methods without file names and lines, its attributes, the
variables that its methods captured, and the constants, functions and classes that they use as globals.  Other
globals, such as lists, dicts and objects, are the state of a module, which programs change while they run:
only their types count.  Sets count in an order of their own.  What Python adds to a class when it is first
used does not count.
"""

from __future__ import annotations

import copyreg
import dis
import enum
import functools
import re
import sys
import types
import typing
import weakref
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from itertools import chain, pairwise

from brinery.typing import Any, Final
from brinery_codecs._pickle.by_value.attributes import is_own, own_attributes
from brinery_codecs._pickle.by_value.importable import (
    alias_of,
    is_importable,
    is_importable_function,
)
from brinery_codecs._pickle.by_value.locks import LOCKS
from brinery_codecs.functions import all_code, used_globals

_ATOMS: Final = frozenset(
    {type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented)}
)
_DEEPEST: Final = 100
"""Objects in each other, below which only the type of an object counts."""
_MOST: Final = 10_000
"""Objects after which only types count: a class may hold all objects of a program."""

_ADDED_BY_PYTHON: Final = frozenset(
    {
        "__abstractmethods__",
        "__firstlineno__",
        "__parameters__",
        "__signature__",
        "__static_attributes__",
    }
)
_OF_PROTOCOLS: Final = frozenset(
    {"__init__", "__subclasshook__", "__protocol_attrs__", "__non_callable_proto_members__"}
)
UNSURE: Final = "?"


def digest_of_class(cls: type) -> str:
    """Return the digest of a class in hexadecimal, 32 characters.

    It ends in `UNSURE` where the content has more than a digest can tell: another class may have the same.
    """
    walk = _Walk()
    walk.add(cls)
    return walk.digest().hex() + (UNSURE if walk.is_unsure else "")


class _Walk:
    """Hashes an object and all that belongs to its content, each object once."""

    def __init__(self, outer: _Walk | None = None) -> None:
        self._hash = blake2b(digest_size=16)
        self._seen: dict[int, int] = {} if outer is None else dict(outer._seen)
        # An object that is made on the way must not lose its id to another.
        self._kept: list[Any] = [] if outer is None else list(outer._kept)
        self._depth: int = 0 if outer is None else outer._depth
        self.is_unsure = False

    def digest(self) -> bytes:
        return self._hash.digest()

    def add(self, obj: Any) -> None:
        """Hash the content of an object."""
        cls = type(obj)
        if cls in _ATOMS:
            self._token(cls.__name__, repr(obj))
            return
        if cls not in _UNCHANGEABLE:
            # Constants that are equal are one object here and two there, as the compiler likes.
            place = self._seen.setdefault(id(obj), len(self._seen))
            if place < len(self._kept):
                self._token("again", str(place))
                return
            self._kept.append(obj)
        if self._depth == _DEEPEST or len(self._kept) > _MOST:
            self._give_up(cls)
            return
        self._depth += 1
        try:
            _method_for(cls)(self, obj)
        finally:
            self._depth -= 1

    def _give_up(self, cls: type) -> None:
        self.is_unsure = True
        self._token("object", _name_of(cls))

    def _token(self, kind: str, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        self._hash.update(f"{kind} {len(data)} ".encode())
        self._hash.update(data)

    def _all(self, kind: str, items: Iterable[Any]) -> None:
        self._token("begin", kind)
        for item in items:
            self.add(item)
        self._token("end", kind)

    # -- containers

    def _sequence(self, obj: Any) -> None:
        self._all(type(obj).__name__, obj)

    def _dict(self, obj: Mapping[Any, Any]) -> None:
        self._all("dict", chain.from_iterable(obj.items()))

    def _set(self, obj: Iterable[Any]) -> None:
        digests = []
        for item in obj:
            inner = _Walk(self)
            inner.add(item)
            digests.append(inner.digest().hex())
            self.is_unsure |= inner.is_unsure
        self._token(type(obj).__name__, " ".join(sorted(digests)))

    # -- code

    def _code(self, code: types.CodeType) -> None:
        self._token("code", code.co_qualname)
        numbers = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        self._token("names", repr((numbers, names, code.co_exceptiontable)))
        if "__firstlineno__" in code.co_names:
            self._class_body(code)
        else:
            self._token("operations", code.co_code.hex())
            self._all("constants", code.co_consts)

    def _class_body(self, code: types.CodeType) -> None:
        # From Python 3.13 on it has a line among its constants, and a tuple in the order of a set.
        instructions = list(dis.get_instructions(code))
        for instruction, following in pairwise((*instructions, None)):
            assert instruction is not None
            if following is not None and following.argval in (
                "__firstlineno__",
                "__static_attributes__",
            ):
                continue
            self._token("operation", instruction.opname)
            self.add(instruction.argval)

    def _function(self, function: types.FunctionType) -> None:
        if is_importable_function(function):
            self._token("function", f"{function.__module__}:{function.__qualname__}")
            return
        self._code(function.__code__)
        self._all("defaults", (function.__defaults__, function.__kwdefaults__))
        self._all("attributes", (function.__doc__, function.__dict__))
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            # From Python 3.14 on annotations capture the body of their class.
            if name != "__classdict__":
                self._token("variable", name)
                self._cell(cell)
        stored = _stored(function.__code__, "STORE_GLOBAL", "DELETE_GLOBAL")
        for name, value in used_globals(function).items():
            self._token("global", name)
            if name in stored or not _is_constant(value):
                self._token("state", "" if name in stored else _name_of(type(value)))
            else:
                self.add(value)

    def _cell(self, cell: types.CellType) -> None:
        try:
            content = cell.cell_contents
        except ValueError:
            self._token("empty", "")
            return
        self.add(content)

    def _method(self, method: types.MethodType) -> None:
        self._all("method", (method.__func__, method.__self__))

    def _descriptor(self, obj: Any) -> None:
        self._all(type(obj).__name__, (obj.__func__,))

    def _property(self, obj: property) -> None:
        self._all("property", (obj.fget, obj.fset, obj.fdel, obj.__doc__))

    def _cached_property(self, obj: functools.cached_property[Any]) -> None:
        self._all("cached_property", (obj.func,))

    def _cached_function(self, obj: Any) -> None:
        self._all("lru_cache", (obj.__wrapped__, obj.cache_parameters()))

    def _builtin(self, obj: Any) -> None:
        self._token("builtin", f"{obj.__module__}:{obj.__qualname__}")

    def _weak(self, obj: Any) -> None:
        # What is held weakly belongs to somebody else: a cache, say.
        self._token("weak", _name_of(type(obj)))

    def _module(self, module: types.ModuleType) -> None:
        self._token("module", module.__name__)
        if sys.modules.get(module.__name__) is not module:
            self.add(vars(module))  # a program has made it

    # -- classes

    def _class(self, cls: type) -> None:
        self._token("class", f"{cls.__module__}:{cls.__qualname__}")
        if is_importable(cls) or alias_of(cls) is not None:
            return
        self._all("kinds", (type(cls), *cls.__bases__))
        if isinstance(cls, enum.EnumType):
            self._members(cls)
        for name, value in sorted(_counted_attributes(cls).items()):
            self._token("attribute", name)
            self.add(value)

    def _members(self, cls: enum.EnumType) -> None:
        member: enum.Enum
        for name, member in cls.__members__.items():
            self._token("member", name)
            self.add(member._value_)

    def _type_variable(self, obj: Any) -> None:
        self._token("variable", f"{type(obj).__name__} {obj}")
        for name in ("__bound__", "__constraints__"):
            self.add(getattr(obj, name, None))

    # -- all others

    def _other(self, obj: Any) -> None:
        try:
            reduction = _reduced(obj)
        except Exception:  # noqa: BLE001 - any code may run here; the save reports a failure of it
            self._give_up(type(obj))
            return
        if isinstance(reduction, str):
            self._token("name", reduction)
            return
        function, arguments, *rest = reduction
        self.add(function)
        self.add(arguments)
        state, items, pairs = (*rest, None, None, None)[:3]
        self.add(state)
        self._all("items", items or ())
        self._all("pairs", chain.from_iterable(pairs or ()))


def _reduced(obj: Any) -> Any:
    reduce = LOCKS.get(type(obj)) or copyreg.dispatch_table.get(type(obj))
    return obj.__reduce_ex__(5) if reduce is None else reduce(obj)


def _counted_attributes(cls: type) -> dict[str, Any]:
    attributes = own_attributes(cls)
    dropped = set(_ADDED_BY_PYTHON)
    if any("_is_protocol" in vars(base) for base in cls.__mro__):
        dropped.update(name for name in _OF_PROTOCOLS if not is_own(attributes.get(name), cls))
    if "__pydantic_fields__" in attributes:
        # What pydantic derives from the fields has the addresses of classes in it.
        dropped.update(
            name
            for name in attributes
            if name.startswith("__pydantic_") and name != "__pydantic_fields__"
        )
    return {name: value for name, value in attributes.items() if name not in dropped}


def _is_constant(value: Any) -> bool:
    cls = type(value)
    if cls in (tuple, frozenset):
        return all(map(_is_constant, value))
    if isinstance(value, functools.partial):
        return all(map(_is_constant, (value.func, *value.args, *value.keywords.values())))
    return (
        cls in _ATOMS
        or isinstance(value, _CONSTANTS)
        or cls.__module__ in _MODULES_OF_CONSTANTS
        or getattr(getattr(cls, "__dataclass_params__", None), "frozen", False)
    )


# Their objects never change.
_MODULES_OF_CONSTANTS: Final = frozenset(
    {
        "datetime",
        "decimal",
        "fractions",
        "ipaddress",
        "pathlib",
        "pathlib._local",
        "uuid",
        "zoneinfo",
    }
)


_CONSTANTS: Final = (
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.ModuleType,
    type(functools.lru_cache(lambda: None)),
    enum.Enum,
    range,
    re.Pattern,
)


def _stored(code: types.CodeType, *operations: str) -> set[str]:
    return {
        str(instruction.argval)
        for inner in all_code(code)
        for instruction in dis.get_instructions(inner)
        if instruction.opname in operations
    }


def _name_of(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


_Method = Callable[[_Walk, Any], None]
_KINDS: Final[Mapping[type, _Method]] = {
    tuple: _Walk._sequence,
    list: _Walk._sequence,
    dict: _Walk._dict,
    types.MappingProxyType: _Walk._dict,
    set: _Walk._set,
    frozenset: _Walk._set,
    types.CodeType: _Walk._code,
    types.FunctionType: _Walk._function,
    types.CellType: _Walk._cell,
    types.MethodType: _Walk._method,
    staticmethod: _Walk._descriptor,
    classmethod: _Walk._descriptor,
    property: _Walk._property,
    functools.cached_property: _Walk._cached_property,
    type(functools.lru_cache(lambda: None)): _Walk._cached_function,
    types.BuiltinFunctionType: _Walk._builtin,
    types.WrapperDescriptorType: _Walk._builtin,
    types.ModuleType: _Walk._module,
    weakref.ref: _Walk._weak,
    weakref.WeakKeyDictionary: _Walk._weak,
    weakref.WeakValueDictionary: _Walk._weak,
    weakref.WeakSet: _Walk._weak,
    typing.TypeVar: _Walk._type_variable,
    typing.ParamSpec: _Walk._type_variable,
    typing.TypeVarTuple: _Walk._type_variable,
}
_UNCHANGEABLE: Final = frozenset({tuple, frozenset, types.CodeType})


def _method_for(cls: type) -> _Method:
    if issubclass(cls, type):
        return _Walk._class
    return _KINDS.get(cls, _Walk._other)
