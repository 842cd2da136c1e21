"""Queries as users write them: mistakes, rows, groups, transactions, damage, and what is read."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, Boolean, Column, DateTime, Integer, Numeric, String

from brinery import (
    GET,
    ClosedError,
    FilesystemStore,
    InvalidArgumentError,
    MemoryStore,
    Persistable,
    RecordError,
    SealError,
    SqlStore,
    Store,
    Trust,
    UnfilledColumnsError,
    make_store,
)
from brinery.backend import Backend
from brinery.backends.sql.translation import Translator
from brinery.query.column import Columns
from brinery.query.evaluation import Row, condition
from brinery.query.question import Question
from brinery.query.rows import read_rows
from brinery.record.record import new_metadata
from brinery.stores import querying


class Job(Persistable):
    """Has a state and a rank, and other jobs."""

    def __init__(self, state: Any = None, rank: int = 0, *links: Any) -> None:
        self.state, self.rank, self.links = state, rank, links


class Task(Job):
    """Another class."""


STATE: Column[Any] = Column("state", String(20))
RANK: Column[Any] = Column("rank", Integer)
FIELDS = {STATE: GET.state, RANK: GET.rank}


@pytest.fixture(
    params=["memory", "directory", "sqlite", pytest.param("postgresql", marks=pytest.mark.server)]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a store that is not there yet, of each kind."""
    if request.param == "postgresql":
        found: str = request.getfixturevalue("postgres_url")
        return found
    known = {
        "memory": "memory:",
        "directory": f"file://{tmp_path}/jobs",
        "sqlite": f"sqlite:///{tmp_path}/jobs.db",
    }
    return known[request.param]


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    """Give a store with three objects."""
    with make_store(place) as store:
        first = Job("new")
        store.save(first, "first", note="the first", tags={"run": 1})
        store.save(Task("done", 1, first), "second", tags={"run": 2, "best": True})
        store.save(Task("done", 2, first), "third", tags={"run": 2, "best": None})
        yield store


# -- what is asked


def test_records_are_found_by_what_they_say(store: Store) -> None:
    """By class, references, notes and tags; an ID is an ID in every form."""
    columns = store.columns
    task = f"{__name__}:Task"
    assert store.query() == ["first", "second", "third"]
    assert store.query(columns.class_name == task) == ["second", "third"]
    assert store.query(columns.class_name.contains(":Ta") & (columns.size > 0)) == [
        "second",
        "third",
    ]
    assert store.query(columns.references.contains("first")) == ["second", "third"]
    assert store.query(columns.note.is_not(None)) == ["first"]
    assert store.query(columns.note.startswith("the")) == ["first"]
    assert store.query(columns.tags["run"] == 2) == ["second", "third"]
    assert store.query(columns.tags.contains("best")) == ["second", "third"]
    assert store.query(columns.tags["best"].is_(None)) == ["first", "third"]
    assert store.query(columns.id.in_(["third", "gone", "first"])) == ["first", "third"]
    assert store.query(columns.id.startswith("s")) == ["second"]
    assert store.query(order_by="size", limit=0) == []
    assert store.count(columns.tags["run"] == 2) == 2
    assert store.count() == len(store) == 3
    assert all(type(id_) is str for id_ in store.query(limit=2))


def test_a_truth_value_is_no_number(store: Store) -> None:
    """1, 1.0 and True are different tags, and the numbers among them are equal."""
    for id_, value in (("first", 1), ("second", 1.0), ("third", True)):
        store.save(store.load(id_), tags={"n": value})
    tag = store.columns.tags["n"]
    assert store.query(tag == 1) == ["first", "second"]
    assert store.query(tag.in_([True])) == ["third"]
    assert store.query(tag < 2) == ["first", "second"]
    assert store.query(tag != 1) == ["third"]
    assert store.query(fields=[tag, store.columns.count()]) == [(True, 1), (1, 2)]


def test_times_are_seconds_or_datetimes(store: Store) -> None:
    """Seconds since 1970, or a datetime that says of which zone it is."""
    columns, created = store.columns, store.info("second").created
    own = columns.id == "second"
    east = created.astimezone(datetime.timezone(datetime.timedelta(hours=5)))
    for moment in (created, east):
        fits = [columns.created == moment, columns.created <= moment, columns.created >= moment]
        assert all(store.query(own & each) for each in [*fits, columns.created.in_([None, moment])])
        for each in (columns.created < moment, columns.created > moment, columns.created != moment):
            assert store.query(own & each) == []
    later = created + datetime.timedelta(microseconds=1)
    assert store.query(own & (columns.created < later) & (columns.created > 1.5e9)) == ["second"]
    (row,) = store.query(own, fields="created")
    assert store.query(own & (columns.created == row.created)) == ["second"]
    for end in (datetime.datetime.min, datetime.datetime.max):
        moment = end.replace(tzinfo=datetime.UTC)
        assert bool(store.query(columns.created <= moment)) is (end.year > 2000)
    with pytest.raises(InvalidArgumentError, match="time zone"):
        store.query(columns.created > created.replace(tzinfo=None))


def test_a_datetime_is_all_of_its_microsecond() -> None:
    """Whatever the seconds of a record are between two microseconds."""
    zone, columns, draw = datetime.UTC, Columns(), random.Random(1)
    for number in range(3000):
        seconds = draw.choice([0.0, 1e-7, 1.7e9]) + number * draw.choice([1e-7, 1.3e-7, 1.1])
        moment = datetime.datetime.fromtimestamp(seconds, zone)
        metadata = new_metadata(
            id="a",
            codec="pickle",
            config={},
            codec_version="1",
            protocol=5,
            class_name="m:A",
            payload=(b"",),
            created=seconds,
        )
        row = Row("a", metadata, 1, {})
        later = moment + datetime.timedelta(microseconds=1)
        assert condition((columns.created == moment) & (columns.created < later))(row)
        assert not condition((columns.created == later) | (columns.created > moment))(row)


def test_a_fraction_is_not_rounded(store: Store) -> None:
    """A size is a whole number; half a byte more is not that size."""
    columns, size = store.columns, store.info("first").size
    assert store.query((columns.size == size + 0.5) | (columns.size == size - 0.5)) == []
    assert store.query(columns.size.in_([size - 0.5, size + 0.5])) == []
    assert "first" in store.query((columns.size < size + 0.5) & (columns.size > size - 0.5))
    assert "first" not in store.query(columns.size <= size - 0.5)
    assert "first" not in store.query(columns.size >= size + 0.4)


def test_rows_are_named_tuples(store: Store) -> None:
    """With the values of fields, which may be given by name."""
    columns = store.columns
    rows = store.query(
        columns.tags["run"] == 2,
        fields=["id", columns.tags["run"], columns.tags, columns.references],
        order_by=columns.id.desc(),
    )
    assert rows[0]._fields == ("id", "tags_run", "tags", "references")
    assert rows[0] == ("third", 2, {"run": 2, "best": None}, ("first",))
    (row,) = store.query(fields=[columns.size.sum(), columns.size.max(), columns.count()])
    sizes = [info.size for info in store.infos()]
    assert (row.sum_size, row.max_size, row[2]) == (sum(sizes), max(sizes), 3)
    rows = store.query(fields=["class_name", columns.count()], order_by=columns.count().desc())
    assert rows == [(f"{__name__}:Task", 2), (f"{__name__}:Job", 1)]
    rows = store.query(fields="class_name", order_by=[columns.size.sum(), "class_name"], limit=1)
    assert rows == [(f"{__name__}:Job",)]


def test_nothing_has_a_sum_and_no_least_value(store: Store) -> None:
    """One row for all records, also if there is none; and no row for groups."""
    columns = store.columns
    nothing = columns.size < 0
    totals = [columns.count(), columns.size.sum(), columns.size.min(), columns.note.max()]
    assert store.query(nothing, fields=totals) == [(0, 0, None, None)]
    assert store.query(nothing, fields=["codec", *totals]) == []


def test_who_wrote_a_record_can_be_asked(tmp_path: Path) -> None:
    """Where the store notes it."""
    with FilesystemStore(tmp_path / "jobs", provenance=True) as store:
        store.save(Job(), "noted")
        writer = store.info("noted")
        assert store.query(store.columns.user == writer.user) == ["noted"]
        rows = store.query(fields=["user", "host", "program"])
        assert rows == [(writer.user, writer.host, writer.program)]


MISTAKES: Mapping[str, Callable[[Any], Any]] = {
    "& | ~": lambda c: (c.size > 1) and (c.size < 9),
    "in place of 1 < x < 2": lambda c: 1 < c.size < 9,
    "~ in place of": lambda c: not (c.size > 1),
    "x.in_": lambda c: c.size in [1, 2],
    "compare it": lambda c: c.note or c.size,
    "parentheses": lambda c: (c.size > 1) & c.codec,
    "expected a number": lambda c: c.size > "large",
    "a finite|a number": lambda c: c.size > float("nan"),
    "expected a text": lambda c: c.codec == 5,
    "is_not": lambda c: c.size > None,
    "use ==": lambda c: c.note.is_("x"),
    "list of values": lambda c: c.codec.in_("pickle"),
    "column of texts": lambda c: c.size.startswith("1"),
    "an ID": lambda c: c.references.contains(5),
    "name of a tag": lambda c: c.tags[5],
    "several values": lambda c: c.tags == {"run": 1},
    "with a value, not with": lambda c: c.size == c.created,
    "column of numbers": lambda c: c.codec.sum(),
    "order_by=store": lambda c: c.id.min(),
    "expected a column of store.columns": lambda c: c["colour"],
}


@pytest.mark.parametrize("advice", MISTAKES)
def test_a_mistake_in_an_expression_says_what_to_write(advice: str) -> None:
    """When it is made, not when records are read."""
    with MemoryStore() as store, pytest.raises(InvalidArgumentError, match=advice):
        MISTAKES[advice](store.columns)


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ({"where": "size > 5"}, r"where: expected expressions on store\.columns"),
        ({"where": RANK > 5}, "SQLAlchemy are for a SqlStore"),
        ({"order_by": RANK.desc()}, "order_by: .*SQLAlchemy"),
        ({"order_by": "colour"}, "expected a column"),
        ({"order_by": "tags"}, "one value"),
        ({"fields": []}, "got none"),
        ({"fields": 5}, "fields: expected columns"),
        ({"fields": ["colour"]}, "expected a column"),
        ({"limit": -1}, "limit"),
        ({"limit": True}, "limit"),
        ({"unfilled": "maybe"}, "unfilled"),
    ],
)
def test_a_mistake_in_an_argument_says_what_was_expected(
    arguments: dict[str, Any], advice: str
) -> None:
    """Before a record is read."""
    with MemoryStore() as store, pytest.raises(InvalidArgumentError, match=advice):
        store.query(**arguments)


def test_groups_are_of_single_values(store: Store) -> None:
    """And are sorted by what they have."""
    count = store.columns.count()
    for arguments in ({"fields": ["tags", count]}, {"fields": ["codec", count], "order_by": "id"}):
        with pytest.raises(InvalidArgumentError):
            store.query(**arguments)
    with pytest.raises(AttributeError, match="colour"):
        _ = store.columns.colour


def test_a_long_chain_is_not_a_deep_one(store: Store) -> None:
    """An expression that a loop has joined."""
    where = store.columns.size < 0
    for number in range(3000):
        where |= store.columns.tags["run"] == number
    assert store.count(where) == 3
    where = store.columns.size < 0
    for number in range(500):
        where |= store.columns.size == number
    assert store.count(where) == 3


# -- transactions


def test_a_transaction_sees_its_writes(store: Store) -> None:
    """New, changed and removed records; so does an inner one; and nothing stays of one that fails."""
    columns = store.columns

    def write_and_fail() -> None:
        with store.transaction():
            assert store.query(columns.class_name.contains("Task")) == ["second", "third"]
            store.save(Task(), "fourth", tags={"run": 2})
            store.remove("second")
            assert store.query(columns.tags["run"] == 2) == ["fourth", "third"]
            assert store.query(columns.class_name.contains("Task")) == ["fourth", "third"]
            with store.transaction():
                store.save(store.load("first"), tags={"run": 2})
                store.save(Task(), "fifth")
                assert store.count(columns.tags["run"] == 2) == 3
                tasks = store.query(columns.class_name.contains("Task"))
                assert tasks == ["fifth", "fourth", "third"]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert store.query() == ["first", "second", "third"]
    assert store.query(columns.tags["run"] == 2) == ["second", "third"]


def test_a_transaction_sees_the_extra_columns_of_its_writes(url: str) -> None:
    """Also of an object that an inner one seals again, and beside tags; expressions of SQLAlchemy do not."""
    with SqlStore(url, extra_fields=FIELDS, trust=Trust(key=b"k" * 16)) as store:
        columns = store.columns
        store.save_many([Job("new", 1), Job("done", 2), Job("done", 3)], ["a", "b", "c"])
        with store.transaction():
            assert store.query(STATE == "done") == ["b", "c"]  # nothing is written yet
            a = store.load("a")
            a.state = "done"
            store.save(a, tags={"run": 1})
            store.remove("b")
            with store.transaction():
                store.save(Job("done", 9), "d")
                assert store.reseal() == 3
                assert store.query(columns.state == "done") == ["a", "c", "d"]
                assert store.query((columns.rank > 1) & ~columns.tags.contains("run")) == ["c", "d"]
            assert store.query(fields=[STATE, columns.rank.sum()]) == [("done", 13)]
            with pytest.raises(InvalidArgumentError, match="open transaction"):
                store.query(STATE == "done")
        assert store.query(STATE == "done") == ["a", "c", "d"]


def test_unfilled_columns_are_noticed_where_ends_are_read(url: str) -> None:
    """As they are where SQL answers; a write of the transaction fills them."""
    with SqlStore(url) as store:
        store.save_many([Job("done"), Job("done")], ["a", "b"])
    with SqlStore(url, extra_fields=FIELDS, migrate=True) as store:
        columns = store.columns
        store.save(Job("done"), "c", tags={"run": 1})
        where = (columns.state == "done") & (columns.tags["run"] != 2)
        with pytest.raises(UnfilledColumnsError) as caught:
            store.query(where)
        assert (caught.value.count, caught.value.columns) == (2, ("state",))
        assert store.query(where, unfilled="omit") == ["c"]
        assert store.query(columns.tags["run"] == 1) == ["c"]
        with store.transaction():
            store.remove("b")
            with pytest.raises(UnfilledColumnsError) as caught:
                store.query(where)
            assert caught.value.count == 1
            store.replace("a", store.load("a"))
            assert store.query(where) == ["a", "c"]


# -- columns of the user


def test_extra_columns_of_many_types_are_compared(url: str) -> None:
    """By SQL, and where a tag is asked for as well by Python."""
    moment = datetime.datetime(2026, 11, 28, 18, 30)
    fields: dict[Column[Any], Any] = {
        Column("done", Boolean): GET.state["done"],
        Column("moment", DateTime): GET.state["moment"],
        Column("cost", Numeric(10, 2)): GET.state["cost"],
        Column("names", JSON): GET.state["names"],
        Column("user", String): GET.state["user"],
    }
    state = {"done": True, "moment": moment, "cost": Decimal("1.25"), "names": ["x"], "user": "ann"}
    empty = dict.fromkeys(state)
    with SqlStore(url, extra_fields=fields) as store:
        store.save(Job(state), "a", tags={"run": 1})
        store.save(Job(empty), "b")
        columns = store.columns
        day = datetime.timedelta(days=1)
        for where in (
            columns.done == True,  # noqa: E712
            columns.moment < moment + day,
            columns.moment.in_([moment]),
            columns.cost > 1,
            columns.cost == Decimal("1.25"),
            columns.names == ["x"],
            columns.names.in_([["x"], ["y"]]),
            columns.user == "ann",  # the column of the user hides the one of the store
        ):
            for asked in (where, where & (columns.tags["run"] == 1)):
                assert store.query(asked) == ["a"], asked
            assert store.query(~where) == store.query(~where & columns.note.is_(None)) == ["b"]
        for name in ("done", "cost", "user", "moment"):
            assert store.query(order_by=columns[name].desc()) == ["a", "b"]
            assert store.query(order_by=[columns[name], columns.note]) == ["b", "a"]
        assert store.query(fields=[columns.done, columns.count()]) == [(None, 1), (True, 1)]
        assert store.query(fields=columns.cost.sum()) == [(Decimal("1.25"),)]
        with pytest.raises(InvalidArgumentError, match="cannot group"):
            store.query(fields=["names", columns.count()])


def test_a_column_of_the_user_hides_one_of_its_name(url: str) -> None:
    """Also that of the ID, which a query returns all the same; attributes of `Columns` leave it an item."""
    fields: dict[Column[Any], Any] = {
        Column(name, Integer): GET.rank for name in ("id", "tags", "note", "count")
    }
    with SqlStore(url, extra_fields=fields) as store:
        store.save_many([Job(rank=2), Job(rank=1)], ["a", "b"])
        columns = store.columns
        for column in (columns.id, columns.tags, columns.note, columns["count"]):
            assert store.query(column > 1) == store.query(column == 2, limit=5) == ["a"]
            assert store.query(order_by=column) == ["b", "a"]
            assert store.query(columns.host.is_(None), order_by=column) == ["b", "a"]
            assert store.query(fields=[column.min(), columns.count()]) == [(1, 2)]
            with store.transaction():
                store.save(Job(rank=3), "c")
                assert store.query(column > 1) == ["a", "c"]
                store.remove("c")


def test_a_closed_store_answers_nothing(store: Store) -> None:
    """As for every other call."""
    store.close()
    for where in (store.columns.size > 0, store.columns.tags["run"] == 1):
        with pytest.raises(ClosedError):
            store.query(where)


def test_other_databases_compare_texts_in_their_own_way(tmp_path: Path) -> None:
    """So their ends are read, but for expressions of SQLAlchemy."""
    with SqlStore(f"sqlite:///{tmp_path}/a.db") as store:
        records = store.session.base.database.schema.records  # type: ignore[attr-defined]
        other, own = Translator(records, "mysql"), Translator(records, "sqlite")
        question = Question(store.columns.codec == "pickle")
        assert own.can_answer(question)
        assert not other.can_answer(question)
        assert other.can_answer(Question(records.c.codec == "pickle"))


# -- what is read for an answer


class Watch:
    """Notes the names whose ends are read."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.most = 0
        kind = type(store.session.base)
        read = kind.get_tails

        def get_tails(backend: Backend, names: Iterable[str], count: int) -> Any:
            asked = [*names]
            self.names += asked
            self.most = max(self.most, len(asked))
            return read(backend, asked, count)

        monkeypatch.setattr(kind, "get_tails", get_tails)


def test_a_database_answers_without_reading_ends(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for notes and tags, and for these only of those records that SQL has not ruled out."""
    with SqlStore(url, extra_fields=FIELDS) as store:
        inner = Job("new", 1)
        store.save_many([inner, Job("done", 2, inner), Job("done", 3)], ["a", "b", "../c"])
        columns, watch = store.columns, Watch(store, monkeypatch)
        assert store.query((columns.size > 0) & ~(columns.state == "new")) == ["../c", "b"]
        assert store.query(columns.references.contains("a") | (columns.rank > 2)) == ["../c", "b"]
        assert store.query(fields=["id", "codec", "created"], limit=1)[0].id == "../c"
        assert store.query(fields=["state", columns.count()]) == [("done", 2), ("new", 1)]
        assert watch.names == []
        assert store.query((columns.rank > 1) & ~columns.tags.contains("x")) == ["../c", "b"]
        assert sorted(watch.names) == ["%2E.%2Fc", "b"]
        store.save(Job(), "task.1")
        watch.names.clear()
        assert store.query(columns.id.startswith("task.")) == ["task.1"]
        assert watch.names == ["task.1"]


def test_a_limit_ends_the_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless all have to be sorted; ends are read a thousand at a time; IDs that are asked for, alone."""
    with MemoryStore() as store:
        store.save_many([Job(rank=n) for n in range(2500)], [f"j{n:05}" for n in range(2500)])
        columns, watch = store.columns, Watch(store, monkeypatch)
        assert store.query(columns.size > 0, limit=3) == ["j00000", "j00001", "j00002"]
        assert len(watch.names) == 1000
        assert store.query(order_by=columns.id.desc(), limit=1) == ["j02499"]
        assert store.count(columns.size > 0) == 2500
        assert (len(watch.names), watch.most) == (1000 + 2 * 2500, 1000)
        watch.names.clear()
        assert store.query((columns.size > 0) & (columns.id == "j00007")) == ["j00007"]
        assert store.query(columns.id.startswith("j0000"), limit=2) == ["j00000", "j00001"]
        assert len(watch.names) == 11


def test_a_row_is_of_one_version() -> None:
    """A record that is written between its columns and its end is read again."""
    with MemoryStore() as store:
        store.save_many([Job(), Job()], ["a", "b"])
        answers = iter(
            [
                {"a": (1, {"rank": 1}), "b": (1, {"rank": 5})},
                {"a": (2, {"rank": 2}), "b": (1, {"rank": 5})},
                {"a": (2, {"rank": 2})},
                {"a": (2, {"rank": 2})},
            ]
        )
        rows = [*read_rows(store.backend, ["a", "b"], None, lambda names: next(answers))]
        assert [(row.name, row.values) for row in rows] == [("a", {"rank": 2}), ("b", {"rank": 5})]
        assert next(answers, None) is None


def test_a_record_that_goes_during_the_pass_is_left_out(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two batches anyone may remove one."""
    monkeypatch.setattr(querying, "_AT_ONCE", 1)

    def reading(backend: Backend, names: Any, *more: Any) -> Any:
        found = [*read_rows(backend, names, *more)]
        if names == ["first"]:
            store.remove("second")
        return found

    monkeypatch.setattr(querying, "read_rows", reading)
    assert store.query(store.columns.tags.contains("run")) == ["first", "third"]


# -- what may be wrong with records


def test_a_damaged_record_is_an_error_where_ends_are_read(tmp_path: Path) -> None:
    """As for `infos`: it might have fitted.  With its ID, and not where it is not asked for."""
    with FilesystemStore(tmp_path / "jobs") as store:
        store.save_many([Job(), Job()], ["whole", "damaged"])
    (path,) = (tmp_path / "jobs").rglob("damaged")
    path.write_bytes(path.read_bytes()[:-30] + bytes(30))
    with FilesystemStore(tmp_path / "jobs", mode="r") as store:
        with pytest.raises(RecordError) as caught:
            store.query(store.columns.tags["run"] == 1)
        assert caught.value.id == "damaged"
        assert store.query(store.columns.id == "whole") == ["whole"]


def test_notes_and_tags_are_sealed(tmp_path: Path) -> None:
    """A store with a key finds nothing by a record that has no seal."""
    place = tmp_path / "jobs"
    with FilesystemStore(place) as store:
        store.save(Job(), "a", tags={"run": 1})
    with FilesystemStore(place, trust=Trust(key=b"k" * 16)) as store, pytest.raises(SealError):
        store.query(store.columns.tags["run"] == 1)


@pytest.mark.parametrize("scheme", ["file://{}/jobs", "sqlite:///{}/jobs.db"])
def test_a_store_that_is_only_read_is_queried(tmp_path: Path, scheme: str) -> None:
    """By columns, and by tags."""
    place = scheme.format(tmp_path)
    with make_store(place) as store:
        store.save(Job(), "a", tags={"run": 1})
    with make_store(place, mode="r") as store:
        assert store.query(store.columns.size > 0) == ["a"]
        assert store.query(store.columns.tags["run"] == 1) == ["a"]
