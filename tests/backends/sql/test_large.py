"""Large records: in pieces, without a copy that joins them, and past the limit an error."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer
from tests.databases import execute

from brinery import ValueTooLargeError
from brinery.backend import ABSENT, About, Backend, Conflict, Missing, Put, Version
from brinery.backends.sql import SqlBackend
from brinery.backends.sql.dialects.sqlite_statements import LARGE_READ
from brinery.backends.sql.pending import LARGE
from brinery.backends.sql.ranges import SqlRanges
from brinery.codec import Buffer

ABOUT = About("module:Class", "pickle", 1.5, ("other",))


def pieces(size: int, seed: int) -> Sequence[Buffer]:
    """Return `size` bytes in pieces of several kinds."""
    whole = bytes([(seed + n) % 251 for n in range(1013)]) * (size // 1013 + 1)
    middle = size // 2
    return [
        whole[:100],
        bytearray(whole[100:middle]),
        b"",
        memoryview(whole[middle : size // 4 * 4]).cast("I")
        if middle % 4 == 0
        else whole[middle:size],
        whole[size // 4 * 4 : size] if middle % 4 == 0 else b"",
    ]


@pytest.fixture(params=[True, False], ids=["native", "sqlalchemy"])
def backend(url: str, request: pytest.FixtureRequest) -> Iterator[SqlBackend]:
    """Open a database by its driver, and by SQLAlchemy alone."""
    with closing(SqlBackend(url, native=request.param)) as backend:
        yield backend


@pytest.mark.parametrize("size", [LARGE, LARGE + 1, LARGE_READ, LARGE_READ + 8])
@pytest.mark.parametrize("is_generator", [True, False])
def test_a_large_record_is_added_and_changed(
    backend: SqlBackend, url: str, size: int, is_generator: bool
) -> None:
    """With its columns and small records beside it, whether all puts are made before or not."""
    versions: Mapping[str, Version] = {}
    for turn in range(3):
        given = pieces(size - turn, turn)
        data = b"".join(given)
        puts = [
            Put("small", (b"x",), versions.get("small", ABSENT), ABOUT),
            Put("large", given, versions.get("large", ABSENT), ABOUT),
        ]
        versions = backend.commit(iter(puts) if is_generator else puts)
        assert backend.get("large") == (data, versions["large"])
        assert backend.get("small") == (b"x", versions["small"])
        found = {name: (data, version) for name, data, version in backend.get_many(versions)}
        assert found["large"] == (data, versions["large"])
        assert backend.get_tail("large", 50) == (data[-50:], len(data), versions["large"])
        tails = {name: rest for name, *rest in backend.get_tails(["small", "large"], 9)}
        assert tails["large"] == [data[-9:], len(data), versions["large"]]
        columns = "size, class_name, codec, created, refs, filled"
        ((*row,),) = execute(url, f"select {columns} from store where name = 'large'")
        assert row == [len(data), "module:Class", "pickle", 1.5, '["other"]', None]
        assert backend.read_one_state(lambda state: state.get("large"))[0] == data


def test_a_large_record_is_opened_to_be_read_in_parts(url: str) -> None:
    """By a connection that is kept for the next use; of small ones the bytes are there at once."""
    data = bytes(range(256)) * (LARGE_READ // 256 + 4)
    with closing(SqlBackend(url)) as backend:
        versions = backend.commit([Put("large", (data,)), Put("small", (b"x",))])
        assert backend.get_record("small") == (b"x", versions["small"])
        with pytest.raises(Missing):
            backend.get_record("other")
        for _ in range(3):
            opened = backend.get_record("large")
            assert isinstance(opened, SqlRanges)
            with opened:
                assert (opened.size, opened.version) == (len(data), versions["large"])
                assert opened.read(len(data) - 9, len(data) + 9) == data[-9:]
                backend.put("small", b"y")
        assert len(backend._pool.free) == 2
        whole = [("large", data[300:400]), ("small", b"y")]
        assert backend.read_one_state(lambda state: [*_parts(state), *_parts(state)]) == whole * 2
        assert [*_parts(backend)] == whole
        backend.get_record("large")  # nobody closes it
        gc.collect()
        backend.delete("large")
        assert [*_parts(backend)] == [("small", b"y")]


def test_a_large_record_can_be_read_where_nothing_may_change(url: str) -> None:
    """SQLite then checks after each read that no writer has come."""
    data = bytes(range(256)) * (LARGE_READ // 256 + 4)
    with closing(SqlBackend(url)) as backend:
        version = backend.put("large", data)
    with closing(SqlBackend(url, mode="r")) as reader:
        assert reader.get("large") == (data, version)
        assert [*reader.get_many(["large"])] == [("large", data, version)]
        assert reader.get_tail("large", 9) == (data[-9:], len(data), version)
        assert [*_parts(reader)] == [("large", data[300:400])]
        with closing(SqlBackend(url)) as backend:
            backend.put("large", b"new")
        assert reader.get("large")[0] == b"new"


def test_a_child_process_leaves_an_opened_record_to_its_parent(url: str) -> None:
    """It would end the transaction of its parent, and the answers would get mixed up."""
    data = bytes(range(256)) * (LARGE_READ // 256 + 4)
    with closing(SqlBackend(url)) as backend:
        backend.put("large", data)
        opened = backend.open_ranges("large")
        child = os.fork()
        if child == 0:
            opened.__exit__()
            os._exit(0)
        assert os.waitpid(child, 0) == (child, 0)
        with opened, closing(SqlBackend(url)) as other:
            other.put("large", b"new")
            assert opened.read(0, len(data)) == data
        assert backend.get("large")[0] == b"new"


def _parts(backend: Backend) -> Iterator[tuple[str, bytes]]:
    for name, found, _ in sorted(backend.get_records(["small", "large", "other"])):
        if isinstance(found, bytes):
            yield name, found
        else:
            with found:
                yield name, found.read(300, 400)


def test_a_large_record_of_a_generator_is_as_it_was_when_it_was_given(url: str) -> None:
    """Code that runs before the next put may change the buffer."""
    buffer = bytearray(b"a" * (4 * LARGE))

    def puts() -> Iterator[Put]:
        yield Put("first", (buffer,))
        buffer[:] = b"b" * len(buffer)
        yield Put("second", (buffer,))

    with closing(SqlBackend(url)) as backend:
        backend.commit(puts())
        assert backend.get("first")[0] == b"a" * len(buffer)
        assert backend.get("second")[0] == b"b" * len(buffer)


def test_a_large_record_conflicts_as_a_small_one(url: str) -> None:
    """And nothing of it is written."""
    large = (bytes(2 * LARGE),)
    with closing(SqlBackend(url)) as backend:
        version = backend.put("large", b"small")
        for expect in (ABSENT, 5):
            with pytest.raises(Conflict):
                backend.commit([Put("large", large, expect), Put("other", (b"x",))])
            with pytest.raises(Conflict):
                backend.commit([Put("large", large, expect)])
        assert backend.get("large") == (b"small", version)
        assert [*backend.list()] == ["large"]


def test_extra_columns_of_a_large_record_are_kept(url: str) -> None:
    """Where its writer knows them, and where it leaves them as they are."""
    number: Column[int] = Column("number", Integer)
    data = bytes(2 * LARGE)
    with closing(SqlBackend(url, extra=[number])) as backend:
        version = backend.commit([Put("a", (data,), about=ABOUT._replace(fields={"number": 5}))])
        keeping = [Put("a", (b"x", data), version["a"], ABOUT._replace(fields=None))]
        backend.commit(keeping)
        assert execute(url, "select number, filled from store where name = 'a'") == [
            (5, '["number"]')
        ]
    with closing(SqlBackend(url)) as other:
        other.commit([Put("a", (data,), about=ABOUT._replace(fields=None))])
        assert execute(url, "select number, filled from store where name = 'a'") == [
            (5, '["number"]')
        ]
        other.commit([Put("a", (data, b"x"), about=ABOUT)])
        ((_, filled),) = execute(url, "select number, filled from store where name = 'a'")
        assert filled is None


@pytest.mark.parametrize("is_generator", [True, False])
def test_a_large_record_takes_little_memory_in_sqlite(tmp_path: Path, is_generator: bool) -> None:
    """Neither its pieces nor the whole are copied in Python; reading makes the bytes that it returns."""
    size = 48 << 20
    piece = bytes(1 << 20)
    put = Put("large", [piece] * (size >> 20))
    with closing(SqlBackend(f"sqlite:///{tmp_path}/a.db")) as backend:
        gc.collect()
        tracemalloc.start()
        try:
            backend.commit(iter([put]) if is_generator else [put])
            assert tracemalloc.get_traced_memory()[1] < size / 8  # a part of it, or nothing
            tracemalloc.reset_peak()
            assert len(backend.get("large")[0]) == size
            assert tracemalloc.get_traced_memory()[1] < 1.2 * size
        finally:
            tracemalloc.stop()


def test_a_record_past_the_limit_is_refused_before_it_is_written(url: str) -> None:
    """The error names the size, the limit and what to do."""
    piece = bytes(1 << 20)
    with closing(SqlBackend(url)) as backend:
        with pytest.raises(ValueTooLargeError, match=r"1,?\d{3},?\d{3}.*directory") as caught:
            backend.commit([Put("large", [piece] * 1025), Put("small", (b"x",))])
        assert caught.value.size == 1025 << 20
        assert caught.value.limit < 1 << 30
        assert caught.value.id == "large"
        assert [*backend.list()] == []
