"""The codec pickle keeps the contract at each protocol."""

from __future__ import annotations

import pickle
from collections import OrderedDict

import pytest

from brinery import DecodeError
from brinery.codec import Codec, Sink
from brinery.testing.codec import CodecContract
from brinery.testing.links import LoneLinks
from brinery.testing.samples import SLOTTED
from brinery_codecs.pickle import PickleCodec


class TestPickleCodec(CodecContract):
    """At the protocols that know all of Python's classes and values."""

    @pytest.fixture(params=[4, 5])
    def codec(self, request: pytest.FixtureRequest) -> Codec:
        """Give the codec at one protocol."""
        return PickleCodec(request.param)


class TestPickleCodecOfMiddleProtocols(CodecContract):
    """Below protocol 4, `datetime` does not tell pickle of its `fold`."""

    inexact = frozenset({"folded times"})

    @pytest.fixture(params=[2, 3])
    def codec(self, request: pytest.FixtureRequest) -> Codec:
        """Give the codec at one protocol."""
        return PickleCodec(request.param)


class TestPickleCodecOfOldProtocols(TestPickleCodecOfMiddleProtocols):
    """Protocols 0 and 1 refuse classes with slots; all else is the same."""

    unsupported = SLOTTED

    @pytest.fixture(params=[0, 1])
    def codec(self, request: pytest.FixtureRequest) -> Codec:
        """Give the codec at one protocol."""
        return PickleCodec(request.param)


class TestLargePayloads:
    """Read without a copy of the whole; small ones are read from a copy."""

    LARGE = bytes(range(256)) * 1024

    @pytest.mark.parametrize("protocol", range(6))
    def test_large_values_come_back(self, protocol: int) -> None:
        """Bytes, arrays and texts, and what stands between them."""
        obj = [self.LARGE, "small", bytearray(self.LARGE), "ä" * 100_000, {"x": [self.LARGE, None]}]
        codec, sink = PickleCodec(protocol), Sink()
        codec.dump(obj, sink, LoneLinks(None))
        payload = b"".join(sink.pieces)
        assert codec.load(memoryview(payload), LoneLinks(None)) == obj
        with pytest.raises(DecodeError, match="bytes follow the end"):
            codec.load(memoryview(payload + b"and more"), LoneLinks(None))

    def test_what_was_cut_off_is_an_error(self) -> None:
        """Wherever the end is missing."""
        codec, sink = PickleCodec(5), Sink()
        codec.dump([self.LARGE, bytearray(self.LARGE), "end"], sink, LoneLinks(None))
        whole = b"".join(sink.pieces)
        for size in (1 << 16 | 1, len(self.LARGE) + 4, len(whole) - 70_000, len(whole) - 1):
            with pytest.raises((pickle.UnpicklingError, EOFError)):
                codec.load(whole[:size], LoneLinks(None))

    @pytest.mark.parametrize("line", [b"collections\nOrderedDict\n", b"collections\nOrderedDict"])
    def test_opcodes_with_lines_are_read_too(self, line: bytes) -> None:
        """No pickler writes them beside large values; an end without a line is an error."""
        filler = pickle.BINBYTES8 + len(self.LARGE).to_bytes(8, "little") + self.LARGE + pickle.POP
        payload = b"\x80\x04" + filler + pickle.GLOBAL + line
        if line.endswith(b"\n"):
            assert PickleCodec(4).load(payload + pickle.STOP, LoneLinks(None)) is OrderedDict
        else:
            with pytest.raises((pickle.UnpicklingError, EOFError)):
                PickleCodec(4).load(payload, LoneLinks(None))
