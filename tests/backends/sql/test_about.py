"""Columns and references are filled from `Put.about`: by every way in which a record comes to a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.backends.sql.test_graphs import Node

import brinery
from brinery import SqlStore
from brinery.backend import ABSENT, Put
from brinery.backends.sql import SqlBackend
from brinery.catalog.quarantine import Quarantine
from brinery.catalog.trash import Removed, Trash
from brinery.query.question import Question
from brinery.testing.references import records


def queried(backend: SqlBackend) -> list[str]:
    """Return the names of the rows that a query finds."""
    return [name for (name,) in backend.columns.query(lambda query: query.rows(Question()))]


@pytest.fixture
def source(tmp_path: Path) -> Iterator[SqlStore]:
    """Give a store of two nodes, one of which refers to the other."""
    with SqlStore(f"sqlite:///{tmp_path}/source.db") as store:
        store.save(Node("first" * 1000, Node("second" * 1000)))
        yield store


def check(store: SqlStore) -> None:
    """Raise `AssertionError` unless the columns and the references of both nodes are kept."""
    columns, first, second = store.columns, "Node.1", "Node.2"
    class_name = f"{Node.__module__}:{Node.__qualname__}"
    assert store.query(columns.class_name == class_name, order_by=columns.id) == [first, second]
    assert len(store.query(columns.codec == "pickle")) == 2
    assert len(store.query(columns.created > 0)) == 2
    assert store.referrers(second) == [first]


def test_saved_records_have_them(source: SqlStore) -> None:
    """The object and what it refers to."""
    check(source)


def test_copied_records_have_them(source: SqlStore, tmp_path: Path) -> None:
    """Also without the classes of their objects: nothing is decoded."""
    with SqlStore(f"sqlite:///{tmp_path}/target.db") as target:
        brinery.copy(source, target)
        check(target)


def test_backups_and_what_is_restored_from_them_have_them(source: SqlStore, tmp_path: Path) -> None:
    """A backup is a store like any other."""
    backup, target = (f"sqlite:///{tmp_path}/{name}.db" for name in ("backup", "target"))
    source.backup(backup)
    brinery.restore(backup, target)
    for place in (backup, target):
        with SqlStore(place) as store:
            check(store)


def test_recoded_records_have_them(source: SqlStore) -> None:
    """With another transform, where the payload is not encoded, and with another codec."""
    for option in ({"compress": "gzip"}, {"protocol": 4}):
        with SqlStore(source.url, **option) as again:
            assert brinery.recode(again).recoded == 2
        check(source)


def test_records_from_the_quarantine_have_them(source: SqlStore) -> None:
    """They are moved byte for byte, there and back."""
    quarantine = Quarantine(source)
    data, version = source.backend.get("Node.1")
    moved = quarantine.move("Node.1", data, version, "corrupt", "for a test")
    assert moved is not None
    assert not source.referrers("Node.2")
    quarantine.put_back(moved.key)
    check(source)


def test_records_from_the_trash_have_them(source: SqlStore) -> None:
    """Where a save has come to need a record that was just removed."""
    trash = Trash(source.backend)
    assert trash.move([Removed("Node.1", *source.backend.get("Node.1"))]) == ["Node.1"]
    assert not source.referrers("Node.2")
    assert trash.put_back(["Node.1"]) == ["Node.1"]
    check(source)


def test_a_damaged_record_comes_back_without_them(source: SqlStore) -> None:
    """It is kept byte for byte, and shows in the list; no query finds it."""
    quarantine = Quarantine(source)
    data, version = source.backend.get("Node.1")
    damaged = data[:-40] + bytes(20) + data[-20:]
    version = source.backend.put("Node.1", damaged, version)
    moved = quarantine.move("Node.1", damaged, version, "corrupt", "for a test")
    assert moved is not None
    quarantine.put_back(moved.key)
    assert source.backend.get("Node.1")[0] == damaged
    assert source.list() == ["Node.1", "Node.2"]
    assert source.query() == ["Node.2"]
    assert source.referrers("Node.2") == []


def test_bytes_without_them_have_no_class_and_refer_to_nothing(tmp_path: Path) -> None:
    """As bytes of another program: the engine reads nothing from what it is given to keep."""
    written = records({"Task.1": ("Task.2",), "Task.2": ()})
    with closing(SqlBackend(f"sqlite:///{tmp_path}/a.db")) as backend:
        backend.commit(Put(name, (data,), ABSENT) for name, (data, _) in written.items())
        assert {name: data for name, data, _ in backend.get_many(written)} == {
            name: data for name, (data, _) in written.items()
        }
        assert list(backend.referrers("Task.2")) == []
        assert queried(backend) == []
        backend.commit(Put(name, (data,), about=about) for name, (data, about) in written.items())
        assert list(backend.referrers("Task.2")) == ["Task.1"]
        assert queried(backend) == ["Task.1", "Task.2"]
        # A put replaces all that is known of the record before.
        backend.put("Task.1", written["Task.1"][0])
        assert list(backend.referrers("Task.2")) == []
        assert queried(backend) == ["Task.2"]
