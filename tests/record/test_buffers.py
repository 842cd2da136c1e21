"""Large buffers inside payloads: their places, and the digests of their chunks."""

from __future__ import annotations

import itertools
import os
import pickle
from collections.abc import Sequence
from typing import Any

import msgpack
import pytest
from tests.record.forms import described, packed, taken_apart, with_text
from xxhash import xxh3_128, xxh3_128_digest

from brinery.backend import Ranges
from brinery.codec import Buffer
from brinery.errors import CorruptRecordError
from brinery.record.buffers import (
    CHUNK,
    LargeBuffer,
    around,
    as_digested,
    check_places,
    chunk_digests,
    digest_and_buffers,
    digest_around,
    is_undamaged,
)
from brinery.record.digest import digest_of
from brinery.record.parts import Detached, LargeRecord
from brinery.record.payload import PayloadExpander
from brinery.record.reader import parse, record_as_written
from brinery.record.record import Metadata, Record, Transformation
from brinery.record.seal import Seals
from brinery.record.writer import build
from brinery.transforms.gzip import GzipTransform
from brinery_codecs.pickle import PickleCodec

MIB = 1 << 20
HEAD, END = b"head".ljust(64, b"N"), b" and the rest."


def large(data: bytes, offset: int) -> LargeBuffer:
    """Return the description of a buffer, with digests as the format has them."""
    chunks = [data[at : at + MIB] for at in range(0, len(data), MIB)]
    return LargeBuffer(offset, len(data), b"".join(map(xxh3_128_digest, chunks)))


def digest(others: Sequence[bytes], buffers: Sequence[LargeBuffer]) -> bytes:
    """Return the digest of a payload: that of its other bytes, and then of the digests of all chunks."""
    state = xxh3_128()
    for piece in (*others, *(each.digests for each in buffers)):
        state.update(piece)
    return bytes(state.digest())


def built_with(pieces: Sequence[bytes], buffers: Sequence[LargeBuffer], **changes: Any) -> bytes:
    """Return a record whose odd pieces are large buffers."""
    made = digest(pieces[::2], buffers)
    metadata = described(pieces, buffers=tuple(buffers), payload_digest=made, **changes)
    return b"".join(build(metadata, pieces, changes.get("seals")))


ARRAY = bytes(range(256)) * 4000
FIRST = large(ARRAY, 64)
GAP = b"g" * (-len(ARRAY) % 64) + b"G" * 64
SECOND = large(b"second", 64 + len(ARRAY) + len(GAP))
PIECES = [HEAD, ARRAY, GAP, b"second", END]
BUFFERS = (FIRST, SECOND)


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB, 3 * MIB + 5])
def test_each_chunk_has_a_digest(size: int) -> None:
    """Of one MiB, the last one of what is left; for buffers of any kind."""
    assert CHUNK == MIB
    data = os.urandom(size)
    expected = large(data, 0).digests
    assert len(expected) == 16 * -(-size // MIB)
    for buffer in (data, bytearray(data), memoryview(data)):
        assert chunk_digests(buffer) == expected
    if size % 8 == 0:
        wide: Any = memoryview(data).cast("d")
        assert chunk_digests(wide) == expected


def test_what_is_written_is_what_was_digested() -> None:
    """A buffer may change and change back: a piece that was taken stays, another one is refused."""
    data = bytearray(os.urandom(2 * MIB + 5))
    pieces: list[Buffer] = [b"before", memoryview(data), b"behind"]
    digest, buffers = digest_and_buffers(pieces)
    stream = as_digested(pieces, buffers, LookupError)
    whole = b"".join(pieces)
    assert stream.size == len(whole)
    for _ in range(2):  # it can be taken again
        assert b"".join(stream) == whole
    assert [*map(len, stream)] == [6, MIB // 4 - 6, *[MIB // 4] * 7, 11, 6]
    taken = iter(stream)
    first = b"".join(itertools.islice(taken, 9))
    data[7] ^= 1
    assert first + b"".join(taken) == whole
    with pytest.raises(LookupError):
        list(stream)
    data[7] ^= 1
    assert b"".join(stream) == whole
    assert digest == digest_around([b"before", b"behind"], buffers)


@pytest.mark.parametrize("offset", [64, MIB // 4, MIB - 64])
@pytest.mark.parametrize("size", [1 << 16, MIB - 64, MIB, MIB + 64, 3 * MIB + 5])
def test_each_chunk_is_compared_wherever_it_is_cut(size: int, offset: int) -> None:
    """What is written together ends at multiples of 256 KiB of the file, and digests are of each MiB."""
    data = bytearray(os.urandom(size))
    pieces: list[Buffer] = [bytes(offset), memoryview(data), b"behind"]
    _, buffers = digest_and_buffers(pieces)
    stream = as_digested(pieces, buffers, LookupError)
    assert b"".join(stream) == b"".join(pieces)
    places = [*itertools.accumulate(map(len, stream))][1:-2]
    assert not any(place % (MIB // 4) for place in places)
    for at in {0, size - 1, size // 2, min(MIB, size) - 1, min(MIB, size - 1)}:
        data[at] ^= 1
        with pytest.raises(LookupError):
            list(stream)
        data[at] ^= 1


def test_a_record_with_buffers_comes_back() -> None:
    """They are inside the payload, and listed in the text with their places."""
    data = built_with(PIECES, BUFFERS)
    parts = taken_apart(data)
    assert parts.payload == b"".join(PIECES)
    listed = [[64, len(ARRAY), FIRST.digests], [SECOND.offset, 6, SECOND.digests]]
    assert msgpack.unpackb(parts.text)[2] == {"buffers": listed}
    assert parts.digest == digest([HEAD, GAP, END], BUFFERS)
    record = parse(data)
    assert record.metadata.buffers == BUFFERS
    assert record.payload == parts.payload
    assert record_as_written(data, None, None) is None
    for offset, size, _ in record.metadata.buffers:
        assert offset % 64 == 0
        assert parts.payload[offset : offset + size] in (ARRAY, b"second")


def test_the_other_bytes_are_those_around_the_buffers() -> None:
    """Their digest, followed by those of the chunks, is that of the payload."""
    payload = b"".join(PIECES)
    assert [*around(payload, BUFFERS)] == [HEAD, GAP, END]
    assert [*around(payload, ())] == [payload]
    assert digest_around([HEAD, GAP, END], BUFFERS) == digest([HEAD, GAP, END], BUFFERS)
    assert digest_around([payload], ()) == digest_of([payload])
    assert is_undamaged(payload, digest_of([payload]), ())
    assert is_undamaged(payload, digest([HEAD, GAP, END], BUFFERS), BUFFERS)
    assert not is_undamaged(payload, digest_of([payload]), BUFFERS)


@pytest.mark.parametrize("transform", [None, GzipTransform(1)], ids=["plain", "gzip"])
def test_a_changed_byte_is_found_wherever_it_is(transform: GzipTransform | None) -> None:
    """Before, in and behind a buffer, and in its last chunk."""
    payload = b"".join(PIECES)
    buffer_end = 64 + len(ARRAY)
    for at in (0, 63, 64, 64 + MIB // 2, buffer_end - 1, buffer_end, SECOND.offset, -1):
        damaged = bytearray(payload)
        damaged[at] ^= 4
        if transform is None:
            data = built_with(PIECES, BUFFERS)
            with pytest.raises(CorruptRecordError, match="digest of its payload"):
                parse(bytes(damaged) + data[len(payload) :])
            continue
        # Somebody has compressed other bytes, and kept what the record says of them.
        stored = b"".join(transform.encode([bytes(damaged)]))
        raw = digest(PIECES[::2], BUFFERS)
        done = Transformation(transform.name, transform.config(), len(payload), raw)
        metadata = described([stored], buffers=BUFFERS, transform=done)
        record = parse(b"".join(build(metadata, [stored])))
        with pytest.raises(CorruptRecordError, match="its size or digest differs"):
            PayloadExpander(1 << 30).restored(record)


def test_a_transformed_payload_keeps_its_buffers() -> None:
    """Their places are those in the payload as the codec wrote it, their digests too."""
    payload = b"".join(PIECES)
    stored = b"".join(GzipTransform().encode(PIECES))
    raw = digest(PIECES[::2], BUFFERS)
    done = Transformation("gzip", {"level": 6}, len(payload), raw)
    data = b"".join(build(described([stored], buffers=BUFFERS, transform=done), [stored]))
    record = parse(data)
    assert len(record.stored) < len(payload)
    assert record.metadata.buffers == BUFFERS
    found = PayloadExpander(1 << 30).restored(record)
    assert bytes(found.payload) == payload
    assert found.metadata.raw_digest == raw


def test_a_seal_covers_the_buffers() -> None:
    """Also where the digests without a key were made to fit."""
    seals = Seals([b"0123456789abcdef"], b"identity")
    data = b"".join(build(parse(built_with(PIECES, BUFFERS)).metadata, PIECES, seals))
    assert parse(data, seals=seals).metadata.buffers == BUFFERS
    at = 64 + MIB // 3
    damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    for each in (seals, None):
        with pytest.raises(CorruptRecordError):
            parse(damaged, seals=each)


def detached(parts: Sequence[bytes], sizes: Sequence[int]) -> tuple[bytes, list[bool]]:
    """Stand for the method of a codec."""
    return b"|".join(parts) + repr(list(sizes)).encode(), [True] * len(sizes)


def read_in_parts(
    ranges: Ranges, metadata: Metadata, detached: Detached, path: str | None
) -> Record:
    return LargeRecord(ranges, metadata, path).read(detached, PayloadExpander(1 << 30))


def test_a_record_is_read_in_parts() -> None:
    """Its buffers are in memory of their own, which can be written to; the codec makes the rest."""
    data = built_with(PIECES, BUFFERS)
    found = read_in_parts(Ranges(data, 7), parse(data).metadata, detached, None)
    assert [bytes(buffer) for buffer in found.buffers] == [ARRAY, b"second"]
    assert not any(memoryview(buffer).readonly for buffer in found.buffers)
    assert found.payload == b"|".join((HEAD, GAP, END)) + b"[1024000, 6]"
    assert (found.version, found.metadata) == (7, parse(data).metadata)


def test_damage_is_found_in_parts_too() -> None:
    """In each chunk of a buffer, and around them; also if the record was cut since its end was read."""
    data = built_with(PIECES, BUFFERS)
    metadata = parse(data).metadata
    buffer_end = 64 + len(ARRAY)
    for at in (
        0,
        63,
        64,
        64 + MIB // 2,
        buffer_end - 1,
        buffer_end,
        SECOND.offset,
        SECOND.offset + 6,
    ):
        damaged = data[:at] + bytes([data[at] ^ 8]) + data[at + 1 :]
        with pytest.raises(CorruptRecordError, match="digest of its payload"):
            read_in_parts(Ranges(damaged, 7), metadata, detached, "/srv")


def test_buffers_that_are_none_for_the_codec_are_damage() -> None:
    """Any bytes may be described as a buffer, with digests that fit."""

    def refusing(parts: Sequence[bytes], sizes: Sequence[int]) -> tuple[bytes, list[bool]]:
        raise ValueError("no header")

    data = built_with(PIECES, BUFFERS)
    with pytest.raises(CorruptRecordError, match="does not write such metadata"):
        read_in_parts(Ranges(data, 7), parse(data).metadata, refusing, None)
    payload = pickle.dumps([1] * 300)
    buffer = large(payload[64:128], 64)
    forged = built_with([payload[:64], payload[64:128], payload[128:]], [buffer])
    with pytest.raises(CorruptRecordError, match="does not write such metadata"):
        read_in_parts(Ranges(forged, 7), parse(forged).metadata, PickleCodec().detached, None)


@pytest.mark.parametrize(
    "buffers",
    [
        [(1, 6, b"d" * 16)],
        [(63, 6, b"d" * 16)],
        [(64, 6, b"")],
        [(64, 6, b"d" * 15)],
        [(64, 6, b"d" * 32)],
        [(64, MIB + 1, b"d" * 16)],
        [(64, 10, b"d" * 16), (64, 10, b"d" * 16)],
        [(128, 10, b"d" * 16), (64, 10, b"d" * 16)],
        [(64, 65, b"d" * 16), (128, 10, b"d" * 16)],
        [(192, 9, b"d" * 16)],
        [(256, 0, b"")],
        [(1 << 40, 1, b"d" * 16)],
        [(0, 1 << 40, b"d" * 16)],
    ],
    ids=repr,
)
def test_wrong_places_are_refused(buffers: list[Any]) -> None:
    """Not at a multiple of 64, in another order, one in another, beyond the end, too few digests."""
    with pytest.raises(ValueError, match="a large buffer"):
        check_places([LargeBuffer(*each) for each in buffers], 200)
    payload = [b"p" * 200]
    text = ["Task.1", [], {"buffers": buffers}]
    data = with_text(b"".join(build(described(payload), payload)), text)
    with pytest.raises(CorruptRecordError, match="does not write such metadata"):
        parse(data)


def test_the_size_of_a_transformed_payload_limits_the_places() -> None:
    """That of the payload as the codec wrote it, not of the stored one."""
    done = {"name": "gzip", "config": {}, "size": 1000, "digest": b"d" * 16}
    data = b"".join(build(described([b"few bytes"]), [b"few bytes"]))
    for offset, is_refused in ((960, False), (1024, True)):
        fields = {"transform": done, "buffers": [(offset, 40, b"d" * 16)]}
        changed = with_text(data, ["Task.1", [], fields])
        if is_refused:
            with pytest.raises(CorruptRecordError, match="does not write such metadata"):
                parse(changed)
        else:
            assert parse(changed).metadata.buffers == (LargeBuffer(960, 40, b"d" * 16),)
    assert packed(["Task.1", []]) == taken_apart(data).text
