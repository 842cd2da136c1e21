"""The operations that are measured: each is called in a fresh process, and checks its results.

All take the name of a contender and the directory of its files.  The result has the time of the operation
alone: the library was used once before on a tiny object elsewhere, and the files are open.
"""

from __future__ import annotations

import gc
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.measure import Sample, timed, weighed
from benchmarks.peers.contenders import opened
from benchmarks.peers.jobs import ALONE, CONFIG, RING, check_job, key_of, workflows
from benchmarks.peers.peer import Peer

_MEASURES: Mapping[str, Callable[..., tuple[Any, Sample]]] = {"timed": timed, "weighed": weighed}


@contextmanager
def _ready(name: str, directory: str, array: Any = None) -> Iterator[Peer]:
    """Open a contender that was used before elsewhere; with `array`, for a job that holds this array."""
    with tempfile.TemporaryDirectory(prefix="brinery-bench-") as elsewhere:
        with opened(name, elsewhere) as peer:
            _try_all(peer)
            if array is not None:
                peer.save("big", _holding(peer, array))
        if array is not None:
            with opened(name, elsewhere) as peer:
                assert peer.load("big").number == 0
    with opened(name, directory) as peer:
        gc.collect()
        yield peer


def _try_all(peer: Peer) -> None:
    """Call each method once, so that no later call pays for imports and statements that are made once."""
    peer.save_all({CONFIG: peer.config()})
    assert peer.load(CONFIG).steps == 1000
    peer.save("trial", peer.job(0, CONFIG))
    _update_each(peer, ["trial"])
    peer.delete("trial")
    peer.load_all([CONFIG])
    list(peer.keys())


def save_all(name: str, directory: str, count: int, by: str = "timed") -> Sample:
    """Save all jobs by one call."""
    with _ready(name, directory) as peer:
        config = peer.config()
        objects = {**workflows(peer, count, config=config), CONFIG: config}
        gc.collect()
        _, sample = _MEASURES[by](peer.save_all, objects)
    return sample


def fill(name: str, directory: str, count: int, more: int) -> None:
    """Save more jobs beside the existing ones; not measured."""
    with opened(name, directory) as peer:
        config = peer.load(CONFIG) if peer.links != ALONE else None
        peer.save_all(workflows(peer, more, first=count, config=config))


def load_all(name: str, directory: str, count: int, by: str = "timed") -> Sample:
    """Load all jobs, and compare each."""
    with _ready(name, directory) as peer:
        keys = [key_of(number) for number in range(count)]
        jobs, sample = _MEASURES[by](_touched, peer.load_all, keys)
        for number, job in enumerate(jobs):
            check_job(peer, job, number)
        assert peer.links == ALONE or jobs[0].config is jobs[-1].config
    return sample


def _touched(load: Callable[[Sequence[str]], list[Any]], keys: Sequence[str]) -> list[Any]:
    # ZODB reads an object when its first attribute is asked for.
    jobs = load(keys)
    for job in jobs:
        job.number
    return jobs


def list_keys(name: str, directory: str, count: int) -> Sample:
    """List all keys."""
    with _ready(name, directory) as peer:
        keys, sample = timed(lambda: list(peer.keys()))
        assert sorted(keys) == sorted([CONFIG, *map(key_of, range(count))])
    return sample


def load_some(name: str, directory: str, count: int, few: int) -> Sample:
    """Load some jobs in random order, one by one."""
    numbers = _some(count, few)
    with _ready(name, directory) as peer:
        keys = [key_of(number) for number in numbers]
        jobs, sample = timed(_touched, lambda wanted: [peer.load(key) for key in wanted], keys)
        for number, job in zip(numbers, jobs, strict=True):
            check_job(peer, job, number)
    return sample


def save_some(name: str, directory: str, count: int, few: int) -> Sample:
    """Save some more jobs one by one, each a workflow of its own."""
    with _ready(name, directory) as peer:
        config = peer.load(CONFIG) if peer.links != ALONE else None
        jobs = workflows(peer, few, first=count, ring=1, config=config)
        _, sample = timed(_save_each, peer.save, jobs)
    return sample


def _save_each(save: Callable[[str, Any], None], jobs: Mapping[str, Any]) -> None:
    for key, job in jobs.items():
        save(key, job)


def update_some(name: str, directory: str, count: int, few: int) -> Sample:
    """Load some jobs one by one in random order, change each, save it back."""
    with _ready(name, directory) as peer:
        _, sample = timed(_update_each, peer, [key_of(number) for number in _some(count, few)])
    return sample


def _update_each(peer: Peer, keys: Sequence[str]) -> None:
    for key in keys:
        job = peer.load(key)
        job.state = "done"
        peer.update(key, job)


def delete_some(name: str, directory: str, count: int, few: int) -> Sample:
    """Remove some jobs in random order, one by one; then check the remaining jobs."""
    gone = [key_of(number) for number in _some(count, few, upper=True)]
    with _ready(name, directory) as peer:
        _, sample = timed(lambda: [peer.delete(key) for key in gone])
    return sample


def check_changes(name: str, directory: str, count: int, saved: int, changed: int) -> None:
    """Raise `AssertionError` unless the jobs are as the operations before have left them."""
    gone = {key_of(number) for number in _some(count, changed, upper=True)}
    with opened(name, directory) as peer:
        expected = {CONFIG, *map(key_of, range(count + saved))} - gone
        assert set(map(str, peer.keys())) == expected
        for number in _some(count, changed):
            check_job(peer, peer.load(key_of(number)), number, state="done")
        for number in range(count, count + saved):
            check_job(peer, peer.load(key_of(number)), number, ring=1)


def _some(count: int, few: int, *, upper: bool = False) -> list[int]:
    """Return numbers in random order, always the same; with `upper` from other workflows."""
    half = count // RING // 2 * RING
    numbers = range(half, count) if upper else range(half)
    return random.Random(few).sample(numbers, few)


def save_big(
    name: str, directory: str, megabytes: int, by: str = "timed", kind: str = "random"
) -> Sample:
    """Save a job that holds an array."""
    with _ready(name, directory, _array(1, kind)) as peer:
        job = _holding(peer, _array(megabytes, kind))
        _, sample = _MEASURES[by](peer.save, "big", job)
    return sample


def load_big(
    name: str, directory: str, megabytes: int, by: str = "timed", kind: str = "random"
) -> Sample:
    """Load a job that holds an array, and compare."""
    import numpy

    with _ready(name, directory, _array(1, kind)) as peer:
        (job,), sample = _MEASURES[by](
            _touched, lambda keys: [peer.load(key) for key in keys], ["big"]
        )
        assert numpy.array_equal(job.arguments["array"], _array(megabytes, kind))
    return sample


def _holding(peer: Peer, array: Any) -> Any:
    job = peer.job(0, CONFIG)
    job.arguments = {"array": array}
    return job


def _array(megabytes: int, kind: str) -> Any:
    """Return an array of random numbers, or a "counted" one of small integers, which can be compressed."""
    import numpy

    source, size = numpy.random.default_rng(1), megabytes * 125_000
    return source.random(size) if kind == "random" else source.integers(0, 100, size).astype("f8")
