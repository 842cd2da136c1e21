"""The objects of the golden files, and of the records that Pythons exchange.

Each function makes an object of classes that will not move.  The objects are written into golden files
once; the functions here must not change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pickle import PickleBuffer
from typing import Any
from uuid import UUID

from brinery.ids import Id
from brinery.testing.samples import (
    Colour,
    DictNode,
    Foreign,
    FrozenNode,
    FrozenSlots,
    IntNode,
    Key,
    ListNode,
    MixedNode,
    NewArgsNode,
    Node,
    Pair,
    PairNode,
    Plain,
    ReducedNode,
    SetNode,
    Slotted,
    SlottedNode,
    StatefulNode,
    StrNode,
    TupleNode,
)
from brinery.verify.isomorphism import assert_isomorphic

Make = Callable[[], Any]


class Signal:
    """Has data that a pickle of protocol 5 takes from where they are."""

    def __init__(self, data: Any) -> None:
        self.data = bytearray(data)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Signal, (PickleBuffer(self.data) if protocol >= 5 else self.data,)


def data() -> Any:
    """Return values of the types that every codec here keeps."""
    return {
        "atoms": [
            None,
            True,
            False,
            0,
            -1,
            2**31,
            2**63,
            -(2**70),
            1.5,
            -0.0,
            float("inf"),
            2 - 1j,
        ],
        "text": ["", "Grüße", "日本語", "\U0001f600", "line\nline\0"],
        "bytes": [b"", b"\0\xff", bytearray(b"abc")],
        "containers": [[], (), {}, set(), frozenset(), [1, (2, [3])], {1, "two", (3,)}],
        "keys": {1: "int", None: "None", 2.5: "float", (1, 2): "tuple", b"b": "bytes"},
        "dates": [date(2024, 2, 29), timedelta(-1, 2, 3), time(1, 2, 3, 4, tzinfo=UTC)],
        "datetime": datetime(2024, 1, 2, 3, 4, 5, 6, timezone(timedelta(hours=-3), "name")),
        "numbers": [Decimal("1.10"), Decimal("-Infinity"), Fraction(-1, 3)],
        "uuid": UUID("12345678-1234-5678-1234-567812345678"),
        "long": ["x" * 100, list(range(1000))],
    }


def json_data() -> Any:
    """Return values that JSON has, and dicts that look like references."""
    return {
        "atoms": [None, True, False, 0, -1, 2**63, -(2**70), 1.5, -0.0, 1.0, 1e300, 5e-324],
        "text": ["", "Grüße", "日本語", "\U0001f600", 'line\nline\0\x7f"\\'],
        "containers": [[], {}, [1, [2, []]], {"": {"a": {}}}],
        "references": [
            {"$ref": 1},
            {"$$ref": [{"$ref": "Task.1"}]},
            {"$ref": 1, "a": 2},
            {"ref": 1},
        ],
        "long": ["x" * 100, list(range(1000))],
    }


def cyclic_data() -> Any:
    """Return containers that contain themselves and share others."""
    shared: list[Any] = [1]
    found: dict[str, Any] = {"one": shared, "two": (shared, [shared])}
    found["me"] = [found]
    return found


def nodes() -> Any:
    """Return persistable objects in cycles, shared, as keys and members."""
    root = Node("root", number=1)
    child = Node("child", parent=root)
    value_key = Key("key", home=root)
    root.children = [child, Node("other", peer=child)]  # type: ignore[attr-defined]
    root.table = {child: 1, Key("lone"): {root}}  # type: ignore[attr-defined]
    root.members = {child, root, frozenset({child})}  # type: ignore[attr-defined]
    child.key = value_key  # type: ignore[attr-defined]
    return root


def graph() -> Any:
    """Return the same with subclasses of containers in the cycles."""
    root = nodes()
    items = ListNode([root, root.children])
    items.append(DictNode({"items": items, root: [root]}))
    root.items = items
    return root


def classes() -> Any:
    """Return objects of each kind of class that protocol 2 and later know."""
    text = StrNode("text")
    text.peer = [1]
    number = IntNode(2**70)
    number.peer = text
    return [
        Plain(a=1, b=[2]),
        Slotted([1]),
        Pair(1, [2]),
        SlottedNode("slotted", [1]),
        MixedNode("mixed", 1, extra={"x": 2}),
        SetNode({1, "two"}),
        TupleNode((1, [2])),
        text,
        number,
        PairNode(1, (2,)),
        Colour.BLUE,
        FrozenNode("frozen", (1, (2,))),
        FrozenSlots("slots", [1], [2]),
        ReducedNode("reduced", [1]),
        StatefulNode("four", 4),
        NewArgsNode(label="new"),
        Foreign("foreign", [1]),
        Id("Task", 7),
    ]


def by_value() -> Any:
    """Return objects of a class that cannot be imported, and that holds no code."""
    cls = type("Local", (), {"limit": 3, "__module__": "__main__"})
    found = [cls(), cls(), Node("holder", part=cls())]
    for number, obj in enumerate(found):
        obj.number = number
    return found


def lines() -> Any:
    """Return text that becomes much smaller."""
    return [f"a line of text, number {number}" for number in range(200)]


def signals() -> Any:
    """Return an object with large buffers, one of them twice."""
    first, second = Signal(bytes(range(250)) * 300), Signal(b"second" * 12_000)
    return Node("signals", signals=[first, second, first], small=Signal(b"small"))


EVERYWHERE: Mapping[str, Make] = {"data": data}
"""For every codec."""

JSON: Mapping[str, Make] = {"json_data": json_data}
"""For the codec json."""

COMPRESSED: Mapping[str, Make] = {**EVERYWHERE, "lines": lines}
"""For every transform; what gets no smaller is stored as it is."""

OLD: Mapping[str, Make] = {**EVERYWHERE, "cyclic_data": cyclic_data, "nodes": nodes}
"""For pickle at any protocol."""

PICKLED: Mapping[str, Make] = {**OLD, "graph": graph, "classes": classes}
"""For pickle from protocol 2 on."""

LARGE: Mapping[str, Make] = {"signals": signals}
"""For the codec pickle at protocol 5."""

BY_VALUE: Mapping[str, Make] = {**PICKLED, "by_value": by_value}
"""For the codecs that write classes by value."""


def check(name: str, found: Any) -> None:
    """Raise AssertionError unless `found` equals the graph that was saved under `name`."""
    if name != "by_value":
        assert_isomorphic({**BY_VALUE, **JSON, **LARGE, **COMPRESSED}[name](), found)
        return
    # A class of its own, but one for all.
    first, second, holder = found
    assert type(first) is type(second) is type(holder.part)
    assert (first.number, second.number, holder.number) == (0, 1, 2)
    assert (type(first).__name__, first.limit) == ("Local", 3)
