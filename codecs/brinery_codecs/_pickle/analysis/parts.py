"""The parts of an object that is traced, and the path from the root to each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from enum import EnumType
from types import FunctionType

from brinery.typing import Any, Final
from brinery_codecs._pickle.analysis.nodes import COMBINE, SETS, UNKNOWN, Node, name_of

_MOST_STEPS: Final = 1_000
_MOST_CHARACTERS: Final = 3_000
_LONGEST_NAME: Final = 200
_MOST_CLASSES: Final = 20
"""Classes in classes that are followed to the outermost one."""
_SHOWN: Final = 20
"""Steps that are shown of a longer path."""
CUT: Final = "<inside, by a path too long to show>"
"""Replaces the start of such a path."""

_MAKE_CODE: Final = "brinery_codecs.functions.make_code"

Part = tuple[str, Node]
"""A step of a path, and the node to which it leads."""
Real = Callable[[Node], Any]
"""Returns the object of a node, `UNKNOWN` if it is not known."""
Places = dict[Node, tuple[Node | None, str]]
"""Each node with the one that holds it, and the step between them."""


def path_to(node: Node, places: Places) -> str:
    """Return a shortest path from the root to a node; of a long one its end, after `CUT`."""
    steps = []
    length = passed = 0
    holder: Node | None = node
    while holder is not None:
        # Not a path for each place: in a chain that would take time quadratic in its length.
        holder, step = places[holder]
        steps.append(step)
        length += len(step)
        passed += 1
        if length > _MOST_CHARACTERS or passed > _MOST_STEPS:
            return CUT + "".join(reversed(steps[:_SHOWN]))[-_MOST_CHARACTERS:]
    return "".join(reversed(steps))


def parts(node: Node, real: Real) -> Iterator[Part]:
    """Yield the parts of an object, with a step of a path to each."""
    if node.maker is not None:
        # A class is where its object is; if it cannot be imported, the error names that place.
        yield "", node.maker
        yield from _ARGUMENTS.get(name_of(node.maker) or "", _arguments)(node)
    for state in node.states:
        yield from _state(node, state, real)
    mark = "{{…}}" if node.kind == "set" else "[{}]"
    for index, item in enumerate(node.items):
        yield mark.format(index), item
    for key, value in node.pairs:
        yield "", key
        yield f"[{_short(key)}]", value


def _state(node: Node, state: Node, real: Real) -> Iterator[Part]:
    name = name_of(node.maker)
    if name in _STATES:
        yield from _STATES[name](node, state)
    elif _restores_itself(node, real):
        # Only the class knows the meaning of the keys of its state.
        yield "<state>", state
    elif state.kind == "dict":
        yield from _attributes(state)
        yield "", state
    elif state.kind == "tuple" and len(state.items) == 2 and state.items[1].kind == "dict":
        for each in state.items:
            yield from _attributes(each)
        yield "", state
    else:
        yield "<state>", state


def _restores_itself(node: Node, real: Real) -> bool:
    obj = real(node)
    cls = type(obj)
    if obj is UNKNOWN:
        cls = real(node.maker) if node.maker is not None else UNKNOWN
        if cls is UNKNOWN:
            cls = _loaded(node.maker)
    if not isinstance(cls, type):
        return False
    found = next(
        (b.__dict__["__setstate__"] for b in cls.__mro__ if "__setstate__" in b.__dict__), None
    )
    return type(found) is FunctionType


def _loaded(node: Node | None) -> Any:
    # The object under the name of a global, if its module was imported before.
    if node is None or node.kind != "global":
        return UNKNOWN
    module, name = node.value
    found = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    return found


def _clipped(name: str) -> str:
    # Of a name that a payload gives once and uses often, each place would have a copy.
    return name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"


def _attributes(state: Node, form: str = ".{}") -> Iterator[Part]:
    for key, value in state.pairs:
        if type(key.value) is str:
            yield form.format(_clipped(key.value)), value


def _arguments(node: Node) -> Iterator[Part]:
    for index, arg in enumerate(node.args):
        yield f"<argument {index}>", arg


def _named(*names: str) -> Callable[[Node], Iterator[Part]]:
    def named(node: Node) -> Iterator[Part]:
        yield from zip(names, node.args, strict=False)

    return named


def _function(code: int, names: int, closure: int, defaults: int | None) -> Any:
    def function(node: Node) -> Iterator[Part]:
        args = node.args
        for free, cell in zip(_free_names(args[code]), args[closure].items, strict=False):
            yield f"<captured {_clipped(free)}>", cell
        if defaults is not None and len(args) > defaults:
            yield from _defaults(args[code], args[defaults])
        yield from _attributes(args[names], "<global {}>")
        for arg in args:
            yield "", arg

    return function


def _free_names(code: Node) -> Iterator[str]:
    # The arguments that make code (`types.CodeType`, of dill) end in the names of free and of cell variables.
    if name_of(code.maker) == _MAKE_CODE:
        yield from (str(item.value) for item in code.args[4].items)
    elif len(code.args) > 2:
        yield from (str(item.value) for item in code.args[-2].items)


def _parameters(code: Node) -> list[str]:
    if name_of(code.maker) == _MAKE_CODE:
        return [str(item.value) for item in code.args[3].items]
    # The arguments that make code (dill puts one more before them) are the number of parameters, as the
    # first, and the names of variables, as the tenth.
    args = code.args if not code.args or type(code.args[0].value) is int else code.args[1:]
    return [str(name.value) for name in args[9].items[: args[0].value]] if len(args) > 9 else []


def _defaults(code: Node, values: Node) -> Iterator[Part]:
    names = _parameters(code)
    for index, value in enumerate(values.items):
        place = len(names) - len(values.items) + index
        name = _clipped(names[place]) if 0 <= place < len(names) else index
        yield f"<default {name}>", value


def _function_state(node: Node, state: Node) -> Iterator[Part]:
    for key, value in state.pairs:
        if key.value == "globals":
            yield from _attributes(value, "<global {}>")
        elif key.value == "dict":
            yield from _attributes(value)
        elif key.value == "kwdefaults":
            yield from _attributes(value, "<default {}>")
        elif key.value == "defaults":
            yield from _defaults(node.args[0], value)
        else:
            yield f"<{_clipped(str(key.value))}>", value


def _class_state(node: Node, state: Node) -> Iterator[Part]:
    # Attributes, registered subclasses, attributes of members.
    name = _class_name(node)
    attributes, registered, of_members = state.items
    yield from _attributes(attributes, f"<class {name}>.{{}}")
    yield f"<subclass of {name}>", registered
    for key, value in of_members.pairs:
        for step, part in _attributes(value):
            yield f"<class {name}>.{_clipped(str(key.value))}{step}", part


def _class_arguments(node: Node) -> Iterator[Part]:
    name = _class_name(node)
    _, metaclass, bases, *others = node.args
    yield "", metaclass
    yield f"<base of {name}>", bases
    for other in others:
        yield from _attributes(other, f"<class {name}>.{{}}")


def _class_name(node: Node) -> str:
    key = node.args[0]
    return _clipped(str(key.items[1].value)) if len(key.items) > 1 else "?"


def _cell_state(node: Node, state: Node) -> Iterator[Part]:
    yield from (("", item) for item in state.items)


def _dill_cell_state(node: Node, state: Node) -> Iterator[Part]:
    yield from (("", value) for _, value in state.pairs)


def _partial_state(node: Node, state: Node) -> Iterator[Part]:
    yield from zip((".func", ".args", ".keywords", ""), state.items, strict=False)


def _getattr(node: Node) -> Iterator[Part]:
    # Of a class: a class or function inside it, or a member.  Of an object: a bound method.
    for arg in node.args[:1]:
        yield "" if _is_class(arg) else ".__self__", arg


def _is_class(node: Node) -> bool:
    if node.kind == "global":
        return True
    for _ in range(_MOST_CLASSES):
        if name_of(node.maker) != "builtins.getattr" or not node.args:
            break
        node = node.args[0]
        if node.kind == "global":
            return not isinstance(_loaded(node), EnumType)
    return False


def _combined(node: Node) -> Iterator[Part]:
    # Of flags: parts of one value, which have no place of their own.
    for index, arg in enumerate(node.args):
        yield "" if _is_flag(arg) else f"<argument {index}>", arg


def _is_flag(node: Node) -> bool:
    if node.kind != "object":
        return node.kind == "atom"
    if name_of(node.maker) in ("builtins.getattr", COMBINE):
        return True
    return len(node.args) == 1 and type(node.args[0].value) is int


_ARGUMENTS: Final[dict[str, Callable[[Node], Iterator[Part]]]] = {
    **dict.fromkeys(SETS, _named("")),
    "builtins.getattr": _getattr,
    COMBINE: _combined,
    "functools.partial": _named(".func"),
    "types.PartialType": _named(".func"),
    "types.MethodType": _named(".__func__", ".__self__"),
    "copyreg._reconstructor": _named("", "", "<base>"),
    "collections.defaultdict": _named(".default_factory"),
    "brinery_codecs.functions.make_function": _function(0, 1, 3, None),
    "dill._dill._create_function": _function(0, 1, 4, 3),
    "dill._dill._create_cell": _named(""),
    "dill._dill._create_ftype": _named("", ".func", ".args", ".keywords"),
    _MAKE_CODE: _named(),
    "brinery_codecs.classes.make_class": _class_arguments,
}
_STATES: Final[dict[str, Callable[[Node, Node], Iterator[Part]]]] = {
    "functools.partial": _partial_state,
    "types.PartialType": _partial_state,
    "brinery_codecs.functions.make_function": _function_state,
    "brinery_codecs.classes.make_class": _class_state,
    "brinery_codecs.functions.make_cell": _cell_state,
    "dill._dill._create_cell": _dill_cell_state,
}


def _short(key: Node) -> str:
    if key.kind == "atom" and type(key.value) in (str, int, float, bool, bytes, type(None)):
        text = repr(key.value)
        return text if len(text) <= 40 else text[:37] + "…"
    if key.kind in ("tuple", "set"):
        return "<tuple>" if key.kind == "tuple" else "<frozenset>"  # no other set is a key
    cls = _class_of(key)
    return f"<{cls.__name__}>" if isinstance(cls, type) else "<…>"


def _class_of(node: Node) -> Any:
    # Flags that are combined are of the class of the first: see `members`.
    while name_of(node.maker) == COMBINE and node.args:
        node = node.args[0]
    name = name_of(node.maker)
    if name == "copyreg._reconstructor":
        return _loaded(node.args[0])
    if name == "builtins.getattr":
        cls = _loaded(node.args[0])
        return cls if isinstance(cls, EnumType) else UNKNOWN
    return _loaded(node.maker)
