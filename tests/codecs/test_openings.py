"""Openings: what payloads begin with, and what a reader learns from it."""

from __future__ import annotations

import enum
import pickle
import sqlite3
from collections import Counter
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.record.forms import with_kind
from tests.trust.things import Plain

from brinery import DecodeError, EncodeError, MemoryStore, Persistable, Store
from brinery.ids import name_of
from brinery.record.reader import parse
from brinery.reference import external
from brinery.testing.samples import Node
from brinery_codecs._pickle.openings import (
    REFILL,
    are_simple,
    class_of,
    end_of_opening,
    is_in_place,
    may_name,
    opening_of,
)


class Reduced(Persistable):
    """Says itself how it is made."""

    def __reduce__(self) -> Any:
        return Reduced, ()


class Color(Persistable, enum.Enum):
    """Pickled by name."""

    RED = 1


def _ring(count: int) -> list[Node]:
    nodes = [Node(str(i)) for i in range(count)]
    for i, node in enumerate(nodes):
        node.child, node.back = nodes[i - 1], nodes[(i + 1) % count]  # type: ignore[attr-defined]
    return nodes


def payload_of(store: Store, id_: str) -> bytes:
    """Return the payload of a record."""
    return bytes(parse(store.backend.get(name_of(id_))[0]).payload)


def test_an_opening_makes_the_object_and_leaves_it_on_the_stack() -> None:
    """A plain `pickle.load` goes on with its state; the memo has the function for references."""
    opening = opening_of(Node, 5)
    assert opening is not None
    found = pickle.loads(opening.head + b"}b.")
    assert type(found) is Node
    assert pickle.loads(opening.head + b"0h\x00.") is external
    assert pickle.loads(opening.head + b"0h\x01.").__class__ is Node


def test_a_payload_is_its_opening_and_the_state() -> None:
    """The bytes of the opening are those of the class; the kind says how many they are."""
    store = MemoryStore()
    ids = store.save_many([Node("one"), Node("two")])
    opening = opening_of(Node, 5)
    assert opening is not None
    for id_ in ids:
        record = parse(store.backend.get(name_of(id_))[0])
        payload = bytes(record.payload)
        assert payload.startswith(opening.head)
        assert end_of_opening(payload) == len(opening.head) == record.metadata.kind.opening
        made = Node.__new__(Node)
        pickle.loads(REFILL + payload[len(opening.head) :], buffers=(external, made))
        assert made.label == pickle.loads(payload).label


@pytest.mark.parametrize("extra", [b"", b"\x93", b"\x82", b"c"])
def test_a_simple_record_names_no_global(extra: bytes) -> None:
    """Values that look like the opcodes are told apart when the record is written."""
    store = MemoryStore()
    simple, other = Node("one"), Node("two")
    simple.value, other.value = [extra, simple], [extra, enum.Enum]  # type: ignore[attr-defined]
    found = [parse(store.backend.get(name_of(id_))[0]) for id_ in store.save_many([simple, other])]
    assert [record.metadata.is_simple for record in found] == [True, False]
    size = found[0].metadata.kind.opening
    payloads = [bytes(record.payload) for record in found]
    assert [are_simple([payload], size) for payload in payloads] == [True, False]
    assert may_name(payloads[1][size:])


def test_harmless_classes_of_the_standard_library_are_simple() -> None:
    """They look at nothing but the hashes of what they are made of; other classes may do anything."""
    store = MemoryStore()
    values = {
        "set": [{1}, frozenset({2}), {Node("in a set")}],
        "date": date(2026, 1, 2),
        "number": [Decimal("1.5"), Fraction(1, 3), 1j],
        "counter": Counter("aab"),
    }
    others = {"path": Path("a"), "class": Node, "function": len, "plain": Plain(1)}
    for name, value in (values | others).items():
        node = Node(name)
        node.value = value  # type: ignore[attr-defined]
        metadata = parse(store.backend.get(name_of(store.save(node)))[0]).metadata
        assert metadata.is_simple == (name in values), name
        held = Store(store.backend, trust="anyone").load(store.id_of(node)).value
        if name in ("date", "number", "counter", "path", "class", "function"):
            assert held == value


@pytest.mark.parametrize("cls", [Reduced, Color])
def test_classes_that_say_how_they_are_made_have_none(cls: type) -> None:
    """What their objects name is not known before they are asked."""
    assert opening_of(cls, 5) is None


def test_a_class_that_cannot_be_imported_has_none() -> None:
    """Its objects fail when they are written, with an error that tells where."""

    class Local(Persistable):
        pass

    assert opening_of(Local, 5) is None
    assert not is_in_place(Local)
    assert is_in_place(Node)


def test_a_class_that_has_another_in_its_place_is_refused_as_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An opening of a former save does not hide it."""
    store, node = MemoryStore(), Node("one")
    store.save(node)
    monkeypatch.setattr("brinery.testing.samples.Node", type("Node", (), {}))
    node.label = "other"
    with pytest.raises(Exception, match="its class is not the class that"):
        store.save(node)


@pytest.mark.parametrize("protocol", range(6))
def test_each_object_of_a_ring_is_begun_and_comes_back(protocol: int) -> None:
    """At protocols with openings and without."""
    store = MemoryStore(protocol=protocol)
    id_ = store.save(_ring(20)[0])
    again = MemoryStore()
    again.session.backend = store.backend
    found = node = again.load(id_)
    for _ in range(20):
        assert node.child.back is node
        node = node.child
    assert node is found
    assert len(store) == 20


def test_an_unchanged_object_is_written_as_it_was() -> None:
    """Its opening depends on its class alone, not on what was saved before."""
    store, nodes = MemoryStore(), _ring(3)
    id_ = store.save(nodes[0])
    versions = [store.backend.get(name_of(name))[1] for name in store.list()]
    store.save({"first": nodes[2], "then": nodes})
    assert [store.backend.get(name_of(name))[1] for name in store.list("Node")] == versions
    other = MemoryStore()
    payloads = [parse(s.backend.get(name_of(s.save(Node("x"))))[0]).payload for s in (store, other)]
    assert payloads[0] == payloads[1]
    assert store.load(id_) is nodes[0]


def test_a_reader_knows_the_class_of_an_opening() -> None:
    """By all of its bytes; of any others it knows nothing."""
    opening = opening_of(Node, 5)
    assert opening is not None
    head = opening.head
    assert class_of(head) == ("brinery.testing.samples", "Node")
    for at in range(len(head)):
        changed = bytearray(head)
        changed[at] ^= 0x20
        assert class_of(bytes(changed)) != ("brinery.testing.samples", "Node")
        for cut in (head[:at], head + head[:at], head[at:]):
            assert class_of(cut) is None or cut == head
    assert class_of(b"") is None


def test_an_unknown_opening_is_read_by_an_ordinary_unpickler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kind only says how long it is, and may say so wrongly."""
    store = MemoryStore()
    node = Node("one")
    node.child = Node("two")  # type: ignore[attr-defined]
    id_ = store.save(node)
    for wrong in (0, 1, 3, 10**6):
        again = MemoryStore()
        for name in store.backend.list():
            again.backend.put(name, with_kind(store.backend.get(name)[0], opening=wrong))
        assert again.load(id_).child.label == "two"


@pytest.mark.parametrize(
    "value", ["plain", "a – dash", "\x93", b"\x82\x83\x84", 0x93, 3.7e-5, "Node", "new_root"]
)
def test_values_that_look_like_opcodes_come_back(value: Any) -> None:
    """An object with them is read by an unpickler that looks at each global."""
    store = MemoryStore()
    first, second = Node("brinery.testing.samples"), Node("external")
    first.value, second.value = [value, second], (value, first)  # type: ignore[attr-defined]
    id_ = store.save(first)
    again = Store(store.backend)
    loaded = again.load(id_)
    assert loaded.label == "brinery.testing.samples"
    assert loaded.value[0] == value
    assert loaded.value[1].value == (value, loaded)
    assert loaded.value[1].label == "external"


def test_a_class_that_was_made_anew_makes_the_next_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a notebook: what was learned in one load does not outlive it."""
    store = MemoryStore()
    id_ = store.save(Node("one"))
    store.invalidate_cache()
    assert type(store.load(id_)) is Node
    store.invalidate_cache()
    new = type("Node", (Node,), {"__module__": Node.__module__})
    monkeypatch.setattr("brinery.testing.samples.Node", new)
    assert type(store.load(id_)) is new


class Counted(Persistable):
    """Counts how often its state is set, and refuses it."""

    count = 0

    def __init__(self) -> None:
        self.a = [1, 2]

    def __setstate__(self, state: Any) -> None:
        Counted.count += 1
        raise ValueError("not this state")


def test_what_fails_is_tried_by_an_unpickler_that_tells_where() -> None:
    """The constructor and the state are asked for once more, and the error has the path."""
    store = MemoryStore()
    node = Node("root")
    node.child = Counted()  # type: ignore[attr-defined]
    store.save(node, "root")
    Counted.count = 0
    with pytest.raises(DecodeError, match="not this state") as caught:
        Store(store.backend).load("root")
    assert caught.value.id == node.child.persistent_id  # type: ignore[attr-defined]
    assert Counted.count == 2


class Holder(Persistable):
    """Takes what it holds when it is made, and has no state that would set it once more."""

    def __new__(cls, held: Any) -> Holder:
        made = super().__new__(cls)
        made.held = held  # type: ignore[attr-defined]
        return made

    def __getnewargs__(self) -> Any:
        return (self.held,)  # type: ignore[attr-defined]

    def __getstate__(self) -> Any:
        return {"size": 1}


class Passing(Persistable):
    """Fails once, in a way that passes: a lock that somebody has, a file that is busy."""

    failures = 0

    def __setstate__(self, state: Any) -> None:
        if Passing.failures:
            Passing.failures -= 1
            raise OSError("not now")
        vars(self).update(state)


def test_a_second_attempt_fills_the_object_that_others_have_met() -> None:
    """Those that the first attempt has made refer to it."""
    store = MemoryStore()
    passing = Passing()
    passing.holder = Holder(passing)  # type: ignore[attr-defined]
    store.save(passing.holder, "holder")  # type: ignore[attr-defined]
    Passing.failures = 1
    loaded = Store(store.backend).load("holder")
    assert loaded.held.holder is loaded
    assert loaded.held.holder.held is loaded.held


class Changing:
    """Makes an array shorter while it is encoded itself."""

    def __init__(self, array: bytearray) -> None:
        self.array = array

    def __reduce__(self) -> Any:
        del self.array[-1000:]
        return int, ()


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill"])
def test_an_array_that_changes_while_its_record_is_made_is_written_as_it_was(codec: str) -> None:
    """A large one is handed to whoever writes as it is, not as a copy."""
    store = MemoryStore(codec=codec)
    node = Node("root")
    node.array = bytearray(200_000)  # type: ignore[attr-defined]
    node.changing = Changing(node.array)  # type: ignore[attr-defined]
    store.save(node, "root")
    assert len(Store(store.backend).load("root").array) == 200_000


class Registered(Persistable):
    """Registers itself before it finds out what is wrong."""

    names: ClassVar[set[str]] = set()

    def __setstate__(self, state: Any) -> None:
        if state["name"] in Registered.names:
            raise LookupError("registered already")
        Registered.names.add(state["name"])
        raise ValueError("the real reason")


def test_the_error_is_that_of_the_first_attempt() -> None:
    """The second one may fail because of the first, which explains nothing."""
    store = MemoryStore()
    registered = Registered()
    registered.name = "one"  # type: ignore[attr-defined]
    store.save(registered, "root")
    Registered.names.clear()
    with pytest.raises(DecodeError, match="the real reason"):
        Store(store.backend).load("root")


class Proxy(Persistable):
    """Answers for its target, and for ever if it has none."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.target, name)


class Database(Persistable, sqlite3.Connection):
    """Has more in C than its attributes."""


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle"])
def test_what_could_not_be_loaded_is_refused(codec: str) -> None:
    """As where the objects have no opening."""
    proxy: Any = Proxy()
    proxy.target = [1]
    database: Any = Database(":memory:")
    database.label = "one"
    store = MemoryStore(codec=codec)
    for obj in (proxy, database):
        with pytest.raises(EncodeError):
            store.save(obj)
    assert store.list() == []
    database.close()


def test_a_reducer_of_cloudpickle_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for a class that would have an opening."""
    import cloudpickle

    reduced: Any = cloudpickle.Pickler.dispatch_table
    monkeypatch.setitem(reduced, Node, lambda node: (Node, ("from the reducer",)))
    store = MemoryStore(codec="cloudpickle")
    id_ = store.save(Node("as it was"))
    store.invalidate_cache()
    assert store.load(id_).label == "from the reducer"
