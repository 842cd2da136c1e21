"""Kinds: what the records of a class share."""

from __future__ import annotations

import platform
from typing import Any

import pytest
from tests.record.forms import built, packed, taken_apart

from brinery import MemoryStore
from brinery.record.kind import LARGEST_KEPT, Kind, KindTable, kind_from, kind_of
from brinery.record.reader import parse, record_as_written
from brinery.testing.samples import Node
from brinery_codecs.pickle import PickleCodec

CODEC: dict[str, Any] = {
    "codec": "pickle",
    "config": {"protocol": 5},
    "codec_version": "4.0",
    "protocol": 5,
}
GIVEN: tuple[Any, ...] = ("jobs:Task", CODEC)
FOUND = {
    "class": "jobs:Task",
    "codec": "pickle",
    "config": {"protocol": 5},
    "codec_version": "4.0",
    "protocol": 5,
    "python": platform.python_version(),
}


def test_a_kind_is_a_map_whose_class_comes_first() -> None:
    """What is empty is left out."""
    assert kind_of(*GIVEN).blob == packed(FOUND)
    assert kind_of(*GIVEN, opening=0, versions={}, libraries={}).blob == packed(FOUND)
    more: dict[str, Any] = {
        "opening": 80,
        "versions": {"jobs:Task": 2},
        "libraries": {"numpy": "2.1"},
    }
    kind = kind_of(*GIVEN, **more)
    assert kind.blob == packed(FOUND | more)
    assert kind.opening == 80
    assert (dict(kind.versions), dict(kind.libraries)) == ({"jobs:Task": 2}, {"numpy": "2.1"})


def test_equal_kinds_are_one_object_with_equal_bytes() -> None:
    """So a reader finds what it has parsed, and a program compares them fast."""
    kind = kind_of(*GIVEN)
    assert kind_of(*GIVEN) is kind is kind_from(kind.blob)
    again = Kind(kind.blob, FOUND)
    assert again == kind
    assert hash(again) == hash(kind)
    other = kind_of("jobs:Task", {**CODEC, "python": "3.99.0"})
    assert other != kind
    assert kind != kind.blob


def test_what_a_kind_has_noted_cannot_be_changed() -> None:
    """All records of the kind share it."""
    kind = kind_of(*GIVEN, versions={"a:B": 2}, libraries={"numpy": "2.1"})
    for noted in (kind.versions, kind.libraries, kind_of(*GIVEN).versions):
        with pytest.raises(TypeError):
            noted["more"] = 1  # type: ignore[index]


def test_a_large_kind_is_not_kept() -> None:
    """A store of hostile records could fill the memory with them.  It is read by the careful reader."""
    size = len(packed(FOUND | {"later": ""}))
    for more, is_kept in ((LARGEST_KEPT - size - 2, True), (LARGEST_KEPT, False)):
        kind = packed(FOUND | {"later": "x" * more})
        data = taken_apart(built())._replace(kind=kind).joined()
        assert (record_as_written(data, None, None) is not None) == is_kept
        records = [parse(data), parse(data)]
        assert [record.metadata.class_name for record in records] == ["jobs:Task"] * 2
        assert (records[0].metadata.kind is records[1].metadata.kind) == is_kept
        assert records[0].metadata.kind == records[1].metadata.kind


def test_unknown_keys_are_kept_in_the_bytes() -> None:
    """A later version may have noted more."""
    blob = packed(FOUND | {"later": 1})
    kind = kind_from(blob)
    assert kind.blob == blob
    assert kind.class_name == "jobs:Task"
    assert kind != kind_of(*GIVEN)


def test_a_codec_makes_each_kind_once() -> None:
    """By class, size of the opening, and what is noted."""
    codec = PickleCodec()
    table = KindTable(codec)
    plain = table["jobs:Task", 80]
    assert table["jobs:Task", 80] is plain
    assert plain.opening == 80
    assert plain.config == codec.config()
    noted = table["jobs:Task", 80, (("a:B", 2),), (("numpy", "2.1"),)]
    assert dict(noted.versions) == {"a:B": 2}
    assert dict(noted.libraries) == {"numpy": "2.1"}
    assert table["jobs:Task", 80, (), ()] == plain


def test_the_records_of_a_class_have_one_kind() -> None:
    """Whatever they hold of plain values and references."""
    store = MemoryStore()
    nodes = [Node(str(n)) for n in range(5)]
    nodes[0].child = nodes[1]  # type: ignore[attr-defined]
    ids = store.save_many(nodes)
    kinds = {parse(store.backend.get(id_)[0]).metadata.kind for id_ in ids}
    assert len(kinds) == 1
