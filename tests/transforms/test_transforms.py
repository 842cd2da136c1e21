"""The transforms keep the contract, those of brinery and one of somebody else."""

from __future__ import annotations

import gzip
import importlib.metadata
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest
from tests.marks import cases
from tests.transforms.squeeze import SqueezeTransform

from brinery.errors import InvalidArgumentError
from brinery.registry.transforms import make_transform
from brinery.testing.transform import PAYLOADS, TransformContract, encoded, peak
from brinery.transform import Transform

GROUP = "brinery.transforms"
BUILT_IN = ["gzip", "lz4", "zstd"]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `squeeze` an installed transform: its entry point is among those of the environment."""
    everything = importlib.metadata.entry_points

    def entry_points(**wanted: str) -> EntryPoints:
        found: list[Any] = list(everything(**wanted))
        if wanted.get("group") == GROUP:
            found.append(EntryPoint("squeeze", "tests.transforms.squeeze:SqueezeTransform", GROUP))
        return EntryPoints(found)

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)


class TestGzip(TransformContract):
    """At the default level, the fastest and the best."""

    @pytest.fixture(params=cases(["gzip", "gzip:1", "gzip:9"], quick=["gzip"]))
    def transform(self, request: pytest.FixtureRequest) -> Transform:
        """Give the transform at one level."""
        return make_transform(request.param)


class TestLz4(TransformContract):
    """At the default level and the best."""

    @pytest.fixture(params=cases(["lz4", "lz4:12"], quick=["lz4"]))
    def transform(self, request: pytest.FixtureRequest) -> Transform:
        """Give the transform at one level."""
        return make_transform(request.param)


class TestZstd(TransformContract):
    """At the fastest level, the default and one of the slow ones."""

    @pytest.fixture(params=cases(["zstd:1", "zstd", "zstd:17"], quick=["zstd"]))
    def transform(self, request: pytest.FixtureRequest) -> Transform:
        """Give the transform at one level."""
        return make_transform(request.param)


@pytest.mark.thorough
@pytest.mark.usefixtures("installed")
class TestOneOfAnotherPackage(TransformContract):
    """Found by its entry point."""

    @pytest.fixture
    def transform(self) -> Transform:
        """Give the transform that the name leads to."""
        found = make_transform("squeeze:5")
        assert found == SqueezeTransform(5)
        return found


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_level_can_be_read_by_every_other(name: str) -> None:
    """A level is a matter of writing alone."""
    cls = type(make_transform(name))
    payload = PAYLOADS["text"]()[:20_000]
    for level in vars(cls)["levels"]:
        writer = make_transform(f"{name}:{level}")
        for written in (payload, b""):
            assert make_transform(name).decode(encoded(writer, written), len(written)) == written


def test_a_gzip_payload_has_no_time_and_opens_with_gzip() -> None:
    """Whenever it was written; the four bytes of the time are zero."""
    data = encoded(make_transform("gzip"), b"payload" * 100)
    assert data[:4] == b"\x1f\x8b\x08\x00"
    assert data[4:8] == bytes(4)
    assert gzip.decompress(data) == b"payload" * 100


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("level", ["99", "-1", "1.5", "high", ""])
def test_a_level_that_there_is_not_is_refused(name: str, level: str) -> None:
    """With the levels that there are, or the form that is wanted."""
    with pytest.raises(InvalidArgumentError, match=r"levels \d+ to \d+|a whole number"):
        make_transform(f"{name}:{level}")


def test_a_zstd_frame_that_announces_a_gibibyte_takes_no_memory() -> None:
    """Where it has one block of zeros, and the record announces the same: it cannot be true."""
    last_block_of_one_repeated_byte = 1 | 1 << 1 | (128 << 10) << 3
    block = last_block_of_one_repeated_byte.to_bytes(3, "little") + b"\0"
    for size, is_true in ((128 << 10, True), (1 << 30, False)):
        frame = b"\x28\xb5\x2f\xfd\xe0" + size.to_bytes(8, "little") + block
        if is_true:
            assert make_transform("zstd").decode(frame, size) == bytes(size)
        else:
            assert peak(make_transform("zstd"), frame, size) < 1 << 20
