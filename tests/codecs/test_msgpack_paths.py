"""The codec msgpack tells where a payload cannot be read, and where its references are."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from brinery import DanglingReferenceError, DecodeError, MemoryStore, Persistable
from brinery.codec import Mention
from brinery.ids import name_of
from brinery.record.reader import parse
from brinery.record.record import new_metadata
from brinery.record.writer import build
from brinery_codecs.msgpack import MsgpackCodec

BAD_DATE = [msgpack.ExtType(8, b""), 2020, 13, 1]
BAD_SET = [msgpack.ExtType(6, b""), 1, 1]


def tuple_of(*items: Any) -> Any:
    return [msgpack.ExtType(5, b""), *items]


class Item(Persistable):
    """An object that others refer to."""


def failure(payload: bytes) -> DecodeError:
    """Load a record with this payload."""
    store = MemoryStore(codec="msgpack")
    codec = store.codec
    metadata = new_metadata(
        id="forged",
        codec=codec.name,
        config=codec.config(),
        codec_version=codec.version,
        protocol=codec.protocol,
        class_name="builtins:object",
        references=(),
        payload=[payload],
    )
    store.backend.put(name_of("forged"), b"".join(build(metadata, [payload])))
    with pytest.raises(DecodeError) as caught:
        store.load("forged")
    return caught.value


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, {"b": BAD_DATE}], "c": 1}, "['a'][1]['b']"),
        ([tuple_of(1, tuple_of(), tuple_of(1, 2, BAD_SET))], "[0][2][2]"),
        ([[], {}, {1: {}, None: [BAD_DATE]}], "[2][None][0]"),
        ({"s": [msgpack.ExtType(6, b""), tuple_of(BAD_DATE)]}, "['s']{…}[0]"),
        ([0, msgpack.ExtType(99, b"")], "[1]"),
        ([0, 1, msgpack.ExtType(5, b"")], "[2]"),
        ([[1], msgpack.ExtType(1, b"nobody")], "[1]"),
        (BAD_DATE, None),
    ],
)
def test_what_cannot_be_read_is_found(value: Any, path: str | None) -> None:
    """A value whose fields do not fit, an unknown one, a mark, a reference that is not listed."""
    assert failure(msgpack.packb(value)).object_path == path


def test_bytes_that_are_no_text_are_found() -> None:
    """The library fails, and not a value of this package's."""
    payload = msgpack.packb({"a": ["fine", "xy"]}).replace(b"xy", b"\xff\xfe")
    assert failure(payload).object_path == "['a'][1]"


def test_a_payload_that_ends_early_is_an_error_with_the_place_of_its_end() -> None:
    """Where the bytes end."""
    assert failure(msgpack.packb({"a": ["fine", "xy"]})[:-1]).object_path == "['a'][1]"


def test_references_are_listed_with_their_places() -> None:
    """In lists, dicts, tuples and sets."""
    store = MemoryStore(codec="msgpack")
    items = [Item() for _ in range(3)]
    ids = store.save_many(items, codec="pickle")
    id_ = store.save({"a": [items[0], (1, items[1])], "b": {items[2]}})
    payload = parse(store.backend.get(name_of(id_))[0]).payload
    assert set(MsgpackCodec().mentions(payload)) == {
        Mention("external", ids[0], "['a'][0]"),
        Mention("external", ids[1], "['a'][1][1]"),
        Mention("external", ids[2], "['b']{…}"),
    }


@pytest.mark.parametrize("codec", ["pickle", "cloudpickle", "dill", "msgpack"])
def test_a_dangling_reference_is_told_with_its_place(codec: str) -> None:
    """The record that refers, and where in its object."""
    store = MemoryStore(codec=codec)
    items = [Item(), Item()]
    ids = store.save_many(items, codec="pickle")
    id_ = store.save({"a": [items[0], (1, items[1])]})
    del items
    store.invalidate_cache()
    store.remove(ids[1])
    with pytest.raises(DanglingReferenceError, match="refers at") as caught:
        store.load(id_)
    assert caught.value.referrer == id_
    assert caught.value.object_path == "['a'][1][1]"
