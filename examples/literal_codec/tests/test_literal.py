import pytest
from brinery_literal import LiteralCodec

from brinery.testing.codec import CodecContract


class TestLiteralCodec(CodecContract):
    @pytest.fixture
    def codec(self):
        return LiteralCodec()
