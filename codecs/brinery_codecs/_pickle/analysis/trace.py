"""What a pickle would make, in symbols: nothing that it names is imported or called.

The opcodes are gone through once (`pickletools.genops`), with nodes in place of objects.  The nodes then
tell the path by which each is reached from the root, and each step of decoding that could have
run somebody's code is kept with the number of memo entries that there were before it.
"""

from __future__ import annotations

import _compat_pickle
import copyreg
import pickletools
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from enum import EnumType
from types import FunctionType
from typing import Any, Final, Literal

from brinery.codec import Buffer, Mention

Kind = Literal["atom", "list", "tuple", "dict", "set", "global", "object", "mark"]
Action = Literal["find", "call", "state", "fill"]

MOST: Final = 1_000_000
"""Opcodes after which a payload counts as too long to be traced: two seconds, and 300 MiB."""
_MOST_STEPS: Final = 1_000
_MOST_CHARACTERS: Final = 3_000
_LONGEST_NAME: Final = 200
_MOST_CLASSES: Final = 20
"""Classes in classes that are followed to the outermost one."""
_SHOWN: Final = 20
"""Steps that are told of a path that is longer than these."""
CUT: Final = "<inside, by a path too long to tell>"
"""What stands for the start of such a path."""

COMBINE: Final = "_operator.or_"
"""What combines flags; see `members`."""

UNKNOWN: Final = object()
Real = Callable[["Node"], Any]
Places = dict["Node", tuple["Node | None", str]]


class TooLongError(Exception):
    """A payload has too many opcodes to be gone through."""


class Node:
    """What stands for one object."""

    __slots__ = ("args", "index", "items", "kind", "maker", "pairs", "states", "value")

    def __init__(self, kind: Kind, value: Any = None, items: Sequence[Node] = ()) -> None:
        self.kind: Kind = kind
        self.value = value
        """That of an atom; module and name of a global."""
        self.items = list(items)
        self.pairs: list[tuple[Node, Node]] = []
        self.maker: Node | None = None
        self.args: Sequence[Node] = ()
        self.states: list[Node] = []
        self.index: int | None = None
        """The place in the memo."""


class Step:
    """A step of decoding that may fail: `target` is the object that it works on."""

    __slots__ = ("action", "args", "callee", "is_new", "memoized", "state", "target")

    def __init__(self, action: Action, target: Node, memoized: int) -> None:
        self.action: Action = action
        self.target = target
        self.memoized = memoized
        """How many places of the memo were filled before."""
        self.callee: Node | None = None
        self.is_new = False
        """Whether `__new__` alone is called, and not the class."""
        self.args: Sequence[Node] = ()
        self.state: Node | None = None


class Trace:
    """The nodes of one payload, from `root` on, and the steps that make them."""

    def __init__(self, source: Buffer) -> None:
        """Go through a payload; raise whatever is wrong with it, `TooLongError` among others."""
        self.steps: list[Step] = []
        self._stack: list[Node] = []
        self._memo: dict[int, Node] = {}
        self._protocol = 0
        self._popped: Node | None = None
        for count, (opcode, arg, _) in enumerate(pickletools.genops(bytes(source))):
            if count > MOST:
                raise TooLongError
            getattr(self, f"_{opcode.name.lower()}", self._atom)(arg)
            if self._popped is not None and opcode.name != "POP":
                self._settle(opcode.name)
        self.root = self._stack.pop()

    def places(self, real: Real = lambda node: UNKNOWN) -> Places:
        """Return for each node that the root reaches from where and by which step it does.

        `real` gives the object that a node stands for, where it exists.
        """
        places: Places = {self.root: (None, "")}
        line = deque([self.root])
        while line:
            node = line.popleft()
            for step, part in parts(node, real):
                if part not in places:
                    places[part] = node, step
                    line.append(part)
        return places

    def mentions(self, prefix: str = "") -> Iterator[Mention]:
        """Yield the globals and the external references of the payload, with their paths."""
        places = self.places()
        for node in places:
            if node.kind == "global" and not is_own(node) and node.value not in _MAIN:
                yield Mention("global", ":".join(node.value), prefix + path_to(node, places))
            elif name_of(node.maker) == "brinery.reference.external":
                yield Mention("external", _text(node.args[0]), prefix + path_to(node, places))
            elif name_of(node.maker) == "brinery_codecs.shared_classes.shared_class":
                yield from Trace(node.args[3].value).mentions(prefix + path_to(node, places))

    # -- the machine

    def _push(self, node: Node) -> None:
        self._stack.append(node)

    def _to_mark(self) -> list[Node]:
        items: list[Node] = []
        while (node := self._stack.pop()).kind != "mark":
            items.append(node)
        return items[::-1]

    def _step(self, action: Action, target: Node) -> Step:
        step = Step(action, target, len(self._memo))
        self.steps.append(step)
        return step

    def _atom(self, arg: Any) -> None:
        self._push(Node("atom", arg))

    def _proto(self, arg: int) -> None:
        self._protocol = arg

    def _ignore(self, arg: Any) -> None:
        pass

    _frame = _stop = _readonly_buffer = _ignore

    def _newtrue(self, arg: Any) -> None:
        self._atom(True)

    def _newfalse(self, arg: Any) -> None:
        self._atom(False)

    def _mark(self, arg: Any) -> None:
        self._push(Node("mark"))

    def _pop(self, arg: Any) -> None:
        node = self._stack.pop()
        self._popped = node if node.kind == "object" else None

    def _pop_mark(self, arg: Any) -> None:
        self._to_mark()

    def _dup(self, arg: Any) -> None:
        self._push(self._stack[-1])

    def _settle(self, following: str) -> None:
        # The call of a function that sets a state is dropped; so is the first attempt at an object
        # that its own arguments refer to, but that is then fetched from the memo.
        node, self._popped = self._popped, None
        assert node is not None
        is_setter = is_own(node.maker) or "GET" not in following
        if is_setter and len(node.args) == 3 and type(node.args[1].value) is str:
            target, name, value = node.args
            state = Node("dict")
            state.pairs.append((name, value))
            target.states.append(state)
        elif is_setter and len(node.args) == 2:
            target, state = node.args
            if name_of(node.maker) == "dill._dill._setitems":
                target.pairs += state.pairs
            else:
                target.states.append(state)
        else:
            return
        for step in self.steps[-1:]:
            if step.target is node:
                step.target = target

    # memo

    def _get(self, arg: int) -> None:
        self._push(self._memo[int(arg)])

    _binget = _long_binget = _get

    def _put(self, arg: int) -> None:
        node = self._memo[int(arg)] = self._stack[-1]
        node.index = int(arg)

    _binput = _long_binput = _put

    def _memoize(self, arg: Any) -> None:
        self._put(len(self._memo))

    # containers

    def _empty_list(self, arg: Any) -> None:
        self._push(Node("list"))

    def _empty_dict(self, arg: Any) -> None:
        self._push(Node("dict"))

    def _empty_set(self, arg: Any) -> None:
        self._push(Node("set"))

    def _empty_tuple(self, arg: Any) -> None:
        self._push(Node("tuple"))

    def _list(self, arg: Any) -> None:
        self._push(Node("list", items=self._to_mark()))

    def _tuple(self, arg: Any) -> None:
        self._push(Node("tuple", items=self._to_mark()))

    def _last(self, count: int) -> None:
        items = self._stack[-count:]
        del self._stack[-count:]
        self._push(Node("tuple", items=items))

    def _tuple1(self, arg: Any) -> None:
        self._last(1)

    def _tuple2(self, arg: Any) -> None:
        self._last(2)

    def _tuple3(self, arg: Any) -> None:
        self._last(3)

    def _frozenset(self, arg: Any) -> None:
        self._fill(Node("set"), self._to_mark(), True)

    def _dict(self, arg: Any) -> None:
        items = self._to_mark()
        self._push(Node("dict"))
        self._set(items)

    def _append(self, arg: Any) -> None:
        item = self._stack.pop()
        self._extend([item])

    def _appends(self, arg: Any) -> None:
        self._extend(self._to_mark())

    def _extend(self, items: list[Node]) -> None:
        node = self._stack[-1]
        if node.kind != "list":
            self._step("fill", node)
        node.items += items

    def _additems(self, arg: Any) -> None:
        items = self._to_mark()
        self._fill(self._stack.pop(), items, False)

    def _fill(self, node: Node, items: list[Node], is_made: bool) -> None:
        if node.kind != "set" or not all(item.kind == "atom" for item in items):
            self._step("fill", node).args = items
        node.items += items
        self._push(node)

    def _setitem(self, arg: Any) -> None:
        self._set([self._stack.pop() for _ in range(2)][::-1])

    def _setitems(self, arg: Any) -> None:
        self._set(self._to_mark())

    def _set(self, items: list[Node]) -> None:
        node = self._stack[-1]
        keys = items[::2]
        if node.kind != "dict" or not all(key.kind == "atom" for key in keys):
            self._step("fill", node).args = keys
        node.pairs += zip(keys, items[1::2], strict=True)

    # what runs code

    def _global(self, arg: str) -> None:
        self._find(*arg.split(" ", 1))

    def _stack_global(self, arg: Any) -> None:
        module, name = (node.value for node in self._stack[-2:])
        del self._stack[-2:]
        self._find(module, name)

    def _ext1(self, arg: int) -> None:
        self._find(*copyreg._inverted_registry[arg])  # type: ignore[attr-defined]

    _ext2 = _ext4 = _ext1

    def _find(self, module: str, name: str) -> None:
        if self._protocol < 3:
            # As an unpickler does for what Python 2 may have written.
            module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
            module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        node = Node("global", (module, name))
        self._step("find", node)
        self._push(node)

    def _reduce(self, arg: Any) -> None:
        args = self._stack.pop()
        callee = self._stack.pop()
        self._call(callee, args.items)

    def _newobj(self, arg: Any) -> None:
        self._reduce(arg)
        self.steps[-1].is_new = True

    def _newobj_ex(self, arg: Any) -> None:
        keywords = self._stack.pop()
        self._newobj(arg)
        node = self._stack[-1]
        node.args = [*node.args, keywords]
        self.steps[-1].args = node.args

    def _inst(self, arg: str) -> None:
        items = self._to_mark()
        self._find(*arg.split(" ", 1))
        self._call(self._stack.pop(), items)

    def _obj(self, arg: Any) -> None:
        callee, *items = self._to_mark()
        self._call(callee, items)

    def _call(self, callee: Node, args: Sequence[Node]) -> None:
        node = Node("object")
        step = self._step("call", node)
        step.callee, step.args = callee, args
        node.maker, node.args = _without_root(callee, args)
        if name_of(node.maker) in _SETS:
            node.kind, node.items = "set", args[0].items if args else []
        self._push(node)

    def _build(self, arg: Any) -> None:
        state = self._stack.pop()
        node = self._stack[-1]
        step = self._step("state", node)
        step.state = state
        node.states.append(state)

    def _persid(self, arg: Any) -> None:
        self._push(Node("object"))

    def _binpersid(self, arg: Any) -> None:
        self._stack[-1] = Node("object")


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


# How dill names the dictionary of `__main__`.
_MAIN: Final = (("__builtin__", "__main__"), ("builtins", "__main__"))


def is_own(node: Node | None) -> bool:
    """Tell whether a global is one of brinery's, which payloads name for its own purposes."""
    return (
        node is not None
        and node.kind == "global"
        and node.value[0].partition(".")[0] in ("brinery", "brinery_codecs")
    )


def name_of(node: Node | None) -> str | None:
    """Return the dotted name of a global, also where a library goes round about it."""
    if node is None:
        return None
    if node.kind == "global":
        return ".".join(node.value)
    if name_of(node.maker) in _TYPES_BY_NAME and node.args and node.args[0].kind == "atom":
        return f"types.{node.args[0].value}"
    return None


# dill has names of its own for them.
_SETS: Final = ("builtins.set", "builtins.frozenset", "types.set", "types.frozenset")
_TYPES_BY_NAME: Final = ("cloudpickle.cloudpickle._builtin_type", "dill._dill._load_type")


def _without_root(callee: Node, args: Sequence[Node]) -> tuple[Node, Sequence[Node]]:
    # What a root is made by, without the function that announces it.
    name = name_of(callee)
    if name in ("brinery.reference.root", "brinery.reference.new_root"):
        return args[0], args[1:]
    if name == "brinery.reference.hashable_root":
        return args[1], args[2:]
    return callee, args


# -- from an object to its parts

Part = tuple[str, Node]


def parts(node: Node, real: Real) -> Iterator[Part]:
    """Yield what an object holds, with a step of a path to each."""
    if node.maker is not None:
        # A class is where its object is; so what cannot be imported is told by that place.
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
        # What the keys of its state stand for is known to the class alone.
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
    # What stands under the name of a global, if its module is imported; none is.
    if node is None or node.kind != "global":
        return UNKNOWN
    module, name = node.value
    found = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    return found


def _text(node: Node) -> str:
    # A string of a subclass is made of a plain one.
    return str(node.value if node.kind == "atom" else node.args[-1].value)


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
    # The arguments that make code end in the names of free and of cell variables.
    if len(code.args) > 2:
        for item in code.args[-2].items:
            yield str(item.value)


def _defaults(code: Node, values: Node) -> Iterator[Part]:
    # The arguments that make code (`types.CodeType`; dill puts one more before them) are the number of
    # parameters, as the first, and the names of variables, as the tenth.
    args = code.args if not code.args or type(code.args[0].value) is int else code.args[1:]
    names = [str(name.value) for name in args[9].items] if len(args) > 9 else []
    count = args[0].value if names else 0
    for index, value in enumerate(values.items):
        place = count - len(values.items) + index
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
    **dict.fromkeys(_SETS, _named("")),
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
    "brinery_codecs.shared_classes.shared_class": _named(),
}
_STATES: Final[dict[str, Callable[[Node, Node], Iterator[Part]]]] = {
    "functools.partial": _partial_state,
    "types.PartialType": _partial_state,
    "brinery_codecs.functions.make_function": _function_state,
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
