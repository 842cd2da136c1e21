"""Loads of many simple records, which keep no more of their metadata than the kind has."""

from __future__ import annotations

from typing import Any

import pytest

from brinery import DanglingReferenceError, MemoryStore, Persistable
from brinery.graph.loading.loader import Loader


class Node(Persistable):
    """One of many in a ring."""

    def __init__(self, number: int) -> None:
        self.number: Any = number
        self.next: Any = None


@pytest.fixture
def ring() -> list[Node]:
    """Give a ring of nodes."""
    nodes = [Node(number) for number in range(40)]
    for node in nodes:
        node.next = nodes[(node.number + 1) % len(nodes)]
    return nodes


def test_what_was_loaded_counts_as_unchanged(ring: list[Node]) -> None:
    """Also where the store knows placeholders of other graphs."""
    with MemoryStore() as store:
        ids = store.save_many(ring)
        before = [store.backend.get_tail(id, 0)[2] for id in ids]
        for other in ([], ["another graph"]):
            store.invalidate_cache()
            store.session.identity.incomplete.update(other)
            loaded = store.load_many(ids)
            entries = [store.session.identity.entry(node) for node in loaded]
            assert all(entry is not None and entry.digest for entry in entries)
            store.save_many(loaded)
            assert [store.backend.get_tail(id, 0)[2] for id in ids] == before


def test_records_that_are_kept_are_whole(ring: list[Node]) -> None:
    """Operations look at their metadata after the load."""
    with MemoryStore() as store:
        ids = store.save_many(ring)
        store.invalidate_cache()
        loader = Loader(store.session)
        loader.load(ids, keeps_fetched=True)
        found = {id: read.record.metadata for id, read in loader.fetched.items()}
        assert {id: metadata.id for id, metadata in found.items()} == {id: id for id in ids}
        assert [found[id].references for id in ids] == [(id,) for id in (*ids[1:], ids[0])]


def test_a_graph_with_other_records_is_loaded_the_careful_way(ring: list[Node]) -> None:
    """One of them names a class, so that none is filled in the short way."""
    ring[30].number = complex
    with MemoryStore() as store:
        ids = store.save_many(ring)
        store.invalidate_cache()
        loaded = store.load_many(ids)
        assert [node.number for node in loaded] == [node.number for node in ring]
        assert all(node.next is loaded[(i + 1) % 40] for i, node in enumerate(loaded))


def test_a_missing_record_is_reported_with_its_referrer(ring: list[Node]) -> None:
    """And with the place inside it."""
    with MemoryStore() as store:
        ids = store.save_many(ring)
        store.remove(ids[30])
        store.invalidate_cache()
        with pytest.raises(DanglingReferenceError) as caught:
            store.load(ids[0])
        assert (caught.value.id, caught.value.referrer) == (ids[30], ids[29])
