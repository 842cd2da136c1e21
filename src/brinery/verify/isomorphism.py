"""Comparing object graphs: the same types and values, and the same identities.

Two graphs are isomorphic when they can be walked side by side: wherever the one has an object that was met
before, the other has the counterpart of that object.  So what is shared must be shared in both, and
cycles must close in both; a copy in place of the one object is found, and so is one object in place of
two.

A plain object that several persistable objects share belongs into the record of each, and comes back
once for each: by design.  So the identity of plain objects is compared within what hangs on one
persistable object, its *owner*; that of persistable objects in the whole graph.

The walk keeps its own stack: graphs may be of any depth.
"""

from __future__ import annotations

import copyreg
import dis
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from itertools import islice
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, Final, NoReturn

from brinery.persistable import is_persistable_type

Step = tuple[str, Any]
"""How to get from an object to a part of it, and the part."""

_ATOMS: Final = frozenset(
    {type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented)}
)
_SETS: Final = (set, frozenset)
_COURTESY: Final = "persistent_id"
_LOOK_AHEAD: Final = 4
"""How far into the elements of a set is looked to tell which is whose counterpart."""


class SharingError(AssertionError):
    """Two graphs differ in which of their references lead to one object."""


def assert_isomorphic(
    first: Any, second: Any, *, records: bool = True, sharing: bool = True
) -> None:
    """Raise AssertionError, with the path to the place, unless two object graphs are isomorphic.

    Types, values, attributes (in `__dict__` and slots), captured cells, the order of all but sets, sharing
    and cycles must agree, and each dict and set must find its members.  Classes, modules and
    importable functions must be the same objects.  `persistent_id` does not count: stores set it.

    Unless `records` is true, plain objects that persistable ones share must be shared in both.  Unless
    `sharing` is true, types and values are compared alone; a difference in what is shared is a
    `SharingError` otherwise.
    """
    _Comparison(records, sharing).run(first, second)


class _Pair:
    """Two objects to compare, their owner, and how they were reached."""

    __slots__ = ("back", "first", "owner", "second", "step")

    def __init__(self, first: Any, second: Any, owner: int, back: _Pair | None, step: str) -> None:
        self.first = first
        self.second = second
        self.owner = owner
        self.back = back
        self.step = step

    def fail(self, what: str, error: type[AssertionError] = AssertionError) -> NoReturn:
        steps: list[str] = []
        pair: _Pair | None = self
        while pair is not None:
            steps.append(pair.step)
            pair = pair.back
        path = "".join(reversed(steps)) or "the root"
        if len(path) > 1000:
            path = f"{path[:500]} … {path[-500:]}"
        raise error(f"at {path}: {what}")


class _Comparison:
    def __init__(self, records: bool, sharing: bool) -> None:
        self._records = records
        self._sharing = sharing
        self._met: set[tuple[int, int]] = set()
        self._stack: list[_Pair] = []
        self._sets: list[_Pair] = []
        self._lookups: list[_Pair] = []
        self._counterparts: dict[tuple[int, int], Any] = {}
        self._originals: dict[int, Any] = {}
        # Some parts are made when they are asked for: they must live, or ids would repeat.
        self._alive: list[_Pair] = []

    def run(self, first: Any, second: Any) -> None:
        self._stack.append(_Pair(first, second, 0, None, ""))
        while self._stack or self._sets:
            if self._stack:
                self._compare(self._stack.pop())
            else:
                # Last, when most elements have been met elsewhere: that tells which is which.
                self._compare_elements(self._sets.pop())
        for pair in self._lookups:
            _check_lookups(pair)

    def _compare(self, pair: _Pair) -> None:
        first, second = pair.first, pair.second
        cls = type(first)
        if cls is not type(second):
            pair.fail(f"{_shown(first)} became {_shown(second)}")
        if cls in _ATOMS:
            if repr(first) != repr(second):
                pair.fail(f"{_shown(first)} became {_shown(second)}")
        elif cls is CodeType:
            if first != second:
                pair.fail("the code of a function changed")
        elif _is_dtype(cls):
            if first != second:
                pair.fail(f"the dtype {first} became {second}")
        elif _goes_by_name(first):
            if first is not second:
                pair.fail(f"{_shown(first)} is no longer the same object")
        elif self._is_new(pair):
            self._open(pair)

    def _is_new(self, pair: _Pair) -> bool:
        first, second = pair.first, pair.second
        if type(first) in (tuple, frozenset) and not first:
            return False  # there is one such object in a process
        if not self._sharing:
            return self._is_new_beside(pair)
        if self._originals.setdefault(id(second), first) is not first:
            pair.fail(f"one {_shown(second)} stands for two objects", SharingError)
        key = self._key(pair.owner, first)
        known = self._counterparts.get(key, pair)
        if known is pair:
            self._counterparts[key] = second
            self._alive.append(pair)
            return True
        if known is not second:
            pair.fail(f"a {_shown(first)} that was met before is another object here", SharingError)
        return False

    def _is_new_beside(self, pair: _Pair) -> bool:
        # Each two objects are compared once, so that cycles end.
        both = id(pair.first), id(pair.second)
        if both in self._met:
            return False
        self._met.add(both)
        self._counterparts.setdefault(self._key(pair.owner, pair.first), pair.second)
        self._alive.append(pair)
        return True

    def _key(self, owner: int, obj: Any) -> tuple[int, int]:
        return (0 if is_persistable_type(type(obj)) else owner), id(obj)

    def _owner_of_parts(self, pair: _Pair) -> int:
        is_owner = self._records and is_persistable_type(type(pair.first))
        return id(pair.first) if is_owner else pair.owner

    def _open(self, pair: _Pair) -> None:
        first, second = pair.first, pair.second
        if isinstance(first, (dict, *_SETS)):
            self._lookups.append(pair)
        if isinstance(first, _SETS):
            self._sets.append(pair)
        parts, others = list(_parts(first)), list(_parts(second))
        steps, other_steps = [step for step, _ in parts], [step for step, _ in others]
        if steps != other_steps:
            missing = [step for step in steps if step not in other_steps]
            added = [step for step in other_steps if step not in steps]
            pair.fail(f"{_shown(first)} lost {missing[:5]} and gained {added[:5]}")
        self._push(
            pair, ((s, one, other) for (s, one), (_, other) in zip(parts, others, strict=True))
        )

    def _push(self, pair: _Pair, parts: Iterable[tuple[str, Any, Any]]) -> None:
        owner = self._owner_of_parts(pair)
        self._stack += [_Pair(one, other, owner, pair, step) for step, one, other in parts]

    def _compare_elements(self, pair: _Pair) -> None:
        first, second = _elements(pair.first), _elements(pair.second)
        if len(first) != len(second):
            pair.fail(f"{len(first)} elements became {len(second)}")
        # Those whose counterparts are known, then by what they hold, ever deeper, where that is unique.
        owner = self._owner_of_parts(pair)
        present = {id(element): element for element in second}
        matched: list[tuple[Any, Any]] = []
        for element in first:
            known = self._counterparts.get(self._key(owner, element), pair)
            if known is not pair and present.pop(id(known), pair) is not pair:
                matched.append((element, known))
        done = {id(element) for element, _ in matched}
        rest, others = [e for e in first if id(e) not in done], list(present.values())
        for depth in range(1, _LOOK_AHEAD + 1):
            rest, others = _match(rest, others, depth, matched, depth == _LOOK_AHEAD)
        if rest:
            pair.fail(f"the element {_shown(rest[0])} has no counterpart")
        self._push(pair, [("{…}", one, other) for one, other in matched])


def _match(
    first: Sequence[Any],
    second: Sequence[Any],
    depth: int,
    matched: list[tuple[Any, Any]],
    all_: bool,
) -> tuple[list[Any], list[Any]]:
    groups: defaultdict[Any, tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    for side, elements in enumerate((first, second)):
        for element in elements:
            groups[_fingerprint(element, depth)][side].append(element)
    rest: list[Any] = []
    others: list[Any] = []
    for ones, twos in groups.values():
        if len(ones) == len(twos) and (all_ or len(ones) == 1):
            matched += zip(ones, twos, strict=True)
        else:
            rest += ones
            others += twos
    return rest, others


def _fingerprint(obj: Any, depth: int) -> Any:
    """Return something hashable that isomorphic objects have in common."""
    cls = type(obj)
    if cls in _ATOMS:
        return cls, repr(obj)
    if cls is CodeType:
        return obj
    if _goes_by_name(obj):
        return id(obj)
    if depth == 0:
        return cls
    parts = [(step, _fingerprint(part, depth - 1)) for step, part in islice(_parts(obj), 30)]
    elements = Counter(_fingerprint(e, depth - 1) for e in islice(_elements(obj), 30))
    return cls, tuple(parts), frozenset(elements.items()) if len(elements) < 30 else None


def _check_lookups(pair: _Pair) -> None:
    if not _misplaced(pair.first) and (lost := _misplaced(pair.second)):
        pair.fail(f"the {type(pair.second).__name__} does not find its member {_shown(lost[0])}")


def _misplaced(members: Any) -> list[Any]:
    """Return the members that were entered under another hash than they have now.

    Copies of dicts and sets keep the hashes of their members, and a set compares whole hashes; a dict
    that is asked may find a misplaced member by chance.
    """
    held = set(dict.copy(members) if isinstance(members, dict) else members)
    return [*held.difference(set(iter(held)))]  # of an iterator, the hashes are asked for anew


def _is_dtype(cls: type) -> bool:
    """Tell whether a class is of dtypes of numpy, which has one object or several of one dtype."""
    return any(base.__name__ == "dtype" and base.__module__ == "numpy" for base in cls.__mro__)


# -- what an object consists of


def is_by_name(obj: Any) -> bool:
    """Tell whether an object may come back as itself: an atom, or what is imported by its name."""
    return (
        type(obj) in _ATOMS or _goes_by_name(obj) or (type(obj) in (tuple, frozenset) and not obj)
    )


def _goes_by_name(obj: Any) -> bool:
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


def _elements(obj: Any) -> list[Any]:
    if isinstance(obj, set):
        return list(set.__iter__(obj))
    return list(frozenset.__iter__(obj)) if isinstance(obj, frozenset) else []


def _parts(obj: Any) -> Iterator[Step]:
    """Yield all parts of an object but the elements of a set, in an order of their own."""
    cls = type(obj)
    if cls is FunctionType:
        yield from _function_parts(obj)
    elif cls is CellType:
        if _is_filled(obj):
            yield "<contents>", obj.cell_contents
    elif cls in (MethodType, BuiltinFunctionType):
        yield from (("<self>", obj.__self__), ("<name>", obj.__name__))
    elif _is_opaque(cls) or _has_own_reduction(cls):
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
        yield f"[{key!r}]" if type(key) in _ATOMS else f"[key {index}]", value
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
_TRANSPARENT: Final = frozenset({object, OrderedDict, defaultdict, *_SETS, *_CONTENTS})


def _is_opaque(cls: type) -> bool:
    """Tell whether a class has a base written in C that is not known here."""
    heap, immutable = 1 << 9, 1 << 8  # Py_TPFLAGS_HEAPTYPE, Py_TPFLAGS_IMMUTABLETYPE
    return any(
        base not in _TRANSPARENT and base.__flags__ & (heap | immutable) != heap
        for base in cls.__mro__
    )


def _has_own_reduction(cls: type) -> bool:
    """Tell whether a class says itself what it consists of; its attributes may hold more, or less."""
    if cls in copyreg.dispatch_table:
        return cls not in _TRANSPARENT
    return any(_definer(cls, name) not in _TRANSPARENT for name in _REDUCERS)


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
        yield from ((f".{k}", state[k]) for k in sorted(state, key=repr) if k != _COURTESY)
    else:
        yield "<state>", state
    yield from (
        (f"<items {i}>", [*items]) for i, items in enumerate(iterators) if items is not None
    )


def _attributes(obj: Any) -> Iterator[Step]:
    attributes = getattr(obj, "__dict__", None) or {}
    for name in sorted(attributes, key=str):
        if name != _COURTESY:
            yield f".{name}", attributes[name]
    for cls in type(obj).__mro__:
        for name, member in cls.__dict__.items():
            if type(member) is MemberDescriptorType and cls not in _TRANSPARENT:
                try:
                    value = member.__get__(obj, cls)
                except AttributeError:
                    continue
                if name != _COURTESY:
                    yield f".{name} of {cls.__name__}", value


def _is_filled(cell: CellType) -> bool:
    return cell != CellType()  # cells compare by their contents, and an empty one is less than all


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


def _shown(obj: Any) -> str:
    if type(obj) in _ATOMS:
        return f"{obj!r:.80}"
    name = getattr(obj, "__qualname__", None) or getattr(obj, "label", None)
    return f"{type(obj).__name__} object" + (f" {name!r:.40}" if name is not None else "")
