"""The contract of codecs finds a codec whose serializer encodes persistable objects by itself."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import msgspec
import pytest

from brinery.codec import Buffer, Capabilities, Codec, ReadLinks, Sink, WriteLinks
from brinery.testing.codec import CodecContract
from brinery.testing.kinds import KINDS
from brinery.testing.proofs import prove_row
from brinery.testing.proofs.kinds import reference_loss, value_loss
from brinery.testing.proofs.proof import CHANGED


class Serializer(NamedTuple):
    """How a library encodes with a hook for what it does not know, and decodes."""

    encode: Callable[[Any, Callable[[Any], Any]], bytes]
    decode: Callable[[bytes], Any]
    lost: frozenset[str]
    """Some of the kinds that it encodes without the hook."""


def _dumped(obj: Any, hook: Callable[[Any], Any]) -> bytes:
    return json.dumps(obj, default=hook).encode()


def _json() -> Serializer:
    lost = {"list", "tuple", "dict", "str", "int", "float"}
    return Serializer(_dumped, json.loads, frozenset(lost))


def _orjson() -> Serializer:
    orjson = importlib.import_module("orjson")

    lost = {"dataclass", "list", "dict", "str", "int", "member of an Enum"}
    return Serializer(orjson.dumps, orjson.loads, frozenset(lost))


def _msgspec_json() -> Serializer:
    lost = {"dataclass", "attrs class", "msgspec.Struct", "list", "tuple", "dict", "UUID"}
    return Serializer(
        lambda obj, hook: msgspec.json.encode(obj, enc_hook=hook),
        msgspec.json.decode,
        frozenset(lost),
    )


def _msgspec_msgpack() -> Serializer:
    lost = {"dataclass", "attrs class", "msgspec.Struct", "list", "set", "UUID"}
    return Serializer(
        lambda obj, hook: msgspec.msgpack.encode(obj, enc_hook=hook),
        msgspec.msgpack.decode,
        frozenset(lost),
    )


def _cbor2() -> Serializer:
    cbor2 = importlib.import_module("cbor2")

    lost = {"list", "tuple", "dict", "str", "int", "float", "bytes"}

    def encode(obj: Any, hook: Callable[[Any], Any]) -> Any:
        return cbor2.dumps(obj, default=lambda encoder, value: encoder.encode(hook(value)))

    return Serializer(encode, cbor2.loads, frozenset(lost))


LOST = r"written in place .* its class and identity are lost|cannot be loaded|is refused: .*brinery.ids.Id"

SERIALIZERS = {
    "json": _json,
    "orjson": _orjson,
    "msgspec.json": _msgspec_json,
    "msgspec.msgpack": _msgspec_msgpack,
    "cbor2": _cbor2,
}


class NaiveCodec(Codec):
    """Lets the hook of a serializer write references, as a first attempt at a codec does."""

    name = "naive"
    capabilities = Capabilities(references=True)
    version = "1"

    def __init__(self, serializer: str) -> None:
        self._name, self._serializer = serializer, SERIALIZERS[serializer]()
        self.lost = self._serializer.lost

    def config(self) -> dict[str, Any]:
        return {"serializer": self._name}

    def dump(
        self, obj: Any, sink: Sink, links: WriteLinks, buffers: list[Buffer] | None = None
    ) -> None:
        sink.write(self._serializer.encode(obj, partial(_reference, links)))

    def load(self, source: Buffer, links: ReadLinks, buffers: Iterable[Buffer] = ()) -> Any:
        return _revived(self._serializer.decode(bytes(source)), links)


def _reference(links: WriteLinks, value: Any) -> Any:
    if links.is_external_type(type(value)) and (id := links.external(value)) is not None:
        return {"$ref": id}
    raise TypeError(f"cannot encode {type(value)}")


def _revived(value: Any, links: ReadLinks) -> Any:
    if type(value) is dict:
        if [*value] == ["$ref"]:
            return links.resolve(value["$ref"])
        return {key: _revived(held, links) for key, held in value.items()}
    return [_revived(each, links) for each in value] if type(value) is list else value


@pytest.mark.parametrize("name", SERIALIZERS)
def test_a_codec_that_leaves_objects_to_its_serializer_fails(name: str) -> None:
    """For each kind that the serializer knows, with a message that says what was lost."""
    codec = NaiveCodec(name)
    lost = {kind for kind in KINDS if reference_loss(codec, kind)}
    assert lost >= codec.lost
    for kind in lost:
        with pytest.raises(AssertionError, match=LOST):
            CodecContract().test_a_reference_stands_for_an_object_of_any_kind(codec, kind)


@pytest.mark.parametrize("name", SERIALIZERS)
def test_a_codec_that_changes_objects_of_its_kinds_fails(name: str) -> None:
    """Objects that are not persistable have a class to lose, too."""
    codec = NaiveCodec(name)
    lost = {kind for kind in KINDS if value_loss(codec, kind)}
    assert lost >= codec.lost
    for kind in lost:
        with pytest.raises(AssertionError, match=r"came back different|cannot be loaded"):
            CodecContract().test_an_object_of_any_kind_comes_back_or_is_refused(codec, kind)


@pytest.mark.parametrize("name", SERIALIZERS)
@pytest.mark.parametrize("row", ["references", "subclass of builtins"])
def test_the_table_calls_such_a_codec_changing(name: str, row: str) -> None:
    """And the contract fails at that row of the table."""
    codec = NaiveCodec(name)
    assert prove_row(codec, row).result == CHANGED
    with pytest.raises(AssertionError):
        CodecContract().test_each_row_of_the_table_is_proven(codec, row)


def test_every_kind_of_a_library_is_tried() -> None:
    """Where the library is installed."""
    assert {"attrs class", "msgspec.Struct"} <= KINDS.keys()
