"""The codec cloudpickle: functions and classes by value, at the speed of the C pickler."""

from __future__ import annotations

import pytest
from tests.codecs.by_value import ByValueTests

from brinery import MemoryStore
from brinery.codec import Codec
from brinery.testing.codec import CodecContract
from brinery.testing.samples import SLOTTED
from brinery_codecs.cloudpickle import CloudpickleCodec


class TestCloudpickleCodec(CodecContract):
    """At the protocols that know all of Python's classes and values."""

    @pytest.fixture(params=[4, 5])
    def codec(self, request: pytest.FixtureRequest) -> Codec:
        """Give the codec at one protocol."""
        return CloudpickleCodec(request.param)


class TestCloudpickleCodecOfOldProtocols(CodecContract):
    """What pickle does not know at these protocols, cloudpickle does not either."""

    unsupported = SLOTTED
    inexact = frozenset({"folded times"})

    @pytest.fixture
    def codec(self) -> Codec:
        """Give the codec at the lowest protocol."""
        return CloudpickleCodec(0)


@pytest.mark.thorough
class TestClassesByValue(ByValueTests):
    """Functions, and classes that cannot be imported."""

    codec = "cloudpickle"


def test_a_module_can_be_registered_to_go_by_value() -> None:
    """`cloudpickle.register_pickle_by_value` is honoured."""
    import cloudpickle

    from brinery.testing import samples

    cloudpickle.register_pickle_by_value(samples)
    try:
        with MemoryStore(codec="cloudpickle") as store:
            by_value = store.info(store.save(samples.Plain(a=1)))
    finally:
        cloudpickle.unregister_pickle_by_value(samples)
    with MemoryStore(codec="cloudpickle") as store:
        by_name = store.info(store.save(samples.Plain(a=1)))
    assert by_value.size > by_name.size + 300
