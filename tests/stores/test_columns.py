"""The values of the further columns of a database store, and the operations that change them."""

from __future__ import annotations

import datetime
import logging
import os
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    Column,
    DateTime,
    Enum,
    Float,
    Integer,
    LargeBinary,
    String,
    Uuid,
    any_,
    create_engine,
    text,
)
from sqlalchemy.types import TypeEngine

from brinery import (
    GET,
    FilesystemStore,
    MissingColumnsError,
    Persistable,
    SqlStore,
    StorageError,
    Trust,
    UnfilledColumnsError,
    copy,
)
from brinery.operations.fsck import fsck


class Job(Persistable):
    """Has a value, for a column."""

    def __init__(self, value: Any, *links: Any) -> None:
        self.value, self.links = value, list(links)


class State(StrEnum):
    """A string of another type."""

    DONE = "done"


def open_with(url: str, column: Column[Any], **options: Any) -> SqlStore:
    """Open a store whose objects fill one column with their value."""
    return SqlStore(url, extra_fields={column: GET.value}, **options)


UTC = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Float(), [1, 2.5, Decimal("3.5"), True]),
        (Integer(), [1, 2.0, True]),
        (String(), ["new", State.DONE, "done"]),
        (DateTime(timezone=True), [UTC, UTC.replace(tzinfo=None)]),
        (LargeBinary(), [b"a", bytearray(b"b"), bytes(range(256))]),
    ],
)
def test_values_of_several_types_are_saved_at_once(
    url: str, kind: TypeEngine[Any], values: list[Any]
) -> None:
    """A column that takes values one by one takes them together."""
    column = Column("value", kind)
    with open_with(url, column) as store:
        ids = store.save_many([Job(value) for value in values])
        assert store.query(column.is_not(None)) == sorted(ids)
        assert ids[0] in store.query(column == values[0])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (DateTime(), object()),
        (Boolean(), "maybe"),
        (Enum("RED", "BLUE", name="colour"), 3),
        (JSON(), object()),
        (LargeBinary(), "text"),
        (String(), {"a": 1}),
        (String(), os.fsdecode(b"file \xff")),
        (Integer(), object()),
    ],
)
def test_a_value_that_a_column_does_not_take_is_null(
    url: str, kind: TypeEngine[Any], value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """As if the function raised: that is logged, and the objects are saved."""
    column = Column("value", kind)
    with SqlStore(url, extra_fields={column: lambda job: value if job.value else None}) as store:
        with caplog.at_level(logging.WARNING):
            ids = store.save_many([Job(True), Job(False)])
        assert store.query(column.is_(None)) == ids
    assert caplog.text.count("'value'") == 1


def test_whole_numbers_are_of_64_bits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """SQLite has no larger ones: NULL is stored, and a line in the log."""
    column = Column("value", Integer)
    with open_with(f"sqlite:///{tmp_path}/a.db", column) as store:
        store.save_many([Job(2**63 - 1), Job(2**63)])
        assert store.query(column.is_(None)) == ["Job.2"]
    assert "'value'" in caplog.text


def test_a_text_is_not_cut_off(postgres_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """PostgreSQL has a limit of characters: a query must not find a truncated value."""
    column = Column("value", String(4))
    with open_with(postgres_url, column) as store:
        store.save_many([Job("long"), Job("longer")])
        assert store.query(column == "long") == ["Job.1"]
        assert store.query(column.is_(None)) == ["Job.2"]
    assert "expected at most 4 characters" in caplog.text


def test_a_value_that_the_server_refuses_is_an_error(postgres_url: str) -> None:
    """Only the server knows which numbers it accepts: the error names extra_fields."""
    with open_with(postgres_url, Column("value", Integer)) as store:
        store.save(Job("7"))
        with pytest.raises(StorageError, match="extra_fields"):
            store.save(Job("seven"))
        assert len(store) == 1


def test_a_column_may_hold_arrays(postgres_url: str) -> None:
    """Of any length, as PostgreSQL allows."""
    tags: Column[Any] = Column("value", ARRAY(String))
    with open_with(postgres_url, tags) as store:
        store.save_many([Job(["a", "b"]), Job([]), Job(["b, c", "NULL"]), Job(None)])
        assert store.query(any_(tags) == "b") == ["Job.1"]
        assert store.query(any_(tags) == "b, c") == ["Job.3"]
        assert store.query(tags == []) == ["Job.2"]


@pytest.mark.parametrize("kind", [JSON(), Uuid()])
def test_no_value_is_null(url: str, kind: TypeEngine[Any]) -> None:
    """None, and the value of a function that raises, are NULL in every type."""
    column, other = Column("value", kind), Column("other", kind)
    fields = {column: GET.value, other: GET.no_such_thing}
    with SqlStore(url, extra_fields=fields) as store:
        id_ = store.save(Job(None))
        assert store.query(column.is_(None) & other.is_(None)) == [id_]


def test_columns_may_have_odd_names(url: str) -> None:
    """Characters that are special to a driver are not special in a name."""
    column = Column("50% of it", Integer, index=True)
    with open_with(url, column) as store:
        id_ = store.save(Job(1))
        job = store.load(id_)
        job.value = 2
        store.save(job)
        assert store.query(column == 2) == [id_]


def test_odd_names_are_migrated_to(url: str) -> None:
    """The statements in the error, and those that run, contain the unchanged name."""
    column = Column("50% of it", Integer, index=True)
    SqlStore(url).close()
    with pytest.raises(MissingColumnsError) as caught:
        open_with(url, column)
    assert '"50% of it"' in caught.value.statements[0]
    with open_with(url, column, migrate=True) as store:
        id_ = store.save(Job(1))
        assert store.query(column == 1) == [id_]


def test_a_type_of_its_own_is_migrated_to(url: str) -> None:
    """PostgreSQL has to know an enumeration before a column has it, and may do so already."""
    column: Column[Any] = Column("value", Enum("RED", "BLUE", name="colour"))
    open_with(url, column, table_name="first").close()
    for table in ("first", "second"):
        SqlStore(url, table).close()
        with open_with(url, column, table_name=table, migrate=True) as store:
            id_ = store.save(Job("RED"))
            assert store.query(column == "RED") == [id_]
    SqlStore(url, "third").close()
    shade: Column[Any] = Column("value", Enum("DARK", name="shade"))
    with pytest.raises(MissingColumnsError) as caught:
        open_with(url, shade, table_name="third")
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in caught.value.statements:
            connection.execute(text(statement))
    engine.dispose()
    open_with(url, shade, table_name="third").close()


def test_a_constraint_of_another_program_is_an_error(url: str) -> None:
    """It is not taken for a record that is there already."""
    column = Column("value", Integer)
    with open_with(url, column) as store:
        store.save(Job(1))
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("create unique index only_one on store (value)"))
        engine.dispose()
        with pytest.raises(StorageError, match="a constraint"):
            store.save(Job(1))
        assert len(store) == 1


# -- operations that change them

VALUE: Column[Any] = Column("value", String(10))


def test_new_seals_leave_the_columns(url: str) -> None:
    """Sealing records again changes no object, and so no column."""
    with open_with(url, VALUE, trust=Trust(key=b"1" * 16)) as store:
        inner = Job("b")
        id_ = store.save(Job("a", inner))
    with open_with(url, VALUE, trust=Trust(key=[b"2" * 16, b"1" * 16])) as store:
        assert store.reseal() == 2
        assert store.query(VALUE == "a") == [id_]
        assert store.referrers("Job.2") == [id_]
        assert store.load(id_).links[0].value == "b"


def test_records_that_come_as_bytes_have_no_values(url: str, tmp_path: Path) -> None:
    """A copy decodes nothing; a save of each object fills the columns, as `reindex` does."""
    source = FilesystemStore(tmp_path / "source")
    source.save_many([Job("a"), Job("b")])
    with open_with(url, VALUE) as store:
        store.save(Job("other"), "Job.1")
        copy(source, store, overwrite=True)
        assert store.query(VALUE.is_(None), unfilled="omit") == []
        with pytest.raises(UnfilledColumnsError):
            store.query(VALUE.is_(None))
        for id_ in ("Job.1", "Job.2"):
            store.replace(id_, store.load(id_))
        assert store.query(VALUE == "a") == ["Job.1"]


@pytest.fixture
def damaged(url: str) -> Iterator[SqlStore]:
    """Give a store with one damaged record in quarantine, and two that are whole."""
    with SqlStore(url) as store:
        store.save_many([Job("a", shared := Job("shared")), Job("b", shared)])
    engine = create_engine(url)
    with engine.begin() as connection:
        wanted = text("select data from store where name = 'Job.1'")
        data = bytes(connection.execute(wanted).scalar_one())
        changed = text("update store set data = :data where name = 'Job.1'")
        connection.execute(changed, {"data": data[:20] + b"?" + data[21:]})
    engine.dispose()
    with SqlStore(url) as store:
        assert fsck(store, repair=True).problems
        yield store


def test_the_quarantine_is_not_queried(damaged: SqlStore) -> None:
    """A record in quarantine is not an object: it does not count in a limit, and refers to nothing."""
    assert damaged.query(limit=1) == ["Job.2"]
    assert damaged.query() == ["Job.2", "Job.3"]
    assert damaged.referrers("Job.3") == ["Job.2"]
