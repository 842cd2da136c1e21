"""IDs are ordered by number, made only once, and any text can be one."""

from __future__ import annotations

import copy
import itertools
import json
import operator
import pickle
import random
import unicodedata
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from brinery.errors import InvalidArgumentError
from brinery.ids import (
    MAX_NAME,
    Id,
    IdFactory,
    JobIdFactory,
    UuidFactory,
    are_names,
    escaped,
    id_of,
    in_order,
    is_hashed,
    joined_names,
    name_of,
    names_begin,
)

# Surrogates too: they stand in names of files that are not UTF-8.
TEXT = st.text(st.characters(exclude_categories=[]))
# What file systems and shells make something of, in every combination.
PIECES = ("..", ".", "/", "\\", "%", "%2F", "%~", "%00%", ":", "*", " ", "\0", "\n", "\x7f", "~")
WORDS = ("CON", "nul", "com1", "LPT³", "conin$", ".txt", "A", "e", "D", "x" * 120)
MARKS = (
    "\u0301",
    "\u0307",
    "é",
    "\u200d",
    "\u212b",
    "\u1e0a",
    "\U0001f355",
    "\ud800",
    "\udfff",
    "\xad",
)
NASTY = st.lists(st.sampled_from((*PIECES, *WORDS, *MARKS))).map("".join)
ANY_ID = TEXT | NASTY

RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    port + digit for port in ("COM", "LPT") for digit in "0123456789¹²³"
}


def progressive_number() -> Any:
    """Return a source of numbers in the form of GC3Pie's `progressive_number`."""
    numbers = itertools.count(1)

    def source(qty: int | None = None) -> int | list[int]:
        return next(numbers) if qty is None else list(itertools.islice(numbers, qty))

    return source


NAMELIKE = st.from_regex(r"[A-Za-z0-9_.\-]{1,9}", fullmatch=True)


class Task:
    """Gives IDs their prefix."""


class TestId:
    """A string that sorts by its number."""

    def test_ids_sort_by_number_within_a_prefix(self) -> None:
        """Ten comes after nine, and IDs without a number before those with one."""
        ordered = ["Job.7", "Task", "Task.1", "Task.2", "Task.10", "Tool.1"]
        shuffled = [Id(text) for text in ordered]
        random.Random(0).shuffle(shuffled)
        assert sorted(shuffled) == ordered

    @given(ANY_ID, ANY_ID, ANY_ID)
    @example("a.1", "a.01", "a.1")
    @example("a.²", "a.2", "a.٢")
    def test_the_order_is_total_and_agrees_with_equality(self, a: str, b: str, c: str) -> None:
        """Of two IDs, exactly one is less or they are equal; and the order is transitive."""
        x, y, z = sorted([Id(a), Id(b), Id(c)])
        assert x <= y <= z
        assert x <= z
        for left, right in ((x, y), (y, z), (x, z)):
            assert [left < right, left == right, left > right].count(True) == 1
            assert (left >= right) == (not left < right)

    def test_ids_compare_with_plain_strings(self) -> None:
        """On either side, by number."""
        assert Id("Task.9") < "Task.10"
        assert operator.gt("Task.10", Id("Task.9"))
        assert "Task.9" <= Id("Task.9") <= "Task.9"

    def test_an_id_is_its_string(self) -> None:
        """Equality, hash, text and length are those of the string."""
        id = Id("Task", 2)
        assert id == "Task.2"
        assert hash(id) == hash("Task.2")
        assert {"Task.2": 1}[id] == 1
        assert type(str(id)) is str
        assert f"{id}" == "Task.2"
        assert repr(id) == "Id('Task.2')"

    def test_prefix_and_number_are_taken_from_the_text(self) -> None:
        """The last point with digits behind it divides them."""
        assert (Id("a.b.3").prefix, Id("a.b.3").number) == ("a.b", 3)
        assert (Id("a.b").prefix, Id("a.b").number) == ("a.b", None)
        assert (Id(".0").prefix, Id(".0").number) == ("", 0)
        assert Id("a.-1").number is None
        assert Id("a\n.1").prefix == "a\n"

    @given(st.lists(st.from_regex(r"[aAb.]{0,2}(\.[0129]{0,3})?(\.[0129]{0,3})?", fullmatch=True)))
    @example(["a.1", "a-1", "a", "a.x", "a.10", "a.2", "a.1.5", "a.1.10", "a.1.05", "a.1.x", "b.1"])
    @example(["a.0", "a.00", "a.1", "a.10", "a.09"])
    @example(["a.٣", "a.2", "a.10"])
    def test_texts_are_sorted_as_ids_are(self, texts: list[str]) -> None:
        """All at once, with the same result as one by one."""
        expected = sorted(texts, key=Id.sort_key)  # type: ignore[arg-type]
        assert in_order(texts) == expected

    def test_more_digits_than_int_takes_are_no_number(self) -> None:
        """Comparing them raises nothing."""
        long = Id("a." + "9" * 5000)
        assert long.number is None
        assert long > Id("a.1")

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_ids_pickle_and_copy(self, protocol: int) -> None:
        """They stay IDs."""
        id = Id("Task", 10)
        for again in (pickle.loads(pickle.dumps(id, protocol)), copy.copy(id), copy.deepcopy(id)):
            assert type(again) is Id
            assert again == id


class TestIdFactory:
    """Where new IDs come from."""

    def test_the_prefix_is_the_class_name_by_default(self) -> None:
        """Otherwise it is what the factory was given."""
        assert IdFactory(next_id_fn=progressive_number()).new(Task()) == "Task.1"
        assert IdFactory("t", progressive_number()).new(Task()) == "t.1"
        assert JobIdFactory(progressive_number()).new(Task()) == "job.1"

    def test_the_class_of_ids_can_be_chosen(self) -> None:
        """It is called with prefix and number."""
        factory = IdFactory("t", progressive_number(), lambda prefix, number: f"{number}@{prefix}")
        assert factory.new(None) == "1@t"

    def test_a_function_that_takes_no_quantity_is_enough(self) -> None:
        """Only `reserve` asks for several numbers at once (GC3Pie's issue 608)."""
        numbers = itertools.count()
        factory = IdFactory(next_id_fn=lambda: next(numbers))
        assert [factory.new(Task()) for _ in range(3)] == ["Task.0", "Task.1", "Task.2"]

    def test_reserved_numbers_are_used_first_and_in_order(self) -> None:
        """One call of the source gives them all."""
        calls: list[int | None] = []
        source = progressive_number()

        def counted(qty: int | None = None) -> Any:
            calls.append(qty)
            return source() if qty is None else source(qty)

        factory = IdFactory(next_id_fn=counted)
        factory.reserve(3)
        assert [factory.new(Task()).number for _ in range(4)] == [1, 2, 3, 4]
        assert calls == [3, None]

    def test_reservations_are_not_shared_between_factories(self) -> None:
        """GC3Pie kept them in one list for the whole process."""
        first, second = IdFactory("a", progressive_number()), IdFactory("b", progressive_number())
        first.reserve(5)
        second.reserve(1)
        assert (first.new(None), second.new(None), second.new(None)) == ("a.1", "b.1", "b.2")

    @pytest.mark.parametrize("n", [0, -1])
    def test_reserving_none_is_refused(self, n: int) -> None:
        """A loop that reserves what it needs has a bug then."""
        with pytest.raises(InvalidArgumentError, match="positive"):
            IdFactory(next_id_fn=progressive_number()).reserve(n)

    def test_a_factory_without_a_source_says_what_to_do(self) -> None:
        """It gets one from a store, or from its caller."""
        for call in (lambda: IdFactory().new(Task()), lambda: IdFactory().reserve(1)):
            with pytest.raises(InvalidArgumentError, match="next_id_fn"):
                call()

    def test_a_factory_is_bound_to_the_numbers_of_a_store(self) -> None:
        """One factory serves two stores, which do not share reservations."""
        factory = JobIdFactory()
        here, there = factory.bound(progressive_number()), factory.bound(progressive_number())
        here.reserve(2)
        assert [here.new(None), there.new(None), here.new(None)] == ["job.1", "job.1", "job.2"]
        assert type(here) is JobIdFactory
        assert factory.next_id_fn is None

    def test_a_factory_with_its_own_numbers_keeps_them(self) -> None:
        """The store's numbers are only a default."""
        factory = IdFactory(next_id_fn=progressive_number())
        assert factory.bound(lambda qty=None: 99) is factory
        assert factory.new(Task()) == "Task.1"

    def test_a_subclass_keeps_its_attributes_when_bound(self) -> None:
        """It is the same factory but for the numbers."""

        class Dated(IdFactory):
            def __init__(self, date: str) -> None:
                super().__init__()
                self.date = date

            def new(self, obj: Any) -> Any:
                return f"{self.date}-{super().new(obj)}"

        assert Dated("2024").bound(progressive_number()).new(Task()) == "2024-Task.1"

    @pytest.mark.thorough
    def test_threads_never_get_one_number_twice(self) -> None:
        """Neither out of the reserved ones nor at their end."""
        factory = IdFactory(next_id_fn=progressive_number())
        factory.reserve(3000)
        with ThreadPoolExecutor(8) as pool:
            ids = list(pool.map(factory.new, [Task()] * 6000))
        assert len(set(ids)) == 6000


class TestUuidFactory:
    """UUIDs of version 7."""

    def test_they_are_uuids_of_version_7(self) -> None:
        """With the variant of RFC 9562, and the time in front."""
        import time

        before = time.time_ns() // 1_000_000
        made = uuid.UUID(UuidFactory().new(Task()))
        assert (made.version, made.variant) == (7, uuid.RFC_4122)
        assert before <= made.int >> 80 <= time.time_ns() // 1_000_000

    def test_each_is_greater_than_the_one_before(self) -> None:
        """Also within one millisecond, where the clock does not tell them apart."""
        factory = UuidFactory()
        made = [factory.new(None) for _ in range(5000)]
        assert made == sorted(set(made))

    def test_each_is_greater_when_the_clock_goes_back(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A clock that is set back repeats nothing."""
        factory = UuidFactory("p")
        first = factory.new(None)
        monkeypatch.setattr("time.time_ns", lambda: 0)
        made = [factory.new(None) for _ in range(100)]
        assert [first, *made] == sorted({first, *made})

    def test_two_that_count_on_from_one_uuid_do_not_meet(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Parent and child after a fork have one last UUID, and one clock."""
        parent = UuidFactory()
        parent.new(None)
        child = copy.copy(parent)
        monkeypatch.setattr("time.time_ns", lambda: 0)
        made = [factory.new(None) for factory in (parent, child) for _ in range(100)]
        assert len(set(made)) == 200

    def test_a_prefix_stands_in_front(self) -> None:
        """Divided by a hyphen."""
        id = UuidFactory("run").new(None)
        assert id.startswith("run-")
        assert uuid.UUID(id.removeprefix("run-")).version == 7

    def test_neither_store_nor_reservation_is_needed(self) -> None:
        """Binding and reserving are allowed and change nothing."""
        factory = UuidFactory().bound(progressive_number())
        factory.reserve(10)
        assert uuid.UUID(factory.new(None)).version == 7


class TestNames:
    """Any text is an ID, and its name is safe on every file system."""

    @given(ANY_ID)
    @example("")
    @example("%00%")
    @example("%~" + "0" * 40)
    @example("\n\u0301")
    def test_the_id_comes_back_from_its_name(self, id: str) -> None:
        """So names are as different as IDs are.  A hashed name tells itself."""
        name = name_of(id)
        if is_hashed(name):
            assert id_of(name) is None
            assert len(name.encode()) > 100
        else:
            assert id_of(name) == id

    @given(ANY_ID)
    def test_a_text_is_a_name_only_of_its_own_id(self, name: str) -> None:
        """What `name_of` never makes is a stray file, not an object."""
        id = id_of(name)
        assert id is None or name_of(id) == name

    @given(ANY_ID)
    @example("\n\u0301")
    @example("\u200d\u0307")
    @example("\xad")
    @example("nul .txt")
    @example("COM¹")
    @example("a" * 254 + "é")
    def test_a_name_is_safe(self, id: str) -> None:
        """On ext4, NTFS and APFS alike."""
        name = name_of(id)
        assert name
        assert len(name.encode()) <= MAX_NAME == 255
        assert not set(name) & set('/\\:*?"<>|')
        assert all(unicodedata.category(char)[0] != "C" for char in name)
        assert name[0] not in ". "
        assert name[-1] not in ". "
        assert name.split(".")[0].rstrip(" ").upper() not in RESERVED
        assert unicodedata.is_normalized("NFC", name)

    @given(st.lists(ANY_ID | st.sampled_from(["Task.1", "config", "con", "nul.x", "con."])))
    @example(["Task.1", "aux"])
    @example(['a","b'])
    @example(["x" * 201])
    def test_several_names_are_an_array_of_json(self, ids: list[str]) -> None:
        """And IDs that count as names are the names."""
        names = [name_of(id) for id in ids]
        assert json.loads(joined_names(ids or ["x"])) == (names or ["x"])
        assert names == ids or not are_names(ids)

    @pytest.mark.parametrize("id", ["Task.1", "a_b-c.D", "x" * 200, "café", "two words", "-", "~"])
    def test_a_safe_id_is_its_own_name(self, id: str) -> None:
        """What users see in the directory is what they saved."""
        assert name_of(id) == id
        assert id_of(id) == id

    @pytest.mark.parametrize(
        ("id", "name"),
        [
            ("", "%00%"),
            ("../evil", "%2E.%2Fevil"),
            ("/etc/passwd", "%2Fetc%2Fpasswd"),
            (".hidden", "%2Ehidden"),
            ("end.", "end%2E"),
            ("end ", "end%20"),
            ("50%", "50%25"),
            ("a\0b", "a%00b"),
            ("nul.txt", "%6Eul.txt"),
            ("Com7", "%43om7"),
            ("e\u0301", "e%CC%81"),
            ("\ud800", "%ED%A0%80"),
            ("\U0001f355", "%F0%9F%8D%95"),
        ],
    )
    def test_names_are_part_of_the_format(self, id: str, name: str) -> None:
        """A store written today is read by every later version, and by every later Unicode."""
        assert name_of(id) == name

    @pytest.mark.parametrize(
        "name",
        ["", ".x", "50%", "%2f", "%41", "nul", "a/b", "e\u0301", "%0", "%ED%A0", "\ud800", "x."],
    )
    def test_a_stray_file_is_no_object(self, name: str) -> None:
        """It has no ID, so that it is not listed."""
        assert id_of(name) is None
        assert not is_hashed(name)

    def test_a_long_id_has_a_hashed_name(self) -> None:
        """It starts as the ID does, and different IDs have different names."""
        first, second = name_of("x" * 300 + "a"), name_of("x" * 300 + "b")
        assert first != second
        assert first.startswith("x" * 200)
        assert is_hashed(first)
        assert id_of(first) is None
        assert not is_hashed(name_of("x" * 255))

    @given(st.lists(st.text(max_size=8) | NAMELIKE))
    @example(
        ["con", "con.1", "aux", "lpt1", "com1.", "a", "a.", "x/y", "CON", "Task.1", "%41", "ab.c"]
    )
    def test_names_that_are_their_own_ids_are_told_from_the_others_all_at_once(
        self, names: list[str]
    ) -> None:
        """As by a look at each; a few that are their own IDs may be among the others."""
        others = {*escaped(names)}
        assert all(id_of(name) == name for name in names if name and name not in others)

    def test_common_names_are_not_looked_at_one_by_one(self) -> None:
        """Those of factories, and short and long ones of one's own."""
        assert not escaped(["Task.1", "job.7", "x", "b1", "my-job_0001", "a-long_name.v2"])

    @given(st.text(max_size=6) | NAMELIKE, st.text(max_size=6) | NAMELIKE)
    @example("con", "in$")
    @example("Task", ".")
    @example("lpt1", " .x")
    @example("Task.", "1")
    def test_the_names_of_ids_begin_as_the_ids_do(self, prefix: str, rest: str) -> None:
        """As far as no rest can change that."""
        assert name_of(prefix + rest).startswith(names_begin(prefix))
        assert names_begin("Task.") == "Task"

    @pytest.mark.parametrize("end", ["", "%~", "%~" + "0" * 39, "%~" + "0" * 41, "%~" + "F" * 40])
    def test_what_does_not_end_in_a_digest_is_not_hashed(self, end: str) -> None:
        """Forty hexadecimal digits in lower case, after the mark."""
        assert not is_hashed("x" + end)

    def test_a_long_id_is_cut_between_characters(self) -> None:
        """Neither an escape nor a character of several bytes is torn."""
        for n in range(4):
            name = name_of("x" * n + "é/" * 200)
            head, _, digest = name.rpartition("%~")
            assert is_hashed(name)
            assert head.count("é") - head.count("%2F") in (0, 1)
            assert head.endswith(("é", "%2F"))
            assert len(digest) == 40

    def test_an_id_and_its_string_have_one_name(self) -> None:
        """The name is a plain string."""
        assert name_of(Id("Task.1")) == "Task.1"
        assert type(name_of(Id("Task.1"))) is str
