"""Numbers are never given twice, whatever happens to the counter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from brinery import FilesystemStore, Persistable, Store, make_store
from brinery.backend import Missing, Put
from brinery.backends.memory import MemoryBackend
from brinery.catalog.sequence import NAME, NumberSequence


class Node(Persistable):
    def __init__(self, links: list[Node]) -> None:
        self.links = links


@pytest.mark.parametrize("digits", [199, 200, 201, 240, 254, 255, 256, 260, 999, 5000])
@pytest.mark.parametrize("where", ["directory", "sqlite"])
def test_an_id_with_very_many_digits_stops_no_save(tmp_path: Path, digits: int, where: str) -> None:
    """Such keys come from outside."""
    url = str(tmp_path / "jobs") if where == "directory" else f"sqlite:///{tmp_path}/jobs.db"
    with make_store(url) as store:
        store.save("from outside", "upload." + "9" * digits)
        first = store.save_many([[1], [2]])
        second = store.save_many([[3], [4]])
        assert len({*first, *second}) == 4
        assert len(store) == 5
    with make_store(url) as store:
        assert store.load_many([*first, *second]) == [[1], [2], [3], [4]]


CHANGES: dict[str, Callable[[Store], object]] = {
    "removed": lambda store: store.backend.delete(NAME),
    "an older one": lambda store: store.backend.put(NAME, b"3\n"),
    "damaged": lambda store: store.backend.put(NAME, b"\0\0\0"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_counter_that_is_changed_while_the_store_is_open_gives_no_number_twice(
    tmp_path: Path, kind: str
) -> None:
    """The numbers of a save under way are in no record yet."""
    store = FilesystemStore(tmp_path, durability="process")
    store.save(Node([Node([]) for _ in range(6)]))  # the last block of it has more numbers
    CHANGES[kind](store)
    id_ = store.save(Node([Node([]) for _ in range(100)]))
    assert len(store) == 108
    store.invalidate_cache()
    assert len(store.load(id_).links) == 100


def test_a_large_file_in_place_of_the_counter_is_not_read(tmp_path: Path) -> None:
    """Its size shows that it is no number."""
    read = []

    class Observed(MemoryBackend):
        def get(self, name: str) -> tuple[bytes, object]:
            read.append(name)
            return super().get(name)

        def get_tail(self, name: str, count: int) -> tuple[bytes, int, object]:
            data, version = super().get(name)
            read.extend([name] * (count > 1000))
            return data[-count:], len(data), version

    backend = Observed()
    backend.commit([Put(NAME, (bytes(1 << 20),))])
    numbers = NumberSequence(backend, lambda: 7)
    assert numbers() == 8
    assert read == []
    with pytest.raises(Missing):
        backend.get("Task.1")
