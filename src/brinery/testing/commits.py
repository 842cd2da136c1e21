"""The part of the contract of backends that is about commits of many names."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar

import pytest  # noqa: TID253 - only those who test import this module

from brinery.backend import (
    ABSENT,
    PRESENT,
    Backend,
    Conflict,
    Delete,
    Expect,
    Put,
    Unchanged,
    Version,
)
from brinery.errors import InvalidArgumentError
from brinery.ids import name_of
from brinery.testing.concurrency import ConcurrencyContract
from brinery.testing.records import body


class CommitsContract(ConcurrencyContract):
    """What every backend does with several names at once."""

    bulk_count: ClassVar[int] = 2_000
    """Records in the bulk test."""

    def test_a_commit_makes_puts_and_deletes(self, backend: Backend) -> None:
        """One commit creates, replaces and deletes; its versions are those that `get` returns."""
        backend.commit([Put("Task.1", (body(1),)), Put("Task.2", (body(2),))])
        puts = [Put("Task.1", (body("new"),)), Put("Task.3", (body(3),), ABSENT)]
        versions = backend.commit(puts, ["Task.2"])
        assert dict(versions) == {
            "Task.1": backend.get("Task.1")[1],
            "Task.3": backend.get("Task.3")[1],
        }
        assert sorted(backend.list()) == ["Task.1", "Task.3"]

    def test_an_empty_commit_does_nothing(self, backend: Backend) -> None:
        """Nothing to put and nothing to delete is allowed."""
        assert dict(backend.commit([])) == {}
        assert dict(backend.commit(iter(()), iter(()))) == {}
        assert list(backend.list()) == []

    def test_deletes_come_after_puts(self, backend: Backend) -> None:
        """A name that a commit both puts and deletes is gone afterwards."""
        backend.put("Task.1", body(1))
        backend.commit([Put("Task.1", (body(2),)), Put("Task.2", (body(2),))], ["Task.1", "Task.2"])
        assert list(backend.list()) == []

    def test_a_deletion_may_expect_a_version(self, backend: Backend) -> None:
        """A `Delete` removes the name in that version; beside it, bare names expect nothing."""
        version = backend.put("Task.1", body(1))
        backend.put("Task.2", body(2))
        backend.commit([], [Delete("Task.1", version), "Task.2", Delete("Task.3"), "Task.4"])
        assert list(backend.list()) == []
        backend.commit([], [Delete("Task.1", ABSENT)])

    def test_a_deletion_of_another_version_is_a_conflict(self, backend: Backend) -> None:
        """Nothing is put and nothing deleted; the error has every name, whether gone or changed."""
        first, second, third = (backend.put(f"Task.{number}", body(number)) for number in (1, 2, 3))
        backend.put("Task.2", body("new"))
        backend.delete("Task.3")
        puts = [Put("Task.9", (body(9),), ABSENT), Put("Task.1", (body("new"),), second)]
        deletes = [Delete("Task.1", first), Delete("Task.2", second), Delete("Task.3", third)]
        with pytest.raises(Conflict) as caught:
            backend.commit(puts[:1], deletes)
        assert sorted(caught.value.names) == ["Task.2", "Task.3"]
        with pytest.raises(Conflict) as caught:
            backend.commit(puts[1:], deletes[1:])
        assert sorted(caught.value.names) == ["Task.1", "Task.2", "Task.3"]
        with pytest.raises(Conflict):
            backend.commit([], [Delete("Task.1", ABSENT)])
        self._holds(backend, {"Task.1": body(1), "Task.2": body("new")})

    def test_a_name_that_has_to_be_unchanged(self, backend: Backend) -> None:
        """It is neither written nor deleted; another version, or none, is a conflict."""
        first, second = backend.put("Task.1", body(1)), backend.put("Task.2", body(2))
        unchanged = [Unchanged("Task.1", first), Unchanged("Task.3", ABSENT)]
        backend.commit([Put("Task.2", (body(3),), second)], unchanged)
        backend.commit([Put("Task.4", (body(4),), ABSENT), Put("Task.5", (body(5),))], unchanged)
        backend.commit([], [*unchanged, "Task.5"])
        backend.commit([], unchanged)
        present = {"Task.1": body(1), "Task.2": body(3), "Task.4": body(4)}
        self._holds(backend, present)
        backend.put("Task.1", body("new"))
        wrong: list[tuple[list[Put], list[str | Delete]]] = [
            ([Put("Task.2", (body("lost"),))], [unchanged[0]]),
            ([Put("Task.6", (body("lost"),), ABSENT)], [unchanged[0], "Task.4"]),
            ([], [unchanged[0], "Task.4"]),
            ([Put("Task.2", (body("lost"),))], [Unchanged("Task.7", first)]),
            ([Put("Task.2", (body("lost"),))], [Unchanged("Task.4", ABSENT)]),
        ]
        for (puts, deletes), name in zip(
            wrong, ("Task.1", "Task.1", "Task.1", "Task.7", "Task.4"), strict=True
        ):
            with pytest.raises(Conflict) as caught:
                backend.commit(puts, deletes)
            assert [*caught.value.names] == [name]
        self._holds(backend, {**present, "Task.1": body("new")})

    def test_a_deletion_expects_what_was_there_before_the_commit(self, backend: Backend) -> None:
        """A name that is put and deleted in one commit is gone, if it was as both expect."""
        version = backend.put("Task.1", body(1))
        backend.commit([Put("Task.1", (body(2),), version)], [Delete("Task.1", version)])
        assert list(backend.list()) == []
        with pytest.raises(Conflict):
            backend.commit([Put("Task.1", (body(2),))], [Delete("Task.1", version)])
        assert list(backend.list()) == []

    def test_a_put_or_a_deletion_may_expect_that_something_is_there(self, backend: Backend) -> None:
        """`PRESENT` is any version; where nothing is there, all such names are in the `Conflict`."""
        backend.put("Task.1", body(1))
        backend.put("Task.2", body(2))
        backend.commit([Put("Task.2", (body("new"),), PRESENT)], [Delete("Task.1", PRESENT)])
        self._holds(backend, {"Task.2": body("new")})
        puts = [Put("Task.3", (body(3),), PRESENT), Put("Task.4", (body(4),))]
        with pytest.raises(Conflict) as caught:
            backend.commit(puts, [Delete("Task.1", PRESENT), Delete("Task.2", PRESENT)])
        assert sorted(caught.value.names) == ["Task.1", "Task.3"]
        with pytest.raises(Conflict):
            backend.commit([], [Delete("Task.1", PRESENT)])
        self._holds(backend, {"Task.2": body("new")})

    def test_of_many_threads_that_delete_what_is_there_one_wins(self, backend: Backend) -> None:
        """Exactly one of the deletions that expect `PRESENT` succeeds."""
        for _ in range(5):
            backend.put("Task.1", body(1))
            won = self._in_threads(partial(self._deletes, backend, PRESENT))
            assert won.count(True) == 1

    def test_some_names_are_found_without_all(self, backend: Backend) -> None:
        """`some_names` returns as many as are asked for, or all; `count_names` counts them."""
        assert list(backend.some_names(2)) == []
        assert backend.count_names() == 0
        names = {f"Task.{number}" for number in range(5)} | {"!", name_of("~"), name_of("日本")}
        backend.commit([Put(name, (body(name),)) for name in (*names, ".settings", ".next")])
        assert backend.count_names() == len(names)
        for most in (1, 3, len(names), 100):
            found = backend.some_names(most)
            assert len(set(found)) == len(found) == min(most, len(names))
            assert names.issuperset(found)

    def test_a_name_is_there_if_it_is_listed(self, backend: Backend) -> None:
        """`has` says so."""
        backend.put("Task.1", body(1))
        assert backend.has("Task.1")
        assert not backend.has("Task.2")
        backend.delete("Task.1")
        assert not backend.has("Task.1")

    def test_of_many_threads_that_delete_a_version_one_wins(self, backend: Backend) -> None:
        """Exactly one conditional deletion succeeds."""
        for _ in range(5):
            version = backend.put("Task.1", body(1))
            won = self._in_threads(partial(self._deletes, backend, version))
            assert won.count(True) == 1

    def test_the_ends_of_many_records_are_read_at_once(self, backend: Backend) -> None:
        """`get_tails` yields what `get_tail` returns, and leaves out what is not there."""
        names = [f"Task.{number}" for number in range(50)]
        backend.commit(Put(name, (body(name),)) for name in names)
        found = {name: rest for name, *rest in backend.get_tails(iter([*names, "Task.99"]), 20)}
        assert found == {name: [*backend.get_tail(name, 20)] for name in names}
        assert list(backend.get_tails([], 20)) == []

    def test_a_name_cannot_be_put_twice_in_one_commit(self, backend: Backend) -> None:
        """Which of two puts should win is for the caller to say: nothing is changed."""
        with pytest.raises(InvalidArgumentError):
            backend.commit([Put("Task.1", (body(1),)), Put("Task.1", (body(2),))])
        assert list(backend.list()) == []

    def test_a_conflict_leaves_everything_as_it_was(self, backend: Backend) -> None:
        """One name that is not as expected undoes the commit; the error has all such names."""
        kept = backend.put("Task.1", body(1))
        stale = backend.put("Task.2", body("old"))
        backend.put("Task.2", body(2))
        backend.put("Task.3", body(3))
        puts = [
            Put("Task.9", (body(9),), ABSENT),
            Put("Task.1", (body("new"),), kept),
            Put("Task.2", (body("new"),), stale),
            Put("Task.3", (body("new"),), ABSENT),
            Put("Task.4", (body("new"),), stale),
        ]
        with pytest.raises(Conflict) as caught:
            backend.commit(puts, ["Task.3"])
        assert sorted(caught.value.names) == ["Task.2", "Task.3", "Task.4"]
        self._holds(backend, {"Task.1": body(1), "Task.2": body(2), "Task.3": body(3)})
        assert backend.get("Task.1")[1] == kept

    def test_an_error_in_the_generator_undoes_the_commit(self, backend: Backend) -> None:
        """Any exception of the puts passes unchanged, and nothing has become visible."""
        backend.put("Task.1", body(1))
        for error in (ValueError("user"), OSError(5, "user"), KeyboardInterrupt(), GeneratorExit()):
            with pytest.raises(type(error)) as caught:
                backend.commit(self._failing(error), ["Task.1"])
            assert caught.value is error
            self._holds(backend, {"Task.1": body(1)})

    def test_nothing_is_visible_before_the_generator_ends(self, backend: Backend) -> None:
        """The puts may use the backend; they see the state before their commit."""
        backend.put("Task.1", body("old"))

        def puts() -> Iterator[Put]:
            yield Put("Task.1", (body("new"),))
            yield Put("Task.2", (body(2),))
            assert backend.get("Task.1")[0] == body("old")
            assert list(backend.list()) == ["Task.1"]
            backend.put("Other.1", body("other"))
            yield Put("Task.3", (body(3),))

        backend.commit(puts())
        expected = {"Task.1": body("new"), "Task.2": body(2), "Task.3": body(3)}
        self._holds(backend, {**expected, "Other.1": body("other")})

    def test_many_records_are_written_and_read_at_once(self, backend: Backend) -> None:
        """A commit and `get_many` take thousands of names."""
        held = {f"Task.{number}": body(number) for number in range(self.bulk_count)}
        versions = backend.commit(Put(name, (data,), ABSENT) for name, data in held.items())
        self._holds(backend, held)
        found = {name: version for name, _, version in backend.get_many(held)}
        assert found == dict(versions)
        backend.commit((), iter(held))
        assert list(backend.list()) == []

    def test_get_many_leaves_out_what_is_not_there(self, backend: Backend) -> None:
        """Absent names are skipped; names may come from a generator."""
        backend.commit([Put("Task.1", (body(1),)), Put("Task.3", (body(3),))])
        found = backend.get_many(f"Task.{number}" for number in range(5))
        assert {name: data for name, data, _ in found} == {"Task.1": body(1), "Task.3": body(3)}
        assert list(backend.get_many([])) == []

    # -- what the tests share

    @staticmethod
    def _holds(backend: Backend, expected: dict[str, bytes]) -> None:
        assert sorted(backend.list()) == sorted(expected)
        assert {name: data for name, data, _ in backend.get_many(expected)} == expected

    @staticmethod
    def _failing(error: BaseException) -> Iterator[Put]:
        yield Put("Task.1", (body("new"),))
        yield Put("Task.2", (body(2),))
        raise error

    @staticmethod
    def _deletes(backend: Backend, version: Version | Expect, _: int) -> bool:
        try:
            backend.commit([], [Delete("Task.1", version)])
        except Conflict:
            return False
        return True
