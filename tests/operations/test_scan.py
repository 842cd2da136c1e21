"""Finding the objects that refer to an object."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from brinery import CorruptRecordError, FilesystemStore, MemoryStore, Persistable, Store, make_store
from brinery.backend import Delete, Put, Version
from brinery.backends.memory import MemoryBackend
from brinery.ids import name_of
from brinery.record.format import has_magic
from brinery.record.reader import parse_metadata


class Node(Persistable):
    """Refers to others."""

    def __init__(self, *after: object) -> None:
        self.after = after


class IndexedBackend(MemoryBackend):
    """Keeps an index of references, as a database does, and answers without reading records."""

    def __init__(self) -> None:
        super().__init__()
        self.index: defaultdict[str, set[str]] = defaultdict(set)
        self.is_asked = False

    def commit(
        self, puts: Iterable[Put], deletes: Iterable[str | Delete] = ()
    ) -> Mapping[str, Version]:
        puts = [put._replace(data=[b"".join(put.data)]) for put in puts]
        versions = super().commit(puts, deletes)
        for put in puts:
            data = b"".join(put.data)
            if has_magic(data):
                for id_ in parse_metadata(data, len(data)).references:
                    self.index[name_of(id_)].add(put.name)
        return versions

    def referrers(self, name: str) -> Iterator[str]:
        self.is_asked = True
        return iter(self.index[name])


@pytest.fixture(params=["flat", "sharded", "memory", "indexed", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Give an empty store of each kind."""
    if request.param == "memory":
        made: Store = MemoryStore()
    elif request.param == "indexed":
        made = Store(IndexedBackend())
    elif request.param == "sqlite":
        made = make_store(f"sqlite:///{tmp_path}/records.db")
    else:
        made = FilesystemStore(tmp_path, layout=request.param, durability="process")
    with made as store:
        yield store


def test_all_that_refer_to_an_object_are_listed(store: Store) -> None:
    """Sorted by number; also plain objects that contain it; IDs of any form and length."""
    shared = Node()
    store.save(shared, id="odd/id" * 90)
    for number in (10, 9):
        store.save(Node(shared), id=f"Node.{number}")
    store.save([shared, shared], id="x" * 300)
    store.save(Node(), id="alone")
    assert store.referrers("odd/id" * 90) == ["Node.9", "Node.10", "x" * 300]
    assert store.referrers("Node.9") == []
    if isinstance(store.backend, IndexedBackend):
        assert store.backend.is_asked


def test_an_object_in_a_cycle_is_referred_to_by_the_others(store: Store) -> None:
    """And records may still refer to a missing one."""
    ring = Node(last := Node())
    last.after = (ring,)
    store.save_many([ring, last], ["ring", "last"])
    assert store.referrers("ring") == ["last"]
    store.remove("ring")
    assert store.referrers("ring") == ["last"]


def test_a_record_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """It may refer to the object, too."""
    store = FilesystemStore(tmp_path)
    store.save([], id="list.1")
    (tmp_path / "list.2").write_bytes(b"")
    with pytest.raises(CorruptRecordError, match=r"list\.2"):
        store.referrers("list.1")


def test_no_class_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The metadata suffice."""
    store = FilesystemStore(tmp_path)
    store.save(Node(Node()))
    monkeypatch.delattr(f"{__name__}.Node")
    assert FilesystemStore(tmp_path).referrers("Node.2") == ["Node.1"]
