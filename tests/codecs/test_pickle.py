"""The codec pickle keeps the contract at each protocol."""

from __future__ import annotations

import pytest

from brinery.codec import Codec
from brinery.testing.codec import CodecContract
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
