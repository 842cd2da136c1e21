"""Records: a built record can be parsed, and no other bytes are accepted as a record."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brinery.codec import Sink
from brinery.errors import (
    CorruptRecordError,
    ForeignRecordError,
    MisplacedRecordError,
    RecordError,
    RecordVersionError,
    TruncatedRecordError,
)
from brinery.ids import Id
from brinery.record import fast_reader, reader, writer
from brinery.record.end import end_size
from brinery.record.reader import parse, parse_metadata
from brinery.record.digest import digest_of
from brinery.record.format import ALIGNMENT, FORMAT_VERSION, MAGIC, TAIL_SIZE, has_magic
from brinery.record.record import DIGEST_SIZE, Metadata, Record, Transformation, new_metadata
from brinery.record.writer import build

# The format, stated once more: these tests do not take it from the code.
TAIL = struct.Struct("<I16s26sH8s")

TEXT = st.text(st.characters(exclude_categories=[]), max_size=20)
PIECES = st.lists(st.binary(max_size=200), max_size=4)
BUFFERS = st.lists(st.binary(max_size=200), max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | TEXT | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


def described(payload: Sequence[bytes] = (b"payload",), **changes: Any) -> Metadata:
    """Return metadata of a record, with some fields changed."""
    given_: dict[str, Any] = {
        "id": "Task.1",
        "codec": "pickle",
        "config": {},
        "codec_version": "1",
        "protocol": 5,
        "class_name": "tests:Task",
        "references": (),
    }
    return new_metadata(**(given_ | {"payload": payload} | changes))


def built(
    payload: Sequence[bytes] = (b"payload",), buffers: Sequence[bytes] = (), **changes: Any
) -> bytes:
    """Return the bytes of a record."""
    metadata = described(payload, buffers=buffers, **changes)
    return b"".join(build(metadata, payload, buffers))


def sealed(described_: bytes, payload: bytes = b"", version: int = FORMAT_VERSION) -> bytes:
    """Return a record with any metadata and correct digests, as an attacker could make it."""
    digest = blake2b(described_, digest_size=16).digest()
    return payload + described_ + TAIL.pack(len(described_), digest, bytes(26), version, MAGIC)


WRITTEN = [
    "codec", "config", "codec_version", "protocol", "python", "transform",
    "id", "class", "references", "size", "digest", "buffers", "created", "nonce",
]  # fmt: skip
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "config": st.dictionaries(st.sampled_from(["id", "protocol", "\xa2id"]), JSON, max_size=2),
    "protocol": st.none() | st.integers(0, 5),
    "transform": st.none(),
    "references": st.lists(TEXT, max_size=2),
    "size": st.integers(0, 2**40),
    "digest": st.binary(max_size=16),
    "buffers": st.just([]) | st.just([[3, b"digest"]]),
    "created": st.floats(0, 2e9),
    "nonce": st.binary(max_size=12),
    "versions": st.dictionaries(TEXT, st.integers(2, 9), max_size=2),
    "libraries": st.dictionaries(TEXT, TEXT, max_size=2),
}


@st.composite
def maps(draw: st.DrawFn) -> bytes:
    """Return metadata as `Writer` writes them, or with a wrong value, another order, or an extra key."""
    names = [
        *WRITTEN,
        *draw(st.lists(st.sampled_from(["versions", "libraries", "odd"]), max_size=2)),
    ]
    if draw(st.integers(0, 3)) == 0:
        names = draw(st.permutations(names))
    wrong = draw(st.none() | st.sampled_from(names))
    packer = msgpack.Packer(unicode_errors="surrogatepass")
    packed: bytes = packer.pack_map_header(len(names))
    for name in names:
        value = draw(JSON if name == wrong else VALUES.get(name, TEXT))
        packed += packer.pack(name) + packer.pack(value)
    return packed + draw(st.just(b"") | st.binary(max_size=2))


@given(maps())
def test_metadata_are_read_alike_in_one_pass_and_with_care(packed: bytes) -> None:
    """The fast reader returns what the careful one returns, or None."""
    quick = fast_reader.metadata_as_written(packed)
    if quick is not None:
        assert quick == reader._metadata_from(packed, None, None)


@given(
    TEXT, st.lists(TEXT, unique=True, max_size=3), st.sampled_from([{}, {"versions": {"a:B": 2}}])
)
def test_written_records_are_read_in_one_pass(
    class_name: str, references: list[str], more: dict[str, Any]
) -> None:
    """Otherwise nobody would notice that the fast reader is never used."""
    metadata = described(class_name=class_name, references=references)._replace(**more)
    data = b"".join(build(metadata, (b"payload",)))
    is_encodable = not any(
        "\ud800" <= char <= "\udfff" for char in class_name + "".join(references)
    )
    assert (fast_reader.record_as_written(data, 7, "Task.1") is not None) == is_encodable
    assert parse(data, 7) == Record(metadata, data, 7)


def fields_of(data: bytes) -> dict[str, Any]:
    """Return the metadata of a record as a map."""
    length = TAIL.unpack(data[-TAIL.size :])[0]
    found = msgpack.unpackb(data[-TAIL.size - length : -TAIL.size])
    assert isinstance(found, dict)
    return found


BUILT = time.time()
SAMPLE = built(
    (b"pay", b"load"),
    (b"first", b"", b"x" * 70),
    references=("A.1", "B.2"),
    config={"a": [1, None]},
)


class TestFormat:
    """The layout of a record; a change of it needs a new version of the format."""

    def test_the_payload_is_at_the_start(self) -> None:
        """So that a record of the pickle codec is a pickle file."""
        obj = {"a": [1, 2, 3]}
        sink = Sink()
        pickle.Pickler(sink).dump(obj)
        data = built(sink.pieces, (b"buffer",))
        assert pickle.loads(data) == obj
        assert data.startswith(b"".join(sink.pieces))

    def test_buffers_are_at_multiples_of_64(self) -> None:
        """After zero bytes; the metadata follow the last one."""
        assert ALIGNMENT == 64
        assert SAMPLE[:7] == b"payload"
        assert SAMPLE[7:64] == bytes(57)
        assert SAMPLE[64:69] == b"first"
        assert SAMPLE[69:128] == bytes(59)
        assert SAMPLE[128:198] == b"x" * 70
        assert msgpack.unpackb(SAMPLE[198 : -TAIL.size])["id"] == "Task.1"

    def test_the_tail_has_56_bytes(self) -> None:
        """Length and digest of the metadata, no seal, version, magic; little-endian."""
        length, digest, seal, version, magic = TAIL.unpack(SAMPLE[-56:])
        assert TAIL_SIZE == TAIL.size == 56
        assert (length, seal, version, magic) == (
            len(SAMPLE) - 198 - 56,
            bytes(26),
            1,
            b"\x8bBRINERY",
        )
        assert digest == blake2b(SAMPLE[198:-56], digest_size=16).digest()

    def test_the_metadata_are_one_map(self) -> None:
        """With these keys, and digests of 16 bytes."""
        found = fields_of(SAMPLE)
        digests = [blake2b(data, digest_size=16).digest() for data in (b"first", b"", b"x" * 70)]
        assert found.pop("created") == pytest.approx(BUILT, abs=600)
        assert len(found.pop("nonce")) == 12
        assert found.pop("python").count(".") == 2
        assert found == {
            "id": "Task.1",
            "codec": "pickle",
            "config": {"a": [1, None]},
            "codec_version": "1",
            "protocol": 5,
            "class": "tests:Task",
            "references": ["A.1", "B.2"],
            "transform": None,
            "size": 7,
            "digest": blake2b(b"payload", digest_size=16).digest(),
            "buffers": [[5, digests[0]], [0, digests[1]], [70, digests[2]]],
        }

    def test_a_transform_is_a_map_beside_the_stored_size(self) -> None:
        """`size` and `digest` are those of the stored bytes; the map has those of the payload before."""
        done = Transformation("zstd", {"level": 3}, 1000, b"d" * 16)
        data = built(transform=done)
        found = fields_of(data)
        assert found["transform"] == {
            "name": "zstd",
            "config": {"level": 3},
            "size": 1000,
            "digest": b"d" * 16,
        }
        assert (found["size"], found["digest"]) == (7, digest_of([b"payload"]))
        assert set(found) == set(fields_of(built()))
        record = parse(data)
        assert record.metadata.transform == done
        assert record.metadata.raw_digest == b"d" * 16
        assert bytes(record.stored) == b"payload"
        with pytest.raises(ValueError, match="expand"):
            _ = record.payload

    def test_records_of_one_payload_differ(self) -> None:
        """By their nonce; changes are found by the digest of the payload."""
        assert described().nonce != described().nonce
        assert described().payload_digest == described().payload_digest

    def test_a_key_of_a_later_minor_version_is_ignored(self) -> None:
        """Metadata may gain keys."""
        found = parse(sealed(msgpack.packb(fields_of(built()) | {"later": 1}), b"payload"))
        assert found.metadata.id == "Task.1"

    def test_digests_do_not_see_pieces(self) -> None:
        """They are those of the joined bytes."""
        whole = blake2b(b"abc", digest_size=DIGEST_SIZE).digest()
        assert digest_of([b"abc"]) == digest_of([b"a", bytearray(b"b"), memoryview(b"c")]) == whole


class TestRoundTrip:
    """A written record can be read."""

    @given(
        PIECES, BUFFERS, TEXT, st.lists(TEXT, max_size=5), st.dictionaries(TEXT, JSON, max_size=3)
    )
    def test_a_record_comes_back(
        self, payload: list[bytes], buffers: list[bytes], id: str, refs: list[str], config: Any
    ) -> None:
        """Payload, buffers and metadata, for any sizes, IDs and references."""
        metadata = described(payload, buffers=buffers, id=id, references=refs, config=config)
        data = b"".join(build(metadata, payload, buffers))
        found = parse(data, "v1", id=id)
        assert bytes(found.payload) == b"".join(payload)
        assert [bytes(buffer) for buffer in found.buffers] == buffers
        assert repr(found.metadata) == repr(metadata)
        assert (found.data, found.version) == (data, "v1")

    @given(PIECES, BUFFERS)
    def test_every_buffer_is_aligned(self, payload: list[bytes], buffers: list[bytes]) -> None:
        """Found in the record itself, at the place that a memory map would give it."""
        marked = [b"\xf0\x0d" + buffer for buffer in buffers]
        data = built(payload, marked)
        offset = len(b"".join(payload))
        for buffer in marked:
            offset = (offset + 63) // 64 * 64
            assert data[offset : offset + len(buffer)] == buffer
            offset += len(buffer)

    def test_metadata_are_read_from_the_end_alone(self) -> None:
        """As many bytes as `metadata_length` returns; the payload is not read."""
        needed = end_size(SAMPLE[-TAIL_SIZE:], len(SAMPLE), id=None, path=None)
        assert parse_metadata(SAMPLE[-needed:], len(SAMPLE)) == parse(SAMPLE).metadata
        damaged = b"P" + SAMPLE[1:]
        assert parse_metadata(damaged, len(damaged)) == parse(SAMPLE).metadata

    def test_too_little_of_the_end_is_the_callers_mistake(self) -> None:
        """It is not mistaken for damage."""
        with pytest.raises(ValueError, match="expected the last"):
            parse_metadata(SAMPLE[-TAIL_SIZE:], len(SAMPLE))

    def test_views_are_read_only(self) -> None:
        """Code that decodes a record cannot change it."""
        found = parse(SAMPLE)
        assert memoryview(found.payload).readonly
        assert all(buffer.readonly for buffer in found.buffers)

    def test_ids_may_be_ids_and_buffers_of_any_kind(self) -> None:
        """Subclasses of str become plain; wide items count in bytes."""
        wide: Any = memoryview(bytes(24)).cast("d")
        metadata = described(
            id=Id("Task", 1), references=[Id("A", 1)], buffers=[wide, bytearray(3)]
        )
        found = parse(b"".join(build(metadata, [b"payload"], [wide, bytearray(3)])), id="Task.1")
        assert [buffer.nbytes for buffer in found.buffers] == [24, 3]
        assert type(found.metadata.id) is type(found.metadata.references[0]) is str

    def test_a_digest_that_is_known_is_not_computed_again(self) -> None:
        """A save computes it to find changes, and passes it on."""
        digest = bytes(DIGEST_SIZE)
        assert described(payload_digest=digest).payload_digest is digest

    def test_a_failed_build_does_not_spoil_the_next(self) -> None:
        """A record that cannot be described is not written."""
        for _ in range(3):
            with pytest.raises((TypeError, ValueError)):
                built(config={"a": object()})
            assert parse(built()).metadata.config == {}

    def test_an_absurd_number_of_references_is_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Before a record is written that could not be read."""
        monkeypatch.setattr(writer, "MAX_METADATA", 300)
        with pytest.raises(RecordError, match="split the container"):
            built(references=[f"Task.{n}" for n in range(100)])


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
    fields = {"codec": "c", "config": {}, "codec_version": "1", "protocol": 5, "class_name": "a:b"}
    refs = [f"ref.{i}" for i in range(20)]
    metadata = new_metadata(id=f"Task.{n}", references=refs, payload=[b"p"], **fields)
    assert parse(b"".join(build(metadata, [b"p"]))).metadata == metadata

sys.setswitchinterval(1e-6)
with ThreadPoolExecutor(4) as pool:
    list(pool.map(build_and_parse, range(800)))
"""


class TestDamage:
    """Any damage to a record is found before a payload byte is decoded."""

    @pytest.mark.parametrize("mask", [1, 2, 4, 8, 16, 32, 64, 128, 255])
    def test_every_flipped_byte_is_found(self, mask: int) -> None:
        """In payload, padding, buffers, metadata and tail alike."""
        for index in range(len(SAMPLE)):
            damaged = bytearray(SAMPLE)
            damaged[index] ^= mask
            with pytest.raises(RecordError):
                parse(bytes(damaged))

    @pytest.mark.parametrize("cut", [lambda n: SAMPLE[:n], lambda n: SAMPLE[n:]])
    def test_every_truncation_is_found(self, cut: Callable[[int], bytes]) -> None:
        """At the end and at the start."""
        for n in range(len(SAMPLE) + 1):
            if cut(n) != SAMPLE:
                with pytest.raises(RecordError):
                    parse(cut(n))

    @given(st.binary(min_size=1, max_size=100), st.integers(0, len(SAMPLE)))
    def test_every_extension_is_found(self, more: bytes, index: int) -> None:
        """At the end, at the start and in between."""
        extended = SAMPLE[:index] + more + SAMPLE[index:]
        with pytest.raises(RecordError):
            parse(extended)

    def test_two_records_joined_are_found(self) -> None:
        """The end of the second does not validate the whole."""
        for data in (SAMPLE + SAMPLE, built() + SAMPLE, SAMPLE + built()):
            with pytest.raises(CorruptRecordError, match=r"expected \d+ bytes, got"):
                parse(data)

    @given(st.integers(0, len(SAMPLE) - 1), st.integers(1, len(SAMPLE)))
    def test_zeroed_bytes_are_found(self, start: int, length: int) -> None:
        """As after a crash of the machine, at any place."""
        damaged = (
            SAMPLE[:start] + bytes(len(SAMPLE[start : start + length])) + SAMPLE[start + length :]
        )
        if damaged != SAMPLE:
            with pytest.raises(RecordError):
                parse(damaged)

    @pytest.mark.parametrize("size", [1, 55, 56, 57, 4096])
    def test_a_tail_of_zeros_names_the_power_cut(self, size: int) -> None:
        """Some file systems leave such a file."""
        for data in (bytes(size), SAMPLE[:-56] + bytes(max(size, 56))):
            with pytest.raises(TruncatedRecordError, match="power cut") as caught:
                parse(data)
            assert caught.value.is_zero_filled

    @pytest.mark.parametrize("size", range(1, 120))
    def test_a_zeroed_end_names_the_power_cut_wherever_it_begins(self, size: int) -> None:
        """A block may begin in the magic, in the tail or in the metadata."""
        with pytest.raises(TruncatedRecordError, match="power cut") as caught:
            parse(SAMPLE[:-size] + bytes(size), id="Task.1")
        assert caught.value.is_zero_filled
        assert caught.value.id == "Task.1"

    def test_a_lost_end_differs_from_a_foreign_file(self) -> None:
        """A pickle without its end, or metadata without a tail; the error names the ID."""
        metadata = len(SAMPLE) - SAMPLE.rfind(b"\xa5codec")
        pickled = pickle.dumps(list(range(1000)), 4)
        for data in (*(SAMPLE[:-n] for n in range(1, metadata - 20)), pickled[:-1], pickled[:99]):
            with pytest.raises(TruncatedRecordError, match=r"'Task\.1'") as caught:
                parse(data, id="Task.1")
            # A record that was cut in the seal ends in zeros of its own.
            assert caught.value.is_zero_filled == data.endswith(bytes(8))
        for data in (pickled, b"notes", b"\x89PNG\r\n" * 50):
            with pytest.raises(ForeignRecordError):
                parse(data, id="Task.1")

    def test_any_number_of_bytes_behind_the_end_is_reported(self) -> None:
        """Also where the magic is no longer among the last bytes."""
        for more in (1, 50, 5_000):
            with pytest.raises(CorruptRecordError, match=f"{more} bytes follow its end"):
                parse(SAMPLE + b"x" * more)

    def test_an_empty_file_is_damage(self) -> None:
        """An empty file is not a foreign one: other stores leave such files after a failed save."""
        with pytest.raises(TruncatedRecordError, match="empty"):
            parse(b"")

    def test_a_record_under_another_name_is_found(self) -> None:
        """Two files that were swapped are not taken for each other."""
        files = {"A.1": built(id="B.1"), "B.1": built(id="A.1")}
        for id, data in files.items():
            with pytest.raises(MisplacedRecordError) as caught:
                parse(data, id=id, path="/srv")
            assert (caught.value.id, caught.value.path) == (id, "/srv")
            assert caught.value.found != id
            assert repr(caught.value.found) in str(caught.value)
        assert parse(files["A.1"], id="B.1").metadata.id == "B.1"

    @given(st.binary(max_size=300))
    def test_arbitrary_bytes_are_not_a_record(self, data: bytes) -> None:
        """With and without the magic bytes at their end."""
        for tail in (b"", MAGIC, struct.pack("<H", FORMAT_VERSION) + MAGIC):
            with pytest.raises(RecordError):
                parse(data + tail)

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_a_bare_pickle_is_foreign(self, protocol: int) -> None:
        """The error says how to import it, and names the file."""
        for obj in (None, list(range(100))):
            with pytest.raises(ForeignRecordError, match=r"pickle\.load") as caught:
                parse(pickle.dumps(obj, protocol), id="Task.1", path="/srv")
            assert (caught.value.id, caught.value.path) == ("Task.1", "/srv")

    def test_a_newer_version_is_not_called_damage(self) -> None:
        """It needs a newer brinery, not a backup, whatever its tail contains."""
        newer = sealed(b"\xc1 whatever", b"payload", version=FORMAT_VERSION + 1)
        with pytest.raises(RecordVersionError, match="Upgrade") as caught:
            parse(newer)
        assert (caught.value.found, caught.value.known) == (2, 1)
        with pytest.raises(CorruptRecordError):
            parse(sealed(b"", version=0))

    def test_the_magic_is_looked_for_at_the_end_only(self) -> None:
        """A listing uses `has_magic`, and reads no more."""
        assert has_magic(SAMPLE[-8:])
        assert has_magic(memoryview(SAMPLE))
        assert not has_magic(SAMPLE + b"\n")
        assert not has_magic(b"")


class TestHostileMetadata:
    """Correct digests prove nothing: anybody can compute them."""

    @pytest.mark.parametrize("key", sorted(fields_of(SAMPLE)))
    def test_a_missing_key_is_found(self, key: str) -> None:
        """Nothing gets a default."""
        fields = fields_of(built())
        del fields[key]
        with pytest.raises(CorruptRecordError):
            parse(sealed(msgpack.packb(fields), b"payload"))

    @pytest.mark.thorough
    @pytest.mark.parametrize("key", sorted(fields_of(SAMPLE)))
    @given(value=JSON)
    @settings(max_examples=40)
    def test_a_value_of_a_wrong_type_is_found(self, key: str, value: Any) -> None:
        """An accepted value has the declared type."""
        changed = sealed(
            msgpack.packb(fields_of(built()) | {key: value}, unicode_errors="surrogatepass")
        )
        try:
            found = parse(b"payload" + changed)
        except CorruptRecordError as error:
            message = str(error)
        else:
            message = ""
            _check_types(found)
        assert len(message) < 1000

    @pytest.mark.parametrize(
        "changes",
        [
            {"size": -1},
            {"size": 6},
            {"size": 2**63},
            {"size": True},
            {"size": 7.0},
            {"digest": b""},
            {"digest": "x" * 16},
            {"buffers": [[-1, b""]]},
            {"buffers": [[2**64 - 1, b""]]},
            {"buffers": [[0, b""]]},
            {"buffers": [[0]]},
            {"buffers": [[0, b"", 0]]},
            {"buffers": {"ab": 1}},
            {"buffers": "ab"},
            {"references": "Task.1"},
            {"references": {"Task.1": 1}},
            {"references": [b"Task.1"]},
            {"references": [None]},
            {"transform": "zlib"},
            {"transform": {}},
            {"transform": {"name": "gzip", "config": {}, "size": 7}},
            {"transform": {"name": b"gzip", "config": {}, "size": 7, "digest": b""}},
            {"transform": {"name": "gzip", "config": [], "size": 7, "digest": b""}},
            {"transform": {"name": "gzip", "config": {}, "size": -1, "digest": b""}},
            {"transform": {"name": "gzip", "config": {}, "size": 7.0, "digest": b""}},
            {"transform": {"name": "gzip", "config": {}, "size": 7, "digest": "x"}},
            {"transform": "x" * 10**6},
            {"protocol": "5"},
            {"created": 1},
            {"id": None},
            {"id": ["Task.1"]},
        ],
    )
    def test_hostile_values_are_found(self, changes: dict[str, Any]) -> None:
        """Negative and huge lengths, wrong types; the error stays short."""
        data = sealed(msgpack.packb(fields_of(built()) | changes), b"payload")
        with pytest.raises(CorruptRecordError) as caught:
            parse(data)
        assert len(str(caught.value)) < 1000

    def test_a_negative_size_is_found_though_the_sum_is_right(self) -> None:
        """A buffer compensates for it."""
        changes = {"size": -1, "buffers": [[7, digest_of([b"payload"])]]}
        with pytest.raises(CorruptRecordError, match="does not write such metadata"):
            parse(sealed(msgpack.packb(fields_of(built()) | changes), b"payload"))

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"\xc1",
            b"\x80\x80",
            b"\xc0",
            b"\x01",
            b"\xa1x",
            b"\x90",
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
        ],
        ids=lambda raw: raw[:8].hex(),
    )
    def test_metadata_that_are_not_a_map_are_found(self, raw: bytes) -> None:
        """Broken msgpack, lengths beyond the end, nesting without end."""
        with pytest.raises(CorruptRecordError):
            parse(sealed(raw))

    @pytest.mark.parametrize("depth", [100, 400, 900, 5000])
    def test_nested_metadata_raise_nothing_else(self, depth: int) -> None:
        """In a field of any type, and in a string."""
        nest = b"\x91" * depth + b"\xc0"
        for key, value in (("config", b"\x81\xa1x" + nest), ("id", nest), ("transform", nest)):
            others = {name: each for name, each in fields_of(built()).items() if name != key}
            head = bytes([0x80 + len(others) + 1]) + msgpack.packb(others)[1:]
            try:
                parse(sealed(head + msgpack.packb(key) + value, b"payload"))
            except CorruptRecordError:
                continue
            assert key == "config"

    @pytest.mark.parametrize("length", [2**32 - 1, 1 << 30, 10_000])
    def test_a_length_beyond_the_start_is_found(self, length: int) -> None:
        """Nothing of that size is read or allocated."""
        with pytest.raises(CorruptRecordError, match="tail"):
            parse(bytes(100) + TAIL.pack(length, bytes(16), bytes(26), 1, MAGIC))

    def test_a_seal_without_a_key_to_check_it_is_refused(self) -> None:
        """A sealed record is not read as if it had no seal."""
        data = built()
        length, digest, _, version, magic = TAIL.unpack(data[-56:])
        with pytest.raises(CorruptRecordError, match="tail"):
            parse(data[:-56] + TAIL.pack(length, digest, b"s" * 26, version, magic))

    def test_a_size_that_hides_bytes_in_the_padding_is_found(self) -> None:
        """The gap before a buffer is zero, although no digest covers it."""
        data = bytearray(built((b"payload",), (b"buffer",)))
        data[20] = 1
        with pytest.raises(CorruptRecordError, match="padding"):
            parse(bytes(data))


def _check_types(found: Record) -> None:
    metadata = found.metadata
    assert bytes(found.payload) == b"payload"
    assert found.buffers == []
    for text in ("id", "codec", "codec_version", "python", "class_name"):
        assert type(getattr(metadata, text)) is str
    assert type(metadata.config) is dict
    assert metadata.protocol is None or type(metadata.protocol) is int
    assert all(type(reference) is str for reference in metadata.references)
    assert type(metadata.created) is float
    assert type(metadata.nonce) is bytes
