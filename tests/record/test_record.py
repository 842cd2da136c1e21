"""Records: a built record can be parsed, and no other bytes are accepted as a record."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.record.forms import (
    JSON,
    MAGIC,
    TAIL,
    TEXT,
    built,
    described,
    kind_in,
    packed,
    taken_apart,
    with_text,
)
from xxhash import xxh3_64_digest, xxh3_128_digest

from brinery import MemoryStore
from brinery.codec import Sink
from brinery.errors import RecordError
from brinery.ids import Id
from brinery.record import writer
from brinery.record.digest import digest_of
from brinery.record.end import end_size
from brinery.record.format import FORMAT_VERSION, NONCE_SIZE, TAIL_SIZE, has_magic
from brinery.record.reader import parse, parse_metadata, record_as_written
from brinery.record.record import Groups, Record, Transformation, classes_in, grouped
from brinery.record.writer import build

BUILT = time.time()
GROUPS = ["jobs:Task", ["A.1", "B.2"], "jobs:Queue", ["Q.1"]]
SAMPLE = built((b"pay", b"load"), groups=GROUPS, config={"a": [1, None]}, opening=3, flags=1)


def groups_of(classes: dict[str, str]) -> Groups:
    """Return the groups of references, given as IDs and the classes of their targets."""
    return grouped(classes, classes)


class TestFormat:
    """The layout of a record; a change of it needs a new version of the format."""

    def test_the_payload_is_at_the_start(self) -> None:
        """So that a record of the pickle codec is a pickle file."""
        obj = {"a": [1, 2, 3]}
        sink = Sink()
        pickle.Pickler(sink).dump(obj)
        data = built(sink.pieces)
        assert pickle.loads(data) == obj
        assert data.startswith(b"".join(sink.pieces))

    def test_text_and_kind_come_after_it(self) -> None:
        """The text is an array, the kind a map; both end where the tail starts."""
        text = packed(["Task.1", GROUPS])
        assert SAMPLE[: 7 + len(text)] == b"payload" + text
        kind = msgpack.unpackb(SAMPLE[7 + len(text) : -TAIL.size])
        assert kind.pop("python").count(".") == 2
        assert kind == {
            "class": "tests:Task",
            "codec": "pickle",
            "config": {"a": [1, None]},
            "codec_version": "1",
            "protocol": 5,
            "opening": 3,
        }
        assert [*kind_in(SAMPLE)][:6] == [
            "class",
            "codec",
            "config",
            "codec_version",
            "protocol",
            "python",
        ]

    def test_the_tail_has_68_bytes(self) -> None:
        """Sizes, time, nonce, flags, both digests, version, magic; little-endian."""
        assert TAIL_SIZE == TAIL.size == 68
        kind, text, created, nonce, flags, digest, check, version, magic = TAIL.unpack(SAMPLE[-68:])
        assert text == len(packed(["Task.1", GROUPS]))
        assert kind + text == len(SAMPLE) - 7 - 68
        assert created == pytest.approx(BUILT, abs=600)
        assert len(nonce) == NONCE_SIZE == 16
        assert (flags, version, magic) == (1, FORMAT_VERSION, b"\x8bBRINERY")
        assert FORMAT_VERSION == 2
        assert digest == xxh3_128_digest(b"payload")
        assert check == xxh3_64_digest(SAMPLE[7:-18])

    def test_what_is_there_in_few_records_is_in_a_map(self) -> None:
        """The third item of the text; a transform beside the digest of what is stored."""
        done = Transformation("zstd", {"level": 3}, 1000, b"d" * 16)
        data = built(transform=done)
        parts = taken_apart(data)
        fields = {"name": "zstd", "config": {"level": 3}, "size": 1000, "digest": b"d" * 16}
        assert msgpack.unpackb(parts.text) == ["Task.1", [], {"transform": fields}]
        assert parts.digest == digest_of([b"payload"])
        record = parse(data)
        assert record.metadata.transform == done
        assert record.metadata.raw_digest == b"d" * 16
        assert bytes(record.stored) == b"payload"
        with pytest.raises(ValueError, match="expand"):
            _ = record.payload

    def test_a_transform_that_saved_nothing_leaves_no_trace(self) -> None:
        """The record is read in one pass, as any other."""
        store = MemoryStore(compress="gzip")
        data = store.backend.get(store.save([1]))[0]
        assert len(msgpack.unpackb(taken_apart(data).text)) == 2
        assert record_as_written(data, None, None) is not None

    def test_records_of_one_payload_differ(self) -> None:
        """By their nonce; changes are found by the digest of the payload."""
        assert described().nonce != described().nonce
        assert described().payload_digest == described().payload_digest

    def test_a_field_of_a_later_version_is_kept(self) -> None:
        """It is there again in a record that is written from the metadata, as when it is sealed."""
        data = with_text(built(), ["Task.1", [], {"later": [1, b"x"], "buffers": []}])
        metadata = parse(data).metadata
        assert metadata.more == {"later": [1, b"x"]}
        again = b"".join(build(metadata, [b"payload"]))
        assert parse(again).metadata == metadata
        assert msgpack.unpackb(taken_apart(again).text)[2] == {"later": [1, b"x"]}

    def test_note_and_tags_are_in_that_map(self) -> None:
        """Beside what describes the payload; `build` writes them again."""
        tags = {"run": 7, "loss": 0.5, "best": True, "no": None, "s": "t"}
        fields: dict[str, Any] = {"note": "n", "tags": tags}
        data = with_text(built(), ["Task.1", [], fields])
        metadata = parse(data, admit=lambda _: None).metadata  # the careful reader
        assert metadata.more == fields
        assert record_as_written(data, None, None) == parse(data, admit=lambda _: None)
        for more in ({"later": 1}, {**fields, "later": 1}, {**fields, "buffers": []}):
            other = with_text(built(), ["Task.1", [], more])
            assert record_as_written(other, None, None) is None
        again = b"".join(build(metadata, [b"payload"]))
        assert msgpack.unpackb(taken_apart(again).text) == ["Task.1", [], fields]
        store = MemoryStore()
        data = store.backend.get(store.save([1], **fields))[0]
        assert msgpack.unpackb(taken_apart(data).text) == ["list.1", [], fields]

    def test_who_wrote_a_record_is_in_its_kind(self) -> None:
        """So that it is read once for all records of a class, and in one pass."""
        writer = {"user": "ada", "host": "node-3", "program": "/srv/train.py"}
        data = built(writer=writer)
        assert kind_in(data)["writer"] == writer
        record = record_as_written(data, None, None)
        assert record is not None
        assert record.metadata.kind.writer == writer
        assert "writer" not in kind_in(built())

    def test_digests_do_not_see_pieces(self) -> None:
        """They are those of the joined bytes."""
        whole = xxh3_128_digest(b"abc")
        assert digest_of([b"abc"]) == digest_of([b"a", bytearray(b"b"), memoryview(b"c")]) == whole
        assert digest_of([]) == xxh3_128_digest(b"")

    def test_references_are_grouped_by_the_class_of_their_targets(self) -> None:
        """The classes in the order in which they were met, the IDs of each in theirs."""
        met = {"A.1": "jobs:Task", "Q.1": "jobs:Queue", "B.2": "jobs:Task"}
        assert groups_of(met) == GROUPS
        assert groups_of({"B.2": "jobs:Task"}) == ["jobs:Task", ["B.2"]]
        metadata = parse(SAMPLE).metadata
        assert metadata.references == ("A.1", "B.2", "Q.1")
        assert classes_in(metadata.groups) == met


class TestRoundTrip:
    """A written record can be read."""

    @given(
        st.lists(st.binary(max_size=200), max_size=4),
        TEXT,
        st.dictionaries(TEXT, TEXT, max_size=5),
        st.dictionaries(TEXT, JSON, max_size=3),
    )
    def test_a_record_comes_back(
        self, payload: list[bytes], id: str, references: dict[str, str], config: Any
    ) -> None:
        """Payload and metadata, for any sizes, IDs and references."""
        metadata = described(payload, id=id, groups=groups_of(references), config=config)
        data = b"".join(build(metadata, payload))
        found = parse(data, "v1", id=id)
        assert bytes(found.payload) == b"".join(payload)
        assert repr(found.metadata) == repr(metadata)
        assert found.metadata.kind == metadata.kind
        assert (found.data, found.version) == (data, "v1")

    @given(
        TEXT,
        st.dictionaries(TEXT, st.sampled_from(["jobs:Task", "jobs:Queue", "jobs:Config"])),
        st.integers(0, 1),
    )
    def test_written_records_are_read_in_one_pass(
        self, class_name: str, references: dict[str, str], flags: int
    ) -> None:
        """Otherwise nobody would notice that the fast reader is never used."""
        metadata = described(class_name=class_name, groups=groups_of(references), flags=flags)
        data = b"".join(build(metadata, (b"payload",)))
        is_encodable = not any("\ud800" <= char <= "\udfff" for char in "".join(references))
        found = record_as_written(data, 7, "Task.1")
        assert found == (Record(metadata, data, 7) if is_encodable else None)
        assert parse(data, 7) == Record(metadata, data, 7)

    @pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 3 << 20])
    def test_payloads_of_each_size(self, size: int) -> None:
        """Small ones are copied, large ones are views that nobody can write to."""
        payload = os.urandom(size)
        data = built((payload[: size // 2], payload[size // 2 :]))
        found = record_as_written(data, None, None)
        assert found is not None
        assert found.payload == payload
        assert memoryview(found.payload).readonly
        assert found.metadata.payload_size == size

    def test_metadata_are_read_from_the_end_alone(self) -> None:
        """As many bytes as `end_size` returns; the payload is not read."""
        needed = end_size(SAMPLE[-TAIL_SIZE:], len(SAMPLE), id=None, path=None)
        assert parse_metadata(SAMPLE[-needed:], len(SAMPLE)) == parse(SAMPLE).metadata
        damaged = b"P" + SAMPLE[1:]
        assert parse_metadata(damaged, len(damaged)) == parse(SAMPLE).metadata

    def test_too_little_of_the_end_is_the_callers_mistake(self) -> None:
        """It is not mistaken for damage."""
        with pytest.raises(ValueError, match="expected the last"):
            parse_metadata(SAMPLE[-TAIL_SIZE:], len(SAMPLE))

    def test_ids_may_be_ids(self) -> None:
        """Subclasses of str become plain."""
        metadata = described(id=Id("Task", 1), references=[Id("A", 1)])
        found = parse(b"".join(build(metadata, [b"payload"])), id="Task.1")
        assert type(found.metadata.id) is type(found.metadata.references[0]) is str

    def test_a_failed_build_does_not_spoil_the_next(self) -> None:
        """A record that cannot be described is not written."""
        for _ in range(3):
            with pytest.raises((TypeError, ValueError)):
                built(groups=[object()])
            assert parse(built()).metadata.groups == []

    def test_an_absurd_number_of_references_is_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Before a record is written that could not be read."""
        monkeypatch.setattr(writer, "MAX_DESCRIPTION", 300)
        with pytest.raises(RecordError, match="split the container"):
            built(references=[f"Task.{n}" for n in range(100)])

    def test_a_small_record_takes_few_bytes(self) -> None:
        """No more than those of the format before."""
        references = [f"Node.{n}" for n in range(3)]
        assert len(built((b"",), references=references)) < 300

    def test_the_magic_is_looked_for_at_the_end_only(self) -> None:
        """A listing uses `has_magic`, and reads no more."""
        assert has_magic(SAMPLE[-8:])
        assert has_magic(memoryview(SAMPLE))
        assert not has_magic(SAMPLE + b"\n")
        assert not has_magic(b"")
        assert struct.pack("<H", FORMAT_VERSION) + MAGIC == SAMPLE[-10:]


class TestThreads:
    """Records are built by several threads at once."""

    @pytest.mark.parametrize("pure", ["", "1"], ids=["C", "pure Python"])
    def test_threads_do_not_mix_up_their_records(self, pure: str) -> None:
        """With both of msgpack's implementations; each is chosen when msgpack is imported."""
        root = Path(__file__).parents[2]
        done = subprocess.run(
            [sys.executable, "-c", _BUILD_IN_THREADS],
            env=os.environ | {"MSGPACK_PUREPYTHON": pure, "PYTHONPATH": str(root / "src")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout, done.stderr) == ("", "")


_BUILD_IN_THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from brinery.record.reader import parse
from brinery.record.record import new_metadata
from brinery.record.writer import build

def build_and_parse(n):
    fields = {"codec": "c", "config": {"n": n}, "codec_version": "1", "protocol": 5, "class_name": "a:b"}
    refs = [f"ref.{i}" for i in range(20)]
    metadata = new_metadata(id=f"Task.{n}", references=refs, payload=[b"p"], **fields)
    assert parse(b"".join(build(metadata, [b"p"]))).metadata == metadata

sys.setswitchinterval(1e-6)
with ThreadPoolExecutor(4) as pool:
    list(pool.map(build_and_parse, range(800)))
"""
