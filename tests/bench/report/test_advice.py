"""Intervals, differences and advice, from rounds that are made up."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest

from brinery.bench.intervals import (
    MARGIN,
    Interval,
    is_faster,
    is_slower,
    is_unstable,
    ratio,
    ratio_of_runs,
)
from brinery.bench.report.advice import advice
from brinery.bench.report.doubts import doubts, load_warning
from brinery.bench.result import Case, Fidelity, Timing


def noisy(middle: float, rng: random.Random, rounds: int = 5, noise: float = 0.03) -> list[float]:
    """Return rounds of a time with some noise."""
    return [middle * math.exp(rng.gauss(0, noise)) for _ in range(rounds)]


def case(name: str, rounds: Sequence[float], size: int = 1000, **more: Any) -> Case:
    """Return a case that keeps everything."""
    timing = Timing.of([[(value, value)] * 3 for value in rounds])
    whole = Fidelity(equal=True, identity=True)
    return Case("g", name, encode=timing, decode=timing, bytes=size, **{"fidelity": whole, **more})


def test_an_interval_has_the_true_value_as_often_as_it_says() -> None:
    """In 95 of 100 samples of a distribution with normal logarithms."""
    rng = random.Random(1)
    found = [Interval.of(noisy(2.0, rng)) for _ in range(4000)]
    held = sum(each is not None and each.low <= 2.0 <= each.high for each in found)
    assert 0.94 < held / 4000 < 0.96


@pytest.mark.parametrize("noise", [0.005, 0.03, 0.1, 0.5])
def test_equal_figures_do_not_differ(noise: float) -> None:
    """However much they vary: less than one in a hundred."""
    rng = random.Random(2)
    pairs = [(noisy(1, rng, noise=noise), noisy(1, rng, noise=noise)) for _ in range(4000)]
    wrong = [pair for pair in pairs if is_slower(ratio(*pair)) or is_faster(ratio(*pair))]
    assert len(wrong) < 40
    wrong = [pair for pair in pairs if (found := ratio_of_runs(*pair)) and found.low > 1]
    assert len(wrong) < 60


def test_differences_are_found() -> None:
    """Of a fifth at usual noise; noise that all cases of a round share is no matter."""
    rng = random.Random(3)
    pairs = [(noisy(1.2, rng), noisy(1, rng)) for _ in range(400)]
    assert sum(is_slower(ratio(*pair)) for pair in pairs) > 250
    busy = [[rng.choice([1, 3]) for _ in range(5)] for _ in range(100)]
    for factors in busy:
        one = [1.2 * factor * math.exp(rng.gauss(0, 0.005)) for factor in factors]
        assert is_slower(ratio(one, [float(factor) for factor in factors]))


def test_what_does_not_matter_is_no_difference() -> None:
    """However sure it is."""
    one, other = [1.02, 1.0201, 1.0199], [1.0, 1.0001, 0.9999]
    assert MARGIN > 1.02
    assert not is_slower(ratio(one, other))
    assert not is_faster(ratio(other, one))
    assert not is_unstable(ratio(one, other))
    assert ratio([1.0], [1.0]) is None
    assert is_unstable(None)


def test_the_first_named_is_recommended_where_nothing_differs() -> None:
    """Whichever happened to be faster, in each run."""
    rng = random.Random(4)
    for _ in range(200):
        cases = [case(name, noisy(1, rng, noise=0.01)) for name in ("one", "two", "three")]
        (found,) = advice(cases)
        assert (found.codec, found.kind) == ("one", "recommended")
        assert "there is no difference that matters" in found.reason


def test_a_faster_codec_is_recommended_and_others_are_named() -> None:
    """With the factor and its bounds; also the smallest, what is safe to read, and what lost something."""
    rng = random.Random(5)
    cases = [
        case("slow", noisy(2, rng)),
        case("fast", noisy(1, rng)),
        case("small", noisy(3, rng), size=500),
        case("safe", noisy(1.5, rng), safe_to_read=True),
        case("lossy", noisy(0.5, rng), fidelity=Fidelity(equal=False, identity=True)),
    ]
    (found,) = advice(cases)
    assert (found.codec, found.kind) == ("fast", "recommended")
    for words in (
        "small takes 50% of the room, and ",
        "For records of others take safe",
        "lossy took less time, but lost something.",
    ):
        assert words in found.reason
    assert "slow" not in found.reason
    assert not advice([cases[-1]])


def test_the_smaller_of_two_that_are_as_fast_is_recommended() -> None:
    """As with protocols of pickle."""
    rng = random.Random(6)
    cases = [case("one", noisy(1, rng)), case("two", noisy(1, rng), size=700)]
    (found,) = advice(cases)
    assert (found.codec, found.kind) == ("two", "recommended")


def test_rounds_that_do_not_agree_decide_nothing() -> None:
    """The advice says so, and what to do."""
    cases = [case("one", [1.0, 3.0, 0.9, 2.5, 1.1]), case("two", [1.0, 0.8, 1.2, 0.9, 1.0])]
    (found,) = advice(cases)
    assert (found.codec, found.kind) == ("one", "undecided")
    assert "two may be faster, or not" in found.reason
    assert "more --rounds" in found.reason


def test_single_rounds() -> None:
    """What takes a fifth more, or less than that, counts as the same; the figures are in doubt."""
    cases = [case("slow", [1.3]), case("one", [1.1]), case("two", [1.0])]
    (found,) = advice(cases)
    assert (found.codec, found.kind) == ("one", "undecided")


def test_doubts() -> None:
    """A load, waiting, few rounds, rounds that differ."""
    steady = case("one", [1.0, 1.01, 0.99, 1.0, 1.0])
    quiet = {"load_1min": 0.5, "cores": 2}
    assert doubts(quiet, [steady]) == []
    assert load_warning({"load_1min": 12.0, "cores": 2}) is not None
    assert "busy" in doubts({"load_1min": 12.0, "cores": 2}, [steady])[0]
    assert "fewer than 3 rounds" in doubts(quiet, [case("one", [1.0])])[0]
    assert "unstable" in doubts(quiet, [case("one", [1.0, 2.0, 3.0, 1.0, 4.0])])[0]
    waited = Timing.of([[(1.0, 2.0)]] * 5)
    held_up = Case("g", "one", encode=waited, decode=waited)
    assert "had to wait for the processor" in doubts(quiet, [held_up])[0]
