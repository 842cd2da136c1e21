"""The codec."""

from __future__ import annotations

import pytest

from brinery.codec import Codec
from brinery.registry import make_codec
from brinery.testing.codec import CodecContract


class TestCodec(CodecContract):
    """At the protocols that know all of Python's classes and values."""

    @pytest.fixture(params=[4, 5])
    def codec(self, request: pytest.FixtureRequest) -> Codec:
        """Give the codec at one protocol."""
        return make_codec("dill", request.param)
