"""The column of references, and the index over it, which is made when it is first asked for."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import pytest
from tests.databases import execute

from brinery import Persistable, SqlStore, Store, fsck
from brinery.backend import ABSENT, Backend, Put
from brinery.backends.sql import SqlBackend
from brinery.ids import name_of
from brinery.testing.processes import Tell, WorkerProcess
from brinery.testing.references import records

ODD: list[str] = [
    'a "b" \\ c',
    "../x",
    "line\nbreak",
    "é€",
    "[x]",
    '","',
    "%_",
    "l" * 400,
    "",
    "%22",
]
"""IDs whose names are escaped, hashed, or mean something in JSON, SQL or LIKE."""


class Task(Persistable):
    """Refers to others."""

    def __init__(self, *links: Persistable) -> None:
        self.links = list(links)


@pytest.fixture(params=[True, False], ids=["native", "sqlalchemy"])
def store(url: str, request: pytest.FixtureRequest) -> Iterator[Store]:
    """Give a store by the driver, and one by SQLAlchemy alone."""
    with Store(SqlBackend(url, native=request.param)) as store:
        yield store


def indexes(url: str) -> list[str]:
    """Return the names of what the database keeps beside the table of a store."""
    if url.startswith("sqlite"):
        wanted = "select name from sqlite_master where name like 'store%' and name <> 'store'"
    else:
        wanted = "select indexname from pg_indexes where tablename = 'store' and indexname <> 'store_pkey'"
    return sorted(name for (name,) in execute(url, wanted))


def test_references_follow_saves_changes_and_removals(store: Store) -> None:
    """The objects that refer to another, from the first question on."""
    shared = Task()
    first, second = Task(shared), Task(shared, shared)
    store.save_many([first, second, shared], ["first", "second", "shared"])
    assert store.referrers("shared") == ["first", "second"]
    first.links = []
    store.save(first)
    assert store.referrers("shared") == ["second"]
    first.links = [shared, second]
    store.save_many([first, Task(shared)], ["first", "third"])
    assert store.referrers("shared") == ["first", "second", "third"]
    first.links = [second]
    store.replace("first", first)
    assert store.referrers("shared") == ["second", "third"]
    assert store.referrers("second") == ["first"]
    store.remove("third")
    store.remove("second")
    assert store.referrers("shared") == []
    assert store.referrers("second") == ["first"]


def test_rows_of_another_program_are_followed(store: Store, url: str) -> None:
    """It need not know of the index."""
    shared = Task()
    store.save_many([Task(shared), Task(shared), shared], ["one", "two", "shared"])
    assert store.referrers("shared") == ["one", "two"]
    execute(url, "delete from store where name = 'one'")
    assert store.referrers("shared") == ["two"]
    execute(url, """update store set refs = '["other"]' where name = 'two'""")
    assert store.referrers("shared") == []
    assert store.referrers("other") == ["two"]
    execute(url, "update store set name = 'three' where name = 'two'")
    assert [*(store.backend.referrers("other") or ())] == ["three"]


def test_any_id_can_be_referred_to(store: Store, url: str) -> None:
    """The column is a JSON array of names, and other programs can read it as such."""
    written = records({"root": ODD, **dict.fromkeys(ODD, ())})
    backend = store.backend
    backend.commit(Put(name, (data,), ABSENT, about) for name, (data, about) in written.items())
    for id_ in ODD:
        assert [*(backend.referrers(name_of(id_)) or ())] == ["root"]
    assert [*(backend.referrers("%") or ())] == []
    ((refs,),) = execute(url, "select refs from store where name = 'root'")
    assert json.loads(refs) == [name_of(id_) for id_ in ODD]
    closure = backend.get_closure("root", (), 100)
    if closure is not None:
        assert {name for name, _, _ in closure} == {"root", *map(name_of, ODD)}


def test_the_index_is_made_by_the_first_question(url: str) -> None:
    """Not before; and by none that may only read, which is answered all the same."""
    with SqlStore(url) as store:
        id_ = store.save(Task(Task()))
        assert indexes(url) == []
    with SqlStore(url, mode="r") as reader:
        assert reader.referrers("Task.2") == [id_]
        assert indexes(url) == []
    with SqlStore(url) as store:
        assert store.referrers("Task.2") == [id_]
        made = indexes(url)
        assert made
        assert store.referrers("Task.1") == []
        assert indexes(url) == made
        assert fsck(store).is_clean
    with SqlStore(url, mode="r") as reader:
        assert reader.referrers("Task.2") == [id_]


def test_a_store_that_was_open_before_keeps_the_index(url: str) -> None:
    """Its statements were prepared without one."""
    with SqlStore(url) as older, SqlStore(url) as newer:
        first = Task(Task())
        older.save(first)
        assert newer.referrers("Task.2") == ["Task.1"]
        older.save(Task(first.links[0]))
        first.links = []
        older.save(first)
        assert newer.referrers("Task.2") == ["Task.3"]
        older.remove("Task.3")
        assert newer.referrers("Task.2") == []


def test_several_that_ask_first_make_one_index(url: str) -> None:
    """All get the answer; in SQLite the index is a table and three triggers."""
    with SqlStore(url) as store:
        id_ = store.save(Task(Task()))
    stores = [SqlStore(url) for _ in range(4)]
    barrier = threading.Barrier(len(stores))

    def ask(store: SqlStore) -> object:
        with store:
            barrier.wait()
            return store.referrers("Task.2")

    with ThreadPoolExecutor(len(stores)) as pool:
        assert [*pool.map(ask, stores)] == [[id_]] * len(stores)
    assert len(indexes(url)) == (4 if url.startswith("sqlite") else 1)


def commit_on(backend: Backend, tell: Tell) -> None:
    """Commit records, each of which refers to the next and to one that all share, and remove some again."""
    for number in itertools.count():
        written = records(
            {f"a.{number}": ("shared", f"a.{number + 1}"), f"b.{number}": ("shared",)}
        )
        backend.commit(Put(name, (data,), ABSENT, about) for name, (data, about) in written.items())
        if number % 2:
            backend.delete(f"b.{number}")
        tell(number)


@pytest.mark.parametrize("asks", range(3))
def test_an_index_that_is_made_while_others_commit_lacks_nothing(url: str, asks: int) -> None:
    """Whether there is an index is part of the transaction of each writer."""
    opener = partial(SqlBackend, url)
    with closing(opener()) as backend, WorkerProcess(opener, commit_on) as writer:
        writer.wait_until_ready()
        writer.let_go()
        told = writer.told()
        for _ in range(1 + 3 * asks):
            next(told)
        backend.referrers("shared")
        last = max(next(told) for _ in range(5))
        last = max([last, *writer.kill()])
        found = {*backend.referrers("shared")}
        expected = {f"a.{n}" for n in range(last + 1)}
        expected |= {f"b.{n}" for n in range(0, last + 1, 2)}
        # The last commits may be made, and not be told.
        assert found - {f"{kind}.{last + 1}" for kind in "ab"} == expected
        assert [*backend.misindexed()] == []
