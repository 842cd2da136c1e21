"""Any depth inside one record: what is too deep for a pickler is written without recursion."""

from __future__ import annotations

import copyreg
import io
import operator
import pickle
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.recipes import KINDS, Recipe, recipes

from brinery import EncodeError, MemoryStore
from brinery.codec import Sink
from brinery.testing.samples import DictNode, FrozenSlots, Key, Node, Plain, Slotted
from brinery_codecs._pickle.deep import DeepPickler

BY_VALUE = ("cloudpickle", "dill")
CODECS = ("pickle", *BY_VALUE)
DEPTH = 20_000


# -- the same opcodes as the pickler in C


class Table(dict[type, Callable[[Any], Any]]):
    """Reduces as picklers do that nobody has told anything."""

    def __init__(self, protocol: int) -> None:
        super().__init__()
        self._plain = operator.methodcaller("__reduce_ex__", protocol)

    def __missing__(self, cls: type) -> Callable[[Any], Any]:
        self[cls] = found = copyreg.dispatch_table.get(cls) or self._plain
        return found


def deep_pickle(obj: object, protocol: int) -> bytes:
    """Return what the pickler that never recurses writes."""
    sink = Sink()
    DeepPickler(sink, protocol, Table(protocol)).dump(obj)
    return b"".join(sink.pieces)


def leads_back_to_itself() -> tuple[object, ...]:
    """Return a tuple that holds a list that holds the tuple."""
    inside: list[object] = []
    found = (inside, 1, 2, 3)
    inside.append(found)
    return found


SAMPLES: dict[str, Callable[[], object]] = {
    "atoms": lambda: [None, True, False, 0, -1, 255, 65_535, 1 << 31, -(1 << 90), 0.5, 1j],
    "text": lambda: ["", "a", "é\\\n", "x" * 300, "😀" * 20_000],
    "bytes": lambda: [b"", b"a" * 300, bytearray(b"abc"), b"x" * 100_000],
    "tuples": lambda: [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    "many items": lambda: [[*range(2_500)], {n: n for n in range(2_500)}, {*range(2_500)}],
    "empty containers": lambda: [[], {}, set(), frozenset(), ()],
    "sets": lambda: [{1, 2}, frozenset([1, (2, 3)])],
    "a tuple in itself": leads_back_to_itself,
    "globals": lambda: [len, dict, Plain, type(None), type(...), type(NotImplemented), deque],
    "nested classes": lambda: [io.BytesIO, Decimal.from_float],
    "subclasses": lambda: [OrderedDict(a=1), deque([1, 2]), DictNode({"a": 1})],
    "reductions": lambda: [datetime.now(UTC), Decimal("1.5"), range(5), ValueError("a")],
    "instances": lambda: [Plain(label="a"), Slotted(["a"]), Key("a"), FrozenSlots("a", (), [])],
    "shared": lambda: (lambda shared: [shared, [shared], {"a": shared}])(["x"]),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", SAMPLES)
def test_the_opcodes_are_those_of_the_pickler_in_c(name: str, protocol: int) -> None:
    """Byte for byte; or both refuse."""
    obj = SAMPLES[name]()
    try:
        expected = pickle.dumps(obj, protocol)
    except (pickle.PicklingError, TypeError):
        with pytest.raises((pickle.PicklingError, TypeError)):
            deep_pickle(obj, protocol)
    else:
        assert deep_pickle(obj, protocol) == expected


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("size", [999, 1_000, 1_001, 2_000])
def test_items_come_in_batches(size: int, protocol: int) -> None:
    """Around the size of a batch picklers differ among themselves in their opcodes."""
    obj = [[*range(size)], {n: n for n in range(size)}, {*range(size)}, DictNode({1: 2})]
    assert pickle.loads(deep_pickle(obj, protocol)) == obj


@pytest.mark.thorough
@given(recipe=recipes([*KINDS]), protocol=st.integers(2, 5))
def test_random_graphs_give_the_same_opcodes(recipe: Recipe, protocol: int) -> None:
    """Instances of all sorts, in cycles, within one record."""
    root = recipe.build()[recipe.root]
    try:
        expected = pickle.dumps(root, protocol)
    except Exception as error:  # noqa: BLE001 - whatever the one refuses, the other does
        refusals = (pickle.PicklingError, AttributeError, type(error))
        with pytest.raises(refusals):
            deep_pickle(root, protocol)
    else:
        assert deep_pickle(root, protocol) == expected


@pytest.mark.parametrize(
    "reduction", ["wrong", (), (1,), (list, []), ("no function", ()), (list,) * 7]
)
def test_a_wrong_reduction_is_refused(reduction: object) -> None:
    """With the name of the class, as by other picklers."""

    class Wrong:
        def __reduce__(self) -> Any:
            return reduction

    with pytest.raises(pickle.PicklingError):
        deep_pickle(Wrong(), 5)


# -- through a store


def chain(size: int) -> Plain:
    """Return the first of a doubly linked list of ordinary objects."""
    first = node = Plain(label="0", back=None, next=None)
    for number in range(1, size):
        following = Plain(label=str(number), back=node, next=None)
        node.next = following  # type: ignore[attr-defined]
        node = following
    return first


def check_chain(found: Any, size: int) -> None:
    """Walk the list to its end."""
    for number in range(size):
        assert found.label == str(number)
        following = found.next
        assert following is None or following.back is found
        found = following
    assert found is None


def tree(size: int) -> Plain:
    """Return the root of a tree, a long trunk with leaves, whose nodes know their parents."""
    root = node = Plain(label="0", parent=None, children=[])
    for number in range(1, size):
        leaf = Plain(label="leaf", parent=node, children=[])
        following = Plain(label=str(number), parent=node, children=[])
        node.children += [leaf, following]  # type: ignore[attr-defined]
        node = following
    return root


def check_tree(found: Any, size: int) -> None:
    """Walk up the trunk."""
    for number in range(size - 1):
        leaf, following = found.children
        assert found.label == str(number)
        assert leaf.parent is following.parent is found
        found = following
    assert found.children == []


def closures(size: int) -> Callable[[], Any]:
    """Return a function that captures a function that captures …"""

    def wrap(inner: Any, number: int) -> Callable[[], Any]:
        return lambda: (inner, number)

    found: Any = None
    for number in reversed(range(size)):
        found = wrap(found, number)
    return found  # type: ignore[no-any-return]


def check_closures(found: Any, size: int) -> None:
    """Call each."""
    for expected in range(size):
        found, number = found()
        assert number == expected
    assert found is None


def nested(wrap: Callable[[Any], Any]) -> Callable[[int], Any]:
    """Return what makes a container in a container in …"""

    def make(size: int) -> Any:
        found: Any = wrap(None)
        for _ in range(1, size):
            found = wrap(found)
        return found

    return make


def check_nested(found: Any, size: int) -> None:
    """Take the containers out of each other."""
    for _ in range(size):
        (found,) = found.values() if type(found) is dict else found
    assert found is None


SHAPES: dict[str, tuple[Callable[[int], Any], Callable[[Any, int], None]]] = {
    "chain": (chain, check_chain),
    "tree": (tree, check_tree),
    "closures": (closures, check_closures),
    "lists": (nested(lambda inner: [inner]), check_nested),
    "tuples": (nested(lambda inner: (inner,)), check_nested),
    "dicts": (nested(lambda inner: {"inner": inner}), check_nested),
    "frozensets": (nested(lambda inner: frozenset([inner])), check_nested),
}
DATA = [name for name in SHAPES if name != "closures"]


def comes_back(codec: str, shape: str, size: int, protocol: int | None = None) -> None:
    """Save and load an object of one shape, as one record, and walk through what comes back."""
    make, check = SHAPES[shape]
    limit = sys.getrecursionlimit()
    with MemoryStore(protocol=protocol, codec=codec) as store:
        id_ = store.save(make(size))
        store.invalidate_cache()
        assert len(store) == 1
        check(store.load(id_), size)
    assert sys.getrecursionlimit() == limit


@pytest.mark.thorough
@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("shape", DATA)
@pytest.mark.parametrize("codec", CODECS)
def test_deep_data_come_back(codec: str, shape: str, protocol: int) -> None:
    """At each protocol, deeper than any pickler's limit."""
    comes_back(codec, shape, DEPTH // 4, protocol)


@pytest.mark.thorough
@pytest.mark.parametrize("codec", BY_VALUE)
def test_a_chain_of_closures_comes_back(codec: str) -> None:
    """Functions that capture functions."""
    comes_back(codec, "closures", DEPTH // 4)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("codec", CODECS)
def test_a_million_levels_come_back(codec: str, shape: str) -> None:
    """A hundred thousand by dill."""
    if codec == "pickle" and shape == "closures":
        pytest.skip("pickle keeps no closures")
    # A hash of nested frozensets is computed by recursion in C, anew for each level.
    size = 100_000 if codec == "dill" or shape == "frozensets" else 1_000_000
    comes_back(codec, shape, size)


@pytest.mark.thorough
@pytest.mark.parametrize("codec", CODECS)
def test_deep_objects_come_back_in_a_thread(codec: str) -> None:
    """Whose stack is smaller."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            comes_back(codec, "chain", DEPTH)
        except BaseException as error:  # noqa: BLE001 - told to the main thread
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not failed


@pytest.mark.thorough
@pytest.mark.parametrize("codec", CODECS)
def test_references_are_found_at_any_depth(codec: str) -> None:
    """One persistable object, referred to from each level, has one record."""
    shared = Node("shared")
    obj = chain(DEPTH)
    node: Any = obj
    while node is not None:
        node.shared = shared
        node = node.next
    with MemoryStore(codec=codec) as store:
        id_ = store.save(obj)
        assert len(store.references(id_)) == 1
        assert len(store) == 2
        store.invalidate_cache()
        found = store.load(id_)
        assert type(found.shared) is Node
        while found.next is not None:
            assert found.next.shared is found.shared
            found = found.next


@pytest.mark.parametrize("codec", CODECS)
def test_new_objects_found_at_any_depth_are_saved(codec: str) -> None:
    """The first attempt ends at some object in the middle; none is lost for it, and none saved twice."""
    obj = chain(3_000)
    node: Any = obj
    while node is not None:
        node.own = Node(node.label)
        node = node.next
    with MemoryStore(codec=codec) as store:
        id_ = store.save(obj)
        assert len(store) == 3_001
        assert len(store.references(id_)) == 3_000
        store.invalidate_cache()
        found = store.load(id_)
        check_chain(found, 3_000)
        while found is not None:
            assert found.own.label == found.label
            found = found.next


@pytest.mark.parametrize("codec", CODECS)
def test_an_unchanged_deep_object_is_not_written_again(codec: str) -> None:
    """The bytes are the same each time."""
    with MemoryStore(codec=codec) as store:
        obj = chain(DEPTH // 4)
        id_ = store.save(obj)
        created = store.info(id_).created
        assert store.save(obj) == id_
        assert store.info(id_).created == created


@pytest.mark.thorough
def test_what_cannot_be_kept_is_refused_at_any_depth() -> None:
    """With what it is, not with the depth."""
    obj = chain(3_000)
    node: Any = obj
    while node.next is not None:
        node = node.next
    for codec, bad in (("pickle", lambda: None), ("dill", (n for n in ""))):
        node.next = bad
        with MemoryStore(codec=codec) as store:
            with pytest.raises(EncodeError) as caught:
                store.save(obj)
            assert "too deeply" not in str(caught.value)
            assert store.list() == []


@pytest.mark.parametrize("codec", CODECS)
def test_a_hook_that_never_ends_is_an_error(codec: str) -> None:
    """A `__getstate__` that calls itself is no deep object."""
    with MemoryStore(codec=codec) as store:
        with pytest.raises(EncodeError):
            store.save(CallsItself())
        assert store.list() == []


class CallsItself:
    """Cannot be saved."""

    def __getstate__(self) -> Any:
        return self.__getstate__()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("protocol", [0, 1])
def test_what_is_made_of_itself_is_refused(codec: str, protocol: int) -> None:
    """Below protocol 2 a dict's subclass is made of a dict, in which it is met again without end."""
    loop = DictNode()
    loop["self"] = loop
    with MemoryStore(codec=codec, protocol=protocol) as store:
        with pytest.raises(EncodeError):
            store.save([loop])
        assert not len(store)
