"""The choices that a benchmark compares, by the names of the command line."""

from __future__ import annotations

import pytest

from brinery import CodecNotInstalledError, InvalidArgumentError, UnknownCodecError
from brinery.bench.run.choice import choices
from brinery_codecs.pickle import PickleCodec


def test_every_codec_is_combined_with_every_compression() -> None:
    """In the order given: codecs first."""
    found = choices("pickle:2, dill", ["none", "gzip"])
    assert [(choice.title, choice.compress) for choice in found] == [
        ("pickle", None),
        ("pickle", "gzip"),
        ("dill", None),
        ("dill", "gzip"),
    ]
    assert found[0].protocol == 2


def test_a_choice_that_is_given_twice_counts_once() -> None:
    """By its name; two protocols are two choices."""
    assert len(choices("pickle:5, pickle:5, pickle:4", None)) == 2


def test_all_installed_codecs_are_compared_by_default() -> None:
    """And the chain of them."""
    titles = [choice.title for choice in choices(None, None)]
    assert {"pickle", "cloudpickle", "dill", "msgpack", "auto"} <= set(titles)
    assert len(titles) == len(set(titles))


def test_a_codec_may_be_an_instance() -> None:
    """It makes the same choice in another process."""
    (choice,) = choices([PickleCodec(protocol=3)], None)
    assert choice.described() == {
        "codec": "pickle",
        "config": {"protocol": 3},
        "compress": None,
        "to": None,
    }


@pytest.mark.parametrize(
    ("codecs", "error"),
    [
        ("pickle:two", InvalidArgumentError),
        ("no-such-codec", (UnknownCodecError, CodecNotInstalledError)),
    ],
)
def test_a_choice_that_cannot_be_made_is_an_error(codecs: str, error: type[Exception]) -> None:
    """Before anything is measured."""
    with pytest.raises(error):
        choices(codecs, None)
