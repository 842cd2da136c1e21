"""The codec json: plain JSON texts, exact types or a refusal."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brinery import DecodeError, MemoryStore, UnsupportedObjectError, make_store
from brinery.codec import Codec, PlainLinks, Sink
from brinery.testing.codec import CodecContract
from brinery.testing.samples import ListNode, Node
from brinery_codecs.json import MAX_DEPTH, JsonCodec

CODEC = JsonCodec()


class Links(PlainLinks):
    """The links of data without references."""

    def __init__(self, root: Any = None) -> None:
        self.root = root
        self.batch: dict[Any, Any] = {}
        self.cache: dict[Any, Any] = {}

    def is_external_type(self, cls: type, /) -> bool:
        return cls is Node

    def external(self, obj: Any, /) -> str | None:
        return None if obj is self.root else "Node.1"

    def resolve(self, id: str, /) -> Any:
        return ("resolved", id)

    def construct(self, early: Any, constructor: Any, args: Any, /) -> Any:
        raise NotImplementedError


def written(obj: Any) -> bytes:
    """Return the payload of an object."""
    sink = Sink()
    CODEC.dump(obj, sink, Links(obj))
    return b"".join(sink.pieces)


def read(payload: bytes) -> Any:
    """Return the object of a payload."""
    return CODEC.load(payload, Links())


def refused(obj: Any) -> UnsupportedObjectError:
    """Return the error that an object gives."""
    with pytest.raises(UnsupportedObjectError) as caught:
        written(obj)
    return caught.value


class TestJsonCodec(CodecContract):
    """What every codec keeps to."""

    @pytest.fixture
    def codec(self) -> Codec:
        """Give the codec."""
        return CODEC


def exact(a: Any, b: Any) -> bool:
    """Tell whether two pieces of data are the same, types and signs of zeros included."""
    if type(a) is not type(b):
        return False
    if type(a) is dict:
        return [*a] == [*b] and all(map(exact, a.values(), b.values()))
    if type(a) is list:
        return len(a) == len(b) and all(map(exact, a, b))
    return bool(a == b) and (type(a) is not float or math.copysign(1, a) == math.copysign(1, b))


TEXT = st.text(st.characters(codec="utf-8"))
KEYS = st.one_of(TEXT, st.sampled_from(["$ref", "$$ref", "$$$ref", "ref", "$refs", "$"]))
ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**200), 2**200),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
)
DATA = st.recursive(
    ATOMS, lambda part: st.one_of(st.lists(part), st.dictionaries(KEYS, part)), max_leaves=30
)


@pytest.mark.thorough
@settings(max_examples=300, deadline=None)
@given(DATA)
def test_random_data_come_back_exactly(obj: Any) -> None:
    """And are JSON to another reader, who sees the same but for escapes."""
    payload = written(obj)
    assert exact(read(payload), obj)
    assert written(read(payload)) == payload
    if "ref" not in repr(obj):
        assert exact(json.loads(payload), obj)


@pytest.mark.parametrize(
    ("obj", "path"),
    [
        (math.nan, None),
        (["a", {"b": [math.inf]}], "[1]['b'][0]"),
        ({"a": (1,)}, "['a']"),
        ([{1: 2}], "[0]"),
        ({"a": b"bytes"}, "['a']"),
        ([{1, 2}], "[0]"),
        ([True, type("Text", (str,), {})("a")], "[1]"),
        ([0, type("Number", (int,), {})(1)], "[1]"),
        (["\ud800"], "[0]"),
        ({"\ud800": 1}, None),
        (object(), None),
    ],
)
def test_what_json_does_not_have_is_refused(obj: Any, path: str | None) -> None:
    """With its place, and what to do; codecs are named by the store, which has tried them."""
    error = refused(obj)
    assert error.object_path == path
    assert error.codec == "json"
    assert error.advice == "Turn the object into data that JSON has"


def test_sharing_and_cycles_are_refused() -> None:
    """An empty list has an identity, too."""
    shared: list[Any] = []
    assert refused([shared, {"a": shared}]).object_path == "[1]['a']"
    shared.append(shared)
    assert refused(shared).object_path == "[0]"


def test_depth_has_a_limit() -> None:
    """Up to it an object is written and read, by any other reader as well."""
    deep: Any = "inside"
    for _ in range(MAX_DEPTH):
        deep = [deep]
    assert read(written(deep)) == deep == json.loads(written(deep))
    error = refused([deep])
    assert str(MAX_DEPTH) in str(error)
    assert error.object_path == "[0]" * MAX_DEPTH
    deeper: Any = []
    for _ in range(10 * sys.getrecursionlimit()):
        deeper = [deeper]
    refused(deeper)


def test_references_can_be_read_by_others() -> None:
    """An object with one key; whatever looks like one is escaped."""
    node = Node("a")
    with MemoryStore(codec="json") as store:
        id_ = store.save(node, codec="pickle")
        obj = {"node": node, "again": [node], "text": {"$ref": "Node.1"}, "more": {"$$ref": node}}
        found = store.save(obj)
        assert store.references(found) == (id_,)
        data = store.backend.get(found)[0]
        text = json.loads(data[: store.info(found).raw_size])
        assert text == {
            "node": {"$ref": "Node.1"},
            "again": [{"$ref": "Node.1"}],
            "text": {"$$ref": "Node.1"},
            "more": {"$$$ref": {"$ref": "Node.1"}},
        }
        store.invalidate_cache()
        again = store.load(id_)
        more = {"$$ref": again}
        assert store.load(found) == {**obj, "node": again, "again": [again], "more": more}


def test_an_instance_is_refused_as_a_root() -> None:
    """It is no JSON, whether it is persistable or not."""
    with MemoryStore(codec="json") as store:
        for obj in (Node("a"), ListNode([1]), 1j, [Node("b")]):
            with pytest.raises(UnsupportedObjectError):
                store.save(obj)
        assert store.list() == []


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"nul",
        b"[1",
        b"[1] 2",
        b"NaN",
        b"1e999",
        b'"\xff"',
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"$ref": 1}',
        b'[{"$ref": ["Node.1"]}]',
    ],
)
def test_malformed_payloads_are_refused(payload: bytes) -> None:
    """Whatever they claim."""
    with pytest.raises(DecodeError):
        read(payload)


def test_the_root_may_look_like_a_reference() -> None:
    """It is escaped like any other."""
    looks: list[Any] = [{"$ref": "Node.1"}, {"$$ref": {}}]
    for obj in looks:
        assert read(written(obj)) == obj


def test_a_store_is_made_by_name_and_url() -> None:
    """As with any codec."""
    assert MemoryStore(codec="json").codec == make_store("memory:?codec=json").codec == CODEC
