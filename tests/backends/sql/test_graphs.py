"""Databases take and give graphs by few statements; what is not as they expect is dealt with all the same."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from tests.databases import execute

from brinery import DanglingReferenceError, IdTakenError, Persistable, SqlStore, Store
from brinery.backends.sql import SqlBackend


class Node(Persistable):
    """Refers to others."""

    def __init__(self, name: str, *links: Any) -> None:
        self.name = name
        self.links = list(links)


def ring(count: int) -> list[Node]:
    """Return nodes, each of which refers to the next and the last."""
    nodes = [Node(f"n{number}") for number in range(count)]
    for number, node in enumerate(nodes):
        node.links = [nodes[number - 1], nodes[(number + 1) % count]]
    return nodes


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count the statements that read."""
    counts = {"closures": 0, "states": 0, "gets": 0}

    def counting(name: str, key: str) -> None:
        method = getattr(SqlBackend, name)

        def call(self: SqlBackend, *args: Any) -> Any:
            counts[key] += 1
            return method(self, *args)

        monkeypatch.setattr(SqlBackend, name, call)

    counting("get_closure", "closures")
    counting("read_one_state", "states")
    counting("get_record", "gets")
    return counts


def check(found: Any, count: int) -> None:
    """Raise `AssertionError` unless `found` is a node of a ring of `count`."""
    seen, node = [], found
    for _ in range(count):
        seen.append(node.name)
        assert node.links[1].links[0] is node
        node = node.links[1]
    assert node is found
    assert len(set(seen)) == count


def test_a_graph_takes_one_statement_after_the_first_record(
    url: str, counted: dict[str, int]
) -> None:
    """However far it reaches; a wave for each distance would take ten."""
    with SqlStore(url) as store:
        store.save_many(ring(20))
    with SqlStore(url) as store:
        counted.update(dict.fromkeys(counted, 0))
        check(store.load("Node.7"), 20)
    assert counted == {"closures": 1, "states": 0, "gets": 1}


def test_a_record_alone_takes_one_statement(url: str, counted: dict[str, int]) -> None:
    """It is not asked for what it refers to."""
    with SqlStore(url) as store:
        store.save(Node("alone"))
    with SqlStore(url) as store:
        counted.update(dict.fromkeys(counted, 0))
        assert store.load("Node.1").name == "alone"
    assert counted == {"closures": 0, "states": 0, "gets": 1}


@pytest.mark.thorough
def test_a_record_that_refers_to_living_objects_alone_takes_one_statement(
    url: str, counted: dict[str, int]
) -> None:
    """As most that share a configuration do; a reference to itself does not count."""
    config = Node("config")
    with SqlStore(url) as store:
        for number in range(3):
            node = Node(f"n{number}", config)
            node.links.append(node)
            store.save(node, f"n{number}")
    with SqlStore(url) as store:
        first = store.load("n0")
        counted.update(dict.fromkeys(counted, 0))
        second = store.load("n1")
        assert counted == {"closures": 0, "states": 0, "gets": 1}
        assert second.links[0] is first.links[0]
        assert second.links[1] is second
        del first, second
        gc.collect()
        assert store.load("n2").links[0].name == "config"
    assert counted == {"closures": 1, "states": 0, "gets": 2}


def test_a_graph_larger_than_what_is_read_ahead_comes_back(
    url: str, counted: dict[str, int]
) -> None:
    """Wave by wave, in one state of the store."""
    with SqlStore(url) as store:
        store.save_many(ring(500))
    with SqlStore(url) as store:
        counted.update(dict.fromkeys(counted, 0))
        check(store.load("Node.1"), 500)
    assert counted["states"] == 1


def test_a_graph_with_a_large_record_comes_back(url: str) -> None:
    """It is not read before it is known to be needed."""
    large = Node("large")
    large.blob = bytes(3 << 20)  # type: ignore[attr-defined]
    with SqlStore(url) as store:
        store.save(Node("root", Node("between", large), large), "root")
    with SqlStore(url) as store:
        root = store.load("root")
        assert root.links[0].links[0] is root.links[1]
        assert len(root.links[1].blob) == 3 << 20


@pytest.mark.thorough
def test_what_is_alive_is_not_read_again(url: str) -> None:
    """And stays the same object, with its changes, also where others lead to it."""
    shared = Node("shared")
    with SqlStore(url) as store:
        store.save_many([Node("a", shared, Node("b", shared)), shared], ["a", "shared"])
    with SqlStore(url) as store:
        alive = store.load("shared")
        alive.name = "changed"
        a = store.load("a")
        assert a.links[0] is alive is a.links[1].links[0]
        assert alive.name == "changed"
        far = a.links[1]
        far.name = "changed as well"
        del a
        gc.collect()
        store.invalidate_cache()
        assert store.load("a").links[1] is not far


@pytest.mark.parametrize("refs", ["NULL", "'[\"Node.1\"]'", "'[\"Node.1'", "'7'", "''"])
def test_a_column_without_a_reference_loses_nothing(url: str, refs: str) -> None:
    """The references in the records count; the column only makes loads fast."""
    with SqlStore(url) as store:
        store.save_many(ring(20))
    execute(url, f"UPDATE store SET refs = {refs} WHERE name IN ('Node.3', 'Node.17', 'Node.9')")
    with SqlStore(url) as store:
        alive = store.load("Node.10")
        check(alive, 20)
        assert "Node.4" in store.referrers("Node.5")
        store.remove("Node.3")
        store.save(store.load("Node.17"))
        del alive


def test_a_column_with_a_reference_too_many_harms_nothing(url: str) -> None:
    """What it leads to is not there, or not needed."""
    with SqlStore(url) as store:
        store.save(Node("root", Node("leaf")), "root")
        store.save(Node("other"), "other")
    execute(
        url,
        """UPDATE store SET refs = '["Node.1","nothing","other"]' WHERE name = 'root'""",
    )
    with SqlStore(url) as store:
        root = store.load("root")
        assert [link.name for link in root.links] == ["leaf"]
        assert store.load("other").name == "other"


def test_a_reference_to_nothing_is_told_as_everywhere(url: str) -> None:
    """With the path to it."""
    with SqlStore(url) as store:
        store.save(Node("root", Node("between", Node("leaf"))), "root")
        leaf = store.load("root").links[0].links[0].persistent_id
        store.remove(leaf)
    with SqlStore(url) as store, pytest.raises(DanglingReferenceError) as caught:
        store.load("root")
    assert caught.value.id == leaf
    assert ".links[0]" in str(caught.value)


def test_inside_a_transaction_its_own_writes_are_seen(url: str) -> None:
    """Records that are read ahead would come from the database."""
    with SqlStore(url) as store:
        store.save(Node("root", Node("old")), "root")
    with SqlStore(url) as store, store.transaction():
        root = store.load("root")
        root.links = [Node("new")]
        store.save(root)
        store.invalidate_cache()
        assert [link.name for link in store.load("root").links] == ["new"]


def test_of_many_new_ones_that_are_there_nothing_is_written(url: str) -> None:
    """However many go in by one statement or one copy; all that are taken are named."""
    with SqlStore(url) as first, SqlStore(url) as second:
        first.save_many(["mine", "mine as well"], ["x.77", "x.142"])
        with pytest.raises(IdTakenError) as caught:
            second.save_many([[n] for n in range(300)], [f"x.{n}" for n in range(300)])
        assert caught.value.id == "x.77"
        assert set(second.list()) == {"x.77", "x.142"}
        assert second.load("x.77") == "mine"
        second.save_many([[n] for n in range(300)], [f"y.{n}" for n in range(300)])
        assert first.load("y.299") == [299]


@pytest.mark.parametrize(
    "statements",
    [
        [
            "ALTER TABLE store ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE store FORCE ROW LEVEL SECURITY",
            "CREATE POLICY p ON store USING (true)",
        ],
        [
            "ALTER TABLE store RENAME TO inner_store",
            "CREATE VIEW store AS SELECT * FROM inner_store",
        ],
    ],
    ids=["row-level security", "view"],
)
def test_many_records_go_where_the_server_copies_nothing(
    postgres_url: str, statements: list[str]
) -> None:
    """It refuses COPY there, and takes INSERT."""
    SqlStore(postgres_url).close()
    for statement in statements:
        execute(postgres_url, statement)
    with SqlStore(postgres_url) as store:
        store.save_many(ring(150))
        store.save_many(ring(150))
    with SqlStore(postgres_url) as store:
        check(store.load("Node.7"), 150)
        assert len(list(store)) == 300


@pytest.mark.parametrize("name", ["Sur\udcffrogate", "Größe"])
@pytest.mark.parametrize("native", [True, False])
def test_classes_of_any_name_are_kept(url: str, native: bool, name: str) -> None:
    """The column shows what an engine cannot hold in another way."""
    odd = type("Odd", (Node,), {})
    odd.__qualname__ = name
    with Store(SqlBackend(url, native=native), codec="cloudpickle") as store:
        store.save(odd("odd"), "odd")
        assert store.info("odd").class_name == f"{__name__}:{name}"
    found = [row[0] for row in execute(url, "SELECT class_name FROM store WHERE name = 'odd'")]
    assert found == [f"{__name__}:{name}".replace("\udcff", "\\udcff")]
