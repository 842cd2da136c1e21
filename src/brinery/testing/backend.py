"""The contract of backends, as tests.

A backend is tested by a subclass that gives one fixture:

    class TestMyBackend(BackendContract):
        @pytest.fixture
        def opener(self, tmp_path: Path) -> Opener:
            return partial(MyBackend, tmp_path / "place")

or, where a place cannot be opened twice, another one, and what takes several processes is skipped:

        @pytest.fixture
        def backend(self) -> Iterator[Backend]:
            with closing(MyBackend()) as backend:
                yield backend

The counts are class attributes: lower them where a call costs a round trip.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import ClassVar

import pytest  # noqa: TID253 - only those who test import this module

from brinery.backend import ABSENT, ANY, Backend, Conflict, Delete, Missing, Put, Version
from brinery.codec import Buffer
from brinery.errors import InvalidArgumentError
from brinery.ids import name_of
from brinery.testing.concurrency import ConcurrencyContract
from brinery.testing.processes import Opener
from brinery.testing.records import HOSTILE_IDS, body
from brinery.testing.references import ReferencesContract
from brinery.testing.tasks import increase

__all__ = ["HOSTILE_IDS", "BackendContract", "Opener", "body", "increase"]


class BackendContract(ConcurrencyContract, ReferencesContract):
    """What every backend does.  Subclass it and give the fixture `opener`, or `backend`."""

    bulk_count: ClassVar[int] = 2_000
    """Records in the bulk test."""
    large_size: ClassVar[int] = 64 << 20
    """Bytes in the large record."""

    # -- one name

    def test_what_was_put_is_got(self, backend: Backend) -> None:
        """`get` returns the bytes of the last put, and the version that it returned."""
        version = backend.put("Task.1", body(1))
        assert backend.get("Task.1") == (body(1), version)

    def test_a_put_replaces_what_was_there(self, backend: Backend) -> None:
        """The second put of a name wins, also when it is shorter, and has another version."""
        first = backend.put("Task.1", body("long") * 100)
        second = backend.put("Task.1", body("short"))
        assert backend.get("Task.1") == (body("short"), second)
        assert first != second

    def test_what_is_not_there_is_missing(self, backend: Backend) -> None:
        """`get` and `get_tail` of an unknown name raise `Missing`, which tells the name."""
        for call in (lambda: backend.get("Task.1"), lambda: backend.get_tail("Task.1", 10)):
            with pytest.raises(Missing) as caught:
                call()
            assert caught.value.name == "Task.1"

    def test_what_was_deleted_is_missing(self, backend: Backend) -> None:
        """A deleted name is gone from `get`, `get_many` and `list`."""
        backend.put("Task.1", body(1))
        backend.delete("Task.1")
        with pytest.raises(Missing):
            backend.get("Task.1")
        assert list(backend.get_many(["Task.1"])) == []
        assert list(backend.list()) == []

    def test_deleting_what_is_not_there_is_no_error(self, backend: Backend) -> None:
        """Deletion is idempotent, also of names never seen and of one name twice."""
        backend.delete("Task.1")
        backend.put("Task.1", body(1))
        backend.delete("Task.1")
        backend.delete("Task.1")
        backend.commit([], ["Task.1", "Task.1", "Task.2"])
        assert list(backend.list()) == []

    def test_a_record_may_be_empty(self, backend: Backend) -> None:
        """No bytes are a state of their own, not absence."""
        version = backend.put("Task.1", b"")
        assert backend.get("Task.1") == (b"", version)
        assert list(backend.get_many(["Task.1"])) == [("Task.1", b"", version)]
        assert list(backend.list()) == ["Task.1"]
        with pytest.raises(Conflict):
            backend.put("Task.1", b"", ABSENT)

    def test_every_byte_is_kept(self, backend: Backend) -> None:
        """Bytes of all values come back in their order, and as `bytes`."""
        data = bytes(range(256)) * 5
        backend.put("Task.1", data)
        found, _ = backend.get("Task.1")
        assert type(found) is bytes
        assert found == data

    def test_a_large_record_comes_back_whole(self, backend: Backend) -> None:
        """A record of many megabytes is kept as a small one is."""
        data = bytes(
            memoryview(bytes(range(251)) * (self.large_size // 251 + 1))[: self.large_size]
        )
        backend.put("Task.1", data)
        assert backend.get("Task.1")[0] == data
        tail, size, _ = backend.get_tail("Task.1", 100)
        assert (tail, size) == (data[-100:], len(data))

    def test_pieces_of_every_kind_are_joined(self, backend: Backend) -> None:
        """A put takes bytes, bytearrays and memoryviews, empty ones and thousands of them."""
        numbers = memoryview(bytes(range(24))).cast("B", (2, 3, 4))
        pieces: list[Buffer] = [b"abc", b"", bytearray(b"def"), memoryview(b"xghix")[1:-1], numbers]
        many = [str(number).encode() for number in range(3_000)]
        puts = [Put("Task.1", pieces), Put("Task.2", many), Put("Task.3", [])]
        versions = backend.commit(puts)
        assert backend.get("Task.1")[0] == b"abcdefghi" + bytes(range(24))
        assert backend.get("Task.2")[0] == b"".join(many)
        assert backend.get("Task.3")[0] == b""
        assert {name: backend.get(name)[1] for name in versions} == dict(versions)

    def test_the_end_of_a_record_can_be_read_alone(self, backend: Backend) -> None:
        """`get_tail` returns the last bytes, the full size and the version that `get` returns."""
        data = body("long") * 50
        version = backend.put("Task.1", data)
        assert backend.get_tail("Task.1", 100) == (data[-100:], len(data), version)
        assert backend.get_tail("Task.1", 1) == (data[-1:], len(data), version)
        assert backend.get_tail("Task.1", 0) == (b"", len(data), version)
        assert backend.get_tail("Task.1", 10**6) == (data, len(data), version)

    # -- names

    def test_names_of_hostile_ids_are_kept_apart(self, backend: Backend) -> None:
        """Each name that `name_of` makes is a name of its own, and is listed as it was given."""
        names = [name_of(id) for id in HOSTILE_IDS]
        assert len(set(names)) == len(names)
        for index, name in enumerate(names):
            backend.put(name, body(index), ABSENT)
        for index, name in enumerate(names):
            assert backend.get(name)[0] == body(index)
        assert sorted(backend.list()) == sorted(names)
        backend.commit([], names)
        assert list(backend.list()) == []

    def test_listing_gives_each_name_once(self, backend: Backend) -> None:
        """`list` yields every name once, however often it was put, in order if that is announced."""
        names = [f"Task.{number}" for number in range(30)]
        for _ in range(2):
            backend.commit(Put(name, (body(name),)) for name in names)
        found = list(backend.list())
        assert sorted(found) == sorted(names)
        if backend.capabilities.ordered_list:
            assert found == sorted(names)

    def test_names_are_listed_in_the_order_of_their_code_points(self, backend: Backend) -> None:
        """Neither a language, nor the length, nor UTF-16 orders them, in an engine that orders."""
        ids = (
            "a.1",
            "B.1",
            "_.1",
            "Z.1",
            "z.1",
            "é.1",
            "e.1",
            "Task.10",
            "Task.9",
            "ﬀ.1",
            "\U00020000.1",
        )
        names = [name_of(id) for id in ids]
        backend.commit(Put(name, (body(name),)) for name in names)
        found = list(backend.list())
        assert sorted(found) == sorted(names)
        if backend.capabilities.ordered_list:
            assert found == sorted(names)
            assert list(backend.list("Task.")) == ["Task.10", "Task.9"]

    def test_what_is_listed_or_read_may_be_changed_meanwhile(self, backend: Backend) -> None:
        """A reading that has begun is in no writer's way, and each name comes once."""
        names = {f"Task.{number}" for number in range(50)}
        backend.commit(Put(name, (body(1),)) for name in names)
        found = []
        for name in backend.list():
            backend.put(name, body(2))
            found.append(name)
        assert sorted(found) == sorted(names)
        for name, _, version in backend.get_many(names):
            backend.put(name, body(3), version)
        for name in backend.list():
            backend.delete(name)
        assert list(backend.list()) == []

    def test_listing_can_be_limited_to_a_prefix(self, backend: Backend) -> None:
        """A prefix is compared character by character: `_`, `%` and case mean themselves."""
        names = [name_of(id) for id in ("a_c.1", "abc.1", "A_c.1", "a%c.1", "a_c.10", "日本.1")]
        backend.commit(Put(name, (body(name),)) for name in names)
        for prefix in ("", "a", "a_", "a_c.1", "A", "日", name_of("a%c.1")[:4], "zzz", "."):
            expected = sorted(name for name in names if name.startswith(prefix))
            assert sorted(backend.list(prefix)) == expected

    def test_the_names_of_the_store_itself_are_not_listed(self, backend: Backend) -> None:
        """A name with a leading dot is kept as others are, and left out of `list`."""
        version = backend.put(".settings", b"{}")
        backend.put("Task.1", body(1))
        backend.put("settings.1", body("other"))
        assert backend.get(".settings") == (b"{}", version)
        assert sorted(backend.list()) == ["Task.1", "settings.1"]
        assert list(backend.list(".")) == []
        with pytest.raises(Conflict):
            backend.put(".settings", b"[]", ABSENT)
        backend.put(".settings", b"[]", version)
        backend.delete(".settings")
        with pytest.raises(Missing):
            backend.get(".settings")

    def test_what_is_put_is_no_stray(self, backend: Backend) -> None:
        """Neither a record nor what the store keeps for itself."""
        backend.commit(Put(name_of(id), (body(id),)) for id in ("Task.1", "ab", "note", ".x"))
        backend.put(".settings", b"{}")
        assert list(backend.strays()) == []

    # -- versions and expectations

    def test_a_version_stays_while_nothing_is_put(self, backend: Backend) -> None:
        """Reading does not change a version, nor does writing another name."""
        version = backend.put("Task.1", body(1))
        backend.put("Task.2", body(2))
        assert {backend.get("Task.1")[1] for _ in range(3)} == {version}
        assert [found for _, _, found in backend.get_many(["Task.1"])] == [version]

    def test_a_new_name_can_be_demanded(self, backend: Backend) -> None:
        """A put that expects absence succeeds once, and again after a deletion."""
        backend.put("Task.1", body(1), ABSENT)
        with pytest.raises(Conflict) as caught:
            backend.put("Task.1", body(2), ABSENT)
        assert caught.value.names == ("Task.1",)
        assert backend.get("Task.1")[0] == body(1)
        backend.delete("Task.1")
        backend.put("Task.1", body(3), ABSENT)

    def test_a_put_can_demand_the_version_it_replaces(self, backend: Backend) -> None:
        """A put that expects a version succeeds on that version only, and not on absence."""
        first = backend.put("Task.1", body(1))
        second = backend.put("Task.1", body(2), first)
        with pytest.raises(Conflict):
            backend.put("Task.1", body(3), first)
        assert backend.get("Task.1") == (body(2), second)
        backend.delete("Task.1")
        with pytest.raises(Conflict):
            backend.put("Task.1", body(3), second)
        with pytest.raises(Missing):
            backend.get("Task.1")

    def test_a_put_without_demands_always_succeeds(self, backend: Backend) -> None:
        """`ANY` takes a new name and one that is there."""
        backend.put("Task.1", body(1), ANY)
        backend.put("Task.1", body(2), ANY)
        assert backend.get("Task.1")[0] == body(2)

    # -- many names

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
        """Nothing to put and nothing to delete is no error."""
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
        """Nothing is put and nothing deleted; the error tells every name, whether gone or changed."""
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

    def test_a_deletion_expects_what_was_there_before_the_commit(self, backend: Backend) -> None:
        """A name that is put and deleted in one commit is gone, if it was as both expect."""
        version = backend.put("Task.1", body(1))
        backend.commit([Put("Task.1", (body(2),), version)], [Delete("Task.1", version)])
        assert list(backend.list()) == []
        with pytest.raises(Conflict):
            backend.commit([Put("Task.1", (body(2),))], [Delete("Task.1", version)])
        assert list(backend.list()) == []

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
        """One name that is not as expected undoes the commit; the error tells all such names."""
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
        """The puts may use the backend meanwhile; they see the state before their commit."""
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

    # -- life

    def test_what_was_put_is_there_when_opened_again(
        self, backend: Backend, anywhere: Opener
    ) -> None:
        """A second backend on the same place sees what the first wrote, with its versions."""
        version = backend.put("Task.1", body(1))
        backend.put(".settings", b"{}")
        with closing(anywhere()) as second:
            assert second.get("Task.1") == (body(1), version)
            assert list(second.list()) == ["Task.1"]
            second.put("Task.1", body(2), version)
            with pytest.raises(Conflict):
                backend.put("Task.1", body(3), version)
        backend.close()
        with closing(anywhere()) as third:
            self._holds(third, {"Task.1": body(2)})
            assert third.get(".settings")[0] == b"{}"

    def test_closing_twice_is_no_error(self, backend: Backend) -> None:
        """`close` may be called again."""
        backend.put("Task.1", body(1))
        backend.close()
        backend.close()

    def test_the_location_names_the_place(self, backend: Backend) -> None:
        """`location` is text for messages."""
        assert isinstance(backend.location, str)
        assert backend.location

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
    def _deletes(backend: Backend, version: Version, _: int) -> bool:
        try:
            backend.commit([], [Delete("Task.1", version)])
        except Conflict:
            return False
        return True
