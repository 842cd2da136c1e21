"""The contract of transforms, as tests.

A transform is tested by a subclass that gives one fixture:

    class TestMyTransform(TransformContract):
        @pytest.fixture
        def transform(self) -> Transform:
            return MyTransform(level=3)

What is refused is refused by any exception: the store makes a `CorruptRecordError` of it.
"""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest  # noqa: TID253 - only those who test import this module

from brinery.codec import Buffer
from brinery.errors import CorruptRecordError
from brinery.ids import name_of
from brinery.record.digest import digest_of
from brinery.record.reader import parse
from brinery.record.record import Transformation, new_metadata
from brinery.record.writer import build
from brinery.stores.memory import MemoryStore
from brinery.transform import Transform

_MEBIBYTE = 1 << 20

PAYLOADS: Mapping[str, Callable[[], bytes]] = {
    "empty": bytes,
    "one byte": lambda: b"x",
    "small": lambda: b"a small payload",
    "text": lambda: b" ".join(b"line %d of a text" % n for n in range(5_000)),
    "random": lambda: random.Random(0).randbytes(100_000),
    "zeros": lambda: bytes(2 * _MEBIBYTE),
    "large": lambda: random.Random(1).randbytes(1000) * 1_000 + b"end",
}

_ENCODED = """
import importlib, json, sys
from brinery.testing.transform import encoded_digests
module, name, config = json.loads(sys.argv[1])
print(json.dumps(encoded_digests(getattr(importlib.import_module(module), name)(**config))))
"""

every_payload = pytest.mark.parametrize("name", PAYLOADS)


class TransformContract:
    """What every transform keeps to."""

    @pytest.fixture
    def transform(self) -> Transform:
        """Give the transform to test."""
        raise NotImplementedError("give a fixture `transform`")

    # -- there and back

    @every_payload
    def test_a_payload_comes_back(self, transform: Transform, name: str) -> None:
        """Whatever it is, by the transform that wrote it and by one of the same configuration."""
        payload = PAYLOADS[name]()
        data = encoded(transform, payload)
        again = type(transform)(**transform.config())
        for reader in (transform, again):
            found = reader.decode(data, len(payload))
            assert type(found) is bytes
            assert found == payload

    def test_it_makes_a_text_smaller(self, transform: Transform) -> None:
        """That is what it is for."""
        payload = PAYLOADS["text"]()
        assert len(encoded(transform, payload)) < len(payload) // 2

    @every_payload
    def test_a_payload_comes_back_in_parts(self, transform: Transform, name: str) -> None:
        """However it is cut, and also if only one of both directions is in parts."""
        payload = PAYLOADS[name]()
        for cut in (_MEBIBYTE, 1000):
            data = b"".join(transform.encode_in_parts(_cut(payload, cut), len(payload)))
            for stored in (data, encoded(transform, payload)):
                for decode in _decoders(transform):
                    assert decode(stored, len(payload)) == payload

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_bytes_of_any_kind_are_taken(
        self, transform: Transform, kind: Callable[[bytes], Buffer]
    ) -> None:
        """As pieces, and as stored bytes: the store gives a view of the record."""
        payload = PAYLOADS["text"]()
        data = b"".join(transform.encode([kind(payload[:1000]), kind(payload[1000:])]))
        assert transform.decode(kind(data), len(payload)) == payload

    @every_payload
    def test_it_does_not_matter_how_a_payload_is_cut(self, transform: Transform, name: str) -> None:
        """Neither into halves, nor into bytes, nor with empty pieces."""
        payload = PAYLOADS[name]()
        whole = encoded(transform, payload)
        half = len(payload) // 2
        bytewise = [payload[n : n + 1] for n in range(min(5_000, len(payload)))]
        for pieces in (
            [payload[:half], payload[half:]],
            [b"", payload, b""],
            [*bytewise, payload[5_000:]],
        ):
            assert b"".join(transform.encode(pieces)) == whole

    def test_equal_payloads_give_equal_bytes(self, transform: Transform) -> None:
        """In every process."""
        cls = type(transform)
        described = json.dumps([cls.__module__, cls.__qualname__, transform.config()])
        assert _output("-c", _ENCODED, described) == encoded_digests(transform)

    def test_several_threads_may_use_one(self, transform: Transform) -> None:
        """At once, and each gets its own bytes back."""

        def work(number: int) -> None:
            for turn in range(50):
                payload = b"thread %d, turn %d; " % (number, turn) * (100 + 50 * turn)
                assert transform.decode(encoded(transform, payload), len(payload)) == payload

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(8)))

    # -- what is refused

    @every_payload
    def test_what_is_cut_off_is_refused(self, transform: Transform, name: str) -> None:
        """At the end and at the start, down to nothing."""
        payload = PAYLOADS[name]()
        data = encoded(transform, payload)
        some = {*range(min(30, len(data))), *range(max(0, len(data) - 30), len(data))}
        for length in some:
            self._refuses(transform, data[:length], len(payload))
            self._refuses(transform, data[len(data) - length :], len(payload))

    @every_payload
    def test_what_has_more_bytes_is_refused(self, transform: Transform, name: str) -> None:
        """Whether those behind mean something or not."""
        payload = PAYLOADS[name]()
        data = encoded(transform, payload)
        for more in (b"\0", b"more", data, encoded(transform, b"")):
            self._refuses(transform, data + more, len(payload))
        self._refuses(transform, b"\0" + data, len(payload))

    @every_payload
    def test_another_size_than_the_announced_is_refused(
        self, transform: Transform, name: str
    ) -> None:
        """Less and more, by one byte and by many."""
        payload = PAYLOADS[name]()
        data = encoded(transform, payload)
        size = len(payload)
        for wrong in {size - 1, size + 1, size // 2, 2 * size + 1, 0, 1 << 40} - {size, -1}:
            self._refuses(transform, data, wrong)

    @every_payload
    def test_changed_bytes_are_refused(self, transform: Transform, name: str) -> None:
        """Or they change nothing: a byte of a header may have no meaning."""
        payload = PAYLOADS[name]()
        data = encoded(transform, payload)
        chance = random.Random(2)
        for _ in range(100):
            changed = bytearray(data)
            changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            for decode in _decoders(transform):
                try:
                    found = decode(bytes(changed), len(payload))
                except Exception:  # noqa: BLE001 - any exception is a refusal
                    continue
                assert found == payload

    def test_no_bytes_at_random_are_taken(self, transform: Transform) -> None:
        """What it did not write it does not read."""
        chance = random.Random(3)
        for length in (0, 1, 10, 100, 1000):
            self._refuses(transform, chance.randbytes(length), 1000)

    def test_a_bomb_is_given_up_early(self, transform: Transform) -> None:
        """Bytes that expand to 64 MiB, and announce 1 MiB, take little memory."""
        data = encoded(transform, bytes(64 * _MEBIBYTE))
        assert peak(transform, data, _MEBIBYTE) < 8 * _MEBIBYTE

    def test_an_announcement_alone_takes_no_memory(self, transform: Transform) -> None:
        """A few bytes that are said to be a gibibyte."""
        data = encoded(transform, PAYLOADS["small"]())
        assert peak(transform, data, 1 << 30) < 8 * _MEBIBYTE

    def _refuses(self, transform: Transform, data: bytes, size: int) -> None:
        for decode in _decoders(transform):
            with pytest.raises(Exception):  # noqa: B017 - any exception is a refusal
                decode(data, size)

    # -- in a store

    def test_a_large_value_comes_back(self, transform: Transform) -> None:
        """It goes through the transform in parts; or it is stored plain, if that saves too little."""
        text = PAYLOADS["large"]()
        noise = random.Random(4).randbytes(len(text))
        with MemoryStore(compress=transform) as store:
            store.save_many({"text": [text], "noise": [noise]})
            assert store.info("text").size < len(text) // 2
            assert store.info("noise").transform is None
            store.invalidate_cache()
            assert store.load_many(["text", "noise"]) == [[text], [noise]]

    def test_a_record_says_what_was_done_to_it(self, transform: Transform) -> None:
        """Name and configuration; reading needs these."""
        obj = ["text"] * 10 + [f"number {n}" for n in range(1000)]
        with MemoryStore(compress=transform) as store:
            info = store.info(store.save(obj, "texts"))
            assert (info.transform, info.transform_config) == (transform.name, transform.config())
            assert info.size < info.raw_size
            store.invalidate_cache()
            assert store.load("texts") == obj

    def test_the_configuration_makes_an_equal_transform(self, transform: Transform) -> None:
        """From JSON, as a store's settings keep it; and by its reduction, as pickle and copy do."""
        config = json.loads(json.dumps(transform.config()))
        assert config == transform.config()
        for again in (type(transform)(**config), copy.deepcopy(transform)):
            assert again == transform
            assert hash(again) == hash(transform)
            assert repr(again) == repr(transform)
        assert ":" not in transform.name

    def test_a_forged_record_is_an_error(self, transform: Transform) -> None:
        """All its digests are right, and its bytes are not what it announces."""
        with MemoryStore() as plain:
            plain.save([0] * 10_000, "list.1")
            payload = bytes(parse(plain.backend.get("list.1")[0]).payload)
        data = encoded(transform, payload)
        size, digest = len(payload), digest_of([payload])
        forged = [
            (data, size - 1, digest),
            (data, size + 1, digest),
            (data, 0, digest),
            (data, 1 << 29, digest),
            (data, size, bytes(16)),
            (data[:-1], size, digest),
            (data + b"\0", size, digest),
            (b"", size, digest),
            (payload, size, digest),
        ]
        with MemoryStore(compress=transform) as store:
            store.backend.put("list.1", _record(transform, data, size, digest))
            assert store.load("list.1") == [0] * 10_000
            for bytes_, announced, digested in forged:
                store.invalidate_cache()
                record = _record(transform, bytes_, announced, digested)
                store.backend.put(name_of("list.1"), record)
                with pytest.raises(CorruptRecordError) as caught:
                    store.load("list.1")
                assert caught.value.id == "list.1"


def encoded(transform: Transform, payload: bytes) -> bytes:
    """Return the bytes that a transform makes of a payload."""
    return b"".join(transform.encode([payload]))


def encoded_digests(transform: Transform) -> dict[str, str]:
    """Return the digests of what a transform makes of the sample payloads."""
    return {name: digest_of(transform.encode([make()])).hex() for name, make in PAYLOADS.items()}


def peak(transform: Transform, data: bytes, size: int) -> int:
    """Return the most bytes that Python's allocators gave out while decoding fails."""
    tracemalloc.start()
    try:
        for decode in _decoders(transform):
            with pytest.raises(Exception):  # noqa: B017 - any exception is a refusal
                decode(data, size)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def _decoders(transform: Transform) -> list[Callable[[bytes, int], bytes]]:
    # What decodes at once and in parts, from large pieces and from small ones.
    def in_parts(cut: int) -> Callable[[bytes, int], bytes]:
        return lambda data, size: b"".join(transform.decode_in_parts(_cut(data, cut), size))

    return [transform.decode, in_parts(_MEBIBYTE), in_parts(100)]


def _record(transform: Transform, data: bytes, size: int, digest: bytes) -> bytes:
    """Return a record of right digests around transformed bytes."""
    metadata = new_metadata(
        id="list.1",
        codec="pickle",
        config={},
        codec_version="1",
        protocol=5,
        class_name="builtins:list",
        references=(),
        payload=[data],
        transform=Transformation(transform.name, transform.config(), size, digest),
    )
    record = b"".join(build(metadata, [data]))
    assert parse(record).metadata == metadata
    return record


def _output(*arguments: str) -> object:
    path = os.pathsep.join(filter(None, sys.path))
    run = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)
