"""The part of the contract of backends that takes several threads or processes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import ClassVar, TypeVar

import pytest  # noqa: TID253 - only those who test import this module

from brinery.backend import ABSENT, Backend, Conflict, Put
from brinery.record import MAGIC
from brinery.testing.generations import Generations, commit_all, commit_for_ever, commit_halfway
from brinery.testing.processes import LIMIT, Opener, Tell, WorkerProcess, in_processes
from brinery.testing.records import body

T = TypeVar("T")


class ConcurrencyContract:
    """What backends do for several threads and, where `opener` gives them one, processes."""

    thread_count: ClassVar[int] = 8
    increment_count: ClassVar[int] = 50
    """Increments of one counter that each thread makes."""
    process_count: ClassVar[int] = 8
    process_increment_count: ClassVar[int] = 100
    """Increments of one counter that each process makes."""
    generation_size: ClassVar[int] = 200
    """Records in a commit that others watch, or that is cut off."""
    generation_count: ClassVar[int] = 10
    """Such commits that readers watch."""
    kill_count: ClassVar[int] = 4
    """Writers that are killed."""

    @pytest.fixture
    def opener(self) -> Opener | None:
        """Give a function that opens one place, empty at first, as often as it is called.

        Other processes call it, too: it must be one that pickle takes, such as a class or function of
        a module, or a `functools.partial` of one.  None where a place cannot be opened twice.
        """
        return None

    @pytest.fixture
    def backend(self, opener: Opener | None) -> Iterator[Backend]:
        """Give an empty backend and close it: that of the opener."""
        if opener is None:
            raise NotImplementedError("give a fixture `opener`, or `backend` with an empty backend")
        with closing(opener()) as backend:
            yield backend

    @pytest.fixture
    def anywhere(self, opener: Opener | None) -> Opener:
        """Give the opener, or skip the test."""
        if opener is None:
            pytest.skip("this backend cannot be opened again: its test class has no `opener`")
        return opener

    # -- threads

    def test_of_many_threads_that_create_a_name_one_wins(self, backend: Backend) -> None:
        """Exactly one put that expects absence succeeds, and its bytes are those that stay."""
        for turn in range(5):
            name = f"Task.{turn}"
            won = self._in_threads(partial(creates, backend, name))
            assert won.count(True) == 1
            assert backend.get(name)[0] == body(won.index(True))

    def test_no_increment_of_threads_is_lost(self, backend: Backend) -> None:
        """A counter that threads increase by compare-and-swap counts every increase."""
        backend.put("Counter.1", b"0" + MAGIC)
        self._in_threads(lambda _: increase(backend, "Counter.1", self.increment_count))
        total = self.thread_count * self.increment_count
        assert backend.get("Counter.1")[0] == str(total).encode() + MAGIC

    def test_readers_see_whole_records_while_a_thread_writes(self, backend: Backend) -> None:
        """What is being replaced is read as it was or as it will be; with `snapshot_reads`, all of it."""
        generations = Generations(self.generation_size // 4)  # two threads hinder each other
        generations.commit(backend, 0)
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(commit_all, generations, self.generation_count, backend, None)
            try:
                self._watch(generations, backend, lambda _: None)
            finally:
                writing.result()
        assert sorted(backend.list()) == generations.names

    # -- processes

    def test_of_many_processes_that_create_a_name_one_wins(
        self, backend: Backend, anywhere: Opener
    ) -> None:
        """Exactly one put that expects absence succeeds, and its bytes are those that stay."""
        names = [f"Task.{turn}" for turn in range(20)]
        works = [partial(create_each, names, index) for index in range(self.process_count)]
        won = in_processes([anywhere], works)
        assert sorted(name for each in won for name in each) == sorted(names)
        for index, each in enumerate(won):
            for name in each:
                assert backend.get(name)[0] == body(index)

    def test_of_many_processes_that_create_a_graph_one_wins(
        self, backend: Backend, anywhere: Opener
    ) -> None:
        """Of commits of the same new names, each in an order of its own, one succeeds, and wholly."""
        graphs = [[f"Task{turn}.{number}" for number in range(20)] for turn in range(5)]
        works = [partial(create_graphs, graphs, index) for index in range(self.process_count)]
        won = in_processes([anywhere], works)
        for turn, names in enumerate(graphs):
            (winner,) = [index for index, each in enumerate(won) if turn in each]
            held = {name: data for name, data, _ in backend.get_many(names)}
            assert held == dict.fromkeys(names, body(winner))

    def test_no_increment_of_processes_is_lost(self, backend: Backend, anywhere: Opener) -> None:
        """A counter that processes increase by compare-and-swap counts every increase."""
        backend.put("Counter.1", b"0" + MAGIC)
        work = partial(increase_one, "Counter.1", self.process_increment_count)
        in_processes([anywhere], [work] * self.process_count)
        total = self.process_count * self.process_increment_count
        assert backend.get("Counter.1")[0] == str(total).encode() + MAGIC

    def test_no_transfer_of_processes_is_lost(self, backend: Backend, anywhere: Opener) -> None:
        """Commits of two records that expect both versions keep their sum, in whatever order they go."""
        names = [f"Account.{number}" for number in range(3)]
        backend.commit(Put(name, (b"0" + MAGIC,)) for name in names)
        times = max(1, self.process_increment_count // 4)
        works = [partial(transfer, names, index, times) for index in range(self.process_count)]
        in_processes([anywhere], works)
        expected = Counter[str]()
        for index in range(self.process_count):
            source, target = pair(names, index)
            expected.update({source: -times, target: times})
        assert {name: number_in(data) for name, data, _ in backend.get_many(names)} == expected

    def test_readers_see_whole_records_while_a_process_commits(
        self, backend: Backend, anywhere: Opener
    ) -> None:
        """What is being replaced is read as it was or as it will be; with `snapshot_reads`, all of it."""
        generations = Generations(self.generation_size)
        generations.commit(backend, 0)
        write = partial(commit_all, generations, self.generation_count)
        in_processes([anywhere], [write, *[partial(self._watch, generations)] * 2])
        assert generations.seen(backend) == {self.generation_count}

    def test_a_killed_writer_leaves_whole_records_and_nobody_blocked(
        self, backend: Backend, anywhere: Opener
    ) -> None:
        """After SIGKILL in a commit each record is the old or the new one; with `atomic_batch`, all are."""
        generations = Generations(self.generation_size)
        number = 0
        for turn in range(self.kill_count):
            with WorkerProcess(
                anywhere, partial(commit_for_ever, generations, number + 1)
            ) as writer:
                writer.wait_until_ready()
                writer.let_go()
                number = next(writer.told())
                time.sleep(0.007 * turn)
                number = max([number, *writer.kill()])
            seen = generations.seen(backend)
            assert seen <= {number, number + 1}
            assert len(seen) == 1 or not backend.capabilities.atomic_batch
            number += 2
            generations.commit(backend, number)
            assert generations.seen(backend) == {number}

    def test_a_writer_killed_before_the_end_of_its_puts_leaves_nothing(
        self, backend: Backend, anywhere: Opener
    ) -> None:
        """Until then it is in nobody's way, and nobody sees anything of it; nor afterwards."""
        generations = Generations(20)
        generations.commit(backend, 1)
        with WorkerProcess(anywhere, partial(commit_halfway, generations, 2)) as writer:
            writer.wait_until_ready()
            writer.let_go()
            assert next(writer.told()) == 10
            assert generations.seen(backend) == {1}
            generations.commit(backend, 3)
            writer.kill()
        assert generations.seen(backend) == {3}
        assert sorted(backend.list()) == generations.names
        generations.commit(backend, 4)
        assert generations.seen(backend) == {4}

    def test_an_abandoned_reading_blocks_nobody(self, backend: Backend, anywhere: Opener) -> None:
        """Whoever stops reading in the middle holds no lock, whether it lives on or is killed."""
        generations = Generations(self.generation_size)
        generations.commit(backend, 1)
        with WorkerProcess(anywhere, partial(read_halfway, generations)) as reader:
            reader.wait_until_ready()
            reader.let_go()
            assert next(reader.told()) == 1
            generations.commit(backend, 2)
            backend.delete(generations.names[0])
            generations.commit(backend, 3)
            reader.kill()
        generations.commit(backend, 4)
        assert generations.seen(backend) == {4}

    # -- what the tests share

    def _watch(self, generations: Generations, backend: Backend, tell: Tell) -> None:
        at_once = backend.capabilities.snapshot_reads
        tell(generations.watch(backend, self.generation_count, LIMIT, at_once=at_once))

    def _in_threads(self, work: Callable[[int], T]) -> Sequence[T]:
        start = threading.Barrier(self.thread_count)

        def run(index: int) -> T:
            start.wait()
            return work(index)

        with ThreadPoolExecutor(self.thread_count) as pool:
            return [*pool.map(run, range(self.thread_count))]


# -- what threads and processes do


def creates(backend: Backend, name: str, index: int) -> bool:
    """Create a name; tell whether it was not there."""
    try:
        backend.put(name, body(index), ABSENT)
    except Conflict:
        return False
    return True


def create_each(names: Sequence[str], index: int, backend: Backend, tell: Tell) -> None:
    """Create one name after the other, and tell those that were not there."""
    for name in names:
        if creates(backend, name, index):
            tell(name)


def create_graphs(
    graphs: Sequence[Sequence[str]], index: int, backend: Backend, tell: Tell
) -> None:
    """Create all names of a graph in one commit, for each graph; tell those that were not there.

    The order of the names depends on `index`.
    """
    for turn, names in enumerate(graphs):
        turned = [*names[index:], *names[:index]][:: -1 if index % 2 else 1]
        try:
            backend.commit(Put(name, (body(index),), ABSENT) for name in turned)
        except Conflict:
            continue
        tell(turn)


def increase(backend: Backend, name: str, times: int) -> None:
    """Increase the number in a record by one, `times` times, by compare-and-swap.

    A number alone would be too short a version for two states to differ in: it ends in MAGIC, as
    records do.
    """
    for _ in range(times):
        while True:
            data, version = backend.get(name)
            try:
                backend.put(name, number_record(number_in(data) + 1), version)
                break
            except Conflict:
                continue


def increase_one(name: str, times: int, backend: Backend, _: Tell) -> None:
    """Do as `increase` does."""
    increase(backend, name, times)


def transfer(names: Sequence[str], index: int, times: int, backend: Backend, tell: Tell) -> None:
    """Take 1 from one record and give it to another, `times` times, by compare-and-swap of both."""
    source, target = pair(names, index)
    for _ in range(times):
        while True:
            held = {
                name: (data, version) for name, data, version in backend.get_many([source, target])
            }
            puts = [
                Put(name, (number_record(number_in(held[name][0]) + step),), held[name][1])
                for name, step in ((source, -1), (target, 1))
            ]
            try:
                backend.commit(puts)
                break
            except Conflict:
                continue
    tell(index)


def read_halfway(generations: Generations, backend: Backend, tell: Tell) -> None:
    """Begin to read all records, tell so after the first, and stand still."""
    reading = backend.get_many(generations.names)
    next(reading)
    listing = backend.list()
    next(listing)
    tell(1)
    time.sleep(3600)


def pair(names: Sequence[str], index: int) -> tuple[str, str]:
    """Return two of three names, all ordered pairs in turn."""
    return names[index % 3], names[(index + 1 + index // 3 % 2) % 3]


def number_record(number: int) -> bytes:
    """Return a record that holds a number."""
    return str(number).encode() + MAGIC


def number_in(data: bytes) -> int:
    """Return the number in such a record."""
    return int(data.removesuffix(MAGIC))
