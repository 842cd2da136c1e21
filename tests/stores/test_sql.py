"""The database store as users open it, on SQLite and PostgreSQL: arguments, URLs, columns, queries."""

from __future__ import annotations

import logging
import os
import pickle
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
)
from tests.databases import execute
from tests.postgres import PostgresCluster, connect

from brinery import (
    GET,
    BrineryError,
    ConflictError,
    CorruptRecordError,
    DanglingReferenceError,
    DriverNotInstalledError,
    GetValue,
    IdFactory,
    InvalidArgumentError,
    MisplacedRecordError,
    MissingColumnsError,
    MissingTableError,
    NotFoundError,
    Persistable,
    RecordError,
    SealError,
    SqlStore,
    StorageError,
    Trust,
    TrustError,
    UnfilledColumnsError,
    Url,
    UrlError,
    ValueTooLargeError,
    make_sqlstore,
    make_store,
)
from brinery.backends.sql import SqlBackend
from brinery.backends.sql.database import Database
from brinery.backends.sql.dialects import dialect_of, network_drives, sqlite
from brinery.backends.sql.dialects.postgresql_connection import PostgresConnection
from brinery.backends.sql.dialects.sqlite_connection import SqliteConnection
from brinery.backends.sql.schema import Schema


class Task(Persistable):
    """A named thing with links."""

    def __init__(self, name: str, *links: Any, state: str = "NEW", priority: int = 0) -> None:
        self.name, self.links, self.state, self.priority = name, list(links), state, priority


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    with SqlStore(url) as store:
        yield store


# -- graphs


def test_a_graph_comes_back_with_its_shared_objects(store: SqlStore, url: str) -> None:
    """Shared objects are saved once, cycles close, and a second store loads the whole graph."""
    fetch = Task("fetch")
    last = Task("plot", fetch, Task("clean", fetch))
    fetch.links.append(last)
    id_ = store.save(last)
    assert store.load(id_) is last
    with SqlStore(url) as other:
        found = other.load(id_)
        assert found.links[0] is found.links[1].links[0]
        assert found.links[0].links == [found]
        assert other.list() == ["Task.1", "Task.2", "Task.3"]


def test_lost_updates_are_detected(store: SqlStore, url: str) -> None:
    """Saving an object that another store has changed since is a ConflictError, and changes nothing."""
    id_ = store.save(Task("a"))
    mine = store.load(id_)
    with SqlStore(url) as other:
        theirs = other.load(id_)
        theirs.name = "theirs"
        other.save(theirs)
        mine = store.load(id_)
        mine.name = "mine"
        with pytest.raises(ConflictError):
            store.save(mine)
        other.invalidate_cache()
        del theirs
        assert other.load(id_).name == "theirs"


def test_numbers_are_never_given_twice(store: SqlStore, url: str) -> None:
    """Two stores take numbers from one sequence, also after removals."""
    with SqlStore(url) as other:
        ids = [s.save(Task("x")) for s in (store, other, store, other)]
    store.remove(ids[-1])
    ids.append(store.save(Task("y")))
    assert len(set(ids)) == 5


def test_ids_may_be_whole_numbers(url: str) -> None:
    """GC3Pie's integer IDs come from a factory."""

    class IntId(int):
        def __new__(cls, prefix: str, number: int) -> IntId:
            return int.__new__(cls, number)

        def __str__(self) -> str:
            return f"number {int(self)}"

    class TextId(str):
        __slots__ = ()

        def __new__(cls, prefix: str, number: int) -> TextId:
            return str.__new__(cls, number)

    for table, id_class in (("whole", IntId), ("text", TextId)):
        with SqlStore(url, table, IdFactory(id_class=id_class)) as store:
            assert [store.save(Task("a")), store.save(Task("b"))] == ["1", "2"]
            assert store.list() == ["1", "2"]
            store.invalidate_cache()
            assert store.load("2").name == "b"
    with (
        SqlStore(url, idfactory=IdFactory(id_class=lambda *made: list(made))) as store,
        pytest.raises(InvalidArgumentError, match="expected a string or an integer"),
    ):
        store.save(Task("a"))


def test_loading_a_graph_sees_one_state(store: SqlStore, url: str) -> None:
    """While one process replaces all records of a graph, a reader never sees a mixture."""
    tasks = [Task(str(n)) for n in range(30)]
    for task in tasks:
        task.links = [*tasks]
        task.priority = 0
    root = store.save(tasks[0])
    ended = threading.Event()

    def write() -> None:
        try:
            for generation in range(1, 12):
                for task in tasks:
                    task.priority = generation
                store.save(tasks[0])
        finally:
            ended.set()

    with ThreadPoolExecutor(1) as pool, SqlStore(url) as reader:
        writing = pool.submit(write)
        seen = set()
        while not ended.is_set():
            reader.invalidate_cache()
            found = reader.load(root)
            generations = {task.priority for task in found.links}
            del found
            assert len(generations) == 1
            seen |= generations
        writing.result()
    assert seen


# -- columns and queries

STATE: Column[Any] = Column("state", String(20), index=True)
PRIORITY: Column[Any] = Column("priority", Integer)
FIELDS: dict[Column[Any], Any] = {STATE: GET.state, PRIORITY: GET.priority}


def test_columns_are_filled_and_queried(url: str) -> None:
    """Each save fills the columns; a query returns IDs, in the given order and number."""
    with SqlStore(url, extra_fields=FIELDS) as store:
        tasks = [Task(f"t{n}", state="DONE" if n % 2 else "NEW", priority=n) for n in range(6)]
        store.save_many(tasks)
        assert store.query(STATE == "DONE") == ["Task.2", "Task.4", "Task.6"]
        assert store.query(store.columns.priority > 3) == ["Task.5", "Task.6"]
        first = store.query(STATE == "DONE", order_by=PRIORITY.desc(), limit=2)
        assert first == ["Task.6", "Task.4"]
        assert all(type(id_) is str for id_ in first)
        tasks[1].state = "FAILED"
        store.save(tasks[1])
        assert store.query(STATE == "FAILED") == ["Task.2"]
        store.remove("Task.2")
        assert store.query(STATE == "FAILED") == []
        assert len(store.query()) == 5
        for where in ("state = 'DONE'", 5, lambda state: state == "DONE"):
            with pytest.raises(InvalidArgumentError, match=r"store\.columns"):
                store.query(where)
        with pytest.raises(InvalidArgumentError, match=r"store\.columns"):
            store.query(order_by="priority desc")
        for limit in (-1, "x", 2.5):
            with pytest.raises(InvalidArgumentError, match="limit"):
                store.query(limit=limit)  # type: ignore[arg-type]


def test_standard_columns_describe_records(store: SqlStore, url: str) -> None:
    """Class, codec, size and time are columns, with the values that `info` returns."""
    id_ = store.save(Task("a"))
    info = store.info(id_)
    columns = store.columns
    assert store.query(columns.class_name == f"{__name__}:Task") == [id_]
    assert store.query((columns.codec == "pickle") & (columns.size == info.size)) == [id_]
    assert store.query(columns.created > info.created.timestamp() + 1) == []


def test_a_function_that_raises_stores_null(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """The object is saved, and the failure is logged with its cause."""
    missing = Column("missing", String)
    with SqlStore(url, extra_fields={missing: GET.no_such_thing}) as store:
        with caplog.at_level(logging.WARNING):
            id_ = store.save(Task("a"))
        assert store.query(missing.is_(None)) == [id_]
    assert "'missing'" in caplog.text
    assert "no_such_thing" in caplog.text


def test_a_column_may_hold_json(url: str) -> None:
    """Types that SQLAlchemy converts are converted, by the native drivers as well."""
    names = Column("names", JSON)
    with SqlStore(url, extra_fields={names: lambda task: [task.name, {"n": 1}]}) as store:
        store.save_many([Task("a"), Task("b")])
    rows = execute(url, "select names from store where class_name is not null order by name")
    assert [str(row[0]).replace("'", '"') for row in rows] == ['["a", {"n": 1}]', '["b", {"n": 1}]']


def test_new_columns_need_a_migration(url: str) -> None:
    """The error shows the statements; migrate=True runs them; existing rows are unfilled."""
    with SqlStore(url) as store:
        store.save(Task("old", state="DONE"))
    with pytest.raises(MissingColumnsError) as caught:
        SqlStore(url, extra_fields=FIELDS)
    assert caught.value.columns == ("state", "priority")
    for statement in caught.value.statements:
        assert statement in str(caught.value)
    with SqlStore(url, extra_fields=FIELDS, migrate=True) as store:
        new = store.save(Task("new", state="DONE"))
        assert store.query(STATE == "DONE", unfilled="omit") == [new]
        old = store.load("Task.1")
        store.replace("Task.1", old)
        assert store.query(STATE == "DONE") == ["Task.1", new]
    with SqlStore(url, extra_fields=FIELDS) as store:
        assert len(store.query(STATE == "DONE")) == 2


def test_the_shown_statements_do_it(url: str) -> None:
    """Running the statements by hand gives the same table."""
    SqlStore(url).close()
    with pytest.raises(MissingColumnsError) as caught:
        SqlStore(url, extra_fields=FIELDS)
    for statement in caught.value.statements:
        execute(url, statement)
    SqlStore(url, extra_fields=FIELDS).close()


def test_a_store_without_the_extra_fields_leaves_them_unfilled(url: str) -> None:
    """Without extra_fields the table can be opened, too; a query does not use its rows."""
    with SqlStore(url, extra_fields=FIELDS) as store:
        store.save(Task("a", state="X"))
    with SqlStore(url) as store:
        store.save(Task("b", state="X"))
    with SqlStore(url, extra_fields=FIELDS) as store:
        assert store.query(STATE == "X", unfilled="omit") == ["Task.1"]
        with pytest.raises(UnfilledColumnsError):
            store.query(STATE == "X")


@pytest.mark.parametrize(
    "fields",
    [
        {"state": GET.state},
        {STATE: "state"},
        {Column("data"): GET.x},
        {Column(): GET.x},
        {Table("other", MetaData(), Column("state")).c.state: GET.x},
        {Column("state", String, unique=True): GET.x},
        {Column("state", String, nullable=False): GET.x},
        {Column("state", String, server_default="x"): GET.x},
        {Column("state", ForeignKey("other.id")): GET.x},
        5,
    ],
)
def test_extra_fields_are_columns_and_functions(tmp_path: Path, fields: Any) -> None:
    """Other types, unsupported columns and reserved names are refused, with advice."""
    with pytest.raises(InvalidArgumentError):
        SqlStore(f"sqlite:///{tmp_path}/a.db", extra_fields=fields)


def test_accessors_take_values_out_of_objects() -> None:
    """Attributes and items in sequence, a default; and they can be pickled."""
    task = Task("a", {"k": [1, 2]})
    assert GET.links[0]["k"][1](task) == 2
    assert GetValue(default=7).links[3](task) == 7
    for accessor in (GET.links[0], GetValue(default=7).links[3]):
        again = pickle.loads(pickle.dumps(accessor))
        assert again(task) == accessor(task)
        assert repr(again) == repr(accessor)
    with pytest.raises(IndexError):
        GET.links[3](task)


# -- places


def test_tables_are_separate_stores(url: str) -> None:
    """The table is named in the URL or by an argument, which overrides the URL."""
    with SqlStore(url + "#table=one") as one, SqlStore(url + "#table=one", "two") as two:
        assert (one.table_name, two.table_name) == ("one", "two")
        one.save(Task("a"))
        assert (len(one), len(two)) == (1, 0)
        assert SqlStore(one.url).list() == ["Task.1"]
        assert "#table=one" in repr(one)


@pytest.mark.parametrize("name", ["50% of it", 'a "b" c', "Select", "naïve.one"])
def test_a_table_may_have_an_odd_name(url: str, name: str) -> None:
    """Characters that are special to a driver are not special in a name, nor in the URL."""
    with SqlStore(url, name) as store:
        id_ = store.save(Task("a", Task("b")))
        assert store.referrers("Task.2") == [id_]
        with make_store(store.url) as again:
            assert again.load(id_).links[0].name == "b"


@pytest.mark.parametrize("fragment", ["one", "tables=one", "table="])
def test_a_fragment_that_is_not_a_table_is_refused(tmp_path: Path, fragment: str) -> None:
    """A typing error must not make another store."""
    with pytest.raises(UrlError, match="table=name"):
        SqlStore(f"sqlite:///{tmp_path}/a.db#{fragment}")


def test_paths_are_as_sqlalchemy_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four slashes are absolute, three relative; directories are made; a chdir changes nothing."""
    monkeypatch.chdir(tmp_path)
    with SqlStore("sqlite:///deep/er/rel.db") as store:
        store.save(Task("a"))
        monkeypatch.chdir("/")
        store.save(Task("b"))
        assert Url(store.url).path == f"/{tmp_path}/deep/er/rel.db"
    assert (tmp_path / "deep/er/rel.db").exists()
    with SqlStore(f"sqlite:////{tmp_path}/abs/a.db") as store:
        store.save(Task("a"))
    assert (tmp_path / "abs/a.db").exists()


@pytest.mark.parametrize("name", [5, "a\nb", "a\ud800", "  "])
def test_a_table_has_a_name_that_can_be_printed(tmp_path: Path, name: Any) -> None:
    """A value that is not a name, or that no URL could contain, is refused before anything is made."""
    with pytest.raises(InvalidArgumentError, match="table_name"):
        SqlStore(f"sqlite:///{tmp_path}/a.db", name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["codec=", "protocol", "create="])
def test_an_option_of_a_url_has_a_value(tmp_path: Path, option: str) -> None:
    """An option without a value is a typing error, not the default."""
    with pytest.raises(UrlError, match="needs a value"):
        make_store(f"sqlite:///{tmp_path}/a.db?{option}")


def test_a_timeout_in_the_url_is_for_make_store(tmp_path: Path) -> None:
    """It must not be ignored."""
    url = f"sqlite:///{tmp_path}/a.db?timeout=3"
    with make_store(url) as store:
        assert isinstance(store, SqlStore)
        assert store._place.timeout == 3
    with pytest.raises(UrlError, match="make_store"):
        SqlStore(url)


def test_make_store_knows_the_schemes(url: str) -> None:
    """Options of the store are taken out of the URL; those of the driver stay."""
    joiner = "&" if "?" in url else "?"
    with make_store(f"{url}{joiner}codec=json&durability=process#table=t") as store:
        assert type(store) is SqlStore
        assert (store.codec.name, store.durability, store.table_name) == ("json", "process", "t")
        store.save({"a": 1}, "x")
    with make_sqlstore(url + "#table=t") as store:
        assert store.codec.name == "json"
        assert store.load("x") == {"a": 1}


def test_options_in_the_url_are_for_make_store(tmp_path: Path) -> None:
    """As with FilesystemStore, the class takes them as arguments."""
    with pytest.raises(UrlError, match="make_store"):
        SqlStore(f"sqlite:///{tmp_path}/a.db?codec=dill")


def test_the_driver_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    """A typing error in the URL is not ignored."""
    with pytest.raises(BrineryError, match="cdoec"):
        make_store(f"sqlite:///{tmp_path}/a.db?cdoec=dill")


def test_arguments_of_other_stores_are_refused(tmp_path: Path) -> None:
    """`lock_timeout` belongs to a directory; the error of a typing error has a guess."""
    url = f"sqlite:///{tmp_path}/a.db"
    for wrong in ("directory", "layout", "lock_timeout"):
        unknown: dict[str, Any] = {wrong: 1}
        with pytest.raises(InvalidArgumentError, match=f"no argument '{wrong}'.*, timeout, trust"):
            SqlStore(url, **unknown)
    with pytest.raises(InvalidArgumentError, match="did you mean 'extra_fields'"):
        SqlStore(url, extra_field={})


def test_without_create_nothing_is_made(url: str, tmp_path: Path) -> None:
    """A missing table is an error that names it, and no file appears."""
    with pytest.raises(MissingTableError, match="there is no store"):
        SqlStore(url, create=False)
    assert not list(tmp_path.iterdir())
    SqlStore(url).close()
    SqlStore(url, create=False).close()


def test_a_table_of_another_program_is_left_alone(url: str) -> None:
    """A table of that name with other columns is not written to."""
    SqlStore(url, "other").close()  # makes the file
    execute(url, "create table store (name varchar(10))")
    with pytest.raises(StorageError, match="table_name"):
        SqlStore(url)
    assert execute(url, "select * from store") == []


def test_a_store_with_the_name_of_an_index_is_left_alone(url: str) -> None:
    """A store in a table of that name: referrers are found without an index."""
    with SqlStore(url, "jobs_references") as store, SqlStore(url, "jobs") as other:
        store.save(Task("a"))
        id_ = other.save(Task("a", Task("b")))
        assert other.referrers("Task.2") == [id_]
        assert len(store) == 1


def test_a_database_in_memory_serves_all_threads() -> None:
    """`sqlite://` is one database for all threads."""
    with SqlStore("sqlite://") as store:
        with ThreadPoolExecutor(4) as pool:
            ids = list(pool.map(lambda n: store.save(Task(str(n))), range(20)))
        assert set(store.list()) == set(ids)
        assert len(store.query()) == 20


def test_a_pickled_store_opens_the_same_place(store: SqlStore) -> None:
    """A store that is sent to another process finds the objects there."""
    id_ = store.save(Task("a"))
    with pickle.loads(pickle.dumps(store)) as again:
        assert again.load(id_).name == "a"
        assert again.url == store.url


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_database_in_memory_outlives_a_fork() -> None:
    """The parent goes on with its own database, the child with its state at the fork."""
    with SqlStore("sqlite://") as store:
        id_ = store.save(Task("a"))
        child = os.fork()
        if child == 0:
            code = 1
            try:
                store.invalidate_cache()
                store.save(Task("child"))
                code = len(store) != 2 or store.load(id_).name != "a"
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        store.pre_fork()
        store.post_fork()
        store.invalidate_cache()
        assert store.load(id_).name == "a"
        assert store.list() == [id_]


@pytest.mark.parametrize("text", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_not_pickled(text: str) -> None:
    """The other process would find an empty one: pickling it raises an error."""
    with SqlStore(text) as store, pytest.raises(InvalidArgumentError, match="in memory"):
        pickle.dumps(store)


# -- forks and processes


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_uses_connections_of_its_own(store: SqlStore) -> None:
    """Parent and child go on at the same time, and neither uses the other's connection."""
    store.save(Task("before"))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for n in range(20):
                store.save(Task(f"child {n}"))
            code = 0
        finally:
            os._exit(code)
    for n in range(20):
        store.save(Task(f"parent {n}"))
    assert os.waitpid(child, 0)[1] == 0
    assert len(store) == 41
    assert len(store.list()) == 41


# -- damage, trust and limits


def test_a_file_that_others_can_write_to_is_not_decoded(tmp_path: Path) -> None:
    """As with directories: pickles of a file that anyone may change are refused, with advice."""
    with SqlStore(f"sqlite:///{tmp_path}/open/a.db") as store:
        id_ = store.save(Task("a"))
    (tmp_path / "open").chmod(0o777)
    with (
        SqlStore(f"sqlite:///{tmp_path}/open/a.db") as store,
        pytest.raises(TrustError, match="everybody can write"),
    ):
        store.load(id_)
    with SqlStore(f"sqlite:///{tmp_path}/open/a.db", trust="anyone") as store:
        assert store.load(id_).name == "a"


def test_sealed_rows_are_bound_to_their_store(url: str) -> None:
    """A sealed record that is moved to another table is refused."""
    trust = Trust(key=b"k" * 32)
    with SqlStore(url, trust=trust) as store, SqlStore(url, "other", trust=trust) as other:
        id_ = store.save(Task("a"))
        other.save(Task("b"), id_)
        [(data,)] = execute(url, "select data from store where name = :n", n=id_)
        execute(url, "update other set data = :d where name = :n", d=bytes(data), n=id_)
        store.invalidate_cache()
        other.invalidate_cache()
        assert store.load(id_).name == "a"
        with pytest.raises(SealError):
            other.load(id_)


def test_damage_in_a_row_is_found(store: SqlStore, url: str) -> None:
    """A flipped bit, and a record under another name, are found as they are in a file."""
    one, two = store.save(Task("a")), store.save(Task("b"))
    [(data,)] = execute(url, "select data from store where name = :n", n=one)
    flipped = bytes(data)[:10] + bytes([bytes(data)[10] ^ 1]) + bytes(data)[11:]
    execute(url, "update store set data = :d where name = :n", d=flipped, n=one)
    execute(url, "update store set data = :d where name = :n", d=bytes(data), n=two)
    store.invalidate_cache()
    with pytest.raises(CorruptRecordError, match=one):
        store.load(one)
    with pytest.raises(MisplacedRecordError):
        store.load(two)


@pytest.mark.parametrize("value", ["x''", "'text'", "12"])
def test_a_row_of_another_type_is_damaged(tmp_path: Path, value: str) -> None:
    """SQLite stores any value in any column: each reader finds that it is not a record."""
    url = f"sqlite:///{tmp_path}/a.db"
    with SqlStore(url) as store:
        id_ = store.save(Task("a"))
        execute(url, f"update store set data = {value} where name = 'Task.1'")
        store.invalidate_cache()
        for read in (store.load, store.info, lambda id_: store.load_many([id_])):
            with pytest.raises(RecordError):
                read(id_)
        assert store.check().failures


def test_a_dangling_reference_is_an_error(store: SqlStore) -> None:
    """As with all stores: the error names the missing record and its referrer."""
    inner = Task("inner")
    outer = store.save(Task("outer", inner))
    store.remove(inner.persistent_id)
    store.invalidate_cache()
    del inner
    with pytest.raises(DanglingReferenceError):
        store.load(outer)


def test_values_past_the_limit_are_refused_before_they_are_sent() -> None:
    """The error names the limit and what to do; nothing of that size is made for this test."""
    for scheme, size in (("sqlite", 1_000_000_001), ("postgresql", (1 << 30) + 1)):
        kind = dialect_of(scheme)
        dialect = kind(Database(kind.read(f"{scheme}://"), Schema("store"), "full", 1))
        with pytest.raises(ValueTooLargeError, match="directory") as caught:
            dialect.check_size("Task.1", size)
        assert caught.value.limit < size
        dialect.check_size("Task.1", caught.value.limit)


def test_sqlite_takes_what_the_limit_allows() -> None:
    """The limit is below that of the library in use."""
    with closing(sqlite3.connect(":memory:")) as connection:
        assert connection.getlimit(sqlite3.SQLITE_LIMIT_LENGTH) >= sqlite.LARGEST


def test_network_file_systems_are_recognised() -> None:
    """The innermost mount decides, with its escapes; a mount beside it does not."""
    mounts = (
        "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        "30 22 0:26 / /home rw - nfs4 server:/home rw\n"
        "31 30 0:27 / /home/me/local\\040disk rw - ext4 /dev/vdb rw\n"
    )
    assert network_drives.network_of("/home/me", mounts) == "nfs4"
    assert network_drives.network_of("/home/me/local disk/x", mounts) is None
    assert network_drives.network_of("/homes", mounts) is None
    assert network_drives.network_of("/srv", "nonsense\n") is None


# -- failures


def test_a_read_only_file_is_an_error(tmp_path: Path) -> None:
    """Saving fails with advice, loading goes on."""
    if os.geteuid() == 0:
        pytest.skip("root may write to everything")
    with SqlStore(f"sqlite:///{tmp_path}/a.db") as store:
        id_ = store.save(Task("a"))
    (tmp_path / "a.db").chmod(0o444)
    with SqlStore(f"sqlite:///{tmp_path}/a.db") as store:
        assert store.load(id_).name == "a"
        with pytest.raises(StorageError, match="read-only"):
            store.save(Task("b"))


def test_a_read_only_connection_is_an_error(tmp_path: Path) -> None:
    """A database opened with mode=ro is read; a save names the reason."""
    with SqlStore(f"sqlite:///{tmp_path}/a.db") as store:
        id_ = store.save(Task("a"))
        with SqlStore(f"sqlite:///file:{tmp_path}/a.db?mode=ro&uri=true", create=False) as reader:
            assert reader.load(id_).name == "a"
            with pytest.raises(StorageError, match="read-only"):
                reader.save(Task("b"))


def test_an_immutable_database_can_be_read(tmp_path: Path) -> None:
    """With immutable=1 SQLite makes no files beside it, as on a read-only medium."""
    with SqlStore(f"sqlite:///{tmp_path}/a.db") as store:
        id_ = store.save(Task("a"))
    url = f"sqlite:///file:{tmp_path}/a.db?immutable=1&mode=ro&uri=true"
    with SqlStore(url, create=False) as reader:
        assert reader.load(id_).name == "a"
        assert os.listdir(tmp_path) == ["a.db"]
        with pytest.raises(StorageError, match="read-only"):
            reader.save(Task("b"))


def test_a_shared_database_in_memory_is_not_what_it_seems() -> None:
    """The error names the URL of one that works."""
    with pytest.raises(StorageError, match="write sqlite:// for one in memory"):
        SqlStore("sqlite:///file:shared?mode=memory&cache=shared&uri=true")


def test_another_file_is_not_taken_for_a_database(tmp_path: Path) -> None:
    """The error says so, and the file stays as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database, just a note that is long enough" * 50)
    before = path.read_bytes()
    with pytest.raises(StorageError, match="not an SQLite database"):
        SqlStore(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_directory_in_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    """SQLite's own message does not help: advice is added."""
    with pytest.raises(StorageError, match="check that the path is a file"):
        SqlStore(f"sqlite:///{tmp_path}")


def test_a_writer_that_does_not_end_is_an_error_after_the_timeout(tmp_path: Path) -> None:
    """After the timeout the error says that another process is writing; then all goes on."""
    path = tmp_path / "a.db"
    with SqlStore(f"sqlite:///{path}", timeout=0.2) as store:
        store.save(Task("a"))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("begin immediate")
            with pytest.raises(StorageError, match="another process is writing"):
                store.save(Task("b"))
            assert store.load("Task.1").name == "a"
            other.execute("rollback")
        store.save(Task("c"))


def test_a_file_that_was_removed_is_not_written_to(tmp_path: Path) -> None:
    """SQLite's writes to it would be lost: the save fails, also if another file has replaced it."""
    path = tmp_path / "a.db"
    url = f"sqlite:///{path}"
    with SqlStore(url) as store:
        store.save(Task("a"))
        store.save(Task("b"))
        path.rename(tmp_path / "away.db")
        with pytest.raises(StorageError, match="removed or replaced"):
            store.save(Task("c"))
        path.write_bytes(b"")
        with pytest.raises(StorageError, match="removed or replaced"):
            store.save(Task("c"))
        (tmp_path / "away.db").replace(path)
        store.save(Task("c"))
    with SqlStore(url) as store:
        assert len(store) == 3


@pytest.mark.parametrize("setting", ["off", "on", "local"])
def test_a_commit_waits_for_the_disk_whatever_the_server_is_set_to(
    postgres_url: str, setting: str
) -> None:
    """A server that acknowledges earlier is told to wait; its other settings stay."""
    url = postgres_url.replace("?", f"?options=-c%20synchronous_commit%3D{setting}&")
    for durability, wanted in (("full", {"off": "on"}.get(setting, setting)), ("process", "off")):
        with SqlStore(url, durability=durability) as store:
            assert isinstance(store.backend, SqlBackend)
            with store.backend._pool.use() as connection:
                assert isinstance(connection, PostgresConnection)
                found = connection.driver.execute("show synchronous_commit").fetchone()
            assert found == (wanted,)


def test_statements_are_planned_once_and_not_compiled(postgres_url: str) -> None:
    """Planning one takes as long as executing it, and compiling it takes many times as long."""
    with SqlStore(postgres_url) as store:
        assert isinstance(store.backend, SqlBackend)
        with store.backend._pool.use() as connection:
            assert isinstance(connection, PostgresConnection)
            ask = connection.driver.execute
            assert ask("show plan_cache_mode").fetchone() == ("force_generic_plan",)
            assert ask("show jit").fetchone() == ("off",)


def test_a_full_disk_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    """SQLite's own page limit causes the error of a full disk."""
    with SqlStore(f"sqlite:///{tmp_path}/a.db") as store:
        store.save(Task("small"))
        assert isinstance(store.backend, SqlBackend)
        with store.backend._pool.use() as connection:
            assert isinstance(connection, SqliteConnection)
            (pages,) = connection.driver.execute("pragma page_count").fetchone()
            connection.driver.execute(f"pragma max_page_count = {pages + 10}")
        with pytest.raises(StorageError, match="full") as caught:
            store.save(Task("large", os.urandom(1 << 20)))
        assert type(caught.value).__name__ == "StorageFullError"
        store.invalidate_cache()
        assert store.load("Task.1").name == "small"
        assert store.list() == ["Task.1"]


def test_a_wrong_password_is_an_error_and_never_shown(postgres: PostgresCluster) -> None:
    """Not in messages, reprs, URLs in messages, nor logs."""
    url = postgres.with_password(postgres.new_database(), "s3cret-and-wrong")
    with pytest.raises(StorageError, match="password") as caught:
        SqlStore(url)
    error: BaseException | None = caught.value
    while error is not None:
        assert "s3cret" not in str(error)
        assert "s3cret" not in repr(error)
        error = error.__cause__


@pytest.mark.parametrize("sign", list("/?#@:[%") + ["@/", "/@", "?@", "#@"])
@pytest.mark.parametrize("secret", ["{}s3cret", "s3cret{}", "12{}s3cret", "s3{}s3cret"])
def test_a_password_that_is_not_encoded_is_never_shown(sign: str, secret: str) -> None:
    """No message and no pickle of an error contains a part of it, wherever a URL is passed."""
    url = f"postgresql://me:{secret.format(sign)}@127.0.0.1:1/jobs"
    for make in (make_store, SqlStore):
        with pytest.raises(BrineryError) as caught:
            make(url)
        for shown in (str(caught.value), repr(caught.value), str(pickle.dumps(caught.value))):
            assert "s3" not in shown


def test_the_password_opens_and_is_hidden(postgres: PostgresCluster) -> None:
    """By TCP with a password: the store works, and shows it only in `url`."""
    url = postgres.with_password(postgres.new_database())
    with SqlStore(url) as store:
        store.save(Task("a"))
        secret = Url(url).password
        assert secret
        assert secret not in repr(store)
        assert secret not in store.backend.location
        with pytest.raises(NotFoundError) as caught:
            store.load("Task.9")
        assert secret not in str(caught.value)
        with SqlStore(store.url) as again:
            assert len(again) == 1


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_may_have_another_encoding(postgres: PostgresCluster, encoding: str) -> None:
    """Text in its encoding is kept; other text is an error that names the encoding."""
    name = f"encoded_{encoding.lower()}"
    with connect(postgres.url, autocommit=True) as connection:
        provider = "locale_provider libc" if connection.info.server_version >= 150000 else ""
        connection.execute(
            f"create database {name} owner brinery encoding '{encoding}' {provider} locale 'C' "
            "template template0".encode()
        )
    url = postgres.url.replace("/postgres?", f"/{name}?")
    with SqlStore(url, extra_fields={STATE: GET.state}) as store:
        id_ = store.save(Task("a", state="né"), "é")
        store.invalidate_cache()
        assert store.load(id_).state == "né"
        assert store.query(STATE == "né") == store.list() == ["é"]
        if encoding == "LATIN1":
            with pytest.raises(StorageError, match="UTF8"):
                store.save(Task("b"), "€")
            assert store.list() == ["é"]


def test_a_missing_server_is_an_error(tmp_path: Path) -> None:
    """No server listens: the message says what to check."""
    with pytest.raises(StorageError, match="check that the server is running"):
        SqlStore(f"postgresql+psycopg://me@/jobs?host={tmp_path}")


@pytest.mark.thorough
def test_a_missing_driver_names_the_extra() -> None:
    """In a process where psycopg cannot be imported, and one where SQLAlchemy cannot."""
    code = (
        "import sys; sys.modules[sys.argv[1]] = None\n"
        "import brinery\n"
        "try: brinery.make_store('postgresql://me@/jobs')\n"
        "except brinery.DriverNotInstalledError as error: print(error)"
    )
    for module, extra in (("psycopg", "brinery[postgres]"), ("sqlalchemy", "brinery[sql]")):
        done = subprocess.run(
            [sys.executable, "-c", code, module], capture_output=True, text=True, check=True
        )
        assert extra in done.stdout


@pytest.mark.parametrize(
    "text", ["sqlite://jobs.db", "sqlite:jobs.db", "jobs.db", "sqlite://h/a.db"]
)
def test_a_url_with_too_few_slashes_is_an_error(text: str) -> None:
    """The error shows how a file is named."""
    with pytest.raises(UrlError, match=r"sqlite:///relative\.db"):
        SqlStore(text)


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (("?", "?no_such_option=1&"), "check the options in the URL"),
        (("?", "?connect_timeout=soon&"), "check the options in the URL"),
        (("/test_", "/no_such_"), "create it"),
        (("brinery@", "nobody@"), "check the user"),
    ],
)
def test_the_reason_of_a_refusing_server_is_shown(
    postgres_url: str, change: tuple[str, str], advice: str
) -> None:
    """If the server is running, no message says to check that."""
    with pytest.raises(StorageError) as caught:
        SqlStore(postgres_url.replace(*change))
    assert advice in str(caught.value)
    assert "is running" not in str(caught.value).rpartition(";")[2]


def test_a_statement_that_takes_too_long_is_an_error(postgres_url: str) -> None:
    """The server ends it: the error names the setting."""
    with SqlStore(postgres_url.replace("?", "?options=-c%20statement_timeout%3D100&")) as store:
        with connect(postgres_url) as other:
            other.execute("lock table store")
            with pytest.raises(StorageError, match="statement_timeout"):
                store.list()
        assert store.list() == []


def test_a_driver_of_another_database_is_named() -> None:
    """A driver that is not an extra of brinery is named by its module."""
    with pytest.raises(DriverNotInstalledError, match="pip install oracledb"):
        SqlStore("oracle+oracledb://me@host/jobs")


SAVES: dict[str, Callable[[SqlStore, Task], object]] = {
    "changed": lambda store, task: store.save(task),
    "new": lambda store, task: store.save(Task("new"), "own"),
    "replaced": lambda store, task: store.replace("Task.1", task),
    "removed": lambda store, task: store.remove("Task.1"),
    "several": lambda store, task: store.save_many([task, Task("new")]),
}


@pytest.mark.parametrize("step", SAVES)
def test_a_connection_that_was_cut_while_idle_is_opened_again(
    postgres: PostgresCluster, postgres_url: str, step: str
) -> None:
    """By the server's timeout or its administrator: no call was under way, so none has failed."""
    with SqlStore(postgres_url) as store:
        task = Task("a")
        store.save(task)
        task.name = "b"
        with connect(postgres.url, autocommit=True) as administrator:
            administrator.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                "where application_name = 'brinery'"
            )
        SAVES[step](store, task)
        store.invalidate_cache()
        assert len(store) == {"new": 2, "several": 2, "removed": 0}.get(step, 1)


def test_a_restarted_server_is_found_again(mortal_postgres: PostgresCluster) -> None:
    """Connections that a restart has cut are opened again, without the caller noticing."""
    with SqlStore(mortal_postgres.new_database()) as store:
        id_ = store.save(Task("a"))
        mortal_postgres.restart()
        store.invalidate_cache()
        assert store.load(id_).name == "a"
        mortal_postgres.restart("immediate")
        store.save(Task("b"))
        mortal_postgres.stop()
        with pytest.raises(StorageError, match="check that the server is running"):
            store.list()
        mortal_postgres.start()
        assert len(store.list()) == 2


def interrupt(store: SqlStore, step: Callable[[Any], object]) -> None:
    """Take a step on a connection of the store; then comes Ctrl-C."""
    assert isinstance(store.backend, SqlBackend)
    with store.backend._pool.use() as connection:
        step(connection)
        raise KeyboardInterrupt


@pytest.mark.parametrize("begin", ["begin", "begin_reading"])
def test_an_interrupted_transaction_is_not_gone_on_with(store: SqlStore, begin: str) -> None:
    """Ctrl-C between two statements: the connection serves the next call as if it were new."""
    id_ = store.save(Task("a"))
    with pytest.raises(KeyboardInterrupt):
        interrupt(store, lambda connection: (getattr(connection, begin)(), connection.get(id_)))
    with SqlStore(store.url, timeout=1) as other:
        other.replace(id_, Task("later"))
    store.invalidate_cache()
    assert store.load(id_).name == "later"
    store.save(Task("b"))


def test_an_interrupted_statement_leaves_no_answer_behind(postgres_url: str) -> None:
    """Ctrl-C while the server is at work: its answer is not taken for that to the next call."""
    with SqlStore(postgres_url) as store:
        id_ = store.save(Task("a"))
        ask = b"select 'another answer'"
        with pytest.raises(KeyboardInterrupt):
            interrupt(store, lambda connection: connection.driver.pgconn.send_query(ask))
        store.invalidate_cache()
        assert store.load(id_).name == "a"
        store.save(Task("b"))
        assert store.list() == [id_, "Task.2"]


def test_a_dropped_table_is_an_error(store: SqlStore, url: str) -> None:
    """The table of a running store is removed."""
    store.save(Task("a"))
    execute(url, "drop table store")
    with pytest.raises(StorageError, match="removed"):
        store.save(Task("b"))
