"""A question has one answer: in memory, in a directory, in SQLite, in PostgreSQL, and in a transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Column, String
from tests.query.oracle import (
    EXTRA,
    Facts,
    column,
    expression,
    expressions,
    holds,
    population,
    put,
    sort_key,
)

from brinery import GET, FilesystemStore, MemoryStore, SqlStore, Store
from brinery.ids import name_of

COMMON = ("id", "class_name", "codec", "size", "created", "note", "user", "run", "loss")
TABLED = ("id", "class_name", "codec", "size", "created", *EXTRA)
SORTABLE = tuple(name for name in COMMON if name != "id")

ENGINES = ["memory", "directory", "sqlite", pytest.param("postgresql", marks=pytest.mark.server)]

check = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)


@pytest.fixture(params=[*ENGINES, "directory, written in a transaction", "sqlite, half of it"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, list[Facts]]]:
    """Give a store of each kind with the same records, and what they have."""
    engine, _, transacts = request.param.partition(", ")
    facts = population(7)
    fields: dict[Column[Any], Any] = {
        Column("rank", BigInteger): GET.rank,
        Column("label", String(200)): GET.label,
    }
    with ExitStack() as stack:
        store: Store
        if engine == "memory":
            store = MemoryStore()
        elif engine == "directory":
            store = FilesystemStore(tmp_path / "store", durability="process")
        elif engine == "sqlite":
            store = SqlStore(f"sqlite:///{tmp_path}/a.db", extra_fields=fields)
        else:
            url = request.getfixturevalue("postgres_url")
            store = SqlStore(url, extra_fields=fields)
        stack.enter_context(store)
        half = len(facts) // 2 if transacts else len(facts)
        written = put(store, facts[:half])
        if transacts:
            # The transaction replaces the first record, removes the next one, and adds the others.
            stack.enter_context(store.transaction())
            changed = facts[0]._replace(note="changed", rank=77, tags={"run": 1})
            store.session.commit([], [name_of(facts[1].id)])
            gone = {facts[0].id, facts[1].id}
            written = [each for each in written if each.id not in gone]
            written += put(store, [changed, *facts[half:]])
            written.sort(key=lambda each: name_of(each.id))
        yield store, written


def names_of(store: Store) -> tuple[str, ...]:
    """Return the columns that a store has."""
    return (*COMMON, *EXTRA) if isinstance(store, SqlStore) else COMMON


def test_the_same_records_fit(filled: tuple[Store, list[Facts]]) -> None:
    """Random expressions: those that SQL answers, those that it narrows, and all others."""
    store, facts = filled

    @check
    @given(st.sampled_from([names_of(store), TABLED]).flatmap(_known(store)))
    def compare(what: Any) -> None:
        expected = [each.id for each in facts if holds(what, each)]
        assert store.query(expression(store.columns, what)) == expected
        assert store.count(expression(store.columns, what)) == len(expected)

    compare()


def _known(store: Store) -> Any:
    known = names_of(store)
    return lambda names: expressions([name for name in names if name in known])


def test_rows_are_sorted_and_cut_off_alike(filled: tuple[Store, list[Facts]]) -> None:
    """By several columns, up and down; what is equal by them is sorted by name."""
    store, facts = filled
    names = st.lists(st.sampled_from(names_of(store)), min_size=1, max_size=3)

    @check
    @given(names, st.lists(st.booleans(), min_size=3, max_size=3), st.integers(0, 40) | st.none())
    def compare(asked: list[str], downs: list[bool], limit: int | None) -> None:
        columns = [column(store.columns, name) for name in asked]
        order = [each.desc() if down else each for each, down in zip(columns, downs, strict=False)]
        expected = [*facts]
        for name, down in [*zip(asked, downs, strict=False)][::-1]:
            expected.sort(key=partial(_key, name), reverse=down)
        rows = store.query(fields=[*columns, "id"], order_by=order, limit=limit)
        found = [(*map(each.value, asked), each.id) for each in expected][:limit]
        assert [*map(tuple, rows)] == found

    compare()


def _key(name: str, facts: Facts) -> Any:
    return name_of(facts.id) if name == "id" else sort_key(facts.value(name))


def _kinds(values: Sequence[Any]) -> list[Any]:
    return [sort_key(value) for value in values]


def test_groups_and_their_totals_are_the_same(filled: tuple[Store, list[Facts]]) -> None:
    """Counted, summed, least and greatest; sorted by the values of the groups."""
    store, facts = filled
    known = [name for name in names_of(store) if name != "id"]
    numbers = [name for name in known if name in ("size", "run", "loss", "rank")]

    @check
    @given(
        expressions(known) | st.none(),
        st.lists(st.sampled_from(known), max_size=2, unique=True),
        st.sampled_from(numbers),
        st.sampled_from(known),
    )
    def compare(what: Any, by: list[str], summed: str, ranked: str) -> None:
        groups: dict[Any, list[Facts]] = {} if by else {(): []}
        for each in facts:
            if what is None or holds(what, each):
                groups.setdefault(tuple(_kinds([each.value(name) for name in by])), []).append(each)
        expected = []
        for key in sorted(groups):
            inside = groups[key]
            values = [each.value(summed) for each in inside]
            total = sum(
                v
                for v in values
                if isinstance(v, (int, float)) and v is not True and v is not False
            )
            ranks = sorted(_kinds([v for each in inside if (v := each.value(ranked)) is not None]))
            ends = (ranks[0], ranks[-1]) if ranks else ((0,), (0,))
            expected.append((key, len(inside), total, *ends))
        columns = store.columns
        ends_of = column(columns, ranked)
        totals = [columns.count(), column(columns, summed).sum(), ends_of.min(), ends_of.max()]
        where = None if what is None else expression(columns, what)
        rows = store.query(where, fields=[*(column(columns, name) for name in by), *totals])
        at = len(by)
        found = [
            (tuple(_kinds(row[:at])), row[at], row[at + 1], *_kinds(row[at + 2 :])) for row in rows
        ]
        assert found == expected

    compare()
