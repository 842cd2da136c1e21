"""Columns are derived from the records, and the index from a column: fsck compares both, and repairs them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, String
from tests.backends.sql.test_graphs import Node
from tests.databases import execute

import brinery
from brinery import BrineryError, FilesystemStore, SqlStore, StorageError, fsck


@pytest.fixture
def filled(url: str) -> str:
    """Give the URL of a store of two nodes, of which the first refers to the second."""
    with SqlStore(url) as store:
        store.save(Node("first", Node("second")))
    return url


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("update store set size = 5 where name = 'Node.1'", "size"),
        ("update store set class_name = 'other:Class' where name = 'Node.1'", "class_name"),
        ("update store set class_name = null where name = 'Node.1'", "class_name"),
        ("update store set codec = 'dill', created = 1 where name = 'Node.1'", "codec, created"),
        ("update store set refs = null where name = 'Node.1'", "references"),
        ("update store set refs = '[\"Node.2\",\"Node.7\"]' where name = 'Node.1'", "references"),
        ("update store set refs = '[\"Node.2' where name = 'Node.1'", "references"),
    ],
)
def test_what_differs_from_the_record_is_found_and_written_again(
    filled: str, change: str, what: str
) -> None:
    """The status is a finding; after the repair the columns and the references are right again."""
    execute(filled, change)
    with SqlStore(filled) as store:
        report = fsck(store)
        (problem,) = report.problems
        assert (problem.status, problem.id, report.counts) == (
            "misindexed",
            "Node.1",
            {"ok": 1, "misindexed": 1},
        )
        assert problem.reason.endswith(f": {what}")
        assert fsck(store, repair=True).problems[0].is_rewritten
        assert fsck(store).is_clean
        assert store.referrers("Node.2") == ["Node.1"]
        assert store.query(store.columns.codec == "pickle") == ["Node.1", "Node.2"]
        assert store.info("Node.1").references == ("Node.2",)
        assert store.load("Node.1").links[0].name == "second"


def test_a_version_of_another_type_is_found(tmp_path: Path) -> None:
    """SQLite keeps any value in any column."""
    url = f"sqlite:///{tmp_path}/a.db"
    with SqlStore(url) as store:
        store.save(Node("first", Node("second")))
    execute(url, "update store set version = 'x', created = 'y' where name = 'Node.1'")
    with SqlStore(url) as store:
        assert "version, created" in str(fsck(store, repair=True))
        assert fsck(store).is_clean


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("delete from store_references", "Node.1"),
        ("insert into store_references values ('Node.7', 'Node.1')", "Node.1"),
        ("update store_references set target = 'Node.3'", "Node.1"),
        ("insert into store_references values ('Node.2', 'Node.9')", "Node.9"),
    ],
)
def test_an_index_that_differs_from_the_column_is_found_and_made_again(
    tmp_path: Path, change: str, name: str
) -> None:
    """In SQLite it is a table, which another program may change; the server of PostgreSQL has its own."""
    url = f"sqlite:///{tmp_path}/a.db"
    with SqlStore(url) as store:
        store.save(Node("first", Node("second")))
        assert store.referrers("Node.2") == ["Node.1"]
        execute(url, change)
        (problem,) = fsck(store).problems
        assert (problem.status, problem.id, problem.is_rewritten) == ("misindexed", name, False)
        assert "index of references" in problem.reason
        assert fsck(store, repair=True).problems[0].is_rewritten
        assert fsck(store).is_clean
        assert store.referrers("Node.2") == ["Node.1"]
        assert execute(url, "select * from store_references") == [("Node.2", "Node.1")]


def test_a_record_that_dangles_gets_its_columns_all_the_same(filled: str) -> None:
    """It has one problem in the report, and both are looked after."""
    with SqlStore(filled) as store:
        store.remove("Node.2")
        execute(filled, "update store set size = 5 where name = 'Node.1'")
        assert fsck(store, repair=True).problems[0].status == "dangling"
        assert store.info("Node.1").size == len(store.backend.get("Node.1")[0])


def test_columns_of_the_user_stay_when_the_others_are_written(filled: str) -> None:
    """They come from functions that fsck does not have."""
    name: Column[Any] = Column("label", String(20))
    with SqlStore(filled, extra_fields={name: lambda node: node.name}, migrate=True) as store:
        assert brinery.reindex(store).filled == 2
        execute(filled, "update store set size = 5 where name = 'Node.1'")
        assert not fsck(store, repair=True).is_clean
        assert store.query(name == "first") == ["Node.1"]


# -- names of rows

USES: dict[str, Callable[[SqlStore, Path], Any]] = {
    "load": lambda store, _: sorted(node.name for node in store.load("root").links),
    "load_many": lambda store, _: [n.name for n in store.load_many(["Node.1", "Node.2", "Node.3"])],
    "info": lambda store, _: [store.info(f"Node.{n}").id for n in (1, 2, 3)],
    "list": lambda store, _: store.list(),
    "backup": lambda store, path: store.backup(FilesystemStore(path)).copied,
    "copy": lambda store, path: brinery.copy(store, FilesystemStore(path)).copied,
    "gc": lambda store, _: store.gc(["root"], older_than=0).garbage,
    "fsck": lambda store, _: fsck(store).is_clean,
    "save": lambda store, _: store.replace("Node.2", Node("second")),
}


def outcomes(url: str, place: Path) -> dict[str, Any]:
    """Return what each use of a store gives: a value, or the class of an error of brinery."""
    numbers = itertools.count()
    found: dict[str, Any] = {}
    for use, call in USES.items():
        try:
            with SqlStore(url) as store:
                found[use] = call(store, place / f"{use}{next(numbers)}")
        except BrineryError as error:
            found[use] = error
    return found


def test_a_flipped_bit_in_a_name_is_an_error_of_brinery(tmp_path: Path) -> None:
    """Wherever in the file: each use answers rightly or says so; and fsck finds what stops a load."""
    url, place = f"sqlite:///{tmp_path}/whole.db", tmp_path / "places"
    with SqlStore(url) as store:
        nodes = [Node(name) for name in ("first", "second", "third")]
        store.save_many(nodes)
        store.save(Node("root", *nodes), "root")
    whole = (tmp_path / "whole.db").read_bytes()
    right = outcomes(url, place / "right")
    at, seen = -1, 0
    while (at := whole.find(b"Node.", at + 1)) >= 0:
        seen += 1
        damaged = tmp_path / f"{at}.db"
        damaged.write_bytes(whole[:at] + b"O" + whole[at + 1 :])
        found = outcomes(f"sqlite:///{damaged}", place / str(at))
        for use, outcome in found.items():
            is_told = isinstance(outcome, BrineryError) or use == "fsck"
            is_listed = use == "list" and "Oode" in str(outcome)  # fsck finds the name
            assert is_told or is_listed or outcome == right[use], (at, use)
        if any(found[use] != right[use] for use in USES if use != "save"):
            assert found["fsck"] is not True, (at, found)
    assert seen > 10


def test_a_row_that_was_not_asked_for_is_named_by_what_was(url: str) -> None:
    """The message has the ID that is wanted, and says that the index is damaged."""
    from brinery.backends.sql.connection import as_asked

    rows = [("a", b""), ("q", b""), ("c", b"")]
    with pytest.raises(StorageError, match="'q'") as caught:
        as_asked(["a", "b", "c"], rows, "here")
    assert caught.value.id == "b"
    assert [*as_asked(["a", "a"], [("a", 1), ("a", 1)])] == [("a", 1), ("a", 1)]
