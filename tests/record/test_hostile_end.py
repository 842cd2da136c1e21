"""Correct digests prove nothing: anybody can compute them, and write any text, kind and tail."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.record.forms import (
    JSON,
    SEALED,
    TEXT,
    Parts,
    built,
    kind_in,
    packed,
    taken_apart,
    with_kind,
    with_text,
)

from brinery.errors import CorruptRecordError
from brinery.record.kind import kind_from
from brinery.record.reader import parse, parse_metadata, record_as_written
from brinery.record.record import Metadata, Record, flat

PARTS = taken_apart(built())
KIND = kind_in(built())
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "config": st.dictionaries(st.sampled_from(["id", "protocol", "\xa2id"]), JSON, max_size=2),
    "protocol": st.none() | st.integers(0, 5),
    "opening": st.integers(-1, 99),
    "versions": st.dictionaries(TEXT, st.integers(1, 9), max_size=2),
    "libraries": st.dictionaries(TEXT, TEXT, max_size=2),
    "writer": st.dictionaries(TEXT, TEXT, max_size=2),
    "odd": JSON,
}


@st.composite
def kinds(draw: st.DrawFn) -> bytes:
    """Return a kind as it is written, or with a wrong value, a missing key or an extra one."""
    names = [*KIND, *draw(st.lists(st.sampled_from([*FIELDS]), max_size=2, unique=True))]
    found = {name: draw(FIELDS.get(name, TEXT)) for name in names}
    changed = draw(st.none() | st.sampled_from(names))
    if changed is not None:
        found[changed] = draw(JSON)
    if changed is not None and draw(st.booleans()):
        del found[changed]
    return packed(found) + draw(st.just(b"") | st.binary(max_size=2))


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Return a text as it is written, or something like it."""
    ids = st.lists(TEXT, max_size=3)
    groups = st.lists(TEXT | ids, max_size=4) | st.tuples(TEXT, ids).map(list) | JSON
    id_ = st.just("Task.1") | TEXT | JSON
    more = st.dictionaries(
        st.sampled_from(["transform", "buffers", "note", "tags", "later"]), JSON, max_size=2
    )
    text = st.tuples(id_, groups) | st.tuples(id_, groups, more) | JSON
    return packed(draw(text)) + draw(st.just(b"") | st.binary(max_size=2))


def read_with_care(data: bytes, id: str | None) -> Metadata | None:
    """Return the metadata that the careful reader returns, None if it refuses the record."""
    try:
        return parse_metadata(data, len(data), id=id)
    except CorruptRecordError as error:
        refused = str(error)
    assert len(refused) < 1000
    return None


@settings(max_examples=400)
@given(
    texts() | st.just(PARTS.text),
    kinds() | st.just(PARTS.kind),
    st.floats() | st.just(1.0),
    st.integers(0, 5),
)
def test_both_readers_accept_the_same(text: bytes, kind: bytes, created: float, flags: int) -> None:
    """What the one in one pass returns, the careful one returns; it refuses nothing that is written."""
    parts = PARTS._replace(text=text, kind=kind, created=created, flags=flags)
    data = parts.joined()
    careful = read_with_care(data, None)
    quick = record_as_written(data, 7, None)
    if quick is not None:
        assert careful is not None
        assert repr(quick) == repr(Record(careful, data, 7))
        check_types(quick.metadata)
    elif careful is not None:
        check_types(careful)
        assert parse(data).metadata == careful
        is_plain = not careful.more and careful.transform is None and not careful.buffers
        if is_plain and len(careful.groups) in (0, 2) and flags <= 1:
            # Only a lone surrogate keeps it from being read in one pass, or an empty map of more.
            assert b"\xed" in text or text[:1] == b"\x93"


def check_types(metadata: Metadata) -> None:
    """Everything that is accepted has the type that is declared."""
    for name in ("id", "codec", "codec_version", "python", "class_name"):
        assert type(getattr(metadata, name)) is str
    assert type(metadata.config) is dict
    assert metadata.protocol is None or type(metadata.protocol) is int
    assert metadata.references == flat(metadata.groups)
    assert all(type(reference) is str for reference in metadata.references)
    assert all(type(version) is int for version in metadata.versions.values())
    assert all(type(version) is str for version in metadata.libraries.values())
    assert all(type(text) is str for text in metadata.kind.writer.values())
    assert type(metadata.more.get("note", "")) is str
    assert type(metadata.more.get("tags", {})) is dict
    assert metadata.kind.opening >= 0
    assert 0 <= metadata.created < math.inf
    assert len(metadata.nonce) == len(metadata.payload_digest) == 16


@pytest.mark.parametrize("groups", [None, 0, False, "", {}, b"", 0.0])
def test_nothing_in_place_of_the_references_is_found(groups: Any) -> None:
    """Only an empty list says that there are none."""
    data = with_text(built(), ["Task.1", groups])
    assert record_as_written(data, None, None) is None
    with pytest.raises(CorruptRecordError, match="does not write such metadata"):
        parse(data)


@pytest.mark.parametrize("key", [*KIND])
def test_a_missing_key_is_found(key: str) -> None:
    """Nothing that a kind always has gets a default."""
    kind = {name: value for name, value in KIND.items() if name != key}
    with pytest.raises(CorruptRecordError, match="does not write such metadata"):
        parse(PARTS._replace(kind=packed(kind)).joined())


@pytest.mark.parametrize(
    "changes",
    [
        {"class": b"a:B"},
        {"codec": None},
        {"config": []},
        {"config": "x" * 10**6},
        {"codec_version": 1},
        {"protocol": "5"},
        {"protocol": True},
        {"python": [3, 11]},
        {"opening": -1},
        {"opening": True},
        {"opening": 2.0},
        {"versions": []},
        {"versions": {"a:B": 1}},
        {"versions": {"a:B": True}},
        {"versions": {"a:B": "2"}},
        {"versions": {b"a:B": 2}},
        {"libraries": [["numpy", "2.1"]]},
        {"libraries": {"numpy": 2}},
        {"libraries": {b"numpy": "2.1"}},
        {"libraries": None},
    ],
    ids=repr,
)
def test_wrong_values_of_a_kind_are_found(changes: dict[str, Any]) -> None:
    """Wrong types and ranges; the error stays short."""
    with pytest.raises(CorruptRecordError, match="does not write such metadata") as caught:
        parse(with_kind(built(), **changes))
    assert len(str(caught.value)) < 1000


DONE = {"name": "gzip", "config": {}, "size": 7, "digest": b"d" * 16}
WRONG: tuple[dict[str, Any], ...] = (
    {"name": b"gzip"},
    {"config": []},
    {"size": -1},
    {"size": 7.0},
    {"size": True},
    {"digest": "x"},
)


WRONG_FIELDS: tuple[dict[str, Any], ...] = (
    {"note": None},
    {"note": 1},
    {"note": b"n"},
    {"note": ["n"]},
    {"tags": None},
    {"tags": 1},
    {"tags": []},
    {"tags": {b"a": 1}},
    {"tags": {"a": b"b"}},
    {"tags": {"a": []}},
    {"tags": {"a": {}}},
    {"tags": {"a": 1 << 63}},
    {"tags": {"a": math.nan}},
)


@pytest.mark.parametrize(
    "text",
    [
        [],
        ["Task.1"],
        {"Task.1": [], "x": []},
        "ab",
        [None, []],
        [["Task.1"], []],
        [b"Task.1", []],
        ["Task.1", "A.1"],
        ["Task.1", ["a:B"]],
        ["Task.1", ["a:B", []]],
        ["Task.1", ["a:B", "A.1"]],
        ["Task.1", ["a:B", [b"A.1"]]],
        ["Task.1", ["a:B", [None]]],
        ["Task.1", ["a:B", {"A.1": 1}]],
        ["Task.1", [b"a:B", ["A.1"]]],
        ["Task.1", ["a:B", ["A.1"], "a:C"]],
        ["Task.1", ["a:B", ["A.1"], "a:C", ["C.1"], 3, ["D.1"]]],
        ["Task.1", [], []],
        ["Task.1", [], None],
        ["Task.1", [], {"transform": "zlib"}],
        ["Task.1", [], {"transform": None}],
        *(["Task.1", [], fields] for fields in WRONG_FIELDS),
        ["Task.1", [], {"transform": {}}],
        *(["Task.1", [], {"transform": {**DONE, **wrong}}] for wrong in WRONG),
        *(
            ["Task.1", [], {"buffers": buffers}]
            for buffers in (
                None,
                {"abc": 1},
                "abc",
                ["abc"],
                [[0, 1]],
                [[0, 1, b"d" * 16, 0]],
                [[0.0, 1, b"d" * 16]],
                [[0, True, b"d" * 16]],
                [[0, 1, "d" * 16]],
                [[-64, 1, b"d" * 16]],
                [[0, -1, b""]],
            )
        ),
    ],
    ids=lambda text: repr(text)[:60],
)
def test_wrong_texts_are_found(text: Any) -> None:
    """Whatever is not an ID, groups of references and a map of more."""
    with pytest.raises(CorruptRecordError, match="does not write such metadata") as caught:
        parse(with_text(built(), text))
    assert len(str(caught.value)) < 1000


BROKEN = [
    b"",
    b"\xc1",
    b"\x80\x80",
    b"\xc0",
    b"\x01",
    b"\xa1x",
    b"\x81\x01\x01",
    b"\x81\xa1\xff\x01",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xc9\xff\xff\xff\xff\x01",
    b"\xd4\x01\x00",
    b"\xd5\xff\x00\x00",
    b"\x91" * 100_000,
    b"\x81\xa1x" * 100_000,
    b"\xdd\x00\x01\x00\x00" * 20_000,
]


@pytest.mark.parametrize("raw", BROKEN, ids=lambda raw: raw[:8].hex())
@pytest.mark.parametrize("part", ["text", "kind"])
def test_what_is_not_msgpack_is_found(part: str, raw: bytes) -> None:
    """Broken msgpack, lengths beyond the end, nesting without end."""
    with pytest.raises(CorruptRecordError, match="does not write such metadata"):
        parse((PARTS._replace(text=raw) if part == "text" else PARTS._replace(kind=raw)).joined())


@pytest.mark.parametrize("depth", [100, 400, 900, 5000])
def test_nested_values_raise_nothing_else(depth: int) -> None:
    """In the configuration of a codec, and in a field of a later version."""
    nest = b"\x91" * depth + b"\xc0"
    others = {name: value for name, value in KIND.items() if name != "config"}
    kind = bytes([0x80 + len(others) + 1]) + packed(others)[1:] + packed("config") + b"\x81\xa1x"
    text = b"\x93" + packed("Task.1") + b"\x90\x81" + packed("later")
    for parts in (PARTS._replace(kind=kind + nest), PARTS._replace(text=text + nest)):
        try:
            parse(parts.joined())
        except CorruptRecordError:
            assert depth > 100


@pytest.mark.parametrize("created", [-1.0, math.nan, math.inf, -math.inf, 2.0**37, 1e300])
def test_a_time_that_no_calendar_has_is_found(created: float) -> None:
    """Before it makes an error elsewhere."""
    with pytest.raises(CorruptRecordError):
        parse(PARTS._replace(created=created).joined())


@pytest.mark.parametrize("flags", [8, 9, 128, 0x8000])
def test_unknown_flags_are_found(flags: int) -> None:
    """A later version may use them for something that this one would have to know."""
    with pytest.raises(CorruptRecordError, match="no version of brinery writes such a tail"):
        parse(PARTS._replace(flags=flags).joined())


@pytest.mark.parametrize(
    "groups", [[], ["m:Task", ["Task.1"]], ["\0", ["Task.1"], "m:Task", ["Task.2"]]]
)
def test_references_that_are_not_followed_come_last(groups: list[Any]) -> None:
    """If the flag says that there are some."""
    text = packed(["id", groups])
    with pytest.raises(CorruptRecordError, match="does not write such metadata"):
        parse(PARTS._replace(flags=4, text=text).joined())


def test_references_that_are_not_followed_are_references() -> None:
    """An object may be referred to in both ways, and counts once."""
    text = packed(["id", ["m:Task", ["Task.1", "Task.2"], "\0", ["Task.2", "Task.3"]]])
    found = parse(PARTS._replace(flags=4, text=text).joined()).metadata
    assert found.references == ("Task.1", "Task.2", "Task.3")
    assert found.followed == ("Task.1", "Task.2")
    assert found.in_refs == ["Task.2", "Task.3"]


def test_a_seal_that_is_missing_or_said_to_be_missing_is_found() -> None:
    """The flag decides where the text starts, so that it cannot be set or cleared alone."""
    for parts in (
        PARTS._replace(flags=SEALED),
        PARTS._replace(proof=b"p" * 64),
        PARTS._replace(flags=SEALED, proof=b"p" * 32),
    ):
        with pytest.raises(CorruptRecordError):
            parse(parts.joined())


def test_equal_kinds_are_parsed_once() -> None:
    """And a wrong one is refused each time."""
    records = [parse(PARTS._replace(nonce=bytes([n] * 16)).joined()) for n in range(3)]
    assert len({id(record.metadata.kind) for record in records}) == 1
    assert records[0].metadata.kind is kind_from(PARTS.kind)
    for _ in range(3):
        with pytest.raises(CorruptRecordError):
            parse(Parts(*PARTS)._replace(kind=b"\x80").joined())
