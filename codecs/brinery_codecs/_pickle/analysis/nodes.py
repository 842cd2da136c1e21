"""Nodes, which replace objects when a payload is traced, and the steps that make them."""

from __future__ import annotations

from collections.abc import Sequence

from brinery.typing import Any, Final, Literal

Kind = Literal["atom", "list", "tuple", "dict", "set", "global", "object", "mark"]
Action = Literal["find", "call", "state", "fill"]

UNKNOWN: Final = object()
"""The object of a node, if it is not known."""

COMBINE: Final = "_operator.or_"
"""The function that combines flags; see `members`."""
# dill has names of its own for them.
SETS: Final = ("builtins.set", "builtins.frozenset", "types.set", "types.frozenset")
_TYPES_BY_NAME: Final = ("cloudpickle.cloudpickle._builtin_type", "dill._dill._load_type")


class Node:
    """One object of a traced payload."""

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


def is_own(node: Node | None) -> bool:
    """Return whether a global is one of brinery's, which payloads name for its own purposes."""
    return (
        node is not None
        and node.kind == "global"
        and node.value[0].partition(".")[0] in ("brinery", "brinery_codecs")
    )


def name_of(node: Node | None) -> str | None:
    """Return the dotted name of a global, also if a library names it in a roundabout way."""
    if node is None:
        return None
    if node.kind == "global":
        return ".".join(node.value)
    if name_of(node.maker) in _TYPES_BY_NAME and node.args and node.args[0].kind == "atom":
        return f"types.{node.args[0].value}"
    return None


def text_of(node: Node) -> str:
    """Return the string of a node."""
    # A string of a subclass is made of a plain one.
    return str(node.value if node.kind == "atom" else node.args[-1].value)
