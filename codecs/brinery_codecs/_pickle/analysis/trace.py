"""A trace of a pickle: the objects that it would make, as nodes; it imports and calls nothing.

The opcodes are gone through once (`pickletools.genops`), with nodes in place of objects.  The nodes then
give the path by which each is reached from the root, and each step of decoding that could have
run code of a class is kept with the number of memo entries that there were before it.
"""

from __future__ import annotations

import _compat_pickle
import copyreg
import pickletools
from collections import deque
from collections.abc import Iterator, Sequence

from brinery.codec import Buffer, Mention
from brinery.typing import Any, Final
from brinery_codecs._pickle.analysis.nodes import (
    SETS,
    UNKNOWN,
    Action,
    Node,
    Step,
    is_own,
    name_of,
    text_of,
)
from brinery_codecs._pickle.analysis.parts import Places, Real, parts, path_to

MOST: Final = 1_000_000
"""Opcodes after which a payload counts as too long to be traced: two seconds, and 300 MiB."""
# How dill names the dictionary of `__main__`.
_MAIN: Final = (("__builtin__", "__main__"), ("builtins", "__main__"))


class TooLongError(Exception):
    """A payload has too many opcodes to be gone through."""


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

        `real` gives the object of a node, if it exists.
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
                yield Mention("external", text_of(node.args[0]), prefix + path_to(node, places))

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

    # opcodes that run code

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
            # As an unpickler does for pickles that Python 2 may have written.
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
        if name_of(node.maker) in SETS:
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


def _without_root(callee: Node, args: Sequence[Node]) -> tuple[Node, Sequence[Node]]:
    # The constructor of a root and its arguments, without the function that announces it.
    name = name_of(callee)
    if name in ("brinery.reference.root", "brinery.reference.new_root"):
        return args[0], args[1:]
    if name == "brinery.reference.hashable_root":
        return args[1], args[2:]
    return callee, args
