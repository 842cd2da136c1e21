"""The codec msgpack keeps the contract; keeps exact types or refuses; reads hostile bytes safely."""

from __future__ import annotations

import collections
import enum
import math
import random
import re
import struct
import subprocess
import sys
import uuid
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from io import BytesIO
from typing import Any, NamedTuple

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brinery.codec import Codec, PlainLinks, Sink
from brinery.errors import DecodeError, NotFoundError, UnsupportedObjectError
from brinery.testing.codec import CodecContract
from brinery_codecs._msgpack.kinds import BY_CODE
from brinery_codecs._msgpack.survey import MAX_DEPTH
from brinery_codecs.msgpack import MsgpackCodec

CODEC = MsgpackCodec()


class Task:
    """What the links below take for persistable."""

    def __init__(self, name: str) -> None:
        self.name = name


class Writing(PlainLinks):
    """The store's side of encoding: objects of one class are external, under their name."""

    def __init__(self, root: Any = None, external: type = Task) -> None:
        self.root = root
        self.batch: dict[Any, Any] = {}
        self.cache: dict[Any, Any] = {}
        self.asked: list[type] = []
        self._external = external

    def is_external_type(self, cls: type, /) -> bool:
        self.asked.append(cls)
        return cls is self._external

    def external(self, obj: Any, /) -> str | None:
        return None if obj is self.root else getattr(obj, "name", "Other.1")


class Reading(PlainLinks):
    """The store's side of decoding: each ID is one object."""

    def __init__(self) -> None:
        self.batch: dict[Any, Any] = {}
        self.cache: dict[Any, Any] = {}
        self.found: dict[str, Any] = {}

    def is_external_type(self, cls: type, /) -> bool:
        return cls is Task

    def resolve(self, id: str, /) -> Any:
        return self.found.setdefault(id, Task(id))

    def construct(self, early: Any, constructor: Any, args: Any, /) -> Any:
        raise AssertionError("msgpack constructs no instance")


def dumped(obj: Any, links: Writing | None = None) -> bytes:
    sink = Sink()
    CODEC.dump(obj, sink, links or Writing(obj))
    return b"".join(sink.pieces)


def loaded(payload: bytes, links: Any = None) -> Any:
    return CODEC.load(memoryview(payload), links or Reading())


def kept(obj: Any) -> Any:
    return loaded(dumped(obj))


def refused(obj: Any, links: Writing | None = None) -> UnsupportedObjectError:
    with pytest.raises(UnsupportedObjectError) as caught:
        dumped(obj, links)
    assert caught.value.codec == "msgpack"
    assert caught.value.advice
    assert "pickle" not in caught.value.advice  # the store names codecs, after it has tried them
    return caught.value


def same(one: Any, two: Any) -> bool:
    """Compare deeply: types, signs of zero, order of entries, folds, layouts, what NaNs are."""
    if type(one) is not type(two):
        return False
    compare = COMPARE.get(type(one))
    if isinstance(one, np.ndarray | np.generic):
        compare = same_array
    return bool(compare(one, two)) if compare else bool(one == two)


def same_float(one: float, two: float) -> bool:
    return struct.pack(">d", one) == struct.pack(">d", two)


def same_items(one: Any, two: Any) -> bool:
    return len(one) == len(two) and all(map(same, one, two))


def same_dict(one: dict, two: dict) -> bool:
    return same_items(list(one), list(two)) and same_items(list(one.values()), list(two.values()))


def same_set(one: Any, two: Any) -> bool:
    # Elements that are equal can still differ: 1 and True, or two folds.
    left, right = (sorted(found, key=lambda item: dumped((item,))) for found in (one, two))
    return same_items(left, right)


def same_time(one: Any, two: Any) -> bool:
    bare = one.replace(tzinfo=None), two.replace(tzinfo=None)
    return bare[0] == bare[1] and one.fold == two.fold and same(one.tzinfo, two.tzinfo)


def same_array(one: Any, two: Any) -> bool:
    kinds = [(a.dtype, a.dtype.char, a.dtype.isalignedstruct, a.shape) for a in (one, two)]
    layouts = [(a.flags.c_contiguous, a.flags.f_contiguous) for a in (one, two)]
    if one.flags.writeable != two.flags.writeable:
        return False
    if kinds[0] != kinds[1] or not ((False, False) in layouts or layouts[0] == layouts[1]):
        return False
    if one.dtype.names is not None:  # the bytes between the fields are not part of the value
        return all(same_array(one[name], two[name]) for name in one.dtype.names)
    return bool(one.tobytes() == two.tobytes())


COMPARE: dict[type, Any] = {
    float: same_float,
    complex: lambda one, two: same_float(one.real, two.real) and same_float(one.imag, two.imag),
    list: same_items,
    tuple: same_items,
    dict: same_dict,
    set: same_set,
    frozenset: same_set,
    time: same_time,
    datetime: same_time,
    Decimal: lambda one, two: one.as_tuple() == two.as_tuple(),
    timezone: lambda one, two: one.__getinitargs__() == two.__getinitargs__(),
    zoneinfo.ZoneInfo: lambda one, two: one.key == two.key,
    uuid.UUID: lambda one, two: one == two and one.is_safe is two.is_safe,
}


class TestMsgpackCodec(CodecContract):
    """Plain data alone, and safe to read."""

    @pytest.fixture
    def codec(self) -> Codec:
        """Give the codec."""
        return MsgpackCodec()


# -- round trips

PARIS = zoneinfo.ZoneInfo("Europe/Paris")
ODD = timezone(timedelta(hours=-3, seconds=7, microseconds=123), "Ödd \ud800")


@pytest.mark.parametrize(
    "obj",
    [
        None,
        True,
        0,
        -1,
        2**63 - 1,
        -(2**63),
        2**64 - 1,
        2**64,
        -(2**63) - 1,
        2**64 + 2**63,
        255 << 4096,
        -(1 << 4096),
        1.5,
        -0.0,
        math.inf,
        math.nan,
        complex(-0.0, math.nan),
        "",
        "äöü €",
        "\ud800",
        ["ok", {"\udfff": "\ud83d\ude00"}],
        b"",
        b"\x00\xff",
        bytearray(b"ab"),
        (),
        [],
        {},
        set(),
        frozenset(),
        [(), [], {}, set(), frozenset(), ((),)],
        {1: "int", "1": "str", b"1": "bytes", (1,): "tuple", frozenset({1}): "frozenset", None: 0},
        {(1, (2.5, frozenset({"a"}))): [bytearray()]},
        {2**70: 1, Decimal("1.10"): 2, PARIS: 3, date(2000, 1, 1): 4},
        {3, 1, 2},
        {"b", "a", "\ud800"},
        {1, "1", b"1", (1, 2), None, 1.5, frozenset({frozenset({(), (1,)}), 2})},
        date.min,
        time(23, 59, 59, 999999, fold=1),
        time(1, 2, tzinfo=ODD),
        datetime.max,
        datetime(2024, 10, 27, 2, 30, tzinfo=PARIS, fold=1),
        datetime(2024, 10, 27, 2, 30, tzinfo=UTC),
        datetime(2024, 10, 27, 2, 30, tzinfo=timezone(timedelta(0), "UTC")),
        datetime(2024, 10, 27, 2, 30, fold=1),
        UTC,
        ODD,
        PARIS,
        timedelta.min,
        timedelta(microseconds=-1),
        Decimal("-0E+3"),
        Decimal("1.2300E-500"),
        Decimal("sNaN123"),
        Decimal("-Infinity"),
        Decimal("9" * 10_000),
        Fraction(-7, 3),
        Fraction(2**100, 3**100),
        uuid.UUID(int=5),
        uuid.UUID(int=2**128 - 1, is_safe=uuid.SafeUUID.safe),
        uuid.UUID(int=0, is_safe=uuid.SafeUUID.unsafe),
    ],
    ids=lambda obj: type(obj).__name__,  # not the value: the order of a set differs by process
)
def test_plain_data_come_back_with_their_exact_types_and_values(obj: Any) -> None:
    """Nothing is widened, narrowed, rounded or normalised."""
    assert same(kept(obj), obj)
    assert same(kept((obj, {"key": None})), (obj, {"key": None}))


def test_an_immutable_value_that_is_shared_is_written_in_each_place() -> None:
    """A tuple, a frozenset and a string have no identity that anybody could miss."""
    point = (1, (2, 3))
    assert kept([point, point, frozenset({point})]) == [point, point, frozenset({point})]
    assert kept([()] * 1000) == [()] * 1000


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype="<i4").reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
        np.arange(10)[::-2],
        np.array(1.5),
        np.zeros((0, 3), "f4"),
        np.zeros((3, 0), "f4", order="F"),
        np.arange(3, dtype=">u8"),
        np.array([True, False]),
        np.array(["a", "äö", "\ud800"]),
        np.array(["a", "b"], ">U3"),
        np.array([b"a", b"bc"]),
        np.array(["2020-01-01", "NaT"], "M8[ns]"),
        np.array([1, 2], "m8[25s]"),
        np.array([math.nan, -0.0]),
        np.array([1 + 2j], "c8"),
        np.array([1], np.longlong),
        np.array([b"abc"], "V3"),
        np.array([(1, 2.0), (3, 4.0)], [("a", "i1"), ("b", "<f8")]),
        np.array([(1, 2.0)], np.dtype([("a", "i1"), ("b", ">f8")], align=True)),
        np.array([(1, ([2, 3], "x"))], [("a", "?"), ("b", [(("title", "c"), "2i4"), ("d", "U2")])]),
        np.zeros(2, {"names": ["a"], "formats": ["i2"], "offsets": [6], "itemsize": 11}),
    ],
    ids=lambda array: f"{array.dtype.str} {array.shape}",
)
def test_arrays_keep_dtype_shape_order_and_every_bit(array: np.ndarray) -> None:
    """A strided view becomes an array of its own."""
    found = kept({"array": array})["array"]
    assert same(found, array)
    assert found.flags.writeable
    assert found.flags.owndata
    read_only = array.view()
    read_only.flags.writeable = False
    found = kept({"array": read_only})["array"]
    assert same(found, read_only)
    assert not found.flags.writeable
    assert found.flags.owndata


@pytest.mark.parametrize(
    "array",
    [
        np.frombuffer(b"12345678", "<i4"),
        np.broadcast_to(np.arange(3), (2, 3)),
        np.frombuffer(bytes(17), "u1")[1:].view("<f8"),
    ],
    ids=["of bytes", "broadcast", "not aligned"],
)
def test_arrays_that_cannot_be_written_to_stay_so(array: np.ndarray) -> None:
    """Also when their memory belongs to another object."""
    assert not array.flags.writeable
    found = kept([array])[0]
    assert same(found, array)
    assert found.flags.aligned
    with pytest.raises(ValueError, match="read-only"):
        found[...] = 0


@pytest.mark.parametrize("layout", ["R", "CRR", "CF", "RC", "c", ""])
def test_an_unknown_layout_of_an_array_is_refused(layout: str) -> None:
    """Only the four of the format are read."""
    payload = dumped(np.arange(2, dtype="u1")).replace(
        b"\xa1C", bytes([0xA0 + len(layout)]) + layout.encode()
    )
    with pytest.raises(DecodeError, match="unknown order"):
        loaded(payload)


@pytest.mark.parametrize(
    "scalar",
    [
        np.float64(1.5),
        np.float32(-0.0),
        np.float16(math.nan),
        np.int8(-1),
        np.int64(2**63 - 1),
        np.longlong(5),
        np.ulonglong(5),
        np.bool_(True),
        np.complex128(1j),
        np.str_("a\0"),
        np.str_(""),
        np.bytes_(b"a\0"),
        np.datetime64("2020-01-01", "D"),
        np.datetime64("NaT", "s"),
        np.timedelta64(3, "ms"),
        np.void(b"abc"),
        np.array([(1, "x")], [("a", "i4"), ("b", "U1")])[0],
    ],
    ids=lambda scalar: f"{type(scalar).__name__} {scalar!r:.20}",
)
def test_numpy_scalars_keep_their_exact_types(scalar: np.generic) -> None:
    """numpy.float64 is a float to Python, and yet no float comes back."""
    assert same(kept(scalar), scalar)
    if not isinstance(scalar, np.void):
        assert same(kept({scalar: [scalar]}), {scalar: [scalar]}) or scalar != scalar


def test_a_record_of_a_read_only_array_stays_read_only() -> None:
    """It is a part of the array, which writes to it would change."""
    array = np.array([(1, "x")], [("a", "i4"), ("b", "U1")])
    kept(array[0])["a"] = 2
    array.flags.writeable = False
    found = kept(array[0])
    assert same(found, array[0])
    with pytest.raises(ValueError, match="read-only"):
        found["a"] = 2


def test_json_like_data_are_ordinary_messagepack() -> None:
    """Any other reader of MessagePack opens the payload."""
    data = {"a": [1, 2.5, None, True, {"b": b"bytes"}], "c": "text"}
    assert dumped(data) == msgpack.packb(data)


def test_large_bytes_are_not_copied_into_the_payload() -> None:
    """They are pieces of their own, and those of an array are copied once; the payload is the same."""
    large = bytes(range(256)) * 5_000
    numbers = np.arange(300_000)
    plain = {
        "name": ["a", 1, None],
        "large": large,
        "more": [large, b"few", {"x": 2.5}],
        "é": large,
    }
    sink = Sink()
    CODEC.dump(plain, sink, Writing(plain))
    assert b"".join(sink.pieces) == msgpack.packb(plain)
    assert [piece is large for piece in sink.pieces] == [False, True] * 3 + [False]
    mixed = [(large, {3, 4}), numbers, bytearray(large), np.arange(3), "a \ud800", date(2024, 1, 2)]
    sink = Sink()
    CODEC.dump(mixed, sink, Writing(mixed))
    assert max(map(len, sink.pieces[::2])) < 1000
    found = loaded(b"".join(sink.pieces))
    assert same(found[1], numbers)
    assert same(found[3], np.arange(3))
    assert [*found[:1], found[2], *found[4:]] == [*mixed[:1], mixed[2], *mixed[4:]]
    sink = Sink()
    CODEC.dump(large, sink, Writing(large))
    assert b"".join(sink.pieces) == msgpack.packb(large)


def test_str_keys_and_int_keys_stay_apart_and_in_order() -> None:
    """A dict keeps its keys' types and their order of insertion."""
    assert list(kept({"2": 0, 2: 0, "1": 0, 1: 0})) == ["2", 2, "1", 1]


PLAIN_ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters(exclude_categories=[]))
    | st.binary()
    | st.dates()
    | st.times(timezones=st.none() | st.just(UTC) | st.just(ODD))
    | st.datetimes(timezones=st.none() | st.sampled_from([UTC, ODD, PARIS]))
    | st.timedeltas()
    | st.decimals().filter(lambda number: not number.is_snan())
    | st.fractions()
    | st.uuids()
)
KEYS = st.recursive(
    PLAIN_ATOMS,
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
PLAIN = st.recursive(
    KEYS | st.binary().map(bytearray),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.sets(KEYS, max_size=4)
    ),
    max_leaves=20,
)


@pytest.mark.thorough
@given(PLAIN)
@settings(max_examples=300, deadline=None)
def test_any_plain_data_make_the_round_trip(obj: Any) -> None:
    """Whatever Hypothesis builds of the supported types comes back the same."""
    assert same(kept(obj), obj)


# -- external references


def test_a_persistable_object_becomes_its_id_and_comes_back_resolved() -> None:
    """References stand anywhere, also as keys and in sets; one ID is one object."""
    one, two = Task("Task.1"), Task("Täsk.\ud800")
    payload = dumped({"tasks": [one, (one, two)], one: {two, "x"}})
    assert b"Task.1" in payload
    links = Reading()
    found = loaded(payload, links)
    first, second = links.found["Task.1"], links.found["Täsk.\ud800"]
    assert found == {"tasks": [first, (first, second)], first: {second, "x"}}


def test_a_registered_type_of_the_codec_is_external_except_at_the_root() -> None:
    """Registering Decimal as persistable takes precedence over writing it in place."""
    number = Decimal("1.5")
    links = Reading()
    (found,) = loaded(dumped([number], Writing(external=Decimal)), links)
    assert found is links.found["Other.1"]
    assert loaded(dumped(number, Writing(number, external=Decimal)), links) == number


def test_a_registered_array_may_be_shared() -> None:
    """What has an ID keeps its identity by it."""
    array, links = np.arange(3), Reading()
    one, two = loaded(dumped([array, array], Writing(external=np.ndarray)), links)
    assert one is two is links.found["Other.1"]


def test_the_error_about_a_shared_value_skips_external_ones() -> None:
    """The two places named are those of the value that has no ID."""
    array, inner = np.arange(3), [1]
    error = refused([array, array, inner, inner], Writing(external=np.ndarray))
    assert error.object_path == "[3]"


def test_types_are_asked_about_once_per_save() -> None:
    """The store answers for a type, not for each object; builtins are nobody's question."""
    links = Writing()
    for _ in range(3):
        dumped([[Task("Task.1"), Decimal(1)], {"a": (1, {2})}], links)
    assert sorted(cls.__name__ for cls in links.asked) == ["Decimal", "Task"]


def test_a_persistable_root_is_refused() -> None:
    """Its own instance is the one thing that no reference can stand for."""
    assert refused(Task("Task.1")).object_path is None


def test_an_error_of_the_store_passes_untouched() -> None:
    """What resolving raises is the store's business."""

    class Failing(Reading):
        def resolve(self, id: str, /) -> Any:
            raise error

    payload = dumped([Task("Task.1")])
    for error in (NotFoundError("Task.1"), ValueError("stop"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught:
            loaded(payload, Failing())
        assert caught.value is error


# -- refusals


class Whole(int):
    pass


class Point(NamedTuple):
    x: int


class Colour(enum.StrEnum):
    RED = "red"


class Zone(tzinfo):
    def utcoffset(self, when: datetime | None, /) -> timedelta:
        return timedelta(0)

    def dst(self, when: datetime | None, /) -> None:
        return None

    def tzname(self, when: datetime | None, /) -> str:
        return "Z"


def strange_fraction() -> Fraction:
    part: Any = np.int64(3)
    return Fraction(part, part + 1)


class Weird:
    """Whose every answer is an error."""

    def _fail(self, *args: Any) -> Any:
        raise AssertionError("the codec asked a stored object")

    __eq__ = __hash__ = __len__ = __bool__ = __repr__ = __str__ = __iter__ = _fail
    __class__ = property(_fail)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (Whole(1), "Whole, a subclass of int"),
        (Point(1), "Point, a subclass of tuple"),
        (Colour.RED, "Colour, a subclass of str"),
        (collections.OrderedDict(), "collections.OrderedDict, a subclass of dict"),
        (collections.defaultdict(list), "defaultdict, a subclass of dict"),
        (type("Text", (str,), {})("x"), "Text, a subclass of str"),
        (type("Moment", (datetime,), {})(2000, 1, 1), "Moment, a subclass of datetime"),
        (object(), "an object of type builtins.object"),
        (lambda: None, "an object of type builtins.function"),
        (len, "builtin_function_or_method"),
        (int, "an object of type builtins.type"),
        (sys, "module"),
        (BytesIO(), "BytesIO"),
        (range(3), "range"),
        (memoryview(b"x"), "memoryview"),
        (..., "ellipsis"),
        (re.compile("x"), "Pattern"),
        (iter(()), "tuple_iterator"),
        (ValueError("x"), "ValueError"),
        (msgpack.ExtType(5, b""), "ExtType, a subclass of tuple"),
        (msgpack.Timestamp(0), "Timestamp"),
        (Weird(), "Weird"),
        (np.array([object()]), "dtype object"),
        (np.array([(1, None)], [("a", "i4"), ("b", "O")]), "dtype object"),
        (np.array([1], np.longdouble), "this machine only"),
        (np.longdouble(1), "this machine only"),
        (np.array([1], np.dtype("i4", metadata={"a": 1})), "metadata"),
        (np.zeros(2, "V0"), "no bytes"),
        (np.array([2], "u1").view("?"), "not of this type"),
        (np.ma.array([1]), "MaskedArray"),
        (np.rec.array([(1,)], [("a", "i4")]), "recarray"),
        (np.dtype("i4"), "Int32DType"),
        (Fraction(1, 3**100_000), "a Fraction of more than"),
        (strange_fraction(), "a Fraction whose parts"),
    ],
    ids=lambda value: value if type(value) is str else type(value).__name__,
)
def test_other_values_are_refused_with_their_place(value: Any, reason: str) -> None:
    """The error says where the value is, what it is, and which codecs can; nothing is asked of it."""
    error = refused({"tasks": [0, 1, 2, {"callback": value}]})
    assert error.object_path == "['tasks'][3]['callback']"
    assert reason in error.reason
    assert refused(value).object_path is None


def test_a_string_dtype_of_variable_length_is_refused() -> None:
    """Its elements are pointers."""
    if not hasattr(np, "dtypes") or not hasattr(np.dtypes, "StringDType"):
        pytest.skip("numpy 1")
    assert "this machine only" in refused(np.array(["a"], np.dtypes.StringDType())).reason


def test_time_zones_without_a_key_are_refused() -> None:
    """A zone made from a file is not found again by a name."""
    data = b"TZif2" + bytes(39) + b"TZif2" + bytes(39) + b"\n<X>0\n"
    for key in (None, "Europe/Paris"):
        zone = zoneinfo.ZoneInfo.from_file(BytesIO(data), key=key)
        assert refused([datetime(2000, 1, 1, tzinfo=zone)]).object_path == "[0].tzinfo"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda data: data,
        lambda data: [1, data, "\ud800"],
        lambda data: {"a": {1: (data, {(1, 2)}, {"b": 2**70})}, "c": [None, []]},
        lambda data: ((), (data,), {}, [data[:0]], datetime(2000, 1, 1, tzinfo=UTC), np.arange(2)),
    ],
)
def test_a_bytearray_stays_one_wherever_it_stands(wrap: Any) -> None:
    """The library takes it for bytes without asking, so it must not get to see it."""
    obj = wrap(bytearray(b"ab"))
    if type(obj) is tuple:
        assert same_array(kept(obj)[-1], obj[-1])
        obj = obj[:-1]
    assert same(kept(obj), obj)


@pytest.mark.parametrize(
    ("build", "path"),
    [
        (lambda bad: [bad], "[0]"),
        (lambda bad: {"a": (1, bad)}, "['a'][1]"),
        (lambda bad: {1: {None: bad}}, "[1][None]"),
        (lambda bad: {(1, 2): bad}, "[<key 0>]"),
        (lambda bad: {0: 0, (1, bad): 2}, "<key 1>[1]"),
        (lambda bad: {"x": {bad}}, "['x']<element 0>"),
        (lambda bad: {10**5000: bad}, "[<key 0>]"),
        (lambda bad: {"k" * 1000: bad}, "['" + "k" * 39 + "…" + "k" * 9 + "']"),
    ],
)
def test_the_path_leads_to_the_value(build: Any, path: str) -> None:
    """Keys that have no short form are numbered."""
    assert refused(build(object())).object_path == path


def test_a_time_zone_of_another_class_is_refused_with_its_place() -> None:
    """The datetime is fine; its zone is not."""
    error = refused({"at": [datetime(2000, 1, 1, tzinfo=Zone())]})
    assert error.object_path == "['at'][0].tzinfo"


@pytest.mark.parametrize(
    "shared",
    [[1], {"a": 1}, {1}, bytearray(b"x"), np.arange(3), []],
    ids=lambda o: type(o).__name__,
)
def test_a_mutable_value_in_two_places_is_refused_naming_both(shared: Any) -> None:
    """It would come back as two, and a change of the one would not show in the other."""
    error = refused({"a": [0, shared], "b": {"c": shared}})
    assert error.object_path == "['b']['c']"
    assert "also at ['a'][1]" in error.reason
    assert "Put a copy" in str(error)


def test_a_list_in_a_shared_tuple_is_in_two_places() -> None:
    """Sharing shows through tuples."""
    pair = (1, [2])
    error = refused([pair, pair])
    assert (error.object_path, "also at [0][1]" in error.reason) == ("[1][1]", True)


def test_cycles_are_refused() -> None:
    """Through whatever containers they go."""
    ring: list = []
    ring.append({"a": (ring,)})
    error = refused(ring)
    assert error.object_path == "[0]['a'][0]"
    assert "is also the root, and contains itself" in error.reason
    inner: dict = {}
    inner["me"] = inner
    assert "is also at [1], and contains itself" in refused([0, inner]).reason


def test_the_deepest_nesting_allowed_is_read_back_and_one_more_is_refused() -> None:
    """The limit is below what the library writes and reads, also with a time zone at the bottom."""
    for wrap in (lambda o: [o], lambda o: (o,), lambda o: {"a": o}, lambda o: frozenset({o})):
        obj: Any = datetime(2000, 1, 1, tzinfo=ODD)
        for _ in range(MAX_DEPTH):
            obj = [obj] if wrap(0) == [0] else wrap(obj)
        payload = dumped(obj)
        assert dumped(loaded(payload)) == payload
        error = refused([obj])
        assert "deeper than 500" in error.reason
        assert len(error.object_path or "") < 1000


@pytest.mark.thorough
def test_a_million_levels_are_refused_and_not_a_crash() -> None:
    """The walk does not recur."""
    obj: Any = []
    for _ in range(1_000_000):
        obj = [obj]
    refused(obj)
    while obj:  # taken apart by hand: older Pythons recur here
        obj = obj.pop()


def test_tuples_that_double_at_every_level_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """2**60 entries in 60 tuples: neither time nor memory is spent on them."""
    monkeypatch.setattr("brinery_codecs._msgpack.survey._MAX_REPEATS", 10_000)
    bomb: Any = ()
    for _ in range(60):
        bomb = (bomb, bomb)
    assert "over and over" in refused({"a": bomb}).reason


def test_one_tuple_in_many_places_is_no_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long list of one constant is what it looks like."""
    monkeypatch.setattr("brinery_codecs._msgpack.survey._MAX_REPEATS", 1000)
    constant = ((1, 2), (3, 4))
    assert kept([constant] * 10_000) == [constant] * 10_000


# -- the codec's own promises


@pytest.mark.thorough
def test_equal_sets_give_equal_bytes_in_every_process() -> None:
    """Neither the hash seed nor the order of insertion shows."""
    code = (
        "from tests_msgpack import dumped; print(dumped([{'a', 'b', 'c'}, frozenset({1, 'x', b'y', "
        "(2, 'z'), None, frozenset({'p', ('q',)})}), {('k', i): {str(i)} for i in range(9)}]).hex())"
    ).replace("tests_msgpack", "test_msgpack")
    outputs = set()
    for seed in ("1", "2", "3"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": ":".join([__file__.rpartition("/")[0], *sys.path]),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1


def test_the_context_of_decimals_and_their_traps_change_nothing() -> None:
    """The thread's context may print and parse differently; payloads do not."""
    number = Decimal("1E+5")
    expected = dumped(number)
    with localcontext(Context(prec=1, capitals=0, traps=[])):
        assert dumped(number) == expected
        assert kept(Decimal("1.23456")).as_tuple() == Decimal("1.23456").as_tuple()
        with pytest.raises(DecodeError):
            loaded(packed(14, "rubbish"))


def test_padding_between_fields_never_reaches_the_payload() -> None:
    """What stands there is any old memory, perhaps a password."""
    dtype = np.dtype([("a", "i1"), ("b", [("c", "i1"), ("d", "f8")])], align=True)
    full = np.frombuffer(b"\xaa" * (3 * dtype.itemsize), dtype).copy()
    bare = np.zeros(3, dtype)
    for name in ("a", "b"):
        bare[name] = 0
    full["a"] = 0
    full["b"]["c"] = 0
    full["b"]["d"] = 0
    assert dumped(full) == dumped(bare)


def test_nothing_of_numpy_is_imported_for_plain_data() -> None:
    """The codec works without numpy, and does not load it in vain."""
    code = (
        "import sys; sys.modules['numpy'] = None; from brinery_codecs.msgpack import MsgpackCodec\n"
        "from brinery.codec import Sink\n"
        "class W:\n"
        "    batch = {}\n"
        "    def is_external_type(self, cls): return False\n"
        "    def note_library(self, module): return None\n"
        "sink = Sink(); MsgpackCodec().dump([1, (2,), {3}, 2**99, 1j], sink, W())\n"
        "class R:\n"
        "    resolve = None\n"
        "assert MsgpackCodec().load(sink.pieces[0], R()) == [1, (2,), {3}, 2**99, 1j]\n"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_the_codec_says_what_it_is() -> None:
    """Name, options and capabilities are those of a safe, plain codec."""
    assert (CODEC.name, CODEC.config(), tuple(CODEC.protocols)) == ("msgpack", {}, ())
    assert CODEC.version == ".".join(map(str, msgpack.version))
    assert MsgpackCodec(**CODEC.config()) == CODEC
    promises = CODEC.capabilities
    assert promises.references
    assert promises.safe_to_read
    assert promises.deterministic
    others = ("cycles", "shared_identity", "instances", "closures", "classes_by_value")
    assert not any(getattr(promises, name) for name in (*others, "plain_pickle", "out_of_band"))


# -- hostile payloads


def packed(code: int, *fields: Any) -> bytes:
    payload: bytes = msgpack.packb(marked(code, *fields))
    return payload


def marked(code: int, *fields: Any) -> list:
    return [msgpack.ExtType(code, b""), *fields]


def nested_ext(levels: int) -> bytes:
    payload = b"\xc0"
    for _ in range(levels):
        payload = b"\xc9" + struct.pack(">Ib", len(payload), 5) + payload
    return payload


def array(dtype: Any, shape: Any, order: Any = "C", data: Any = b"") -> list:
    return marked(17, dtype, shape, order, data)


def deep_dtype(levels: int) -> Any:
    dtype: Any = "<i4"
    for name in map(str, range(levels)):
        dtype = {"fields": [[name, dtype, 0, None]], "itemsize": 4 + levels, "aligned": False}
    return dtype


HOSTILE = {
    "nothing": b"",
    "trailing bytes": b"\xc0\xc0",
    "a list cut off": b"\x93\x01",
    "a list that claims four billion items": b"\xdd\xff\xff\xff\xff\x01",
    "a dict that claims four billion": b"\xdf\xff\xff\xff\xff\x01",
    "a str that claims four billion": b"\xdb\xff\xff\xff\xffa",
    "bytes that claim four billion": b"\xc6\xff\xff\xff\xffa",
    "an ext that claims four billion": b"\xc9\xff\xff\xff\xff\x05a",
    "a reserved byte": b"\xc1",
    "10,000 nested lists": b"\x91" * 10_000 + b"\xc0",
    "10,000 nested tuples": b"\x92\xc7\x00\x05" * 10_000 + b"\xc0",
    "10,000 nested ext values": nested_ext(10_000),
    "a str that is not UTF-8": b"\xa1\xff",
    "an unknown code": msgpack.packb([msgpack.ExtType(99, b"")]),
    "a negative code": b"\xd4\x80\x00",
    "code 0": packed(0),
    "a mark with data": msgpack.packb([msgpack.ExtType(5, b"x"), 1]),
    "a mark alone": msgpack.packb(msgpack.ExtType(5, b"")),
    "a mark as second item": msgpack.packb([1, msgpack.ExtType(5, b"")]),
    "two marks": packed(5, msgpack.ExtType(5, b"")),
    "a mark as value": msgpack.packb({"a": msgpack.ExtType(5, b"")}),
    "a mark as key": msgpack.packb({msgpack.ExtType(5, b""): 1}),
    "an ID that is not UTF-8": msgpack.packb(msgpack.ExtType(1, b"\xff")),
    "a list as key": b"\x81\x90\xc0",
    "a dict as key": b"\x81\x80\xc0",
    "a tuple with a list as key": b"\x81" + packed(5, []) + b"\xc0",
    "a list in a set": packed(6, []),
    "equal elements of a set": packed(6, 1, 1),
    "an int of a str": packed(2, "1"),
    "an int without bytes twice": packed(2, b"", b""),
    "a complex of str": packed(3, "1", "2"),
    "a complex of one": packed(3, 1.0),
    "a bytearray of a length": packed(4, 2**40),
    "month 13": packed(8, 2000, 13, 1),
    "a date of bool": packed(8, True, 1, 1),
    "a huge year": packed(8, 2**63, 1, 1),
    "a time with a zone that is none": packed(9, 1, 2, 3, 4, "UTC", 0),
    "fold 2": packed(9, 1, 2, 3, 4, None, 2),
    "a datetime without fold": packed(10, 2000, 1, 1, 1, 1, 1, 1, None),
    "a timedelta of floats": packed(11, 1e308, 0, 0),
    "a huge timedelta": packed(11, 2**62, 0, 0),
    "an offset of 24 hours": packed(12, marked(11, 1, 0, 0), None),
    "a timezone named by a number": packed(12, marked(11, 0, 0, 0), 1),
    "a zone in another directory": packed(13, "../../etc/passwd"),
    "a zone with an absolute path": packed(13, "/etc/localtime"),
    "a zone that is a directory": packed(13, "Europe"),
    "an unknown zone": packed(13, "Nowhere/Atlantis"),
    "a Decimal of a word": packed(14, "ten"),
    "a Decimal with spaces": packed(14, " 1_0"),
    "a Decimal out of range": packed(14, "1E+99999999999999999999"),
    "a Decimal in other digits": packed(14, "\u0661"),
    "a Fraction over zero": packed(15, 1, 0),
    "a Fraction of floats": packed(15, 1.0, 2.0),
    "a huge Fraction": packed(15, marked(2, b"\x01" * 10**6), marked(2, b"\x03" * 10**6)),
    "a short UUID": packed(16, b"x", None),
    "a UUID of unknown safety": packed(16, bytes(16), 7),
    "a UUID with a list": packed(16, bytes(16), []),
    "an array of objects": msgpack.packb(array("|O", [1], "C", bytes(8))),
    "an array of objects by letter": msgpack.packb(array("O", [1], "C", bytes(8))),
    "an array of fields with objects": msgpack.packb(
        array(
            {"fields": [["a", "|O", 0, None]], "itemsize": 8, "aligned": False}, [1], "C", bytes(8)
        )
    ),
    "a dtype with commas": msgpack.packb(array("i4,O", [1], "C", bytes(12))),
    "a dtype with a shape": msgpack.packb(array("(2,__import__('os'))i4", [1], "C", bytes(8))),
    "a dtype of variable length": msgpack.packb(array("|T16", [1], "C", bytes(16))),
    "a dtype of a number": msgpack.packb(array(7, [1], "C", bytes(8))),
    "a dtype of nil": msgpack.packb(array(None, [1], "C", bytes(8))),
    "a dtype of four gigabytes": msgpack.packb(array("<U999999999", [0])),
    "a subarray of a gigabyte": msgpack.packb(array(["<i4", [2**28]], [0])),
    "a unit of zero": msgpack.packb(array("<M8[0s]", [1], "C", bytes(8))),
    "a structured dtype without fields": msgpack.packb(array({"itemsize": 8}, [1], "C", bytes(8))),
    "a field beyond the end": msgpack.packb(
        array(
            {"fields": [["a", "<f8", 4, None]], "itemsize": 8, "aligned": False}, [1], "C", bytes(8)
        )
    ),
    "a field before the start": msgpack.packb(
        array(
            {"fields": [["a", "<f8", -8, None]], "itemsize": 8, "aligned": False},
            [1],
            "C",
            bytes(8),
        )
    ),
    "two fields of one name": msgpack.packb(
        array(
            {
                "fields": [["a", "|i1", 0, None], ["a", "|i1", 1, None]],
                "itemsize": 2,
                "aligned": False,
            },
            [1],
            "C",
            bytes(2),
        )
    ),
    "a field of a number": msgpack.packb(
        array({"fields": [[1, "|i1", 0, None]], "itemsize": 1, "aligned": False}, [1], "C", b"1")
    ),
    "a subarray of a negative length": msgpack.packb(array(["<i4", [-2]], [0])),
    "a subarray of a huge length": msgpack.packb(array(["<i4", [2**40]], [0])),
    "a deep dtype": msgpack.packb(array(deep_dtype(150), [1], "C", bytes(4))),
    "more shape than bytes": msgpack.packb(array("<f8", [2], "C", bytes(8))),
    "less shape than bytes": msgpack.packb(array("<f8", [1], "C", bytes(16))),
    "a negative shape": msgpack.packb(array("<f8", [-1], "C", b"")),
    "two negative lengths": msgpack.packb(array("<f8", [-1, -1], "C", bytes(8))),
    "a huge empty shape": msgpack.packb(array("<f8", [2**62, 0], "C", b"")),
    "a shape of floats": msgpack.packb(array("<f8", [1.0], "C", bytes(8))),
    "a shape of bool": msgpack.packb(array("<f8", [True], "C", bytes(8))),
    "a hundred dimensions": msgpack.packb(array("<f8", [1] * 100, "C", bytes(8))),
    "an unknown order": msgpack.packb(array("<f8", [1], "K", bytes(8))),
    "elements without bytes": msgpack.packb(array("<U0", [2**60], "C", b"")),
    "a bool of 2": msgpack.packb(array("|b1", [1], "C", b"\x02")),
    "a character beyond Unicode": msgpack.packb(array("<U1", [1], "C", b"\xff\xff\xff\x7f")),
    "a scalar of objects": packed(18, "|O", bytes(8)),
    "a scalar of two": packed(18, "<f8", bytes(16)),
    "a scalar of a str": packed(18, "<f8", "12345678"),
    "a string scalar of bytes": packed(18, "U", b"a"),
    "a scalar of a list": packed(18, [], b""),
}


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_payloads_are_refused(payload: bytes) -> None:
    """Whatever the bytes claim, the answer is a DecodeError: no crash, no gigabytes, no code run."""
    with pytest.raises(DecodeError) as caught:
        loaded(payload)
    assert caught.value.codec == "msgpack"
    with pytest.raises(DecodeError):
        loaded(b"\x92\x01" + payload) if payload else loaded(b"\x92\x01")


def test_a_long_decimal_costs_no_more_than_its_bytes() -> None:
    """Ten million digits are read in linear time."""
    assert loaded(packed(14, "9" * 10**7)).adjusted() == 10**7 - 1


def test_a_timestamp_of_another_writer_is_a_plain_value() -> None:
    """The library makes it by itself and asks nobody; it is never written here."""
    assert loaded(msgpack.packb([msgpack.Timestamp(5, 6)])) == [msgpack.Timestamp(5, 6)]


def test_the_table_of_codes_is_documented() -> None:
    """Codes are part of the stored format: each has its line, and none moves."""
    import brinery_codecs.msgpack as module

    lines = re.findall(r"^(\d+) +(\w+)", module.__doc__ or "", re.MULTILINE)
    assert [int(code) for code, _ in lines] == sorted(BY_CODE) == list(range(2, 19))


SEEDS = [
    dumped(obj)
    for obj in (
        {"a": [1, 2.5, None, True, (b"x", "y")], "b": {1, 2, (3,)}, (1, 2): frozenset({"z"})},
        [datetime(2024, 10, 27, 2, 30, tzinfo=PARIS), datetime(2000, 1, 1, tzinfo=ODD), time(1, 2)],
        [2**70, 1j, bytearray(b"abc"), Decimal("1.5"), Fraction(1, 3), uuid.UUID(int=5)],
        [Task("Task.1"), {Task("Task.2"): timedelta(1)}, date(2000, 1, 1)],
        [np.arange(6.0).reshape(2, 3), np.float32(1), np.str_("abc"), np.array(["a", "b"])],
        [np.array([(1, ([2, 3], 9))], [("a", "?"), ("b", [("c", "2i4"), ("d", "M8[s]")])])],
    )
]


def mutants(rounds: int) -> Iterator[bytes]:
    chance = random.Random(20240501)
    for _ in range(rounds):
        payload = bytearray(chance.choice(SEEDS))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(payload))
            change = chance.randrange(4)
            if change == 0:
                payload[at] = chance.randrange(256)
            elif change == 1:
                payload[at] ^= 1 << chance.randrange(8)
            elif change == 2:
                del payload[at : at + chance.randint(1, 4)]
            else:
                other = chance.choice(SEEDS)
                start = chance.randrange(len(other))
                payload[at:at] = other[start : start + chance.randint(1, 30)]
            payload = payload or bytearray(b"\xc0")
        yield bytes(payload)


@pytest.mark.filterwarnings("ignore")  # of numpy, about odd dtypes
def test_mutated_payloads_give_an_object_or_a_decode_error() -> None:
    """Twenty thousand damaged payloads; no other exception, and what is read can be looked at."""
    outcomes: collections.Counter = collections.Counter()
    for payload in mutants(20_000):
        try:
            found = loaded(payload)
        except DecodeError:
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1
            repr(found)
    assert min(outcomes["refused"], outcomes["read"]) > 1000


@pytest.mark.thorough
@given(st.binary(max_size=60))
@settings(max_examples=500, deadline=None)
def test_random_bytes_give_an_object_or_a_decode_error(payload: bytes) -> None:
    """Also where nothing of the format is left."""
    try:
        loaded(payload)
    except DecodeError:
        pass
