"""Processes of the contract begin together, tell what they find, and hide no failure."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import pytest

from brinery.backend import Backend
from brinery.backends.directory.backend import DirectoryBackend
from brinery.testing.backend import Opener, body
from brinery.testing.generations import Generations
from brinery.testing.processes import Tell, WorkerProcess, in_processes


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    """Open a directory of the test."""
    return partial(DirectoryBackend, tmp_path / "store", durability="process")


def tell_times(count: int, _: Backend, tell: Tell) -> None:
    """Tell the time, several times."""
    for _number in range(count):
        tell((os.getpid(), time.monotonic()))
        time.sleep(0.3)


def fail(_: Backend, tell: Tell) -> None:
    """Tell something, then fail."""
    tell("still well")
    raise ValueError("a mistake")


def die(_: Backend, __: Tell) -> None:
    """End without a word."""
    os._exit(3)


def tell_and_wait(_: Backend, tell: Tell) -> None:
    """Tell two things, and stand still."""
    tell(1)
    tell(2)
    time.sleep(60)


@pytest.mark.thorough
def test_processes_work_at_the_same_time(opener: Opener) -> None:
    """Each in a process of its own; none begins before all are ready."""
    told = in_processes([opener], [partial(tell_times, 3)] * 4)
    assert [len(each) for each in told] == [3] * 4
    assert len({process for each in told for process, _ in each} | {os.getpid()}) == 5
    assert max(each[0][1] for each in told) < min(each[-1][1] for each in told)


def test_a_failure_is_raised_with_its_traceback(opener: Opener) -> None:
    """The error of the process stands in that of the test."""
    with pytest.raises(AssertionError, match=r"(?s)in fail.*ValueError: a mistake"):
        in_processes([opener], [partial(tell_times, 1), fail])


def test_a_process_that_dies_is_a_failure(opener: Opener) -> None:
    """Its exit code is told."""
    with pytest.raises(AssertionError, match="exit code 3"):
        in_processes([opener], [die])


def test_a_place_that_cannot_be_opened_is_a_failure() -> None:
    """Before anything is done."""
    with pytest.raises(AssertionError, match="InvalidArgumentError"):
        in_processes([partial(DirectoryBackend, "")], [fail])


def test_what_a_killed_process_told_is_not_lost(opener: Opener) -> None:
    """Heard before or not."""
    with WorkerProcess(opener, tell_and_wait) as worker:
        worker.wait_until_ready()
        worker.let_go()
        assert next(worker.told()) == 1
        time.sleep(0.2)
        assert worker.kill() == [2]


# -- generations


def test_a_state_is_known_by_its_number(opener: Opener) -> None:
    """After each commit all records are in its state."""
    generations, backend = Generations(10), opener()
    for number in (0, 1, 7):
        generations.commit(backend, number)
        assert generations.seen(backend) == {number}
    backend.commit([*generations.puts(8)][:4])
    assert generations.seen(backend) == {7, 8}


@pytest.mark.parametrize("at_once", [True, False])
def test_a_commit_that_is_seen_in_part_is_found(opener: Opener, at_once: bool) -> None:
    """Where one state was promised; otherwise whole records will do."""
    generations, backend = Generations(10), opener()
    generations.commit(backend, 2)
    backend.commit([*generations.puts(1)][:1])
    if at_once:
        with pytest.raises(AssertionError, match=r"saw the states \[1, 2\]"):
            generations.watch(backend, 1, 5, at_once=True)
    else:
        assert generations.watch(backend, 1, 5, at_once=False) == 1


def test_a_record_that_is_missing_or_another_is_found(opener: Opener) -> None:
    """A name that is not there, bytes of another name, bytes that were cut off."""
    generations, backend = Generations(3), opener()
    generations.commit(backend, 1)
    first, second, _ = generations.names
    whole = backend.get(second)[0]
    for wrong in (whole[:-1], backend.get(first)[0], b"", body(1)):
        backend.put(second, wrong)
        with pytest.raises(AssertionError, match=second):
            generations.seen(backend)
    backend.delete(second)
    with pytest.raises(AssertionError, match="2 records of 3"):
        generations.seen(backend)


def test_a_state_that_never_comes_is_found(opener: Opener) -> None:
    """A reader does not wait for ever."""
    generations, backend = Generations(3), opener()
    generations.commit(backend, 1)
    with pytest.raises(AssertionError, match="state 2 was not seen"):
        generations.watch(backend, 2, 0.1, at_once=True)
