"""Any damage to a record is found before a payload byte is decoded."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.record.forms import MAGIC, built, of_format_1, taken_apart

from brinery.errors import (
    CorruptRecordError,
    ForeignRecordError,
    MisplacedRecordError,
    RecordError,
    RecordVersionError,
    TruncatedRecordError,
)
from brinery.record.buffers import LargeBuffer, chunk_digests, digest_around
from brinery.record.format import FORMAT_VERSION
from brinery.record.reader import parse
from brinery.record.record import Transformation, new_metadata
from brinery.record.seal import Seals
from brinery.record.writer import build

SEALS = Seals([b"0123456789abcdef"], b"identity")
SAMPLE = built((b"pay", b"load"), references=("A.1", "B.2"), config={"a": [1, None]})


def full() -> bytes:
    """Return a record with all that one may have: a large buffer, unknown fields, a seal."""
    array = bytes(range(100))
    pieces = [b"head".ljust(64, b"N"), array, b"."]
    buffers = (LargeBuffer(64, 100, chunk_digests(array)),)
    metadata = new_metadata(
        id="Task.1",
        codec="pickle",
        config={},
        codec_version="1",
        protocol=5,
        class_name="tests:Task",
        payload=pieces,
        payload_digest=digest_around([pieces[0], pieces[2]], buffers),
        groups=["a:B", ["B.1"], "a:C", ["C.1"]],
        buffers=buffers,
        more={"later": 1},
        versions={"a:B": 2},
        libraries={"numpy": "2.1"},
    )
    return b"".join(build(metadata, pieces, SEALS))


FULL = full()


@pytest.mark.parametrize("mask", [1, 2, 4, 8, 16, 32, 64, 128, 255])
@pytest.mark.parametrize("data", [SAMPLE, FULL], ids=["small", "full"])
def test_every_flipped_byte_is_found(data: bytes, mask: int) -> None:
    """In payload, buffer, text, kind, proof and tail alike; with a key as well."""
    readers = (None, SEALS) if data is FULL else (None,)
    for seals in readers:
        assert parse(data, seals=seals).metadata.id == "Task.1"
        for index in range(len(data)):
            damaged = bytearray(data)
            damaged[index] ^= mask
            with pytest.raises(RecordError):
                parse(bytes(damaged), seals=seals)


@pytest.mark.parametrize("cut", [lambda data, n: data[:n], lambda data, n: data[n:]])
@pytest.mark.parametrize("data", [SAMPLE, FULL], ids=["small", "full"])
def test_every_truncation_is_found(data: bytes, cut: Callable[[bytes, int], bytes]) -> None:
    """At the end and at the start."""
    for n in range(len(data) + 1):
        if cut(data, n) != data:
            with pytest.raises(RecordError):
                parse(cut(data, n))


@given(st.binary(min_size=1, max_size=100), st.integers(0, len(SAMPLE)))
def test_every_extension_is_found(more: bytes, index: int) -> None:
    """At the end, at the start and in between."""
    extended = SAMPLE[:index] + more + SAMPLE[index:]
    with pytest.raises(RecordError):
        parse(extended)


def test_two_records_joined_are_found() -> None:
    """The end of the second does not validate the whole."""
    for data in (SAMPLE + SAMPLE, built() + SAMPLE, SAMPLE + built(), SAMPLE + FULL):
        with pytest.raises(CorruptRecordError, match="the digest of its payload does not match"):
            parse(data)


@given(st.integers(0, len(SAMPLE) - 1), st.integers(1, len(SAMPLE)))
def test_zeroed_bytes_are_found(start: int, length: int) -> None:
    """As after a crash of the machine, at any place."""
    damaged = SAMPLE[:start] + bytes(len(SAMPLE[start : start + length])) + SAMPLE[start + length :]
    if damaged != SAMPLE:
        with pytest.raises(RecordError):
            parse(damaged)


@pytest.mark.parametrize("size", [1, 67, 68, 69, 4096])
def test_a_tail_of_zeros_names_the_power_cut(size: int) -> None:
    """Some file systems leave such a file."""
    for data in (bytes(size), SAMPLE[:-68] + bytes(max(size, 68))):
        with pytest.raises(TruncatedRecordError, match="power cut") as caught:
            parse(data)
        assert caught.value.is_zero_filled


@pytest.mark.parametrize("size", range(1, 120))
def test_a_zeroed_end_names_the_power_cut_wherever_it_begins(size: int) -> None:
    """A block may begin in the magic, in the tail or before."""
    with pytest.raises(TruncatedRecordError, match="power cut") as caught:
        parse(SAMPLE[:-size] + bytes(size), id="Task.1")
    assert caught.value.is_zero_filled
    assert caught.value.id == "Task.1"


def test_a_lost_end_differs_from_a_foreign_file() -> None:
    """A pickle without its end, or a kind without a tail; the error names the ID."""
    kind = len(SAMPLE) - SAMPLE.rfind(b"\xa5class")
    pickled = pickle.dumps(list(range(1000)), 4)
    for data in (*(SAMPLE[:-n] for n in range(1, kind - 20)), pickled[:-1], pickled[:99]):
        with pytest.raises(TruncatedRecordError, match=r"'Task\.1'") as caught:
            parse(data, id="Task.1")
        assert caught.value.is_zero_filled == data.endswith(bytes(8))
    for data in (pickled, b"notes", b"\x89PNG\r\n" * 50):
        with pytest.raises(ForeignRecordError):
            parse(data, id="Task.1")


def test_any_number_of_bytes_behind_the_end_is_reported() -> None:
    """Also where the magic is no longer among the last bytes."""
    for more in (1, 50, 5_000):
        with pytest.raises(CorruptRecordError, match=f"{more} bytes follow its end"):
            parse(SAMPLE + b"x" * more)


def test_an_empty_file_is_damage() -> None:
    """An empty file is not a foreign one: other stores leave such files after a failed save."""
    with pytest.raises(TruncatedRecordError, match="empty"):
        parse(b"")


def test_a_record_under_another_name_is_found() -> None:
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
def test_arbitrary_bytes_are_not_a_record(data: bytes) -> None:
    """With and without the magic bytes at their end."""
    for tail in (b"", MAGIC, struct.pack("<H", FORMAT_VERSION) + MAGIC):
        with pytest.raises(RecordError):
            parse(data + tail)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_bare_pickle_is_foreign(protocol: int) -> None:
    """The error says how to import it, and names the file."""
    for obj in (None, list(range(100))):
        with pytest.raises(ForeignRecordError, match=r"pickle\.load") as caught:
            parse(pickle.dumps(obj, protocol), id="Task.1", path="/srv")
        assert (caught.value.id, caught.value.path) == ("Task.1", "/srv")


@pytest.mark.parametrize("payload", [b"payload", b"", pickle.dumps([1] * 1000)])
def test_a_record_of_the_first_format_is_named(payload: bytes) -> None:
    """The error has the version, and what reads it."""
    with pytest.raises(
        RecordVersionError, match=r"version 1.*reads version 2.*Use a brinery"
    ) as caught:
        parse(of_format_1(payload), id="Task.1", path="/srv")
    assert (caught.value.found, caught.value.known) == (1, 2)
    assert (caught.value.id, caught.value.path) == ("Task.1", "/srv")


def test_a_newer_version_is_not_called_damage() -> None:
    """It needs another brinery, not a backup, whatever its tail contains."""
    newer = taken_apart(SAMPLE)._replace(version=FORMAT_VERSION + 1)
    for data in (newer.joined(), newer._replace(flags=65535, text=b"\xc1").joined()):
        with pytest.raises(RecordVersionError, match=f"version {FORMAT_VERSION + 1}"):
            parse(data)
    with pytest.raises(CorruptRecordError):
        parse(taken_apart(SAMPLE)._replace(version=0).joined())


@pytest.mark.parametrize(
    "size", [2**32 - 1, 1 << 30, 10_000], ids=["4 GB", "1 GB", "larger than the file"]
)
@pytest.mark.parametrize("field", [0, 4])
def test_a_length_beyond_the_start_is_found(size: int, field: int) -> None:
    """Nothing of that size is read or allocated."""
    data = bytearray(built())
    data[field - 68 : field - 64 or None] = size.to_bytes(4, "little")
    with pytest.raises(CorruptRecordError, match="tail"):
        parse(bytes(data))


def test_the_transform_says_what_the_payload_was() -> None:
    """So a damaged byte of a stored payload is found without expanding it."""
    data = built(transform=Transformation("gzip", {}, 1 << 20, b"d" * 16))
    with pytest.raises(CorruptRecordError, match="the digest of its payload"):
        parse(b"P" + data[1:])
