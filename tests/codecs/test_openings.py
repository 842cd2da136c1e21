"""What payloads begin with, and what a reader learns from it."""

from __future__ import annotations

import enum
import pickle
from typing import Any

import pytest

from brinery import MemoryStore, Persistable
from brinery.ids import name_of
from brinery.parsing import parse
from brinery.testing.samples import Node
from brinery_codecs._openings import is_in_place, opening_of


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


def test_an_opening_leaves_nothing_on_the_stack() -> None:
    """Whatever follows is what a payload is about, and finds the globals in the memo."""
    opening = opening_of(Node, 5)
    assert opening is not None
    assert pickle.loads(opening.head + pickle.dumps("what follows", 5)) == "what follows"


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
    with pytest.raises(Exception, match="not the same object"):
        store.save(node)


@pytest.mark.parametrize("protocol", range(6))
def test_each_object_of_a_ring_is_begun_and_comes_back(protocol: int) -> None:
    """At protocols with openings and without."""
    store = MemoryStore(protocol=protocol)
    id_ = store.save(_ring(20)[0])
    again = MemoryStore()
    again._backend = store.backend
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
