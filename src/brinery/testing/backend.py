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

from array import array
from contextlib import closing
from typing import ClassVar

import pytest  # noqa: TID253 - only those who test import this module

from brinery.backend import ABSENT, ANY, Backend, Conflict, Missing, Put
from brinery.codec import Buffer
from brinery.errors import NotMappableError, StorageError
from brinery.ids import name_of
from brinery.testing.commits import CommitsContract
from brinery.testing.processes import Opener
from brinery.testing.records import HOSTILE_IDS, body
from brinery.testing.references import ReferencesContract
from brinery.testing.tasks import increase

__all__ = ["HOSTILE_IDS", "BackendContract", "Opener", "body", "increase"]


class BackendContract(CommitsContract, ReferencesContract):
    """What every backend does.  Subclass it and give the fixture `opener`, or `backend`."""

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
        """`get` and `get_tail` of an unknown name raise `Missing`, which has the name."""
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

    def test_a_record_can_be_read_in_parts(self, backend: Backend) -> None:
        """`open_ranges` has size and version; parts are slices, or are read into memory of the caller."""
        data = bytes(range(256)) * 500
        version = backend.put("Task.1", data)
        with backend.open_ranges("Task.1") as ranges:
            assert (ranges.size, ranges.version) == (len(data), version)
            for start, stop in ((0, 1), (0, len(data)), (70_000, 70_999), (len(data) - 3, 10**6)):
                assert ranges.read(start, stop) == data[start:stop]
            assert ranges.read(10**6, 10**6 + 1) == b""
            held = bytearray(len(data) + 2)
            ranges.read_into(1_000, memoryview(held)[1:90_001])
            assert held == b"\0" + data[1_000:91_000] + bytes(len(data) - 89_999)
            numbers = array("Q", bytes(80))
            ranges.read_into(8, memoryview(numbers))
            assert numbers.tobytes() == data[8:88]
            ranges.read_into(3, memoryview(b""))
            for start, size in ((len(data) - 9, 10), (10**6, 1)):
                with pytest.raises(StorageError, match="expected at least"):
                    ranges.read_into(start, memoryview(bytearray(size)))
        with pytest.raises(Missing):
            backend.open_ranges("Task.2")

    def test_the_parts_of_a_record_are_of_one_state(self, backend: Backend) -> None:
        """A record that is replaced or deleted while it is read is read to its end as it was."""
        data = bytes(range(256)) * 500
        backend.put("Task.1", data)
        with backend.open_ranges("Task.1") as ranges:
            found = ranges.read(0, 1_000)
            backend.put("Task.1", b"new")
            found += ranges.read(1_000, 2_000)
            backend.delete("Task.1")
            rest = bytearray(len(data) - 2_000)
            ranges.read_into(2_000, memoryview(rest))
            assert found + rest == data

    def test_a_map_of_a_record_stays_as_it_is(self, backend: Backend) -> None:
        """Where the engine says that it maps files; writes that are held back are in none."""
        data = bytes(range(256)) * 500
        backend.put("Task.1", data)
        promises = backend.capabilities
        with backend.open_ranges("Task.1") as ranges:
            if not (promises.maps_files and promises.persistent):
                with pytest.raises(NotMappableError):
                    ranges.map(1_000, is_private=True)
                return
            fixed, own = (ranges.map(1_000, is_private=is_private) for is_private in (False, True))
        memoryview(own)[:2] = b"!!"
        assert backend.get("Task.1")[0] == data
        backend.put("Task.1", b"new")
        backend.delete("Task.1")
        assert bytes(memoryview(fixed)) == data[:1_000]
        assert bytes(memoryview(own)) == b"!!" + data[2:1_000]
        with pytest.raises(TypeError):
            memoryview(fixed)[:2] = b"!!"

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
